//! Codes by SMS: what they open, and what bounds their cost and their guessing (`docs/contract.md`, section 10.3;
//! `docs/threats.md`, rows 84 and 85).

use serde_json::{Value, json};

use crate::harness::client::{metric, volley};
use crate::harness::database::Backend;
use crate::harness::neighbours::{Home, access_token, assert_error, user_id};
use crate::harness::simulator::tencent_captcha;
use crate::harness::tenants::users;

on_all_databases!(
    a_number_logs_in_registers_or_comes_with_a_token,
    five_guesses_are_judged_however_many_come_at_once,
    an_account_gets_a_number_and_another_only_after_showing_the_first,
    a_forgotten_password_is_replaced_and_every_session_ends,
    messages_are_bounded_by_number_address_and_day,
);

const PHONE: &str = "13800138000";
const OTHER: &str = "13900139000";

async fn a_number_logs_in_registers_or_comes_with_a_token(backend: Backend) {
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        let sent = tenant
            .post("/api/sms/send", json!({"mobile": PHONE, "type": "login"}))
            .await;
        let status = if tenant.is_discuzq() { 201 } else { 200 };
        let document =
            json!({"data": {"type": "smssend", "id": "1", "attributes": {"interval": 1}}});
        assert_eq!(sent.expect(status), document);
        // A number that nobody has: a token to register with, and nothing stored.
        let code = tenant.newest_code(PHONE).await;
        let attributes = json!({"mobile": PHONE, "type": "login", "code": code});
        let unknown = tenant.post("/api/sms/verify", attributes.clone()).await;
        let token = tenant.unbound(&unknown, "no_bind_user");
        assert_eq!(token.len(), 40);
        assert!(users(&home.server, tenant.key).await.is_empty());
        // The code is spent.
        let again = tenant.post("/api/sms/verify", attributes).await;
        assert_eq!(again.expect(422)["errors"][0]["code"], "sms_verify_error");
        // Registered with it, the phone logs in, with the code as a number too.
        let ada = tenant.register("ada", json!({"mobileToken": token})).await;
        let ada = user_id(&ada);
        let code: u32 = tenant.sms_code(PHONE, "login").await.parse().unwrap();
        let by_number = json!({"mobile": PHONE, "type": "login", "code": code, "register": 0});
        let entered = tenant.post("/api/sms/verify", by_number).await;
        assert_eq!(user_id(&entered), ada);
        assert_eq!(entered.json().get("included"), None);
        let by_password = json!({"username": PHONE, "password": "correct horse battery"});
        assert_eq!(user_id(&tenant.post("/api/login", by_password).await), ada);
        // With `register` the account makes itself.
        let made = tenant.verify(OTHER, "login", json!({"register": 1})).await;
        let made = user_id(&made);
        assert_ne!(made, ada);
        let entered = tenant.verify(OTHER, "login", json!({})).await;
        assert_eq!(user_id(&entered), made);
        let everybody = users(&home.server, tenant.key).await;
        let names: Vec<&str> = everybody
            .iter()
            .filter_map(|user| user["attributes"]["username"].as_str())
            .collect();
        assert_eq!(names.len(), 2);
        assert!(
            names.iter().any(|name| name.starts_with("网友")),
            "{names:?}"
        );
    }
}

async fn five_guesses_are_judged_however_many_come_at_once(backend: Backend) {
    let home = Home::start(backend).await;
    let tenant = home.tenant("modern", json!({})).await;
    let right: u32 = tenant.sms_code(PHONE, "login").await.parse().unwrap();
    let guess = |code: u32| {
        let attributes = json!({"mobile": PHONE, "type": "login", "code": code.to_string()});
        tenant.call("/api/sms/verify", &attributes)
    };
    let wrong = (0..99).map(|step| guess(100_000 + (right - 100_000 + 1 + step) % 900_000));
    let guesses: Vec<_> = wrong.collect();
    let answers = volley(home.server.public(), &guesses).await;
    for answer in &answers {
        assert_error(answer, 422, "sms_verify_error", Some("sms_code"));
    }
    assert_eq!(tenant.count("sms_codes", "tries = 5").await, 1);
    let late = guess(right).send(home.server.public()).await;
    assert_error(&late, 422, "sms_verify_error", Some("sms_code"));
    assert_eq!(
        late.body, answers[0].body,
        "a dead code and a wrong one look alike"
    );
    // A race in which the right one takes part is won at most once.
    let right: u32 = tenant.sms_code(PHONE, "login").await.parse().unwrap();
    let racers: Vec<_> = (0..16).map(|_| guess(right)).collect();
    let answers = volley(home.server.public(), &racers).await;
    let won = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(won, 1, "one code makes one token");
    assert_eq!(tenant.count("proof_tokens", "1 = 1").await, 1);
}

