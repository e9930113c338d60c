//! What a proof is good for: one account, once, at one tenant, for one purpose (`docs/contract.md`, sections 7 to 9;
//! `docs/threats.md`, rows 80 to 83 and 96).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, volley};
use crate::harness::database::Backend;
use crate::harness::neighbours::{Home, Page, Tenant, access_token, assert_error, user_id};
use crate::harness::server::Server;
use crate::harness::simulator::{merge, tencent_captcha};
use crate::harness::tenants::{invite, issue_invite, users};
use crate::harness::wait::until;

on_all_databases!(
    a_token_binds_once_at_two_processes,
    a_dead_token_is_refused_or_passed_over_as_the_tenant_has_it,
    a_failed_binding_leaves_nothing_behind,
    rebind_moves_an_account_and_ends_its_owners_sessions,
    nobody_banned_comes_in_by_any_way,
);

const PHONE: &str = "13800138000";

async fn a_token_binds_once_at_two_processes(backend: Backend) {
    let home = Home::start(backend).await;
    let second = Server::start(home.server.twin()).await;
    for tenant in home
        .both_dialects(json!({"registration": {"strict_tokens": true}}))
        .await
    {
        let offers = [
            (
                json!({"token": tenant.wechat_token("ada").await}),
                ("identities", "1 = 1"),
            ),
            (
                json!({"mobileToken": tenant.mobile_token(PHONE).await}),
                ("users", "phone IS NOT NULL"),
            ),
        ];
        for (round, (offer, (table, bound))) in offers.into_iter().enumerate() {
            let before = users(&home.server, tenant.key).await.len();
            let racers: Vec<_> = (0..16)
                .map(|index| tenant.registration(&format!("racer{round}x{index}"), offer.clone()))
                .collect();
            let (here, there) = racers.split_at(8);
            let (mut answers, more) = tokio::join!(
                volley(home.server.public(), here),
                volley(second.public(), there)
            );
            answers.extend(more);
            let made = answers.iter().filter(|answer| answer.status < 300).count();
            assert_eq!(made, 1, "{answers:?}");
            assert!(
                answers
                    .iter()
                    .all(|answer| answer.status < 300 || answer.status == 422)
            );
            assert_eq!(users(&home.server, tenant.key).await.len(), before + 1);
            assert_eq!(tenant.count(table, bound).await, 1);
        }
    }
    // Where dead tokens are passed over, the race still binds once.
    let lenient = home.tenant("lenient", json!({"dialect": "discuzq"})).await;
    let token = lenient.wechat_token("ada").await;
    let racers: Vec<_> = (0..16)
        .map(|index| lenient.registration(&format!("racer{index}"), json!({"token": token})))
        .collect();
    let answers = volley(home.server.public(), &racers).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status < 300 || answer.status == 422),
        "{answers:?}"
    );
    assert_eq!(lenient.count("identities", "1 = 1").await, 1);
}

