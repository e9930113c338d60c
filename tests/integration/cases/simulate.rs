//! The simulated vendors: what they answer must be what a client of the real ones has to cope with, and what they refuse
//! must be what the real ones refuse. The signatures here are made by these tests alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key, sign};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enroll::clock::{Clock, Entropy, Timestamp};
use enroll::simulate::Simulator;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Answer, Request, volley};
use crate::harness::process::Process;

const LIMIT: Duration = Duration::from_secs(20);
const APP: &str = "wx0000000000000001";
const SECRET: &str = "simulated-secret";

/// A running simulator, as a person starts it.
struct Vendors {
    process: Process,
    address: SocketAddr,
}

impl Vendors {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(more: &[&str]) -> Self {
        let mut line = vec!["simulate", "--listen", "127.0.0.1:0"];
        line.extend_from_slice(more);
        let mut process = Process::spawn(&line, []);
        let event = process
            .wait_until(LIMIT, |process| {
                let text = process.stdout();
                text.ends_with('\n')
                    .then(|| serde_json::from_str::<Value>(&text).expect("one line of JSON"))
            })
            .await;
        assert_eq!(event["event"], "listening");
        let url = event["simulator"].as_str().expect("a URL");
        let address = url.strip_prefix("http://").expect("an http URL");
        let address = address.parse().expect("an address");
        Self { process, address }
    }

    async fn get(&self, target: &str) -> Answer {
        Request::new("GET", target).send(self.address).await
    }

    async fn control(&self, method: &str, path: &str, document: Value) -> Value {
        let request = Request::new(method, &format!("/control{path}")).body(document.to_string());
        request.send(self.address).await.expect(200)
    }

    async fn mode(&self, modes: Value) {
        self.control("PUT", "/mode", modes).await;
    }

    /// A WeChat answer: always 200, JSON that calls itself text.
    async fn wechat(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        answer.expect(200)
    }

    async fn code_to_token(&self, app: &str, secret: &str, code: &str) -> Value {
        self.wechat(&format!(
            "/sns/oauth2/access_token?appid={app}&secret={secret}&code={code}&grant_type=authorization_code"
        ))
        .await
    }

    async fn js_code_to_session(&self, app: &str, js_code: &str) -> Value {
        self.wechat(&format!(
            "/sns/jscode2session?appid={app}&secret={SECRET}&js_code={js_code}&grant_type=authorization_code"
        ))
        .await
    }

    async fn code(&self, app: &str, user: &str) -> String {
        let wanted = json!({"app_id": app, "user": user});
        text(&self.control("POST", "/wechat/code", wanted).await["code"])
    }

    async fn messages(&self, phone: &str) -> Vec<Value> {
        let target = format!("/control/sms?phone={}", phone.replace('+', "%2B"));
        let document = self.get(&target).await.expect(200);
        document["messages"].as_array().expect("messages").clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("a time")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let key = Key::new(HMAC_SHA256, key);
    sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn escape(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// Opens what a mini program sends. `None` when it does not open.
fn open(sealed: &Value, session_key: &str) -> Option<Value> {
    let decode = |text: &str| STANDARD.decode(text).expect("base64");
    let key = UnboundCipherKey::new(&AES_128, &decode(session_key)).expect("a key of 16 bytes");
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).expect("a key");
    let iv: [u8; 16] = decode(&text(&sealed["iv"])).try_into().expect("an IV");
    let mut data = decode(&text(&sealed["encryptedData"]));
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let opened = key.decrypt(&mut data, context).ok()?;
    serde_json::from_slice(opened).ok()
}

#[tokio::test]
async fn it_tells_its_address_and_stops_when_asked() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("simulator.json");
    let file_name = file.to_str().expect("a path in UTF-8");
    let mut vendors = Vendors::start_with(&["--file", file_name]).await;
    let written = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(written, vendors.process.stdout());

    let state = vendors.get("/control").await.expect(200);
    let apps = &state["accounts"]["wechat"];
    assert_eq!(apps["official_account"]["app_id"], APP);
    assert_eq!(apps["mini_program"]["app_secret"], SECRET);
    assert!(state["accounts"]["sms"]["tencent"]["secret_key"].is_string());

    vendors.process.sigterm();
    let status = vendors.process.wait_exit(LIMIT).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn it_refuses_an_address_that_others_can_reach() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8090"] {
        let mut process = Process::spawn(&["simulate", "--listen", address], []);
        let status = process.wait_exit(LIMIT).await;
        assert_eq!(status.code(), Some(2), "{address}");
        assert_eq!(process.stdout(), "");
        assert!(process.stderr().contains("loopback"));
    }
}