async fn an_account_gets_a_number_and_another_only_after_showing_the_first(backend: Backend) {
    let home = Home::start(backend).await;
    let tenant = home.tenant("modern", json!({})).await;
    let ada = access_token(&tenant.register("ada", json!({})).await);
    let eve = access_token(&tenant.register("eve", json!({})).await);
    for purpose in ["bind", "rebind"] {
        let guest = json!({"mobile": PHONE, "type": purpose});
        let guest = tenant.post("/api/sms/send", guest).await;
        assert_error(&guest, 401, "not_authenticated", None);
    }
    let bound = tenant.verify_as(&ada, PHONE, "bind").await.expect(200);
    assert_eq!(bound["data"]["type"], "users");
    assert_eq!(bound["data"]["attributes"]["originalMobile"], PHONE);
    // Taken numbers are refused before a message is paid for.
    for purpose in ["bind", "rebind"] {
        let taken = json!({"mobile": PHONE, "type": purpose});
        let taken = tenant.post_as(&eve, "/api/sms/send", taken).await;
        assert_error(&taken, 422, "validation_error", Some("mobile"));
    }
    // A second number by `bind`, or by `rebind` without the first one at hand, is refused.
    let second = tenant.verify_as(&ada, OTHER, "bind").await;
    assert_error(&second, 422, "user_has_mobile", None);
    let unshown = tenant.verify_as(&ada, OTHER, "rebind").await;
    assert_error(&unshown, 422, "validation_error", Some("mobile"));
    // A code for one purpose opens no other.
    let code = tenant.sms_code_as(&ada, OTHER, "rebind").await;
    let crossed = json!({"mobile": OTHER, "type": "login", "code": code});
    let crossed = tenant.post("/api/sms/verify", crossed).await;
    assert_error(&crossed, 422, "sms_verify_error", Some("sms_code"));
    // Shown, it is changed, once; another session's showing counts for nothing.
    let code = tenant.sms_code_as(&ada, PHONE, "verify").await;
    let shown = json!({"type": "verify", "code": code, "mobile": "ignored"});
    let shown = tenant.post_as(&ada, "/api/sms/verify", shown).await;
    assert_eq!(shown.expect(200)["data"]["type"], "users");
    let elsewhere = access_token(&tenant.log_in("ada").await);
    let elsewhere = tenant.verify_as(&elsewhere, OTHER, "rebind").await;
    assert_error(&elsewhere, 422, "validation_error", Some("mobile"));
    let changed = tenant.verify_as(&ada, OTHER, "rebind").await.expect(200);
    assert_eq!(changed["data"]["attributes"]["originalMobile"], OTHER);
    let again = tenant.verify_as(&ada, PHONE, "rebind").await;
    assert_error(&again, 422, "validation_error", Some("mobile"));
}