async fn a_dead_token_is_refused_or_passed_over_as_the_tenant_has_it(backend: Backend) {
    let home = Home::start(backend).await;
    let strict = json!({"dialect": "discuzq", "registration": {"strict_tokens": true}});
    let tenants = [
        home.tenant("modern", json!({})).await,
        home.tenant("classic", json!({"dialect": "discuzq"})).await,
        home.tenant("strict", strict).await,
    ];
    for tenant in &tenants {
        let other = if tenant.key == "modern" {
            &tenants[1]
        } else {
            &tenants[0]
        };
        let spent = tenant.wechat_token("spent").await;
        tenant.register("spent", json!({"token": spent})).await;
        let old = tenant.wechat_token("old").await;
        let old_phone = tenant.mobile_token("13700137000").await;
        tenant
            .change("proof_tokens", "expires_at = 1", "1 = 1")
            .await;
        let (elsewhere, phone_elsewhere) = (
            other.wechat_token("x").await,
            other.mobile_token(PHONE).await,
        );
        let (wechat, phone) = (
            tenant.wechat_token("y").await,
            tenant.mobile_token("13600136000").await,
        );
        let state = tenant.way_back(Page::OfficialAccount, "z", "").await;
        let state = state
            .split("sessionId=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned();
        let dead = [
            ("token", json!("forged")),
            ("token", json!(spent)),
            ("token", json!(old)),
            ("token", json!(elsewhere)),
            ("token", json!(phone)),
            ("token", json!(state)),
            ("mobileToken", json!("0".repeat(40))),
            ("mobileToken", json!(old_phone)),
            ("mobileToken", json!(phone_elsewhere)),
            ("mobileToken", json!(wechat)),
        ];
        for (index, (field, token)) in dead.into_iter().enumerate() {
            let name = format!("user{index}");
            let answer = tenant.register(&name, json!({field: token})).await;
            match tenant.key {
                "modern" => assert_error(&answer, 422, "token_invalid", Some(field)),
                "strict" => assert_eq!(answer.expect(422)["errors"][0]["code"], "token_invalid"),
                _ => assert!(answer.status < 300, "{field} {index}: {answer:?}"),
            }
        }
        assert_eq!(tenant.count("identities", "1 = 1").await, 1);
        assert_eq!(tenant.count("users", "phone IS NOT NULL").await, 0);
        // Nothing above spent what it was not for.
        let both = tenant
            .register("both", json!({"token": wechat, "mobileToken": phone}))
            .await;
        assert!(both.status < 300, "{both:?}");
        assert_eq!(tenant.count("identities", "1 = 1").await, 2);
        assert_eq!(tenant.count("users", "phone IS NOT NULL").await, 1);
    }
}

async fn a_failed_binding_leaves_nothing_behind(backend: Backend) {
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        // A refused registration spends no token.
        let token = tenant.wechat_token("ada").await;
        let phone = tenant.mobile_token(PHONE).await;
        let offer = json!({"token": token, "mobileToken": phone});
        let taken = tenant.register("taken", json!({})).await;
        let mut weak = offer.clone();
        merge(&mut weak, json!({"password": "1"}));
        assert_eq!(tenant.register("ada", weak).await.status, 422);
        assert_eq!(tenant.register("taken", offer.clone()).await.status, 422);
        assert!(tenant.register("ada", offer).await.status < 300);
        // The number, the page's account and the mini program's are somebody's now.
        let before = users(&home.server, tenant.key).await.len();
        let rebind = tenant
            .wechat(Page::OfficialAccount, "ada", "&rebind=1")
            .await;
        let bound = tenant.unbound(&rebind, "rebind_mp_wechat");
        let fresh = tenant.mobile_token("13900139000").await;
        let offer = json!({"token": bound, "mobileToken": fresh});
        for rebind in [Value::Null, json!(0), json!("0"), json!(false)] {
            let mut offer = offer.clone();
            merge(&mut offer, json!({"rebind": rebind}));
            let refused = tenant.register("eve", offer).await;
            assert_eq!(
                refused.expect(422)["errors"][0]["code"],
                "account_has_been_bound"
            );
        }
        assert_eq!(users(&home.server, tenant.key).await.len(), before);
        // Two numbers were proven before one of them was bound: the other registration fails and leaves nobody.
        let first = tenant.mobile_token("13500135000").await;
        let second = tenant.mobile_token("13500135000").await;
        assert!(
            tenant
                .register("first", json!({"mobileToken": first}))
                .await
                .status
                < 300
        );
        let refused = tenant
            .register("second", json!({"mobileToken": second}))
            .await;
        assert_eq!(
            refused.expect(422)["errors"][0]["code"],
            "mobile_is_already_bind"
        );
        // WeChat is down: nobody, and the retry works.
        home.simulator
            .mode(json!({"wechat": "failing", "failure": "status"}))
            .await;
        let triple = home.simulator.triple("kim", json!({})).await;
        let down = tenant.register("kim", triple).await;
        assert_eq!(down.expect(503)["errors"][0]["code"], "unavailable");
        home.simulator.mode(json!({})).await;
        assert_eq!(users(&home.server, tenant.key).await.len(), before + 1);
        let triple = home.simulator.triple("kim", json!({})).await;
        assert!(tenant.register("kim", triple).await.status < 300);
        // The retry with what was good all along.
        let retry = tenant.register("eve", json!({"mobileToken": fresh})).await;
        assert!(retry.status < 300, "{retry:?}");
        access_token(&taken);
    }
}