#[tokio::test]
async fn a_person_who_agrees_comes_back_with_a_code_that_works_once() {
    let vendors = Vendors::start().await;
    let person = json!({"name": "ada", "nickname": "Ada L.", "unionid": true});
    vendors.control("POST", "/wechat/users", person).await;
    let back = "http%3A%2F%2Flocalhost%2Fback%3Fa%3D1%23top";
    let ask = format!(
        "/connect/oauth2/authorize?appid={APP}&redirect_uri={back}&response_type=code\
         &scope=snsapi_userinfo&state=s%20%26t"
    );
    let page = vendors.get(&ask).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("name=\"auto\"") && page.text().contains("s &amp;t"));

    let agreed = vendors
        .get(&format!("{ask}&auto=ada#wechat_redirect"))
        .await;
    assert_eq!(agreed.status, 302);
    let location = agreed.header("location").expect("an address");
    let rest = location.strip_prefix("http://localhost/back?a=1&code=");
    let (code, rest) = rest.expect(location).split_once('&').expect(location);
    assert_eq!(rest, "state=s%20%26t#top");

    let grant = vendors.code_to_token(APP, SECRET, code).await;
    let (token, openid) = (text(&grant["access_token"]), text(&grant["openid"]));
    assert_eq!(
        (openid.len(), &grant["scope"]),
        (28, &json!("snsapi_userinfo"))
    );
    let ask_for = |token: &str, openid: &str| {
        format!("/sns/userinfo?access_token={token}&openid={openid}&lang=zh_CN")
    };
    let person = vendors.wechat(&ask_for(&token, &openid)).await;
    assert_eq!(person["nickname"], "Ada L.");
    assert_eq!(person["openid"], openid.as_str());
    assert_eq!(person["unionid"], grant["unionid"]);
    assert!(person["unionid"].is_string() && person.get("errcode").is_none());
    let bad_token = vendors.wechat(&ask_for("93_x", &openid)).await;
    assert_eq!(bad_token["errcode"], 40001);
    assert_eq!(
        vendors.wechat(&ask_for(&token, "ox")).await["errcode"],
        40003
    );

    let again = vendors.code_to_token(APP, SECRET, code).await;
    assert_eq!(again["errcode"], 40163);
    assert!(text(&again["errmsg"]).starts_with("code been used, rid: "));
    assert!(again.get("openid").is_none());
}

#[tokio::test]
async fn a_page_that_is_asked_wrongly_sends_nobody_away() {
    let vendors = Vendors::start().await;
    let good = format!(
        "/connect/qrconnect?appid={APP}&redirect_uri=http://localhost/&response_type=code\
         &scope=snsapi_login&state=1&auto=ada"
    );
    assert_eq!(vendors.get(&good).await.status, 302);
    for (from, to) in [
        ("appid=wx", "appid=xw"),
        ("http://localhost/", "javascript:alert(1)"),
        ("http://localhost/", "http://localhost/%0d%0aa:b"),
        ("response_type=code", "response_type=token"),
        ("scope=snsapi_login", "scope=snsapi_all"),
        ("auto=ada", "auto="),
    ] {
        let answer = vendors.get(&good.replace(from, to)).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (200, None),
            "{to}"
        );
        assert!(answer.text().contains("error"), "{to}");
    }
    // Who agrees by default needs no name in the address.
    let person = json!({"name": "bob", "default": true});
    vendors.control("POST", "/wechat/users", person).await;
    assert_eq!(
        vendors.get(&good.replace("&auto=ada", "")).await.status,
        302
    );
}

