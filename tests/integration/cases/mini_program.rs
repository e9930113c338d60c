//! The mini program: who its user is, as WeChat says, and nobody else (`docs/contract.md`, sections 8 and 10.4;
//! `docs/threats.md`, rows 77 to 80).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::client::{Answer, volley};
use crate::harness::database::Backend;
use crate::harness::neighbours::{Home, Tenant, access_token, assert_error, user_id};
use crate::harness::server::Server;
use crate::harness::simulator::{MINI_PROGRAM, merge};
use crate::harness::tenants::users;

on_all_databases!(
    a_mini_programs_user_registers_and_logs_in,
    a_js_code_binds_once_at_two_processes,
    a_number_that_wechat_knows_is_bound,
);

const LOGIN: &str = "/api/oauth/wechat/miniprogram";

async fn a_mini_programs_user_registers_and_logs_in(backend: Backend) {
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        for (person, rebind) in [
            ("ada", Value::Null),
            ("bob", json!(0)),
            ("eve", json!(1)),
            ("kim", json!("1")),
        ] {
            let unbound = log_in(&tenant, person, json!({"rebind": rebind})).await;
            assert_eq!(tenant.unbound(&unbound, "no_bind_user"), "");
            let error = unbound.json()["errors"][0].clone();
            let shown = if tenant.is_discuzq() {
                &error
            } else {
                &error["meta"]
            };
            assert_eq!(shown["user"]["username"], person);
            let mut triple = home.simulator.triple(person, json!({})).await;
            merge(&mut triple, json!({"rebind": rebind}));
            let made = user_id(&tenant.register(person, triple).await);
            let entered = log_in(&tenant, person, json!({})).await;
            assert_eq!(user_id(&entered), made);
        }
        // A part of the triple counts as nothing when registering, and is a fault when logging in.
        let triple = home.simulator.triple("flo", json!({})).await;
        for (missing, field) in [
            ("js_code", "js_code"),
            ("iv", "iv"),
            ("encryptedData", "encryptedData"),
        ] {
            let mut part = triple.clone();
            merge(&mut part, json!({missing: ""}));
            let answer = tenant.post(LOGIN, part.clone()).await;
            let error = answer.expect(422)["errors"][0].clone();
            assert_eq!(
                error["source"]["pointer"],
                format!("/data/attributes/{field}")
            );
            let name = format!("part{}", missing.len());
            assert!(tenant.register(&name, part).await.status < 300);
        }
        let all = tenant.post(LOGIN, json!({})).await.expect(422);
        assert_eq!(all["errors"].as_array().map(Vec::len), Some(3), "{all}");
        let unbound = tenant.post(LOGIN, triple).await;
        assert_eq!(tenant.unbound(&unbound, "no_bind_user"), "");
        // The account makes itself, or is bound to who is logged in.
        let made = user_id(&log_in(&tenant, "joe", json!({"register": 1})).await);
        assert_eq!(user_id(&log_in(&tenant, "joe", json!({})).await), made);
        let zoe = tenant.register("zoe", json!({})).await;
        let triple = home.simulator.triple("zoe", json!({})).await;
        let bound = tenant.post_as(&access_token(&zoe), LOGIN, triple).await;
        assert_eq!(user_id(&bound), user_id(&zoe));
        assert_eq!(
            user_id(&log_in(&tenant, "zoe", json!({})).await),
            user_id(&zoe)
        );
    }
}

async fn log_in(tenant: &Tenant<'_>, person: &str, more: Value) -> Answer {
    let mut attributes = tenant.home.simulator.triple(person, json!({})).await;
    merge(&mut attributes, more);
    tenant.post(LOGIN, attributes).await
}