async fn rebind_moves_an_account_and_ends_its_owners_sessions(backend: Backend) {
    let home = Home::start(backend).await;
    home.simulator.person_with_union_id("joined").await;
    for tenant in home.both_dialects(json!({})).await {
        for (round, person, rebind) in [(0, "plain", json!(1)), (1, "joined", json!("1"))] {
            let token = tenant.wechat_token(person).await;
            let owner = tenant
                .register(&format!("owner{round}"), json!({"token": token}))
                .await;
            let refresh = owner.json()["data"]["attributes"]["refresh_token"].clone();
            let page = tenant
                .wechat(Page::OfficialAccount, person, "&rebind=1")
                .await;
            let token = tenant.unbound(&page, "rebind_mp_wechat");
            let taker = tenant
                .register(
                    &format!("taker{round}"),
                    json!({"token": token, "rebind": rebind}),
                )
                .await;
            let taker = user_id(&taker);
            let entered = tenant.wechat(Page::OfficialAccount, person, "").await;
            assert_eq!(user_id(&entered), taker);
            assert_ended(&tenant, &access_token(&owner), &refresh).await;
            assert_eq!(
                tenant.log_in(&format!("owner{round}")).await.status,
                200,
                "the account stays"
            );
            let line = format!(
                "action = 'identity.rebind' AND actor = {taker} AND subject = {}",
                user_id(&owner)
            );
            assert_eq!(tenant.count("tenant_audit_entries", &line).await, 1);
            // Without proof `rebind` moves nothing: the spent token again, and a name alone.
            let replay = json!({"token": token, "rebind": 1});
            tenant.register(&format!("thief{round}"), replay).await;
            tenant
                .register(&format!("plain{round}"), json!({"rebind": 1}))
                .await;
            let entered = tenant.wechat(Page::OfficialAccount, person, "").await;
            assert_eq!(user_id(&entered), taker);
        }
        // By the mini program, and by who is logged in.
        let triple = home.simulator.triple("mini", json!({})).await;
        let owner = tenant.register("owner2", triple).await;
        let refresh = owner.json()["data"]["attributes"]["refresh_token"].clone();
        let eve = tenant.register("eve", json!({})).await;
        let triple = home.simulator.triple("mini", json!({})).await;
        let kept = tenant
            .post_as(&access_token(&eve), MINI_PROGRAM_LOGIN, triple)
            .await;
        assert_eq!(
            kept.expect(422)["errors"][0]["code"],
            "account_has_been_bound"
        );
        let mut triple = home.simulator.triple("mini", json!({})).await;
        merge(&mut triple, json!({"rebind": 1}));
        let moved = tenant
            .post_as(&access_token(&eve), MINI_PROGRAM_LOGIN, triple)
            .await;
        assert_eq!(user_id(&moved), user_id(&eve));
        assert_ended(&tenant, &access_token(&owner), &refresh).await;
        let doubles = "count(*) - count(DISTINCT open_id)";
        assert_eq!(tenant.number(doubles, "identities", "1 = 1").await, 0);
    }
}

fn with(mut attributes: Value, more: Value) -> Value {
    merge(&mut attributes, more);
    attributes
}

const MINI_PROGRAM_LOGIN: &str = "/api/oauth/wechat/miniprogram";

async fn assert_ended(tenant: &Tenant<'_>, access: &str, refresh: &Value) {
    let dead = tenant.post_as(access, "/api/logout", json!({})).await;
    assert_eq!(dead.expect(401)["errors"][0]["code"], "access_denied");
    let dead = tenant
        .post("/api/refresh-token", json!({"refresh_token": refresh}))
        .await;
    assert_eq!(dead.status, 401, "{dead:?}");
}

