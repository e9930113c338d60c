//! The room against small fake providers on loopback: good, refusing, slow, lying, gone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::digest::{hex, hmac_sha256};
use super::settings::ProviderSettings;
use super::{
    CaptchaAccount, CaptchaVerdict, ProviderClient, ProviderError, SmsAccount, TenantProviders,
    WechatApp,
};
use crate::clock::{Clock, Timestamp};
use crate::domain::phone_number::PhoneNumber;
use crate::telemetry::metrics::Metrics;

const SECRET: &str = "needle-of-the-app";
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TIMEOUT_MS: u64 = 400;

/// What a fake answers.
#[derive(Clone)]
enum Reply {
    Json(Value),
    /// Status line's rest, further fields, body.
    Raw(&'static str, &'static str, &'static str),
    /// Nothing, for ever.
    Silence,
    /// The head of a good answer, then a byte now and then.
    Drip,
    /// 100 MB, without a length.
    Flood,
}

/// A provider: answers each request by its path and keeps what it was sent.
struct Fake {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    /// Bytes of floods that somebody took.
    taken: Arc<Mutex<usize>>,
    reply: Arc<Mutex<Vec<(&'static str, Reply)>>>,
}

impl Fake {
    async fn start(replies: &[(&'static str, Reply)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            taken: Arc::default(),
            reply: Arc::new(Mutex::new(replies.to_vec())),
        };
        let (requests, taken) = (fake.requests.clone(), fake.taken.clone());
        let replies = fake.reply.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (requests, taken) = (requests.clone(), taken.clone());
                let replies = replies.clone();
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    let path = request.split(' ').nth(1).unwrap().to_owned();
                    requests.lock().unwrap().push(request);
                    let found = reply_to(&path, &replies);
                    answer(&mut stream, found, &taken).await;
                });
            }
        });
        fake
    }

    fn answers(&self, reply: Reply) {
        *self.reply.lock().unwrap() = vec![("/", reply)];
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn reply_to(path: &str, replies: &Mutex<Vec<(&'static str, Reply)>>) -> Reply {
    let replies = replies.lock().unwrap();
    let found = replies.iter().find(|(prefix, _)| path.starts_with(prefix));
    found.unwrap().1.clone()
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        read.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let expected = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= expected {
                return text;
            }
        }
        assert!(length > 0, "an unfinished request: {text}");
    }
}

async fn answer(stream: &mut TcpStream, reply: Reply, taken: &Mutex<usize>) {
    let (status, fields, body) = match reply {
        Reply::Json(body) => ("200 OK", "", body.to_string()),
        Reply::Raw(status, fields, body) => (status, fields, body.to_owned()),
        Reply::Silence => return std::future::pending().await,
        Reply::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return;
        }
        Reply::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            for _ in 0..1600 {
                if stream.write_all(&[b' '; 65_536]).await.is_err() {
                    return;
                }
                *taken.lock().unwrap() += 65_536;
            }
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

fn settings(url: &str) -> ProviderSettings {
    serde_json::from_value(json!({
        "wechat_api_url": url, "wechat_open_url": "https://open.weixin.qq.com", "tencent_sms_url": url,
        "tencent_captcha_url": url, "aliyun_sms_url": url, "turnstile_url": format!("{url}/turnstile"),
        "hcaptcha_url": format!("{url}/hcaptcha"), "timeout_ms": TIMEOUT_MS, "connect_timeout_ms": 200,
        "max_answer_bytes": 65536, "in_flight": 2, "breaker_failures": 3, "breaker_open_ms": 200,
        "sms_gateways": {"main": {"url": format!("{url}/gateway")}},
    }))
    .unwrap()
}

fn client(url: &str, metrics: &Metrics) -> ProviderClient {
    let now = Timestamp::from_millis(1_551_113_065_000);
    ProviderClient::new(settings(url), Clock::fixed(now), metrics.clone()).unwrap()
}

fn tenant(url: &str) -> TenantProviders {
    client(url, &Metrics::new(0).unwrap()).for_tenant()
}

fn app() -> WechatApp {
    WechatApp {
        app_id: "wx0123456789abcdef".into(),
        secret: SECRET.into(),
    }
}

fn phone() -> PhoneNumber {
    PhoneNumber::from_e164("+8613800138000").unwrap()
}

fn gateway() -> SmsAccount {
    SmsAccount::Gateway {
        name: "main".into(),
        key_id: "key-1".into(),
        key: SECRET.into(),
    }
}

fn tencent() -> SmsAccount {
    SmsAccount::Tencent {
        secret_id: "id".into(),
        secret_key: SECRET.into(),
        sdk_app_id: "1400006666".into(),
        sign_name: "enroll".into(),
        template_id: "449739".into(),
        region: "ap-guangzhou".into(),
    }
}

fn aliyun() -> SmsAccount {
    SmsAccount::Aliyun {
        access_key_id: "id".into(),
        access_key_secret: SECRET.into(),
        sign_name: "enroll".into(),
        template_code: "SMS_1".into(),
    }
}

fn session() -> Reply {
    Reply::Json(json!({
        "openid": "oABC", "session_key": "tiihtNczf5v6AKRyjwEUhQ==", "unionid": "uABC", "errcode": "0"
    }))
}

/// The lines of a metric that are not zero, without the common prefix.
fn counted(metrics: &Metrics, name: &str) -> BTreeMap<String, String> {
    let text = metrics.encode().unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(_, value)| *value != "0")
        .map(|(labels, value)| (labels.to_owned(), value.to_owned()))
        .collect()
}