#[tokio::test]
async fn wechat_refuses_what_it_did_not_give_out() {
    let vendors = Vendors::start().await;
    let code = vendors.code(APP, "ada").await;
    for (app, secret, code, errcode) in [
        ("xw1", SECRET, code.as_str(), 40013),
        (APP, "guessed", &code, 40125),
        (APP, SECRET, "nonsense", 40029),
        ("wx9", SECRET, &code, 40029),
    ] {
        let answer = vendors.code_to_token(app, secret, code).await;
        assert_eq!(answer["errcode"], errcode, "{answer}");
    }
    // None of this spent the code.
    let grant = vendors.code_to_token(APP, SECRET, &code).await;
    assert!(grant["openid"].is_string() && grant.get("unionid").is_none());

    // Another app is another openid; the same app the same.
    let code = vendors.code("wx9", "ada").await;
    let other = vendors.code_to_token("wx9", SECRET, &code).await;
    assert_ne!(other["openid"], grant["openid"]);
    let code = vendors.code(APP, "ada").await;
    let same = vendors.code_to_token(APP, SECRET, &code).await;
    assert_eq!(same["openid"], grant["openid"]);
}

#[tokio::test]
async fn a_code_that_many_spend_at_once_is_spent_once() {
    let vendors = Vendors::start().await;
    let wanted = json!({"app_id": APP, "user": "ada"});
    let made = vendors.control("POST", "/wechat/js_code", wanted).await;
    let ask = Request::new(
        "GET",
        &format!(
            "/sns/jscode2session?appid={APP}&secret={SECRET}&js_code={}&grant_type=authorization_code",
            text(&made["js_code"])
        ),
    );
    let answers = volley(vendors.address, &vec![ask; 16]).await;
    let errcodes = answers
        .iter()
        .map(|answer| answer.json()["errcode"].as_i64());
    let (given, refused): (Vec<_>, Vec<_>) = errcodes.partition(Option::is_none);
    assert_eq!((given.len(), refused), (1, vec![Some(40163); 15]));
}

#[tokio::test]
async fn what_a_mini_program_sends_opens_with_the_session_key() {
    let vendors = Vendors::start().await;
    let person = json!({"name": "ada", "unionid": true});
    vendors.control("POST", "/wechat/users", person).await;
    let make = async |more: Value| {
        let mut wanted = json!({"app_id": APP, "user": "ada"});
        let fields = wanted.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        let made = vendors.control("POST", "/wechat/js_code", wanted).await;
        let js_code = text(&made["js_code"]);
        assert_eq!(
            vendors.js_code_to_session("wx9", &js_code).await["errcode"],
            40029
        );
        let session = vendors.js_code_to_session(APP, &js_code).await;
        assert_eq!(session["openid"], made["openid"]);
        assert_eq!(session["unionid"], made["unionid"]);
        assert_eq!(
            vendors.js_code_to_session(APP, &js_code).await["errcode"],
            40163
        );
        let opened = open(&made, &text(&session["session_key"])).expect("it opens");
        (session, opened)
    };

    let (session, profile) = make(json!({})).await;
    assert_eq!(profile["openId"], session["openid"]);
    assert_eq!(profile["unionId"], session["unionid"]);
    assert_eq!(profile["nickName"], "ada");
    for field in ["gender", "city", "province", "country", "avatarUrl"] {
        assert!(profile.get(field).is_some(), "{field}");
    }
    assert_eq!(profile["watermark"]["appid"], APP);
    let sealed_at = profile["watermark"]["timestamp"].as_i64().expect("a time");
    assert!((now() - sealed_at).abs() <= 30);

    let (_, foreign) = make(json!({"watermark_appid": "wx9", "age_seconds": 3600})).await;
    assert_eq!(foreign["watermark"]["appid"], "wx9");
    let sealed_at = foreign["watermark"]["timestamp"].as_i64().expect("a time");
    assert!((now() - 3600 - sealed_at).abs() <= 30);

    let (session, tampered) = make(json!({"tamper": true})).await;
    assert!(tampered["openId"].is_string());
    assert_ne!(tampered["openId"], session["openid"]);
    assert_eq!(tampered["unionId"], session["unionid"]);

    let (_, phone) = make(json!({"phone": "13800138000"})).await;
    assert_eq!(phone["purePhoneNumber"], "13800138000");
    assert_eq!(
        (&phone["countryCode"], phone.get("openId")),
        (&json!("86"), None)
    );
}