async fn nobody_banned_comes_in_by_any_way(backend: Backend) {
    let home = Home::start(backend).await;
    for tenant in home.both_dialects(json!({})).await {
        let mut offer = home.simulator.triple("ada", json!({})).await;
        let (token, phone) = (
            tenant.wechat_token("ada").await,
            tenant.mobile_token(PHONE).await,
        );
        merge(&mut offer, json!({"token": token, "mobileToken": phone}));
        let ada = tenant.register("ada", offer).await;
        let (access, refresh) = (
            access_token(&ada),
            ada.json()["data"]["attributes"]["refresh_token"].clone(),
        );
        let picture = tenant.get("/api/oauth/wechat/pc/qrcode").await.expect(200);
        let picture = picture["data"]["attributes"]["session_token"]
            .as_str()
            .unwrap()
            .to_owned();
        tenant
            .wechat(
                Page::OfficialAccount,
                "ada",
                &format!("&session_token={picture}"),
            )
            .await;
        let sent = tenant.sms_code(PHONE, "reset_pwd").await;
        for (number, code) in [
            (1, "ban_user"),
            (2, "register_validate"),
            (3, "validate_reject"),
            (4, "validate_ignore"),
        ] {
            tenant
                .change("users", &format!("status = {number}"), "username = 'ada'")
                .await;
            let triple = home.simulator.triple("ada", json!({})).await;
            let by_phone = json!({"username": PHONE, "password": "correct horse battery"});
            let mut ways = vec![
                tenant.log_in("ada").await,
                tenant.post("/api/login", by_phone).await,
                tenant.verify(PHONE, "login", json!({})).await,
                tenant.verify(PHONE, "login", json!({"register": 1})).await,
                tenant.wechat(Page::OfficialAccount, "ada", "").await,
                tenant
                    .wechat(Page::OfficialAccount, "ada", "&register=1")
                    .await,
                tenant.post(MINI_PROGRAM_LOGIN, triple).await,
                tenant.post_as(&access, "/api/logout", json!({})).await,
                tenant
                    .post("/api/refresh-token", json!({"refresh_token": refresh}))
                    .await,
            ];
            if number == 1 {
                ways.push(
                    tenant
                        .get(&format!("/api/oauth/wechat/pc/login/{picture}"))
                        .await,
                );
                let reset = json!({"mobile": PHONE, "type": "reset_pwd", "code": sent, "password": "another long horse"});
                ways.push(tenant.post("/api/sms/verify", reset).await);
            }
            for (way, answer) in ways.iter().enumerate() {
                assert_eq!(answer.expect(401)["errors"][0]["code"], code, "way {way}");
            }
        }
        tenant.change("users", "status = 0", "1 = 1").await;
        assert_eq!(
            tenant.log_in("ada").await.status,
            200,
            "the password is the old one"
        );
    }
}

#[tokio::test]
async fn a_captcha_guards_the_form_and_passes_once() {
    let home = Home::start(Backend::Sqlite).await;
    let settings = json!({"captcha": tencent_captcha(), "captcha_rules": {"on_register": true}});
    for tenant in home.both_dialects(settings).await {
        let texts = async |answer: Answer| {
            let error = answer.expect(422)["errors"][0].clone();
            assert_eq!(error["source"]["pointer"], "/data/attributes/captcha");
            error["detail"][0].as_str().unwrap().to_owned()
        };
        for lacking in [
            json!({}),
            json!({"captcha_ticket": "good"}),
            json!({"captcha_rand_str": "r"}),
        ] {
            assert_eq!(
                texts(tenant.register("ada", lacking).await).await,
                "验证码 错误。"
            );
        }
        let bad = json!({"captcha_ticket": "bad", "captcha_rand_str": "r"});
        let bad = texts(tenant.register("ada", bad).await).await;
        assert!(bad.contains('9'), "{bad}");
        // A form with another fault spends no ticket.
        let good =
            json!({"captcha_ticket": format!("good-{}", tenant.key), "captcha_rand_str": "r"});
        let mut weak = good.clone();
        merge(&mut weak, json!({"password": "1"}));
        assert_eq!(tenant.register("ada", weak).await.status, 422);
        assert!(tenant.register("ada", good.clone()).await.status < 300);
        let again = texts(tenant.register("bob", good).await).await;
        assert!(again.contains('8'), "{again}");
        let path = format!("/admin/v1/tenants/{}", tenant.key);
        let patch = json!({"data": {"type": "tenants", "attributes": {"settings": {"registration": {"method": "wechat"}}}}});
        assert_eq!(
            admin(&home.server, "PATCH", &path, Some(patch))
                .await
                .status,
            200
        );
        until("no captcha is asked for", async || {
            let answer = tenant.register("kim", json!({})).await;
            (answer.status < 300).then_some(())
        })
        .await;
    }
}