async fn a_forgotten_password_is_replaced_and_every_session_ends(backend: Backend) {
    let home = Home::start(backend).await;
    let tenant = home.tenant("modern", json!({})).await;
    let unknown = json!({"mobile": PHONE, "type": "reset_pwd"});
    let unknown = tenant.post("/api/sms/send", unknown).await;
    assert_error(&unknown, 422, "validation_error", Some("mobile"));
    assert!(home.simulator.codes("+8613800138000").await.is_empty());
    let token = tenant.mobile_token(PHONE).await;
    let made = tenant.register("ada", json!({"mobileToken": token})).await;
    let refresh = made.json()["data"]["attributes"]["refresh_token"].clone();
    // A new password that breaks the rules costs no try of the code.
    let code = tenant.sms_code(PHONE, "reset_pwd").await;
    let change = |password: &str| json!({"mobile": PHONE, "type": "reset_pwd", "code": code, "password": password});
    let weak = tenant.post("/api/sms/verify", change("short")).await;
    assert_error(&weak, 422, "validation_error", Some("password"));
    let none = tenant.post("/api/sms/verify", change("")).await;
    assert_error(&none, 422, "validation_error", Some("password"));
    let changed = tenant
        .post("/api/sms/verify", change("another long horse"))
        .await;
    assert_eq!(changed.expect(200)["data"]["type"], "users");
    // Old sessions are dead, the new password works, the old one does not.
    let dead = tenant
        .post_as(&access_token(&made), "/api/logout", json!({}))
        .await;
    assert_error(&dead, 401, "access_denied", None);
    let dead = tenant
        .post("/api/refresh-token", json!({"refresh_token": refresh}))
        .await;
    assert_eq!(dead.status, 401, "{dead:?}");
    assert_eq!(tenant.log_in("ada").await.status, 403);
    let attributes = json!({"username": "ada", "password": "another long horse"});
    assert_eq!(tenant.post("/api/login", attributes).await.status, 200);
    let lines = tenant.count("tenant_audit_entries", "action = 'password.reset'");
    assert_eq!(lines.await, 1);
}