/// A signed call to Tencent Cloud (signature method v3).
fn tencent(to: SocketAddr, action: &str, document: &Value, at: i64, secret: &str) -> Request {
    const ID: &str = "AKIDsimulated0000000000000000000000";
    let (service, version) = match action {
        "SendSms" => ("sms", "2021-01-11"),
        _ => ("captcha", "2019-07-22"),
    };
    let body = document.to_string();
    let date = Timestamp::from_millis(at * 1000).to_rfc3339(0);
    let date = date.split('T').next().expect("a date");
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/json; charset=utf-8\nhost:{to}\n\ncontent-type;host\n{}",
        sha256(body.as_bytes())
    );
    let scope = format!("{date}/{service}/tc3_request");
    let to_sign = format!(
        "TC3-HMAC-SHA256\n{at}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let key = hmac(format!("TC3{secret}").as_bytes(), date);
    let key = hmac(&hmac(&key, service), "tc3_request");
    let signature = hex(&hmac(&key, &to_sign));
    Request::new("POST", "/")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("X-TC-Action", action)
        .header("X-TC-Version", version)
        .header("X-TC-Timestamp", at.to_string())
        .header(
            "Authorization",
            format!(
                "TC3-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
            ),
        )
        .body(body)
}

const TENCENT_SECRET: &str = "simulated-tencent-secret-key";

fn tencent_sms(phone: &str, code: &str) -> Value {
    json!({
        "PhoneNumberSet": [phone], "SmsSdkAppId": "1400000000", "SignName": "Simulated",
        "TemplateId": "1000000", "TemplateParamSet": [code, "5"],
    })
}

#[tokio::test]
async fn tencent_sends_what_is_signed() {
    let vendors = Vendors::start().await;
    let to = vendors.address;
    let call = |document: &Value, at, secret| tencent(to, "SendSms", document, at, secret);
    let sms = tencent_sms("+8613800138000", "123456");
    let sent = call(&sms, now(), TENCENT_SECRET).send(to).await.expect(200);
    let status = &sent["Response"]["SendStatusSet"][0];
    assert_eq!(
        (&status["Code"], &status["PhoneNumber"]),
        (&json!("Ok"), &json!("+8613800138000"))
    );
    let later = tencent_sms("+8613800138000", "654321");
    call(&later, now(), TENCENT_SECRET)
        .send(to)
        .await
        .expect(200);
    let other = tencent_sms("+85291234567", "111111");
    call(&other, now(), TENCENT_SECRET)
        .send(to)
        .await
        .expect(200);

    for (request, code) in [
        (call(&sms, now(), "guessed"), "AuthFailure.SignatureFailure"),
        (
            call(&sms, now(), TENCENT_SECRET).body(later.to_string()),
            "AuthFailure.SignatureFailure",
        ),
        (
            call(&sms, now() - 400, TENCENT_SECRET),
            "AuthFailure.SignatureExpire",
        ),
        (
            Request::new("POST", "/")
                .header("X-TC-Action", "SendSms")
                .body(sms.to_string()),
            "AuthFailure.InvalidAuthorization",
        ),
        (call(&json!({}), now(), TENCENT_SECRET), "MissingParameter"),
    ] {
        let answer = request.send(to).await.expect(200);
        assert_eq!(answer["Response"]["Error"]["Code"], code, "{answer}");
    }
    let mut wrong = sms.clone();
    wrong["TemplateId"] = json!("7");
    let answer = call(&wrong, now(), TENCENT_SECRET)
        .send(to)
        .await
        .expect(200);
    let code = &answer["Response"]["SendStatusSet"][0]["Code"];
    assert_eq!(code, "FailedOperation.TemplateIncorrectOrUnapproved");

    // Only what was accepted was sent; the newest comes first.
    let messages = vendors.messages("+8613800138000").await;
    let codes: Vec<_> = messages
        .iter()
        .map(|message| text(&message["code"]))
        .collect();
    assert_eq!(codes, ["654321", "123456"]);
    assert_eq!(vendors.messages("").await.len(), 3);
    let forgotten = Request::new("DELETE", "/control/sms").send(to).await;
    assert_eq!(forgotten.status, 204);
    assert!(vendors.messages("").await.is_empty());
}