/// A call that is repeated finds its token spent by itself, and its own account.
#[tokio::test]
async fn a_repeated_call_is_not_refused_for_the_token_it_has_spent() {
    let home = Home::start(Backend::Sqlite).await;
    for tenant in home
        .both_dialects(json!({"registration": {"strict_tokens": true}}))
        .await
    {
        let offer = json!({
            "token": tenant.wechat_token("ada").await,
            "mobileToken": tenant.mobile_token(PHONE).await,
        });
        let call = tenant
            .registration("ada", offer)
            .header("Idempotency-Key", "a-key-of-adas");
        let twins: Vec<_> = (0..8).map(|_| call.clone()).collect();
        let answers = volley(home.server.public(), &twins).await;
        let late = call.send(home.server.public()).await;
        let ada = user_id(&late);
        for answer in &answers {
            match answer.status {
                409 => {}
                _ => assert_eq!(user_id(answer), ada),
            }
        }
        assert_eq!(tenant.count("users", "1 = 1").await, 1);
        assert_eq!(tenant.count("identities", "1 = 1").await, 1);
    }
}

#[tokio::test]
async fn no_token_is_stored_as_it_is() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    let code = tenant.sms_code("13900139000", "login").await;
    let tokens = [
        tenant.wechat_token("ada").await,
        tenant.mobile_token(PHONE).await,
    ];
    assert_eq!(
        tenant
            .count("proof_tokens", "length(token_hash) = 64")
            .await,
        2
    );
    for token in tokens {
        let plain = format!("token_hash = '{token}' OR payload LIKE '%{token}%'");
        assert_eq!(tenant.count("proof_tokens", &format!("({plain})")).await, 0);
    }
    let plain = format!("code_hash = '{code}'");
    assert_eq!(tenant.count("sms_codes", "length(code_hash) = 64").await, 1);
    assert_eq!(tenant.count("sms_codes", &plain).await, 0);
}

#[tokio::test]
async fn each_captcha_provider_passes_a_good_ticket_once() {
    let home = Home::start(Backend::Sqlite).await;
    for provider in ["turnstile", "hcaptcha"] {
        let account =
            json!({"provider": provider, "secret": format!("simulated-{provider}-secret")});
        let settings = json!({"captcha": account, "captcha_rules": {"on_register": true}});
        let tenant = home.tenant(provider, settings).await;
        for lacking in [json!({}), json!({"captcha_ticket": "bad"})] {
            let refused = tenant.register("ada", lacking).await;
            assert_error(&refused, 422, "validation_error", Some("captcha"));
        }
        // These know no random string.
        let good = json!({"captcha_ticket": "good"});
        assert_eq!(tenant.register("ada", good.clone()).await.status, 200);
        let again = tenant.register("bob", good).await;
        assert_error(&again, 422, "validation_error", Some("captcha"));
    }
}

/// What keeps a form from its account keeps an account that makes itself from being, too.
#[tokio::test]
async fn accounts_that_make_themselves_keep_the_tenants_rules() {
    let home = Home::start(Backend::Sqlite).await;
    let closed = home
        .tenant("closed", json!({"registration": {"open": false}}))
        .await;
    let invited = home
        .tenant(
            "invited",
            json!({"registration": {"invite_required": true}}),
        )
        .await;
    let approved = home
        .tenant("approved", json!({"registration": {"approval": true}}))
        .await;
    let code = issue_invite(&home.server, "invited", json!({"max_uses": 3})).await;
    for (tenant, status, error) in [
        (&closed, 401, "register_close"),
        (&invited, 422, "invite_required"),
        (&approved, 401, "register_validate"),
    ] {
        let triple = home.simulator.triple("ada", json!({})).await;
        let mini = tenant
            .post(MINI_PROGRAM_LOGIN, with(triple, json!({"register": 1})))
            .await;
        let page = tenant
            .wechat(Page::OfficialAccount, "bob", "&register=1")
            .await;
        let phone = tenant.verify(PHONE, "login", json!({"register": 1})).await;
        for answer in [mini, page, phone] {
            assert_error(&answer, status, error, None);
        }
    }
    assert_eq!(closed.count("users", "1 = 1").await, 0);
    assert_eq!(invited.count("users", "1 = 1").await, 0);
    assert_eq!(approved.count("users", "status = 2").await, 3);
    assert_eq!(approved.count("sessions", "1 = 1").await, 0);
    let triple = home.simulator.triple("ada", json!({})).await;
    let triple = with(triple, json!({"register": 1, "code": code}));
    user_id(&invited.post(MINI_PROGRAM_LOGIN, triple).await);
    let more = format!("&register=1&inviteCode={code}");
    user_id(&invited.wechat(Page::OfficialAccount, "bob", &more).await);
    let more = json!({"register": 1, "inviteCode": code});
    user_id(&invited.verify(PHONE, "login", more).await);
    let spent = invite(&home.server, "invited", &code).await;
    assert_eq!(spent["uses"], 3);
}