async fn messages_are_bounded_by_number_address_and_day(backend: Backend) {
    let home = Home::start_with(backend, |options| {
        options.set("server.trusted_proxies", json!(["127.0.0.1/32"]))
    })
    .await;
    let rules = json!({"sms_rules": {
        "interval_seconds": 1, "per_phone_per_day": 3, "per_address_per_day": 8, "per_tenant_per_day": 12,
    }});
    let tenant = home.tenant("modern", rules).await;
    let send = |phone: String, from: &str| {
        tenant
            .call("/api/sms/send", &json!({"mobile": phone, "type": "login"}))
            .header("X-Forwarded-For", from)
    };
    let public = home.server.public();
    // Many to many numbers from one address: no more than the address may.
    let numbers = |from: u32| move |step: u32| format!("139{:08}", from + step);
    let burst: Vec<_> = (0..40)
        .map(numbers(0))
        .map(|phone| send(phone, "203.0.113.1"))
        .collect();
    volley(public, &burst).await;
    assert_eq!(home.simulator.calls("sms.gateway").await, 8);
    // Many to one number, from many addresses and over more than one pause: no more than the number may.
    let mut sent = 0;
    for step in 0..6 {
        let address = format!("203.0.113.{}", 10 + step);
        let answer = send(PHONE.to_owned(), &address).send(public).await;
        if answer.status == 200 {
            sent += 1;
        } else {
            assert_error(&answer, 429, "too_many_requests", None);
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    assert_eq!(sent, 3);
    assert_eq!(home.simulator.codes("+8613800138000").await.len(), 3);
    let limited = metric(
        &home.server,
        "enroll_limiter_refusals_total",
        "\"sms_limit\"",
    )
    .await;
    assert!(limited >= 35.0, "{limited}");
    // And whoever asks: no more than the tenant pays for in a day.
    let burst: Vec<_> = (0..20)
        .map(|step| send(numbers(100)(step), &format!("203.0.113.{}", 100 + step)))
        .collect();
    volley(public, &burst).await;
    assert_eq!(home.simulator.calls("sms.gateway").await, 12);
    let budget = metric(
        &home.server,
        "enroll_limiter_refusals_total",
        "\"sms_budget\"",
    )
    .await;
    assert!((budget - 19.0).abs() < 0.5, "{budget}");
    home.server.logged(&["budget of messages"]).await;
    // Refused numbers cost nothing, not even of the budget.
    for foreign in ["+44 7911 123456", "+1 900 555 0100", "123", "abc", ""] {
        let answer = send(foreign.to_owned(), "203.0.113.200").send(public).await;
        assert_error(&answer, 422, "validation_error", Some("mobile"));
    }
    assert_eq!(home.simulator.calls("sms.gateway").await, 12);
}

#[tokio::test]
async fn a_captcha_guards_messages_and_passes_once() {
    let home = Home::start(Backend::Sqlite).await;
    let settings = json!({"captcha": tencent_captcha(), "captcha_rules": {"on_sms": true}});
    for tenant in home.both_dialects(settings).await {
        let send = async |more: Value| {
            let mut asked = json!({"mobile": PHONE, "type": "login"});
            crate::harness::simulator::merge(&mut asked, more);
            tenant.post("/api/sms/send", asked).await
        };
        let captcha = json!("/data/attributes/captcha");
        let sent = home.simulator.calls("sms.gateway").await;
        for lacking in [
            json!({}),
            json!({"captcha_ticket": "good-1"}),
            json!({"captcha_rand_str": "r"}),
            json!({"captcha_ticket": "", "captcha_rand_str": ""}),
        ] {
            let error = send(lacking).await.expect(422)["errors"][0].clone();
            assert_eq!(error["source"]["pointer"], captcha);
            assert_eq!(error["detail"], json!(["验证码 错误。"]));
        }
        let bad = json!({"captcha_ticket": "bad", "captcha_rand_str": "r"});
        let error = send(bad).await.expect(422)["errors"][0].clone();
        assert!(
            error["detail"][0].as_str().unwrap().contains('9'),
            "{error}"
        );
        assert_eq!(home.simulator.calls("sms.gateway").await, sent);
        let good =
            json!({"captcha_ticket": format!("good-{}", tenant.key), "captcha_rand_str": "r"});
        let answer = send(good.clone()).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        let error = send(good).await.expect(422)["errors"][0].clone();
        assert_eq!(error["source"]["pointer"], captcha, "a ticket passes once");
        assert_eq!(home.simulator.calls("sms.gateway").await, sent + 1);
    }
}

#[tokio::test]
async fn what_a_message_needs_is_judged_field_by_field() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    for (asked, field) in [
        (json!({"mobile": PHONE}), "type"),
        (json!({"mobile": PHONE, "type": "reset_pay_pwd"}), "type"),
        (json!({"mobile": PHONE, "type": true}), "type"),
        (json!({"type": "login"}), "mobile"),
        (json!({"type": "login", "mobile": ["1"]}), "mobile"),
    ] {
        let answer = tenant.post("/api/sms/send", asked).await;
        assert_error(&answer, 422, "validation_error", Some(field));
    }
    for (asked, field) in [
        (json!({"mobile": PHONE, "code": "123456"}), "sms_type"),
        (json!({"mobile": PHONE, "type": "login"}), "sms_code"),
        (json!({"code": "123456", "type": "login"}), "mobile"),
    ] {
        let answer = tenant.post("/api/sms/verify", asked).await;
        assert_error(&answer, 422, "validation_error", Some(field));
    }
    let off = home.tenant("without", json!({"sms": null})).await;
    let answer = off
        .post("/api/sms/send", json!({"mobile": PHONE, "type": "login"}))
        .await;
    assert_error(&answer, 422, "validation_error", Some("mobile"));
}

#[tokio::test]
async fn every_provider_brings_the_code() {
    let home = Home::start(Backend::Sqlite).await;
    let tencent = json!({
        "provider": "tencent", "secret_id": "AKIDsimulated0000000000000000000000",
        "secret_key": "simulated-tencent-secret-key", "sdk_app_id": "1400000000",
        "sign_name": "Simulated", "template_id": "1000000",
    });
    let aliyun = json!({
        "provider": "aliyun", "access_key_id": "LTAIsimulated000000000000",
        "access_key_secret": "simulated-aliyun-secret-key", "sign_name": "Simulated",
        "template_code": "SMS_000000000",
    });
    for (key, account) in [("tencent", tencent), ("aliyun", aliyun)] {
        let tenant = home.tenant(key, json!({"sms": account})).await;
        assert_eq!(tenant.mobile_token(PHONE).await.len(), 40);
        assert_eq!(home.simulator.calls(&format!("sms.{key}")).await, 1);
    }
}