/// A call to Aliyun, signed in the present way.
fn aliyun(to: SocketAddr, query: &[(&str, &str)], nonce: &str, secret: &str) -> Request {
    let mut pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.sort();
    let query = pairs.join("&");
    let date = Timestamp::from_millis(now() * 1000).to_rfc3339(0);
    let host = to.to_string();
    let body = sha256(b"");
    let headers = [
        ("host", host.as_str()),
        ("x-acs-action", "SendSms"),
        ("x-acs-content-sha256", &body),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", "2017-05-25"),
    ];
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{body}");
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(canonical.as_bytes()));
    let signature = hex(&hmac(secret.as_bytes(), &to_sign));
    let request = headers.iter().fold(
        Request::new("POST", &format!("/?{query}")),
        |request, (name, value)| request.header(name, value),
    );
    request.header(
        "Authorization",
        format!(
            "ACS3-HMAC-SHA256 Credential=LTAIsimulated000000000000,SignedHeaders={names},Signature={signature}"
        ),
    )
}

/// A call to Aliyun, signed in the older way.
fn aliyun_rpc(query: &[(&str, &str)], nonce: &str) -> Request {
    let date = Timestamp::from_millis(now() * 1000).to_rfc3339(0);
    let common = [
        ("Action", "SendSms"),
        ("AccessKeyId", "LTAIsimulated000000000000"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", nonce),
        ("SignatureVersion", "1.0"),
        ("Timestamp", &date),
        ("Version", "2017-05-25"),
    ];
    let mut pairs: Vec<String> = query
        .iter()
        .chain(&common)
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.sort();
    let query = pairs.join("&");
    let key = Key::new(
        HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        b"simulated-aliyun-secret-key&",
    );
    let signature = sign(&key, format!("GET&%2F&{}", escape(&query)).as_bytes());
    let signature = escape(&STANDARD.encode(signature));
    Request::new("GET", &format!("/?{query}&Signature={signature}"))
}

#[tokio::test]
async fn aliyun_sends_what_is_signed_in_either_way() {
    const KEY: &str = "simulated-aliyun-secret-key";
    let vendors = Vendors::start().await;
    let to = vendors.address;
    let sms = [
        ("PhoneNumbers", "8613800138001"),
        ("SignName", "Simulated"),
        ("TemplateCode", "SMS_000000000"),
        ("TemplateParam", r#"{"code":"222222"}"#),
    ];
    let sent = aliyun(to, &sms, "n1", KEY).send(to).await.expect(200);
    assert_eq!(sent["Code"], "OK");
    assert!(sent["BizId"].is_string());
    let sent = aliyun_rpc(&sms, "n2").send(to).await.expect(200);
    assert_eq!(sent["Code"], "OK");
    assert_eq!(vendors.messages("+8613800138001").await.len(), 2);

    let replayed = aliyun(to, &sms, "n1", KEY).send(to).await.expect(400);
    assert_eq!(replayed["Code"], "SignatureNonceUsed");
    let guessed = aliyun(to, &sms, "n3", "guessed").send(to).await.expect(400);
    assert_eq!(guessed["Code"], "SignatureDoesNotMatch");
    let bare = Request::new("GET", "/?Action=SendSms").send(to).await;
    assert_eq!(bare.expect(400)["Code"], "IncompleteSignature");
    let mut wrong = sms;
    wrong[2].1 = "SMS_7";
    let answer = aliyun(to, &wrong, "n4", KEY).send(to).await.expect(200);
    assert_eq!(answer["Code"], "isv.SMS_TEMPLATE_ILLEGAL");
    assert_eq!(vendors.messages("").await.len(), 2);

    let answer = async |number: &str| {
        let mut sms = sms;
        sms[0].1 = number;
        let answer = aliyun(to, &sms, number, KEY).send(to).await.expect(200);
        text(&answer["Code"])
    };
    assert_eq!(answer("14155550100").await, "OK");
    assert_eq!(vendors.messages("+14155550100").await.len(), 1);
    assert_eq!(answer("+8613800138001").await, "isv.MOBILE_NUMBER_ILLEGAL");
    assert_eq!(vendors.messages("").await.len(), 3);
}

fn gateway(body: &str, at: i64, key: &str) -> Request {
    let signature = hex(&hmac(key.as_bytes(), &format!("{at}.{body}")));
    Request::new("POST", "/sms/gateway")
        .header("x-enroll-key", "simulated-gateway-key")
        .header("x-enroll-timestamp", at.to_string())
        .header("x-enroll-signature", signature)
        .header("content-type", "application/json")
        .body(body)
}

#[tokio::test]
async fn the_gateway_sends_what_is_signed() {
    const KEY: &str = "simulated-gateway-secret";
    const BODY: &str = r#"{"phone":"+8613800138002","code":"333333","minutes":5,"tenant":null}"#;
    let vendors = Vendors::start().await;
    let to = vendors.address;
    assert_eq!(gateway(BODY, now(), KEY).send(to).await.status, 200);
    for (request, status) in [
        (gateway(BODY, now(), "guessed"), 401),
        (gateway(BODY, now() - 400, KEY), 401),
        (gateway(BODY, now(), KEY).body(BODY.replace('3', "4")), 401),
        (Request::new("POST", "/sms/gateway").body(BODY), 401),
        (gateway("{}", now(), KEY), 400),
    ] {
        assert_eq!(request.send(to).await.status, status);
    }
    let messages = vendors.messages("+8613800138002").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (&messages[0]["code"], &messages[0]["provider"]),
        (&json!("333333"), &json!("gateway"))
    );
}

#[tokio::test]
async fn a_good_captcha_ticket_passes_once() {
    let vendors = Vendors::start().await;
    let to = vendors.address;
    let tencent_code = async |ticket: &str, randstr: &str, app_secret: &str| {
        let document = json!({
            "CaptchaType": 9, "Ticket": ticket, "UserIp": "127.0.0.1", "Randstr": randstr,
            "CaptchaAppId": 190_000_000, "AppSecretKey": app_secret,
        });
        let call = tencent(
            to,
            "DescribeCaptchaResult",
            &document,
            now(),
            TENCENT_SECRET,
        );
        let answer = call.send(to).await.expect(200);
        answer["Response"]["CaptchaCode"].as_i64()
    };
    const APP_SECRET: &str = "simulated-captcha-secret";
    assert_eq!(tencent_code("good-1", "@r", "guessed").await, Some(100));
    assert_eq!(tencent_code("good-1", "", APP_SECRET).await, Some(7));
    assert_eq!(tencent_code("good-1", "@r", APP_SECRET).await, Some(1));
    assert_eq!(tencent_code("good-1", "@r", APP_SECRET).await, Some(8));
    assert_eq!(tencent_code("bad", "@r", APP_SECRET).await, Some(9));
    let long = "good".repeat(513);
    assert_eq!(tencent_code(&long, "@r", APP_SECRET).await, Some(9));
    let guessed = tencent(to, "DescribeCaptchaResult", &json!({}), now(), "guessed");
    let answer = guessed.send(to).await.expect(200);
    assert_eq!(
        answer["Response"]["Error"]["Code"],
        "AuthFailure.SignatureFailure"
    );

    for (path, secret) in [
        ("/turnstile/v0/siteverify", "simulated-turnstile-secret"),
        ("/hcaptcha/siteverify", "simulated-hcaptcha-secret"),
    ] {
        let ask = async |body: String| {
            let request = Request::new("POST", path)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
            let answer = request.send(to).await.expect(200);
            (answer["success"].clone(), answer["error-codes"][0].clone())
        };
        let good = format!("secret={secret}&response=good-2&remoteip=127.0.0.1");
        assert_eq!(
            ask("secret=x&response=good-2".into()).await.1,
            "invalid-input-secret"
        );
        assert_eq!(ask(good.clone()).await, (json!(true), Value::Null));
        let replayed = (json!(false), json!("timeout-or-duplicate"));
        assert_eq!(ask(good.clone()).await, replayed);
        let bad = ask(good.replace("good", "bad")).await;
        assert_eq!(bad, (json!(false), json!("invalid-input-response")));
        assert_eq!(
            ask(format!("secret={secret}")).await.1,
            "missing-input-response"
        );
    }
}

#[tokio::test]
async fn vendors_misbehave_as_they_are_told_and_only_those() {
    let vendors = Vendors::start().await;
    let to = vendors.address;
    let session = async || {
        let wanted = json!({"app_id": APP, "user": "ada"});
        let made = vendors.control("POST", "/wechat/js_code", wanted).await;
        let target = format!(
            "/sns/jscode2session?appid={APP}&secret={SECRET}&js_code={}&grant_type=authorization_code",
            text(&made["js_code"])
        );
        (made, vendors.get(&target).await)
    };
    let send = async || {
        let sms = tencent_sms("+8613800138000", "123456");
        tencent(to, "SendSms", &sms, now(), TENCENT_SECRET)
            .send(to)
            .await
    };

    vendors
        .mode(json!({"wechat": "slow", "slow_ms": 400}))
        .await;
    let begun = Instant::now();
    assert!(session().await.1.expect(200)["openid"].is_string());
    assert!(begun.elapsed() >= Duration::from_millis(400));

    vendors.mode(json!({"wechat": "failing"})).await;
    assert_eq!(session().await.1.status, 500);
    assert_eq!(session().await.1.expect(200)["errcode"], -1);
    assert_eq!(session().await.1.status, 500);
    assert_eq!(send().await.status, 200);

    vendors
        .mode(json!({"wechat": "lying", "lie": "json"}))
        .await;
    let answer = session().await.1;
    assert!(answer.status == 200 && serde_json::from_slice::<Value>(&answer.body).is_err());
    vendors
        .mode(json!({"wechat": "lying", "lie": "huge"}))
        .await;
    let answer = session().await.1;
    assert!(answer.body.len() > 10 << 20 && answer.json()["openid"].is_string());
    vendors
        .mode(json!({"wechat": "lying", "lie": "redirect"}))
        .await;
    let answer = session().await.1;
    assert_eq!(answer.status, 302);
    let elsewhere = answer.header("location").expect("an address").to_owned();
    vendors
        .mode(json!({"wechat": "lying", "lie": "errcode"}))
        .await;
    let answer = session().await.1.expect(200);
    assert!(answer["openid"].is_string() && answer["errcode"] == -1);
    vendors
        .mode(json!({"wechat": "lying", "lie": "openid"}))
        .await;
    let (made, answer) = session().await;
    assert_ne!(answer.expect(200)["openid"], made["openid"]);
    vendors
        .mode(json!({"wechat": "lying", "lie": "session_key"}))
        .await;
    let (made, answer) = session().await;
    assert!(open(&made, &text(&answer.expect(200)["session_key"])).is_none());

    vendors
        .mode(json!({"sms": "failing", "failure": "refused", "captcha": "failing"}))
        .await;
    let answer = send().await.expect(200);
    let code = &answer["Response"]["SendStatusSet"][0]["Code"];
    assert_eq!(code, "FailedOperation.InsufficientBalanceInSmsPackage");
    vendors.mode(json!({})).await;
    assert!(session().await.1.expect(200)["openid"].is_string());
    // What failed was not sent.
    assert_eq!(vendors.messages("").await.len(), 1);

    // Every call is counted, met well or badly.
    let calls = vendors.get("/control/calls").await.expect(200);
    assert_eq!(calls["wechat.jscode2session"], 11);
    assert_eq!(calls["sms.tencent"], 2);
    assert_eq!(calls.get("redirect_followed"), None);
    vendors.get(&elsewhere).await;
    let calls = vendors.get("/control/calls").await.expect(200);
    assert_eq!(calls["redirect_followed"], 1);
    Request::new("DELETE", "/control/calls").send(to).await;
    assert_eq!(vendors.get("/control/calls").await.expect(200), json!({}));
}

#[tokio::test]
async fn a_control_call_that_makes_no_sense_is_refused() {
    let vendors = Vendors::start().await;
    for (method, path, body) in [
        ("PUT", "/control/mode", json!({"wechat": "sulking"})),
        ("PUT", "/control/mode", json!({"weather": "good"})),
        ("PUT", "/control/mode", json!({"slow_ms": 3_600_000})),
        (
            "PUT",
            "/control/mode",
            json!({"sms": "lying", "lie": "openid"}),
        ),
        ("POST", "/control/wechat/users", json!({"name": ""})),
        (
            "POST",
            "/control/wechat/users",
            json!({"name": "a".repeat(65)}),
        ),
        (
            "POST",
            "/control/wechat/users",
            json!({"name": "a", "nickname": "a".repeat(65)}),
        ),
        (
            "POST",
            "/control/wechat/code",
            json!({"app_id": "x", "user": "ada"}),
        ),
        ("POST", "/control/wechat/js_code", json!({"app_id": APP})),
    ] {
        let request = Request::new(method, path).body(body.to_string());
        let answer = request.send(vendors.address).await.expect(400);
        assert!(answer["error"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn it_runs_inside_another_process_at_a_time_of_its_own() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let clock = Clock::fixed(Timestamp::from_millis(1_800_000_000_000));
    let simulator = Simulator::start(any, clock.clone(), Entropy).expect("it starts");
    let to = simulator.address();
    let code = async || {
        let body = json!({"app_id": APP, "user": "ada"}).to_string();
        let made = Request::new("POST", "/control/wechat/code")
            .body(body)
            .send(to)
            .await;
        text(&made.expect(200)["code"])
    };
    let spend = async |code: &str| {
        let target = format!(
            "/sns/oauth2/access_token?appid={APP}&secret={SECRET}&code={code}&grant_type=authorization_code"
        );
        Request::new("GET", &target).send(to).await.expect(200)["errcode"].as_i64()
    };
    let (early, late) = (code().await, code().await);
    clock.advance(Duration::from_secs(299));
    assert_eq!(spend(&early).await, None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(spend(&late).await, Some(40029));

    simulator.stop().await;
    assert!(Request::new("GET", "/control").try_send(to).await.is_err());
    let everywhere = "0.0.0.0:0".parse().expect("an address");
    let refused = Simulator::start(everywhere, Clock::system(), Entropy).err();
    let kind = refused.expect("a refusal").kind();
    assert_eq!(kind, std::io::ErrorKind::InvalidInput);
}
