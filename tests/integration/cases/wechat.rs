//! Login through WeChat's pages (`docs/contract.md`, sections 7 and 10.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::client::volley;
use crate::harness::database::Backend;
use crate::harness::neighbours::{Home, Page, Tenant, access_token, assert_error, user_id};
use crate::harness::simulator::SITE;
use crate::harness::tenants::users;

on_all_databases!(
    an_unknown_person_registers_with_a_token_and_logs_in_from_then_on,
    one_person_is_one_user_at_every_app,
    a_screen_is_logged_in_by_a_phone,
    a_way_back_is_gone_once,
);

async fn an_unknown_person_registers_with_a_token_and_logs_in_from_then_on(backend: Backend) {
    let home = Home::start(backend).await;
    home.simulator.person("ada", "Ada L.").await;
    for tenant in home.both_dialects(json!({})).await {
        let unbound = tenant
            .wechat(
                Page::OfficialAccount,
                "ada",
                "&register=&inviteCode=&rebind=",
            )
            .await;
        let token = tenant.unbound(&unbound, "no_bind_user");
        let error = unbound.json()["errors"][0].clone();
        let shown = if tenant.is_discuzq() {
            &error
        } else {
            &error["meta"]
        };
        assert_eq!(shown["user"]["nickname"], "Ada L.");
        assert!(shown["user"]["headimgurl"].is_string(), "{error}");
        assert!(users(&home.server, tenant.key).await.is_empty());
        for (person, rebind) in [
            ("ada", Value::Null),
            ("bob", json!(0)),
            ("eve", json!(1)),
            ("kim", json!("1")),
        ] {
            let token = match person {
                "ada" => token.clone(),
                other => tenant.wechat_token(other).await,
            };
            let more = json!({"token": token, "rebind": rebind, "mobileToken": null});
            let made = user_id(&tenant.register(person, more).await);
            let entered = tenant.wechat(Page::OfficialAccount, person, "").await;
            assert_eq!(user_id(&entered), made);
            assert_eq!(entered.json().get("included"), None);
        }
        // A user who is logged in binds without any token; somebody else's account stays with its owner.
        let flo = access_token(&tenant.register("flo", json!({})).await);
        let path = tenant.way_back(Page::OfficialAccount, "flo", "").await;
        let bound = user_id(&tenant.get_as(&flo, &path).await);
        let entered = tenant.wechat(Page::OfficialAccount, "flo", "").await;
        assert_eq!(user_id(&entered), bound);
        let path = tenant.way_back(Page::OfficialAccount, "ada", "").await;
        let taken = tenant.get_as(&flo, &path).await;
        assert_eq!(
            taken.expect(422)["errors"][0]["code"],
            "account_has_been_bound"
        );
        // `rebind` never logs in.
        let again = tenant
            .wechat(Page::OfficialAccount, "ada", "&rebind=1")
            .await;
        tenant.unbound(&again, "rebind_mp_wechat");
        // With `register` the account makes itself, by the nickname where that is free.
        home.simulator.person("joe", "Joe").await;
        let joe = tenant
            .wechat(Page::OfficialAccount, "joe", "&register=1")
            .await;
        let joe = user_id(&joe);
        home.simulator.person("joe2", "Joe").await;
        let other = tenant
            .wechat(Page::OfficialAccount, "joe2", "&register=1")
            .await;
        let other = user_id(&other);
        assert_ne!(joe, other);
        assert_eq!(name_of(&tenant, &joe).await, "Joe");
        let profile = tenant.get(&format!("/api/users/{joe}")).await;
        let picture = profile.expect(200)["data"]["attributes"]["avatarUrl"].clone();
        let picture = picture.as_str().expect("the picture's address");
        assert!(
            picture.starts_with("https://thirdwx.qlogo.cn/"),
            "{picture}"
        );
        assert!(name_of(&tenant, &other).await.starts_with("网友"));
    }
}

