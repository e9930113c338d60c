//! Versions of a tenant's settings: listed, shown, compared, gone back to (docs/api.md, "Versions of settings").

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant};

on_all_databases!(
    versions_are_listed_shown_and_compared_without_secrets,
    going_back_makes_a_new_version_and_is_in_force_at_once,
);

async fn start(backend: Backend) -> (Server, TestDatabase) {
    let platform = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().platform(&platform)).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    (server, platform)
}

async fn get(server: &Server, path: &str) -> Answer {
    let path = format!("/admin/v1/tenants/{path}");
    admin(server, "GET", &path, None).await
}

async fn restore(server: &Server, version: &str) -> Answer {
    let path = format!("/admin/v1/tenants/acme/settings/{version}/restore");
    admin(server, "POST", &path, None).await
}

fn mini_program(secret: &str) -> Value {
    json!({"wechat": {"mini_program": {"app_id": "wx1", "app_secret": secret}}})
}

async fn versions_are_listed_shown_and_compared_without_secrets(backend: Backend) {
    let (server, _platform) = start(backend).await;
    change_settings(&server, "acme", json!({"registration": {"open": false}})).await;
    change_settings(&server, "acme", mini_program("first-secret")).await;
    change_settings(&server, "acme", mini_program("second-secret")).await;

    let first = get(&server, "acme/settings?page[size]=3").await.expect(200);
    let numbers = |list: &Value| -> Vec<i64> {
        let items = list["data"].as_array().expect("a list").iter();
        let version = |item: &Value| item["attributes"]["version"].as_i64();
        items.filter_map(version).collect()
    };
    assert_eq!(numbers(&first), [1, 2, 3]);
    assert_eq!(first["data"][0]["attributes"]["changed_by"], "test");
    let next = first["links"]["next"].as_str().expect("a next page");
    let rest = get(
        &server,
        next.strip_prefix("/admin/v1/tenants/").expect("our path"),
    )
    .await;
    assert_eq!(numbers(&rest.expect(200)), [4]);

    let second = get(&server, "acme/settings/2").await.expect(200);
    assert_eq!(
        second["data"]["attributes"]["settings"]["registration"]["open"],
        false
    );
    assert_eq!(second["data"]["attributes"].get("differences"), None);
    let differences = async |path: &str| {
        let shown = get(&server, path).await;
        assert!(
            !shown.text().contains("secret\":\"f") && !shown.text().contains("sealed"),
            "{shown:?}"
        );
        shown.expect(200)["data"]["attributes"]["differences"].take()
    };
    assert_eq!(
        differences("acme/settings/2?against=1").await,
        json!([{"path": "registration.open", "before": true, "after": false}])
    );
    assert_eq!(
        differences("acme/settings/1?against=2").await,
        json!([{"path": "registration.open", "before": false, "after": true}])
    );
    let account = json!({"app_id": "wx1", "app_secret": "********"});
    assert_eq!(
        differences("acme/settings/3?against=2").await,
        json!([{"path": "wechat.mini_program", "before": null, "after": account}])
    );
    // Two secrets that differ are told to, and neither is shown.
    assert_eq!(
        differences("acme/settings/4?against=3").await,
        json!([{"path": "wechat.mini_program.app_secret", "before": "********", "after": "********"}])
    );
    assert_eq!(differences("acme/settings/4?against=4").await, json!([]));

    for (path, status) in [
        ("acme/settings/5", 404),
        ("acme/settings/0", 404),
        ("acme/settings/-1", 404),
        ("acme/settings/x", 404),
        ("nobody/settings", 404),
        ("nobody/settings/1", 404),
        ("acme/settings/1?against=9", 404),
        ("acme/settings/1?against=x", 422),
        ("acme/settings/1?version=2", 422),
    ] {
        assert_eq!(get(&server, path).await.status, status, "{path}");
    }
}

async fn going_back_makes_a_new_version_and_is_in_force_at_once(backend: Backend) {
    let (server, _platform) = start(backend).await;
    change_settings(&server, "acme", mini_program("a-secret")).await;
    change_settings(
        &server,
        "acme",
        json!({"registration": {"open": false}, "wechat": {"mini_program": null}}),
    )
    .await;
    let forum = async || {
        let request = Request::new("GET", "/api/forum").header("X-Tenant-Id", "acme");
        request.send(server.public()).await.expect(200).to_string()
    };
    let closed = forum().await;
    let restored = restore(&server, "2").await.expect(200);
    let attributes = &restored["data"]["attributes"];
    assert_eq!(attributes["settings_version"], 4);
    assert_eq!(attributes["settings"]["registration"]["open"], true);
    assert_eq!(
        attributes["settings"]["wechat"]["mini_program"]["app_secret"],
        "********"
    );
    assert_ne!(forum().await, closed, "it is in force");
    let same = get(&server, "acme/settings/4?against=2").await.expect(200);
    assert_eq!(same["data"]["attributes"]["differences"], json!([]));

    for version in ["9", "0", "x"] {
        assert_eq!(restore(&server, version).await.status, 404, "{version}");
    }
    // A tenant's own administrator goes back to anything but other limits.
    change_settings(&server, "acme", json!({"limits": {"in_flight": 7}})).await;
    let body = json!({"data": {"type": "administrators", "attributes": {"name": "own", "role": "tenant", "tenant": "acme"}}});
    let made = admin(&server, "POST", "/admin/v1/administrators", Some(body))
        .await
        .expect(201);
    let token = made["data"]["attributes"]["token"]
        .as_str()
        .expect("a token");
    let own = async |version: i32| {
        let path = format!("/admin/v1/tenants/acme/settings/{version}/restore");
        let request =
            Request::new("POST", &path).header("Authorization", format!("Bearer {token}"));
        request.send(server.admin()).await
    };
    let refused = own(4).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (403, "permission_denied")
    );
    own(5).await.expect(200);
    let audit = admin(
        &server,
        "GET",
        "/admin/v1/audit?filter[action]=tenant.restore_settings",
        None,
    )
    .await;
    assert_eq!(audit.expect(200)["data"].as_array().map(Vec::len), Some(2));
}