async fn a_js_code_binds_once_at_two_processes(backend: Backend) {
    let home = Home::start(backend).await;
    let second = Server::start(home.server.twin()).await;
    for tenant in home.both_dialects(json!({})).await {
        let triple = home.simulator.triple("ada", json!({})).await;
        let racers: Vec<_> = (0..16)
            .map(|index| tenant.registration(&format!("racer{index}"), triple.clone()))
            .collect();
        let (here, there) = racers.split_at(8);
        let (mut answers, more) = tokio::join!(
            volley(home.server.public(), here),
            volley(second.public(), there)
        );
        answers.extend(more);
        let made = answers.iter().filter(|answer| answer.status < 300).count();
        assert_eq!(made, 1, "{answers:?}");
        for refused in answers.iter().filter(|answer| answer.status >= 300) {
            let error = refused.expect(422)["errors"][0].clone();
            let code = if tenant.is_discuzq() {
                "code been used"
            } else {
                "js_code_invalid"
            };
            assert_eq!(error["code"], code, "{error}");
        }
        assert_eq!(users(&home.server, tenant.key).await.len(), 1);
        assert_eq!(tenant.count("identities", "1 = 1").await, 1);
    }
    // The other tenant's race met the same simulator with a code of its own; the same code is refused by WeChat.
    let calls = home.simulator.calls("wechat.jscode2session").await;
    assert_eq!(calls, 2, "one question a code");
}

async fn a_number_that_wechat_knows_is_bound(backend: Backend) {
    const BIND: &str = "/api/mobile/bind/miniprogram";
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        let ada = access_token(&tenant.register("ada", json!({})).await);
        let with_phone = json!({"phone": "13800138000"});
        let guest = home.simulator.triple("ada", with_phone.clone()).await;
        let guest = tenant.post(BIND, guest).await;
        assert_eq!(guest.expect(401)["errors"][0]["code"], "not_authenticated");
        let none = home.simulator.triple("ada", json!({})).await;
        let none = tenant.post_as(&ada, BIND, none).await;
        assert_eq!(
            none.expect(422)["errors"][0]["code"],
            "wechat_mobile_unbound"
        );
        let lacking = tenant.post_as(&ada, BIND, json!({})).await.expect(422);
        assert_eq!(
            lacking["errors"].as_array().map(Vec::len),
            Some(3),
            "{lacking}"
        );
        let triple = home.simulator.triple("ada", with_phone.clone()).await;
        let bound = tenant.post_as(&ada, BIND, triple).await.expect(201);
        assert_eq!(bound["data"]["type"], "users");
        assert_eq!(bound["data"]["attributes"]["originalMobile"], "13800138000");
        let triple = home.simulator.triple("ada", with_phone.clone()).await;
        let again = tenant.post_as(&ada, BIND, triple).await;
        assert_eq!(again.expect(422)["errors"][0]["code"], "user_has_mobile");
        let eve = access_token(&tenant.register("eve", json!({})).await);
        let triple = home.simulator.triple("eve", with_phone).await;
        let taken = tenant.post_as(&eve, BIND, triple).await;
        assert_eq!(
            taken.expect(422)["errors"][0]["code"],
            "mobile_is_already_bind"
        );
        let by_phone = json!({"username": "13800138000", "password": "correct horse battery"});
        assert_eq!(tenant.post("/api/login", by_phone).await.status, 200);
    }
}