async fn name_of(tenant: &Tenant<'_>, id: &str) -> String {
    let everybody = users(&tenant.home.server, tenant.key).await;
    let user = everybody.iter().find(|user| user["id"] == id);
    let name = &user.expect("the user")["attributes"]["username"];
    name.as_str().expect("a name").to_owned()
}

async fn one_person_is_one_user_at_every_app(backend: Backend) {
    let home = Home::start(backend).await;
    home.simulator.person_with_union_id("ada").await;
    for tenant in home.both_dialects(json!({})).await {
        let token = tenant.wechat_token("ada").await;
        let made = tenant.register("ada", json!({"token": token})).await;
        let ada = user_id(&made);
        if !tenant.is_discuzq() {
            let shown = made.json()["included"][0]["attributes"]["unionId"].clone();
            assert!(
                shown.as_str().is_some_and(|union| !union.is_empty()),
                "{shown}"
            );
        }
        let web = tenant.wechat(Page::OpenPlatform, "ada", "").await;
        assert_eq!(user_id(&web), ada);
        let triple = home.simulator.triple("ada", json!({})).await;
        let mini = tenant.post("/api/oauth/wechat/miniprogram", triple).await;
        assert_eq!(user_id(&mini), ada);
        assert_eq!(tenant.count("identities", "1 = 1").await, 3);
        // Somebody without a union id is told apart, and registers by the web app's token as well.
        let unbound = tenant.wechat(Page::OpenPlatform, "bob", "").await;
        let token = tenant.unbound(&unbound, "no_bind_user");
        let bob = user_id(&tenant.register("bob", json!({"token": token})).await);
        assert_eq!(
            user_id(&tenant.wechat(Page::OpenPlatform, "bob", "").await),
            bob
        );
        tenant.wechat_token("bob").await;
        tenant.clear("identities").await;
        tenant.clear("union_ids").await;
    }
}

async fn a_screen_is_logged_in_by_a_phone(backend: Backend) {
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        let token = tenant.wechat_token("ada").await;
        let ada = user_id(&tenant.register("ada", json!({"token": token})).await);
        let picture = picture(&tenant).await;
        let poll = format!("/api/oauth/wechat/pc/login/{picture}");
        for _ in 0..2 {
            let waiting = tenant.get(&poll).await;
            assert_eq!(
                waiting.expect(422)["errors"][0]["code"],
                "pc_qrcode_scanning_code"
            );
        }
        let more = format!("&session_token={picture}");
        let phone = tenant.wechat(Page::OfficialAccount, "ada", &more).await;
        let screen = tenant.get(&poll).await;
        assert_eq!(user_id(&screen), ada);
        assert_ne!(
            access_token(&screen),
            access_token(&phone),
            "a session of its own"
        );
        let over = tenant.get(&poll).await;
        assert_eq!(over.expect(422)["errors"][0]["code"], "pc_qrcode_time_out");
        // A phone that nobody knows: the screen may register, with a token of its own.
        let picture = self::picture(&tenant).await;
        let more = format!("&session_token={picture}");
        let phone = tenant.wechat(Page::OfficialAccount, "eve", &more).await;
        let of_phone = tenant.unbound(&phone, "no_bind_user");
        let stored = format!("payload LIKE '%{of_phone}%'");
        assert_eq!(
            tenant.count("proof_tokens", &stored).await,
            0,
            "no token is stored as it is"
        );
        let screen = tenant
            .get(&format!("/api/oauth/wechat/pc/login/{picture}"))
            .await;
        let of_screen = tenant.unbound(&screen, "no_bind_user");
        assert_ne!(of_phone, of_screen);
        let eve = user_id(&tenant.register("eve", json!({"token": of_screen})).await);
        let entered = tenant.wechat(Page::OfficialAccount, "eve", "").await;
        assert_eq!(user_id(&entered), eve);
        // A picture of another tenant, an expired one, and one that never was.
        let picture = self::picture(&tenant).await;
        let other = if tenant.is_discuzq() {
            "modern"
        } else {
            "classic"
        };
        let elsewhere = crate::harness::client::Request::new(
            "GET",
            &format!("/t/{other}/api/oauth/wechat/pc/login/{picture}"),
        );
        let elsewhere = elsewhere.send(home.server.public()).await;
        assert_eq!(
            elsewhere.expect(422)["errors"][0]["code"],
            "pc_qrcode_time_out"
        );
        tenant
            .change("proof_tokens", "expires_at = 1", "1 = 1")
            .await;
        let late = tenant
            .get(&format!("/api/oauth/wechat/pc/login/{picture}"))
            .await;
        assert_eq!(late.body, elsewhere_in(&tenant, "0".repeat(40)).await);
    }
}