/// Row 82: in each mode an answer in time, and whoever needs no provider notices nothing.
#[tokio::test]
async fn a_provider_that_fails_keeps_nobody_else_out() {
    let home = Home::start_with(Backend::Sqlite, |options| {
        options
            .set("provider.timeout_ms", 1500)
            .set("provider.breaker_failures", 3)
            .set("provider.breaker_open_ms", 300)
    })
    .await;
    let captcha = json!({"captcha": tencent_captcha(), "captcha_rules": {"on_sms": true}});
    let tencent = json!({"sms": {
        "provider": "tencent", "secret_id": "AKIDsimulated0000000000000000000000",
        "secret_key": "simulated-tencent-secret-key", "sdk_app_id": "1400000000",
        "sign_name": "Simulated", "template_id": "1000000",
    }});
    let tenant = home.tenant("modern", tencent).await;
    let guarded = home.tenant("guarded", captcha).await;
    let mut modes = vec![
        json!({"slow_ms": 5000}),
        json!({"failure": "status"}),
        json!({"failure": "refused"}),
    ];
    modes.extend(["json", "huge", "redirect", "errcode"].map(|lie| json!({"lie": lie})));
    for (index, mut mode) in modes.into_iter().enumerate() {
        let name = [
            "slow", "failing", "failing", "lying", "lying", "lying", "lying",
        ][index];
        let back = tenant.way_back(Page::OfficialAccount, "ada", "").await;
        let triple = home.simulator.triple("ada", json!({})).await;
        merge(
            &mut mode,
            json!({"wechat": name, "sms": name, "captcha": name}),
        );
        home.simulator.mode(mode.clone()).await;
        let ticket = json!({
            "mobile": PHONE, "type": "login", "captcha_ticket": "good", "captcha_rand_str": "r",
        });
        let needy: Vec<Request> = vec![
            tenant.request("GET", &back),
            tenant.registration(&format!("mini{index}"), triple),
            tenant.call(
                "/api/sms/send",
                &json!({"mobile": format!("1390013900{index}"), "type": "login"}),
            ),
            guarded.call("/api/sms/send", &ticket),
        ];
        let plain: Vec<Request> = (0..6)
            .map(|step| tenant.registration(&format!("plain{index}x{step}"), json!({})))
            .collect();
        let started = Instant::now();
        let public = home.server.public();
        let (needy, plain) = tokio::join!(volley(public, &needy), volley(public, &plain));
        assert!(started.elapsed() < Duration::from_secs(10), "{mode}");
        for answer in &needy {
            assert!(
                matches!(answer.status, 401 | 422 | 503),
                "{mode}: {answer:?}"
            );
        }
        for answer in &plain {
            assert_eq!(answer.status, 200, "{mode}: {answer:?}");
        }
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
    home.simulator.mode(json!({})).await;
    assert_eq!(home.simulator.calls("redirect_followed").await, 0);
    assert_eq!(tenant.count("identities", "1 = 1").await, 0);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let token = tenant.wechat_token("ada").await;
    let well = tenant.register("ada", json!({"token": token})).await;
    assert_eq!(well.status, 200, "all is well again: {well:?}");
    // And when nobody is there at all.
    let back = tenant.way_back(Page::OfficialAccount, "eve", "").await;
    let triple = home.simulator.triple("eve", json!({})).await;
    home.simulator.stop().await;
    assert_error(&tenant.get(&back).await, 503, "unavailable", None);
    let gone = tenant.register("eve", triple).await;
    assert_error(&gone, 503, "unavailable", None);
    assert!(gone.header("retry-after").is_some(), "{gone:?}");
    assert_eq!(tenant.register("eve", json!({})).await.status, 200);
}