fn refused(code: &str, message: &str) -> ProviderError {
    ProviderError::Refused {
        code: code.into(),
        message: message.into(),
    }
}

#[tokio::test]
async fn a_wechat_user_is_read_with_what_it_shows() {
    let token = json!({"access_token": "at", "openid": "oABC", "unionid": "uABC"});
    let user = json!({
        "openid": "oABC", "nickname": "Ada\u{0}", "sex": "2", "city": 5, "country": "CN",
        "headimgurl": "https://thirdwx.qlogo.cn/x/132"
    });
    let fake = Fake::start(&[
        ("/sns/oauth2/access_token?", Reply::Json(token)),
        ("/sns/userinfo?", Reply::Json(user)),
    ])
    .await;
    let user = tenant(&fake.url).wechat_user(&app(), "c&d").await.unwrap();
    assert_eq!(user.app_id, app().app_id);
    assert_eq!(user.open_id, "oABC");
    assert_eq!(user.union_id.as_deref(), Some("uABC"));
    assert_eq!(user.profile.nickname, "Ada");
    assert_eq!((user.profile.sex, user.profile.city.as_str()), (2, ""));
    assert_eq!(user.profile.avatar_url, "https://thirdwx.qlogo.cn/x/132");
    let requests = fake.requests();
    let asked: Vec<_> = requests
        .iter()
        .filter_map(|one| one.lines().next())
        .collect();
    assert_eq!(
        asked,
        [
            "GET /sns/oauth2/access_token?appid=wx0123456789abcdef&secret=needle-of-the-app&code=c%26d&\
             grant_type=authorization_code HTTP/1.1",
            "GET /sns/userinfo?access_token=at&openid=oABC&lang=zh_CN HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn a_mini_programs_session_is_read() {
    let fake = Fake::start(&[("/sns/jscode2session?", session())]).await;
    let session = tenant(&fake.url)
        .code_to_session(&app(), "js")
        .await
        .unwrap();
    assert_eq!(session.open_id, "oABC");
    assert_eq!(session.union_id.as_deref(), Some("uABC"));
    assert!(!format!("{session:?}").contains("tiihtNczf5v6AKRyjwEUhQ"));
}

#[test]
fn browsers_are_sent_to_wechats_own_pages() {
    let client = client("http://127.0.0.1:9", &Metrics::new(0).unwrap());
    let address =
        client
            .for_tenant()
            .authorize_url(&app(), false, "https://a.example/x?sessionId=1", "st");
    assert_eq!(
        address,
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef&\
         redirect_uri=https%3A%2F%2Fa.example%2Fx%3FsessionId%3D1&response_type=code&scope=snsapi_userinfo&\
         state=st#wechat_redirect"
    );
    let address = client
        .for_tenant()
        .authorize_url(&app(), true, "https://a.example/", "st");
    assert!(address.starts_with("https://open.weixin.qq.com/connect/qrconnect?"));
    assert!(address.contains("&scope=snsapi_login&"));
}

#[tokio::test]
async fn an_errcode_is_a_refusal_and_leaves_the_breaker_alone() {
    let fake = Fake::start(&[]).await;
    let providers = tenant(&fake.url);
    let ask = async |errcode: Value, message: &str| {
        fake.answers(Reply::Json(json!({"errcode": errcode, "errmsg": message})));
        providers.code_to_session(&app(), "js").await.unwrap_err()
    };
    for (code, message, kept) in [
        (40029, "invalid code, rid: 5f2b-1", "invalid code"),
        (
            40163,
            "code been used, hints: [ req_id: 1 ]",
            "code been used",
        ),
        (
            40226,
            "code \u{7}blocked hints: [ req_id: 1 ]",
            "code blocked",
        ),
        (41008, "rid: 1", ""),
    ] {
        let expected = refused(&code.to_string(), kept);
        assert_eq!(ask(json!(code), message).await, expected);
        assert_eq!(ask(json!(code.to_string()), message).await, expected);
    }
    let ProviderError::Refused { message, .. } = ask(json!(1), &"x".repeat(999)).await else {
        panic!("not refused");
    };
    assert_eq!(message.len(), 200);
    assert_eq!(ask(json!(45011), "").await, ProviderError::Overloaded);
    // Eleven refusals later, one that is none.
    assert_eq!(
        ask(json!(-1), "system error").await,
        ProviderError::Unavailable
    );
    fake.answers(session());
    assert!(providers.code_to_session(&app(), "js").await.is_ok());
}

#[tokio::test]
async fn what_no_provider_gave_is_refused_without_asking() {
    let fake = Fake::start(&[]).await;
    let providers = tenant(&fake.url);
    for code in ["", "a b", "a\n", "\u{5149}", &"x".repeat(129)] {
        let invalid = refused("40029", "invalid code");
        let outcome = providers.code_to_session(&app(), code).await;
        assert_eq!(outcome.unwrap_err(), invalid);
        let outcome = providers.wechat_user(&app(), code).await;
        assert_eq!(outcome.unwrap_err(), invalid);
    }
    let account = CaptchaAccount::Turnstile {
        secret: SECRET.into(),
    };
    let long = "x".repeat(8193);
    for (ticket, rand_str) in [("", ""), (long.as_str(), ""), ("t", &long)] {
        let verdict = providers.check_captcha(&account, ticket, rand_str, NOBODY);
        assert_eq!(verdict.await, Ok(CaptchaVerdict::Failed(None)));
    }
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_that_lies_is_unavailable() {
    let fake = Fake::start(&[]).await;
    let redirect = Reply::Raw("302 Found", "location: /sns/elsewhere\r\n", "");
    let ok = |body| Reply::Raw("200 OK", "", body);
    let replies = [
        redirect,
        ok("<html>"),
        ok(""),
        ok("[]"),
        ok("{"),
        ok(r#"{"errcode":"x"}"#),
        ok(r#"{"errcode":null}"#),
        ok(r#"{"openid":"o"}"#),
        ok(r#"{"openid":"o","session_key":"AAAA"}"#),
        ok(r#"{"openid":["o"],"session_key":"tiihtNczf5v6AKRyjwEUhQ=="}"#),
        ok(r#"{"openid":"o\n","session_key":"tiihtNczf5v6AKRyjwEUhQ=="}"#),
        Reply::Json(json!({"openid": "o".repeat(129), "session_key": "tiihtNczf5v6AKRyjwEUhQ=="})),
        Reply::Raw("500 Internal Server Error", "", r#"{"openid":"o"}"#),
        Reply::Raw("404 Not Found", "", ""),
        Reply::Raw("nonsense", "", ""),
    ];
    for (at, reply) in replies.into_iter().enumerate() {
        fake.answers(reply);
        let outcome = tenant(&fake.url).code_to_session(&app(), "js").await;
        assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable, "{at}");
        assert_eq!(fake.requests().len(), at + 1, "tried twice, or followed");
    }
    // A user other than the one whose code it was.
    let other = json!({"access_token": "at", "openid": "oDEF"});
    let token = json!({"access_token": "at", "openid": "oABC"});
    let fake = Fake::start(&[
        ("/sns/oauth2/access_token?", Reply::Json(token)),
        ("/sns/userinfo?", Reply::Json(other)),
    ])
    .await;
    let outcome = tenant(&fake.url).wechat_user(&app(), "c").await;
    assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
}

#[tokio::test]
async fn a_slow_or_absent_provider_is_given_up_in_time() {
    let fake = Fake::start(&[]).await;
    for reply in [Reply::Silence, Reply::Drip] {
        fake.answers(reply);
        let started = Clock::system().monotonic();
        let outcome = tenant(&fake.url).code_to_session(&app(), "js").await;
        assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
        let waited = started.elapsed();
        assert!(
            waited >= Duration::from_millis(TIMEOUT_MS - 50),
            "{waited:?}"
        );
        assert!(waited < Duration::from_millis(TIMEOUT_MS * 4), "{waited:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = tenant(&nobody).code_to_session(&app(), "js").await;
    assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
}

/// TLS is set up from what the build holds, and what does not speak it is not believed.
#[tokio::test]
async fn a_server_without_tls_is_not_believed_to_have_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let answered = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let _ = stream.write_all(answer).await;
        hello
    });
    let outcome = tenant(&url).code_to_session(&app(), "js").await;
    assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
    // A TLS record that holds a handshake (RFC 8446, section 5.1).
    assert_eq!(answered.await.unwrap(), [0x16, 0x03, 0x01]);
}

/// An operation of two calls has the time of one.
#[tokio::test]
async fn two_calls_share_one_deadline() {
    let token = json!({"access_token": "at", "openid": "oABC"});
    let fake = Fake::start(&[
        ("/sns/oauth2/access_token?", Reply::Json(token)),
        ("/sns/userinfo?", Reply::Silence),
    ])
    .await;
    let outcome = tenant(&fake.url).wechat_user(&app(), "c").await;
    assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn an_endless_answer_is_not_kept() {
    let fake = Fake::start(&[("/", Reply::Flood)]).await;
    let outcome = tenant(&fake.url).code_to_session(&app(), "js").await;
    assert_eq!(outcome.unwrap_err(), ProviderError::Unavailable);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // What lies in the sockets' buffers was sent; the rest found nobody.
    let taken = *fake.taken.lock().unwrap();
    assert!(taken < 50_000_000, "{taken}");
}

#[tokio::test]
async fn a_breaker_opens_for_its_tenant_and_lets_one_try() {
    let fake = Fake::start(&[("/", Reply::Raw("500 Oops", "", ""))]).await;
    let metrics = Metrics::new(0).unwrap();
    let client = client(&fake.url, &metrics);
    let (ours, neighbour) = (client.for_tenant(), client.for_tenant());
    let ask = async |who: &TenantProviders| who.code_to_session(&app(), "js").await.map(drop);
    let open = || counted(&metrics, "enroll_provider_breakers_open");
    for _ in 0..3 {
        assert_eq!(ask(&ours).await, Err(ProviderError::Unavailable));
    }
    assert_eq!(open()["{provider=\"wechat\"}"], "1");
    assert_eq!(ask(&ours).await, Err(ProviderError::Unavailable));
    assert_eq!(fake.requests().len(), 3, "an open breaker asks nobody");
    // Another tenant, and another provider of this one, are asked.
    let _ = ask(&neighbour).await;
    let _ = ours.send_sms(&gateway(), &phone(), "123456", 5).await;
    assert_eq!(fake.requests().len(), 5);

    tokio::time::sleep(Duration::from_millis(250)).await;
    // One tries, in vain; the others are not let through meanwhile or after.
    fake.answers(Reply::Silence);
    let (tried, (early, ())) = tokio::join!(ask(&ours), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (ask(&ours).await, fake.answers(session()))
    });
    assert_eq!(tried, Err(ProviderError::Unavailable));
    assert_eq!(early, Err(ProviderError::Unavailable));
    assert_eq!(ask(&ours).await, Err(ProviderError::Unavailable));
    assert_eq!(fake.requests().len(), 6);

    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(ask(&ours).await, Ok(()));
    assert_eq!(ask(&ours).await, Ok(()));
    assert_eq!(open(), BTreeMap::new());
    let calls = counted(&metrics, "enroll_provider_calls_total");
    assert_eq!(calls["{outcome=\"breaker_open\",provider=\"wechat\"}"], "3");
    assert_eq!(calls["{outcome=\"unavailable\",provider=\"wechat\"}"], "5");
    assert_eq!(calls["{outcome=\"ok\",provider=\"wechat\"}"], "2");
    let seconds = counted(&metrics, "enroll_provider_seconds_count");
    assert_eq!(seconds["{provider=\"wechat\"}"], "7");
}

#[tokio::test]
async fn a_tenant_that_ends_leaves_no_open_breaker() {
    let fake = Fake::start(&[("/", Reply::Raw("500 Oops", "", ""))]).await;
    let metrics = Metrics::new(0).unwrap();
    let providers = client(&fake.url, &metrics).for_tenant();
    for _ in 0..3 {
        let _ = providers.code_to_session(&app(), "js").await;
    }
    let open = || counted(&metrics, "enroll_provider_breakers_open");
    assert_eq!(open()["{provider=\"wechat\"}"], "1");
    drop(providers);
    assert_eq!(open(), BTreeMap::new());
}

#[tokio::test]
async fn a_bulkhead_refuses_at_once_and_a_dropped_call_gives_its_place_back() {
    let fake = Fake::start(&[("/", Reply::Silence)]).await;
    let providers = tenant(&fake.url);
    let app = app();
    let mut first = Box::pin(providers.code_to_session(&app, "1"));
    let mut second = Box::pin(providers.code_to_session(&app, "2"));
    let soon = Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, &mut first).await.is_err());
    assert!(tokio::time::timeout(soon, &mut second).await.is_err());
    let third = providers.code_to_session(&app, "3").await;
    assert_eq!(third.unwrap_err(), ProviderError::Overloaded);
    drop((first, second));
    fake.answers(session());
    assert!(providers.code_to_session(&app, "4").await.is_ok());
}

#[tokio::test]
async fn a_tenants_own_bound_holds_within_the_servers_and_counts_what_is_under_way() {
    let fake = Fake::start(&[("/", Reply::Silence)]).await;
    let providers = tenant(&fake.url);
    let app = app();
    let seen = |providers: &TenantProviders| {
        let resources = providers.resources();
        let one = resources.first().unwrap();
        assert_eq!((one.name.as_str(), resources.len()), ("provider.wechat", 1));
        (one.in_use, one.bound, one.refused.lately)
    };
    assert!(providers.resources().is_empty(), "nobody asked yet");
    let soon = Duration::from_millis(20);
    let mut first = Box::pin(providers.code_to_session(&app, "1"));
    let mut second = Box::pin(providers.code_to_session(&app, "2"));
    assert!(tokio::time::timeout(soon, &mut first).await.is_err());
    assert!(tokio::time::timeout(soon, &mut second).await.is_err());
    assert_eq!(seen(&providers), (Some(2), Some(2), 0));
    providers.set_bound(NonZeroU32::new(1));
    assert_eq!(seen(&providers), (Some(2), Some(1), 0));
    drop(first);
    let refused = providers.code_to_session(&app, "3").await;
    assert_eq!(refused.unwrap_err(), ProviderError::Overloaded);
    assert_eq!(seen(&providers), (Some(1), Some(1), 1));
    assert_eq!(second.await.unwrap_err(), ProviderError::Unavailable);
    assert_eq!(seen(&providers), (Some(0), Some(1), 2));
    providers.set_bound(NonZeroU32::new(9));
    assert_eq!(seen(&providers).1, Some(2), "the server's own");
    providers.set_bound(None);
    assert_eq!(seen(&providers).1, Some(2));
}

#[tokio::test]
async fn a_trial_that_is_dropped_is_left_to_the_next_call() {
    let fake = Fake::start(&[("/", Reply::Raw("500 Oops", "", ""))]).await;
    let providers = tenant(&fake.url);
    let app = app();
    for _ in 0..3 {
        let _ = providers.code_to_session(&app, "js").await;
    }
    tokio::time::sleep(Duration::from_millis(250)).await;
    fake.answers(Reply::Silence);
    let trial = providers.code_to_session(&app, "js");
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, trial).await.is_err());
    assert_eq!(fake.requests().len(), 4);
    fake.answers(session());
    assert!(providers.code_to_session(&app, "js").await.is_ok());
}

#[tokio::test]
async fn tencent_sends_or_says_why_not() {
    let fake = Fake::start(&[]).await;
    let providers = tenant(&fake.url);
    let account = tencent();
    let number = phone();
    let send = async |response: Value| {
        fake.answers(Reply::Json(json!({"Response": response})));
        providers.send_sms(&account, &number, "123456", 5).await
    };
    let status = |code: &str| json!({"SendStatusSet": [{"Code": code, "Message": "why"}]});
    assert_eq!(send(status("Ok")).await, Ok(()));
    let limit = "LimitExceeded.PhoneNumberDailyLimit";
    assert_eq!(send(status(limit)).await, Err(refused(limit, "why")));
    let error = |code: &str| json!({"Error": {"Code": code, "Message": "why"}});
    let key = "AuthFailure.SecretIdNotFound";
    assert_eq!(send(error(key)).await, Err(refused(key, "why")));
    let many = send(error("RequestLimitExceeded")).await;
    assert_eq!(many, Err(ProviderError::Overloaded));
    for broken in [
        error("InternalError"),
        json!({}),
        json!({"Error": 1}),
        json!(1),
    ] {
        let outcome = tenant(&fake.url);
        fake.answers(Reply::Json(json!({"Response": broken})));
        let outcome = outcome.send_sms(&tencent(), &number, "123456", 5).await;
        assert_eq!(outcome, Err(ProviderError::Unavailable));
    }
    let request = fake.requests().swap_remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let sent: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        sent,
        json!({
            "PhoneNumberSet": ["+8613800138000"], "SmsSdkAppId": "1400006666", "SignName": "enroll",
            "TemplateId": "449739", "TemplateParamSet": ["123456", "5"]
        })
    );
    let host = fake.url.strip_prefix("http://").unwrap();
    for field in [
        "POST / HTTP/1.1",
        "x-tc-action: SendSms",
        "x-tc-version: 2021-01-11",
        "x-tc-region: ap-guangzhou",
        "x-tc-timestamp: 1551113065",
        "content-type: application/json; charset=utf-8",
        &format!("host: {host}"),
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {head}");
    }
    assert!(head.contains("Credential=id/2019-02-25/sms/tc3_request"));
    assert!(!request.contains(SECRET));
}

#[tokio::test]
async fn aliyun_sends_or_says_why_not() {
    let fake = Fake::start(&[("/", Reply::Json(json!({"Code": "OK"})))]).await;
    let providers = tenant(&fake.url);
    let account = aliyun();
    let number = phone();
    let send = async || providers.send_sms(&account, &number, "123456", 5).await;
    assert_eq!(send().await, Ok(()));
    let limit = "isv.BUSINESS_LIMIT_CONTROL";
    fake.answers(Reply::Json(json!({"Code": limit, "Message": "why"})));
    assert_eq!(send().await, Err(refused(limit, "why")));
    let missing = r#"{"Code":"InvalidAccessKeyId.NotFound","Message":"why"}"#;
    fake.answers(Reply::Raw("404 Not Found", "", missing));
    assert_eq!(
        send().await,
        Err(refused("InvalidAccessKeyId.NotFound", "why"))
    );
    fake.answers(Reply::Raw("400 Bad", "", r#"{"Code":"Throttling.User"}"#));
    assert_eq!(send().await, Err(ProviderError::Overloaded));
    for reply in [
        Reply::Raw("400 Bad", "", "<html>"),
        Reply::Raw("400 Bad", "", r#"{"Code":"OK"}"#),
        Reply::Raw("503 Busy", "", missing),
    ] {
        fake.answers(reply);
        let outcome = tenant(&fake.url).send_sms(&aliyun(), &number, "1", 5).await;
        assert_eq!(outcome, Err(ProviderError::Unavailable));
    }
    let request = fake.requests().swap_remove(0);
    let line = request.lines().next().unwrap();
    assert_eq!(
        line,
        "POST /?PhoneNumbers=8613800138000&SignName=enroll&TemplateCode=SMS_1&TemplateParam=\
         %7B%22code%22%3A%22123456%22%2C%22minutes%22%3A%225%22%7D HTTP/1.1"
    );
    let hosts = request.lines().filter(|line| line.starts_with("host:"));
    assert_eq!(hosts.count(), 1);
    assert!(request.contains("x-acs-action: SendSms"));
    assert!(request.contains("x-acs-version: 2017-05-25"));
    assert!(!request.contains(SECRET));
}

#[tokio::test]
async fn a_gateway_is_asked_with_a_signature() {
    let fake = Fake::start(&[("/gateway", Reply::Raw("202 Accepted", "", ""))]).await;
    let providers = tenant(&fake.url);
    let number = phone();
    let sent = providers.send_sms(&gateway(), &number, "123456", 5).await;
    assert_eq!(sent, Ok(()));
    let request = fake.requests().swap_remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let told: Value = serde_json::from_str(body).unwrap();
    let expected =
        json!({"phone": "+8613800138000", "code": "123456", "minutes": 5, "tenant": null});
    assert_eq!(told, expected);
    let signature = hmac_sha256(SECRET.as_bytes(), &format!("1551113065.{body}"));
    for field in [
        "POST /gateway HTTP/1.1",
        "x-enroll-key: key-1",
        "x-enroll-timestamp: 1551113065",
        &format!("x-enroll-signature: {}", hex(signature.as_ref())),
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {head}");
    }

    // A number that it does not send to says nothing of the gateway.
    fake.answers(Reply::Raw("422 No", "", ""));
    for _ in 0..5 {
        let outcome = providers.send_sms(&gateway(), &number, "123456", 5).await;
        assert!(matches!(outcome, Err(ProviderError::Refused { .. })));
    }
    fake.answers(Reply::Raw("429 Slow", "", ""));
    let outcome = providers.send_sms(&gateway(), &number, "123456", 5).await;
    assert_eq!(outcome, Err(ProviderError::Overloaded));
    fake.answers(Reply::Raw("401 Who", "", ""));
    let outcome = providers.send_sms(&gateway(), &number, "123456", 5).await;
    assert_eq!(outcome, Err(ProviderError::Unavailable));
    let unknown = SmsAccount::Gateway {
        name: "other".into(),
        key_id: "key-1".into(),
        key: SECRET.into(),
    };
    let outcome = providers.send_sms(&unknown, &number, "123456", 5).await;
    assert!(
        matches!(outcome, Err(ProviderError::Refused { code, .. }) if code == "unknown_gateway")
    );
    let log = providers.send_sms(&SmsAccount::Log, &number, "123456", 5);
    assert_eq!(log.await, Ok(()));
}

#[tokio::test]
async fn tencent_judges_a_ticket() {
    let fake = Fake::start(&[]).await;
    let providers = tenant(&fake.url);
    let account = CaptchaAccount::Tencent {
        secret_id: "id".into(),
        secret_key: SECRET.into(),
        captcha_app_id: 1_234,
        app_secret_key: "app-secret".into(),
    };
    let check = async |code: Value| {
        fake.answers(Reply::Json(json!({"Response": {"CaptchaCode": code}})));
        providers
            .check_captcha(&account, "ticket", "@rnd", NOBODY)
            .await
    };
    assert_eq!(check(json!(1)).await, Ok(CaptchaVerdict::Passed));
    let failed = Ok(CaptchaVerdict::Failed(Some(21)));
    assert_eq!(check(json!("21")).await, failed);
    assert_eq!(check(json!(null)).await, Err(ProviderError::Unavailable));
    let request = fake.requests().swap_remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "CaptchaType": 9, "Ticket": "ticket", "UserIp": "127.0.0.1", "Randstr": "@rnd",
            "CaptchaAppId": 1234, "AppSecretKey": "app-secret"
        })
    );
    assert!(head.contains("x-tc-version: 2019-07-22"));
    assert!(!head.contains("x-tc-region"));
}

#[tokio::test]
async fn turnstile_and_hcaptcha_judge_a_ticket() {
    for (account, path) in [
        (
            CaptchaAccount::Turnstile {
                secret: SECRET.into(),
            },
            "/turnstile",
        ),
        (
            CaptchaAccount::Hcaptcha {
                secret: SECRET.into(),
            },
            "/hcaptcha",
        ),
    ] {
        let fake = Fake::start(&[]).await;
        let providers = tenant(&fake.url);
        let check = async |told: Value| {
            fake.answers(Reply::Json(told));
            providers.check_captcha(&account, "t&t", "", NOBODY).await
        };
        let passed = check(json!({"success": true})).await;
        assert_eq!(passed, Ok(CaptchaVerdict::Passed));
        let used = json!({"success": false, "error-codes": ["timeout-or-duplicate"]});
        assert_eq!(check(used).await, Ok(CaptchaVerdict::Failed(None)));
        let secret = json!({"success": false, "error-codes": ["invalid-input-secret"]});
        let outcome = check(secret).await;
        assert!(
            matches!(outcome, Err(ProviderError::Refused { code, .. }) if code == "invalid-input-secret")
        );
        let bad = r#"{"success":false,"error-codes":["bad-request"]}"#;
        fake.answers(Reply::Raw("400 Bad", "", bad));
        let outcome = providers.check_captcha(&account, "t", "", NOBODY).await;
        assert_eq!(outcome, Ok(CaptchaVerdict::Failed(None)));
        let broken = json!({"success": false, "error-codes": ["internal-error"]});
        assert_eq!(check(broken).await, Err(ProviderError::Unavailable));
        let odd = check(json!({"success": "true"})).await;
        assert_eq!(odd, Err(ProviderError::Unavailable));
        let request = fake.requests().swap_remove(0);
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")));
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"));
        let body = "secret=needle-of-the-app&response=t%26t&remoteip=127.0.0.1";
        assert!(request.ends_with(body), "{request}");
    }
}

/// An error of the HTTP client names its address, which holds the secret, unless somebody takes it out.
#[tokio::test]
async fn no_reason_of_a_failure_holds_the_address_or_its_secret() {
    let fake = Fake::start(&[("/", Reply::Silence)]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in [fake.url.as_str(), &nobody, "http://no-such-host.invalid"] {
        let client = client(url, &Metrics::new(0).unwrap());
        let base = client.shared.settings.wechat_api_url.as_url();
        let address = super::client::address(base, "/sns/x", &[("secret", SECRET)]);
        let request = super::client::Request::get(address);
        let Err(error) = client.shared.http.send(request).await else {
            panic!("{url} answered");
        };
        let told = format!("{error:?}");
        assert!(!told.contains(SECRET) && !told.contains("/sns/x"), "{told}");
    }
}