#[tokio::test]
async fn altered_foreign_and_old_data_get_one_answer_and_no_account() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    let mut bad = Vec::new();
    for more in [
        json!({"tamper": true}),
        json!({"watermark_appid": "wx9999999999999999"}),
        json!({"age_seconds": 3600}),
        json!({"age_seconds": -600}),
    ] {
        bad.push(home.simulator.triple("ada", more).await);
    }
    let sample = home.simulator.triple("ada", json!({})).await;
    let length = STANDARD
        .decode(sample["encryptedData"].as_str().unwrap())
        .unwrap()
        .len();
    for block in 0..length / 16 {
        let mut triple = home.simulator.triple("ada", json!({})).await;
        let mut data = STANDARD
            .decode(triple["encryptedData"].as_str().unwrap())
            .unwrap();
        data[block * 16 + 5] ^= 0x40;
        triple["encryptedData"] = json!(STANDARD.encode(data));
        bad.push(triple);
    }
    for (field, value) in [
        ("iv", json!("AAAA")),
        ("iv", json!("not base64!")),
        ("encryptedData", json!("AAAA")),
        ("encryptedData", json!("%%%")),
        ("encryptedData", json!("a".repeat(20_000))),
    ] {
        let mut triple = home.simulator.triple("ada", json!({})).await;
        triple[field] = value;
        bad.push(triple);
    }
    // The data of somebody else under one's own code.
    let mut borrowed = home.simulator.triple("ada", json!({})).await;
    borrowed["js_code"] = home.simulator.triple("eve", json!({})).await["js_code"].take();
    bad.push(borrowed);
    let mut bodies = Vec::new();
    for (index, triple) in bad.into_iter().enumerate() {
        let register = index % 2 == 0;
        let answer = if register {
            tenant.register("ada", triple).await
        } else {
            let mut asked = triple;
            merge(&mut asked, json!({"register": 1}));
            tenant.post(LOGIN, asked).await
        };
        assert_error(
            &answer,
            422,
            "encrypted_data_invalid",
            Some("encryptedData"),
        );
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one answer for every fault");
    assert!(users(&home.server, tenant.key).await.is_empty());
    assert_eq!(tenant.count("identities", "1 = 1").await, 0);
    // A lie about who it is, or about the key, opens nothing either.
    for lie in ["openid", "session_key"] {
        home.simulator
            .mode(json!({"wechat": "lying", "lie": lie}))
            .await;
        let triple = home.simulator.triple("ada", json!({})).await;
        let answer = tenant.register("ada", triple).await;
        assert_error(
            &answer,
            422,
            "encrypted_data_invalid",
            Some("encryptedData"),
        );
    }
    home.simulator.mode(json!({})).await;
    let triple = home.simulator.triple("ada", json!({})).await;
    assert_eq!(
        tenant.register("ada", triple).await.status,
        200,
        "the retry works"
    );
    let open_id = home.simulator.open_id(MINI_PROGRAM, "ada").await;
    let bound = format!("open_id = '{open_id}'");
    assert_eq!(tenant.count("identities", &bound).await, 1);
}

#[tokio::test]
async fn discuzq_names_what_does_not_open_as_the_original_did() {
    let home = Home::start(Backend::Sqlite).await;
    let [modern, tenant] = home.both_dialects(json!({})).await;
    let triple = home.simulator.triple("ada", json!({"tamper": true})).await;
    let text = "The given payload is invalid.";
    let error = json!({"errors": [{"status": "422", "code": text, "detail": [text]}]});
    assert_eq!(tenant.register("ada", triple).await.expect(422), error);
    let triple = home.simulator.triple("ada", json!({})).await;
    assert!(tenant.register("ada", triple.clone()).await.status < 300);
    let error = tenant.register("bob", triple.clone()).await.expect(422);
    assert_eq!(error["errors"][0]["code"], "code been used");
    // A code that another tenant of the same app has used is WeChat's to refuse.
    let elsewhere = modern.register("ada", triple).await;
    assert_error(&elsewhere, 422, "wechat_refused", Some("js_code"));
    assert_eq!(modern.count("users", "1 = 1").await, 0);
}

#[tokio::test]
async fn where_wechat_leads_an_owned_account_stays_with_its_owner() {
    let home = Home::start(Backend::Sqlite).await;
    for tenant in home
        .both_dialects(json!({"registration": {"method": "wechat"}}))
        .await
    {
        let triple = home.simulator.triple("ada", json!({})).await;
        let ada = user_id(&tenant.register("ada", triple).await);
        let triple = home.simulator.triple("ada", json!({})).await;
        let unlinked = tenant.register("eve", triple).await;
        assert_ne!(user_id(&unlinked), ada);
        assert_eq!(user_id(&log_in(&tenant, "ada", json!({})).await), ada);
    }
}