async fn elsewhere_in(tenant: &Tenant<'_>, token: String) -> Vec<u8> {
    let answer = tenant
        .get(&format!("/api/oauth/wechat/pc/login/{token}"))
        .await;
    assert_eq!(
        answer.expect(422)["errors"][0]["code"],
        "pc_qrcode_time_out"
    );
    answer.body
}

/// The token of a new picture, which must be one.
async fn picture(tenant: &Tenant<'_>) -> String {
    let document = tenant
        .get("/api/oauth/wechat/pc/qrcode?type=pc_relation")
        .await
        .expect(200);
    assert_eq!(document["data"]["type"], "wechat_pc_code");
    let attributes = &document["data"]["attributes"];
    let image = attributes["base64_img"].as_str().expect("an image");
    let image = image
        .strip_prefix("data:image/svg+xml;base64,")
        .expect("SVG");
    let image = String::from_utf8(STANDARD.decode(image).expect("Base64")).expect("a text");
    assert!(image.contains("<svg"), "{image}");
    attributes["session_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

async fn a_way_back_is_gone_once(backend: Backend) {
    let home = Home::start(backend).await;
    let tenant = home.tenant("modern", json!({})).await;
    let path = tenant.way_back(Page::OfficialAccount, "ada", "").await;
    let racers: Vec<_> = (0..8).map(|_| tenant.request("GET", &path)).collect();
    let answers = volley(home.server.public(), &racers).await;
    let won = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(won, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 400) {
        assert_error(answer, 422, "oauth_state_invalid", Some("sessionId"));
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_wechat_and_back_to_the_tenants_own_site() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    for (path, page) in [
        ("/api/oauth/wechat", "/connect/oauth2/authorize"),
        ("/api/oauth/wechat/pc", "/connect/qrconnect"),
        ("/t/modern/api/oauth/wechat", "/connect/oauth2/authorize"),
    ] {
        let begun = tenant.get(path).await;
        assert_eq!(begun.status, 302);
        let location = begun.header("location").expect("a location");
        assert!(location.contains(page), "{location}");
        assert!(
            location
                .contains("redirect_uri=https%3A%2F%2Fsite.example%2Fwx-sign-up-bd%3FsessionId%3D"),
            "{location}"
        );
    }
    let own = format!("{path}?redirect={SITE}/a?b=1", path = "/api/oauth/wechat")
        .replace("a?b=1", "a%3Fb%3D1");
    let own = tenant.get(&own).await;
    let location = own.header("location").expect("a location");
    assert!(
        location.contains("%2Fa%3Fb%3D1%26sessionId%3D"),
        "{location}"
    );
    for foreign in [
        "https://evil.example/",
        "https://site.example.evil.example/",
        "https://site.example@evil.example/",
        "https://site.example%5C@evil.example/",
        "//site.example/",
        "http://site.example/",
        "https://site.example/%0d%0aSet-Cookie:a=b",
        "https://site.example/%23x",
        "javascript:alert(1)",
    ] {
        let answer = tenant
            .get(&format!("/api/oauth/wechat?redirect={foreign}"))
            .await;
        assert_error(&answer, 422, "validation_error", Some("redirect"));
    }
}

#[tokio::test]
async fn a_way_back_that_is_none_of_ours_asks_wechat_nothing() {
    let home = Home::start(Backend::Sqlite).await;
    let [modern, classic] = home.both_dialects(json!({})).await;
    let good = modern.way_back(Page::OfficialAccount, "ada", "").await;
    let (path, _) = good.split_once('?').expect("a query");
    let part = |name: &str| {
        let query = good.split_once('?').expect("a query").1;
        let pair = query.split('&').find(|pair| pair.starts_with(name));
        pair.expect("a parameter").to_owned()
    };
    let (session, code, state) = (part("sessionId"), part("code"), part("state"));
    for (query, field) in [(code.clone(), "sessionId"), (session.clone(), "code")] {
        let answer = modern.get(&format!("{path}?{query}&{state}")).await;
        assert_error(&answer, 422, "validation_error", Some(field));
    }
    for query in ["code=%", "code=%zz", "code=1&code=2", "state=%ff"] {
        for tenant in [&modern, &classic] {
            let answer = tenant.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.expect(400)["errors"][0]["code"], "malformed_query");
        }
    }
    // At another tenant, at the other page, and with another state: one answer, and the last costs the session.
    let query = format!("{session}&{code}&{state}");
    let elsewhere = classic.get(&format!("{path}?{query}")).await;
    assert_eq!(
        elsewhere.expect(422),
        json!({"errors": [{
            "status": "422", "code": "no_message", "detail": ["no_message"],
        }]})
    );
    let forged = modern
        .get(&format!("{path}?{session}&{code}&state=x"))
        .await;
    assert_error(&forged, 422, "oauth_state_invalid", Some("sessionId"));
    let late = modern.get(&good).await;
    assert_eq!(late.body, forged.body);
    let page = modern.way_back(Page::OpenPlatform, "ada", "").await;
    let crossed = page.replace("/pc/user", "/user");
    assert_eq!(modern.get(&crossed).await.body, forged.body);
    let expired = modern.way_back(Page::OfficialAccount, "ada", "").await;
    modern
        .change("proof_tokens", "expires_at = 1", "1 = 1")
        .await;
    assert_eq!(modern.get(&expired).await.body, forged.body);
    assert_eq!(home.simulator.calls("wechat.access_token").await, 0);
    // WeChat's own no, in its own words.
    let good = modern.way_back(Page::OfficialAccount, "ada", "").await;
    let refused = modern.get(&good.replace("&code=", "&code=0")).await;
    assert_error(&refused, 422, "wechat_refused", Some("code"));
}

#[tokio::test]
async fn only_discuzq_takes_an_access_token_from_the_query() {
    let home = Home::start(Backend::Sqlite).await;
    for tenant in home.both_dialects(json!({})).await {
        let ada = access_token(&tenant.register("ada", json!({})).await);
        let more = format!("&token={ada}");
        let answer = tenant.wechat(Page::OfficialAccount, "ada", &more).await;
        if tenant.is_discuzq() {
            assert_eq!(answer.status, 200, "bound to the caller: {answer:?}");
        } else {
            tenant.unbound(&answer, "no_bind_user");
        }
    }
}

#[tokio::test]
async fn a_tenant_without_an_app_offers_no_login_by_it() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("bare", json!({"wechat": {"official_account": null, "open_platform": null, "mini_program": null}})).await;
    for path in [
        "/api/oauth/wechat",
        "/api/oauth/wechat/pc",
        "/api/oauth/wechat/pc/qrcode",
    ] {
        assert_error(&tenant.get(path).await, 422, "not_offered", None);
    }
    let triple = home.simulator.triple("ada", json!({})).await;
    let answer = tenant.post("/api/oauth/wechat/miniprogram", triple).await;
    assert_error(&answer, 422, "not_offered", None);
}
