//! `GET /api/forum` (docs/contract.md section 10.5).

use serde_json::{Value, json};

use crate::harness::client::{MEDIA_TYPE, Request};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

async fn attributes(server: &Server, tenant: &str) -> Value {
    let path = format!("/t/{tenant}/api/forum");
    let answer = Request::new("GET", &path).send(server.public()).await;
    let document = answer.expect(200);
    assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(document["data"]["type"], "forums");
    assert_eq!(document["data"]["id"], "1");
    document["data"]["attributes"].clone()
}

fn expected(set_reg: Value, qcloud: Value, passport: Value, message: &str) -> Value {
    json!({
        "set_site": {"site_mode": "public", "site_close_msg": message},
        "set_reg": set_reg, "qcloud": qcloud, "passport": passport,
    })
}

#[tokio::test]
async fn a_client_reads_what_its_form_needs_and_no_secret() {
    let server = Server::start(ServerOptions::new()).await;
    for dialect in ["standard", "discuzq"] {
        let plain = format!("plain-{dialect}");
        let settings = json!({ "dialect": dialect });
        create_tenant(&server, &plain, Placement::Own, settings).await;
        let set_reg = json!({
            "register_close": true, "register_validate": false, "register_captcha": false,
            "password_length": 8, "password_strength": [], "register_type": 0,
        });
        let qcloud =
            json!({"qcloud_captcha": false, "qcloud_captcha_app_id": "", "qcloud_sms": false});
        let passport = json!({"offiaccount_close": false, "miniprogram_close": false, "oplatform_close": false});
        assert_eq!(
            attributes(&server, &plain).await,
            expected(set_reg, qcloud, passport, "")
        );

        let full = format!("full-{dialect}");
        let settings = json!({
            "dialect": dialect,
            "registration": {"open": false, "approval": true, "method": "phone"},
            "password": {"min_length": 10, "require": ["digit", "lowercase", "symbol", "uppercase"]},
            "site": {"close_message": "打烊了"},
            "wechat": {
                "official_account": {"app_id": "wx-official", "app_secret": "hush-official"},
                "open_platform": {"app_id": "wx-open", "app_secret": "hush-open"},
                "mini_program": {"app_id": "wx-mini", "app_secret": "hush-mini"},
            },
            "sms": {"provider": "gateway", "name": "main", "key_id": "k1", "key": "hush-sms"},
            "captcha": {"provider": "tencent", "secret_id": "AKID", "secret_key": "hush-key",
                "captcha_app_id": 2_046_000_001_u64, "app_secret_key": "hush-app"},
            "captcha_rules": {"on_register": true},
        });
        create_tenant(&server, &full, Placement::Own, settings).await;
        let set_reg = json!({
            "register_close": false, "register_validate": true, "register_captcha": true,
            "password_length": 10, "password_strength": ["0", "1", "2", "3"], "register_type": 1,
        });
        let qcloud = json!({
            "qcloud_captcha": true, "qcloud_captcha_app_id": "2046000001", "qcloud_sms": true,
        });
        let passport =
            json!({"offiaccount_close": true, "miniprogram_close": true, "oplatform_close": true});
        let shown = attributes(&server, &full).await;
        assert_eq!(shown, expected(set_reg, qcloud, passport, "打烊了"));
    }
}

#[tokio::test]
async fn the_captcha_is_not_announced_where_wechat_leads() {
    let server = Server::start(ServerOptions::new()).await;
    let settings = json!({
        "registration": {"method": "wechat"},
        "captcha": {"provider": "turnstile", "secret": "hush"},
        "captcha_rules": {"on_register": true},
    });
    create_tenant(&server, "acme", Placement::Own, settings).await;
    let shown = attributes(&server, "acme").await;
    assert_eq!(shown["set_reg"]["register_captcha"], false);
    assert_eq!(shown["set_reg"]["register_type"], 2);
    assert_eq!(shown["qcloud"]["qcloud_captcha"], true);
}

#[tokio::test]
async fn the_route_names_its_tenant_and_its_methods_like_every_other() {
    let server = Server::start(ServerOptions::new()).await;
    let settings = json!({"site": {"closed_for": ["h5"], "close_message": "closed today"}});
    create_tenant(&server, "acme", Placement::Own, settings).await;
    let forum = || Request::new("GET", "/api/forum");
    let sent = async |request: Request| request.send(server.public()).await;
    for named in [
        forum().header("X-Tenant-Id", "acme"),
        forum().header("Host", "acme.localhost"),
    ] {
        sent(named).await.expect(200);
    }
    let nobody = sent(forum()).await;
    assert_eq!(
        (nobody.status, nobody.error_code().as_str()),
        (404, "tenant_not_found")
    );
    let phone = sent(
        forum()
            .header("X-Tenant-Id", "acme")
            .header("User-Agent", "an iPhone"),
    )
    .await;
    assert_eq!(
        (phone.status, phone.error_code().as_str()),
        (401, "site_closed")
    );
    assert_eq!(phone.error()["detail"], json!(["closed today"]));
    let posted = sent(Request::new("POST", "/t/acme/api/forum")).await;
    assert_eq!(posted.status, 405);
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
    let head = sent(Request::new("HEAD", "/t/acme/api/forum")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}
