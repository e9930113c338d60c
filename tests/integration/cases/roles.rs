//! Who may do what with the admin API (docs/api.md, "Roles"; docs/threats.md, rows 12 and 106).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::ada;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};

on_all_databases!(
    each_role_does_what_the_table_says_and_no_more,
    a_tenants_administrator_learns_of_no_other_tenant,
    administrators_come_and_go_by_the_api,
);

/// A server with two tenants, and the token of an administrator of each kind.
struct Ground {
    server: Server,
    auditor: String,
    of_acme: String,
    of_beta: String,
    _platform: TestDatabase,
}

impl Ground {
    async fn start(backend: Backend) -> Self {
        let platform = TestDatabase::create(backend).await;
        let server = Server::start(ServerOptions::new().platform(&platform)).await;
        for tenant in ["acme", "beta"] {
            create_tenant(&server, tenant, Placement::Own, json!({})).await;
        }
        let auditor = json!({"name": "auditor", "role": "auditor"});
        let of = |tenant: &str| json!({"name": format!("of {tenant}"), "role": "tenant", "tenant": tenant});
        Self {
            auditor: token(&server, auditor).await,
            of_acme: token(&server, of("acme")).await,
            of_beta: token(&server, of("beta")).await,
            server,
            _platform: platform,
        }
    }

    async fn call(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::new(method, &format!("/admin/v1{path}"))
            .header("Authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send(self.server.admin()).await
    }

    async fn get(&self, token: &str, path: &str) -> Value {
        self.call(token, "GET", path, None).await.expect(200)
    }
}

fn document(kind: &str, attributes: Value) -> Value {
    json!({"data": {"type": kind, "attributes": attributes}})
}

async fn created(server: &Server, attributes: Value) -> Answer {
    let body = document("administrators", attributes);
    admin(server, "POST", "/admin/v1/administrators", Some(body)).await
}

async fn token(server: &Server, attributes: Value) -> String {
    let made = created(server, attributes).await.expect(201);
    let token = made["data"]["attributes"]["token"].as_str();
    token.expect("a token").to_owned()
}

/// The values of one attribute, down a list.
fn column(list: &Value, name: &str) -> Vec<String> {
    let items = list["data"].as_array().expect("a list");
    let value = |item: &Value| item["attributes"][name].as_str().map(str::to_owned);
    items.iter().filter_map(value).collect()
}

async fn each_role_does_what_the_table_says_and_no_more(backend: Backend) {
    let ground = Ground::start(backend).await;
    let server = &ground.server;
    issue_invite(server, "acme", json!({"code": "SPRING"})).await;
    register(server, "acme", ada("ada")).await.expect(200);
    let users = ground.get(server.token(), "/tenants/acme/users").await;
    let user = format!(
        "/tenants/acme/users/{}",
        users["data"][0]["id"].as_str().expect("an id")
    );
    let end_sessions = format!("{user}/end-sessions");
    let listed = ground.get(server.token(), "/administrators").await;
    let of_beta = listed["data"]
        .as_array()
        .expect("a list")
        .last()
        .expect("of beta");
    let of_beta = format!("/administrators/{}", of_beta["id"].as_str().expect("an id"));

    let tenant = document("tenants", json!({}));
    let import = document("user-imports", json!({"rows": [{"username": "imported"}]}));
    let preview = document("settings", json!({"settings": {}}));
    let administrator = document("administrators", json!({}));
    let batch = document("invite-batches", json!({"count": 2}));
    let key = document("keys", json!({"signs_in_seconds": 0}));
    let keys = ground.get(server.token(), "/tenants/acme/keys").await;
    let first_key = format!(
        "/tenants/acme/keys/{}",
        keys["data"][0]["id"].as_str().expect("an id")
    );
    let (invite, change) = (
        document("invites", json!({})),
        document("users", json!({"status": "normal"})),
    );
    // Statuses for administrators of the other tenant and of this one, for the auditor and the platform's; in that order,
    // so that what ends something is asked last by whoever may.
    let table: &[(&str, &str, Option<&Value>, [u16; 4])] = &[
        ("GET", "/tenants", None, [200, 200, 200, 200]),
        ("POST", "/tenants", Some(&tenant), [403, 403, 403, 422]),
        ("GET", "/tenants/acme", None, [404, 200, 200, 200]),
        (
            "PATCH",
            "/tenants/acme",
            Some(&tenant),
            [404, 200, 403, 200],
        ),
        ("GET", "/tenants/acme/settings", None, [404, 200, 200, 200]),
        (
            "GET",
            "/tenants/acme/settings/1",
            None,
            [404, 200, 200, 200],
        ),
        (
            "POST",
            "/tenants/acme/settings/1/restore",
            None,
            [404, 200, 403, 200],
        ),
        (
            "POST",
            "/tenants/acme/settings/preview",
            Some(&preview),
            [404, 200, 403, 200],
        ),
        ("GET", "/tenants/acme/keys", None, [404, 200, 200, 200]),
        (
            "POST",
            "/tenants/acme/keys",
            Some(&key),
            [404, 201, 403, 201],
        ),
        ("DELETE", &first_key, None, [404, 204, 403, 404]),
        ("GET", "/tenants/acme/pressure", None, [404, 200, 200, 200]),
        ("GET", "/tenants/acme/usage", None, [404, 200, 200, 200]),
        ("GET", "/usage", None, [403, 403, 200, 200]),
        ("GET", "/tenants/acme/users", None, [404, 200, 200, 200]),
        ("GET", &user, None, [404, 200, 200, 200]),
        (
            "GET",
            "/tenants/acme/users/export",
            None,
            [404, 403, 403, 200],
        ),
        (
            "POST",
            "/tenants/acme/users/import",
            Some(&import),
            [404, 403, 403, 200],
        ),
        ("POST", &end_sessions, None, [404, 200, 403, 200]),
        ("PATCH", &user, Some(&change), [404, 200, 403, 200]),
        ("GET", "/tenants/acme/invites", None, [404, 200, 200, 200]),
        (
            "POST",
            "/tenants/acme/invites",
            Some(&invite),
            [404, 201, 403, 201],
        ),
        (
            "GET",
            "/tenants/acme/invites/SPRING",
            None,
            [404, 200, 200, 200],
        ),
        (
            "GET",
            "/tenants/acme/invites/SPRING/registrations",
            None,
            [404, 200, 200, 200],
        ),
        (
            "PUT",
            "/tenants/acme/invite-batches/spring",
            Some(&batch),
            [404, 200, 403, 200],
        ),
        (
            "DELETE",
            "/tenants/acme/invites/SPRING",
            None,
            [404, 204, 403, 204],
        ),
        ("GET", "/audit", None, [200, 200, 200, 200]),
        ("GET", "/administrators", None, [403, 403, 200, 200]),
        (
            "POST",
            "/administrators",
            Some(&administrator),
            [403, 403, 403, 422],
        ),
        ("POST", "/tenants/acme/suspend", None, [404, 403, 403, 200]),
        ("POST", "/tenants/acme/resume", None, [404, 403, 403, 200]),
        ("DELETE", "/tenants/acme", None, [404, 403, 403, 204]),
        ("DELETE", &of_beta, None, [403, 403, 403, 204]),
    ];
    let tokens = [
        &ground.of_beta,
        &ground.of_acme,
        &ground.auditor,
        server.token(),
    ];
    for (method, path, body, wanted) in table {
        for (token, wanted) in tokens.iter().zip(wanted) {
            let answer = ground.call(token, method, path, *body).await;
            assert_eq!(answer.status, *wanted, "{method} {path}: {answer:?}");
            match wanted {
                403 => assert_eq!(answer.error_code(), "permission_denied"),
                404 => assert_eq!(answer.error_code(), "model_not_found"),
                _ => {}
            }
        }
    }
    // Of a tenant that is gone its administrator finds nothing, and a revoked token opens nothing.
    let gone = ground
        .call(&ground.of_acme, "GET", "/tenants/acme", None)
        .await;
    assert_eq!(gone.status, 404);
    assert_eq!(
        ground.get(&ground.of_acme, "/tenants").await["data"],
        json!([])
    );
    let revoked = ground
        .call(&ground.of_beta, "GET", "/tenants/beta", None)
        .await;
    assert_eq!(
        (revoked.status, revoked.error_code().as_str()),
        (401, "not_authenticated")
    );
}

async fn a_tenants_administrator_learns_of_no_other_tenant(backend: Backend) {
    let ground = Ground::start(backend).await;
    let own = &ground.of_acme;
    let tenants = ground.get(own, "/tenants").await;
    assert_eq!(column(&tenants, "key"), ["acme"]);
    let none = ground.get(own, "/tenants?filter[state]=suspended").await;
    assert_eq!(none["data"], json!([]));
    let id = tenants["data"][0]["id"].as_str().expect("an id");
    let after = ground.get(own, &format!("/tenants?page[after]={id}")).await;
    assert_eq!(after["data"], json!([]));

    issue_invite(&ground.server, "acme", json!({})).await;
    issue_invite(&ground.server, "beta", json!({})).await;
    let audit = ground.get(own, "/audit").await;
    assert_eq!(
        column(&audit, "action"),
        ["tenant.create", "administrator.create", "invite.issue"]
    );
    assert!(
        column(&audit, "tenant_id")
            .iter()
            .all(|tenant| tenant == id),
        "{audit}"
    );
    assert_eq!(
        ground.get(own, "/audit?filter[tenant]=acme").await["data"],
        audit["data"]
    );
    for other in ["beta", "nobody", "NO%20KEY"] {
        let path = format!("/audit?filter[tenant]={other}");
        let answer = ground.call(own, "GET", &path, None).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "model_not_found"),
            "{other}"
        );
    }
    // A tenant that never was and one that is another's look alike.
    for other in ["beta", "nobody"] {
        let answer = ground
            .call(own, "GET", &format!("/tenants/{other}"), None)
            .await;
        let mut answer = answer.json();
        answer["errors"][0]["id"].take();
        let of_nobody = ground
            .call(own, "GET", "/tenants/nobody2", None)
            .await
            .json();
        assert_eq!(
            answer["errors"][0]["detail"],
            of_nobody["errors"][0]["detail"]
        );
    }

    // What weighs on other tenants is the platform's.
    for attributes in [
        json!({"hosts": ["beta.example"]}),
        json!({"settings": {"limits": {"in_flight": null}}}),
        json!({"settings": {"limits": null, "locale": "en"}}),
    ] {
        let body = document("tenants", attributes);
        let answer = ground
            .call(own, "PATCH", "/tenants/acme", Some(&body))
            .await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (403, "permission_denied")
        );
    }
    let body = document(
        "tenants",
        json!({"name": "Ours", "settings": {"locale": "en"}}),
    );
    let changed = ground
        .call(own, "PATCH", "/tenants/acme", Some(&body))
        .await
        .expect(200);
    assert_eq!(changed["data"]["attributes"]["settings"]["locale"], "en");
    let limits = &tenants["data"][0]["attributes"]["settings"]["limits"];
    assert_eq!(&changed["data"]["attributes"]["settings"]["limits"], limits);
}

async fn administrators_come_and_go_by_the_api(backend: Backend) {
    let ground = Ground::start(backend).await;
    let server = &ground.server;
    let listed = ground
        .call(server.token(), "GET", "/administrators", None)
        .await;
    let text = listed.text().to_owned();
    assert!(
        !text.contains(&ground.auditor) && !text.contains("token"),
        "{text}"
    );
    let listed = listed.expect(200);
    assert_eq!(
        column(&listed, "role")[1..],
        ["auditor", "tenant", "tenant"]
    );
    assert_eq!(
        column(&listed, "name")[1..],
        ["auditor", "of acme", "of beta"]
    );

    let taken = created(server, json!({"name": "auditor", "role": "platform"})).await;
    assert_eq!(
        (taken.status, taken.error_code().as_str()),
        (409, "administrator_name_taken")
    );
    for (attributes, pointer) in [
        (json!({"role": "auditor"}), "/data/attributes/name"),
        (
            json!({"name": " ", "role": "auditor"}),
            "/data/attributes/name",
        ),
        (
            json!({"name": "x".repeat(101), "role": "auditor"}),
            "/data/attributes/name",
        ),
        (json!({"name": "eve"}), "/data/attributes/role"),
        (
            json!({"name": "eve", "role": "root"}),
            "/data/attributes/role",
        ),
        (
            json!({"name": "eve", "role": "tenant"}),
            "/data/attributes/tenant",
        ),
        (
            json!({"name": "eve", "role": "tenant", "tenant": "nobody"}),
            "/data/attributes/tenant",
        ),
        (
            json!({"name": "eve", "role": "auditor", "tenant": "acme"}),
            "/data/attributes/tenant",
        ),
        (
            json!({"name": "eve", "role": "auditor", "token": "mine"}),
            "/data/attributes/token",
        ),
    ] {
        let refused = created(server, attributes.clone()).await.expect(422);
        assert_eq!(
            refused["errors"].as_array().map(Vec::len),
            Some(1),
            "{attributes}: {refused}"
        );
        assert_eq!(
            refused["errors"][0]["source"]["pointer"], pointer,
            "{attributes}"
        );
    }

    let id = |number: usize| listed["data"][number]["id"].as_str().expect("an id");
    let own = format!("/administrators/{}", id(0));
    let answer = ground.call(server.token(), "DELETE", &own, None).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (409, "own_token")
    );
    let auditor = format!("/administrators/{}", id(1));
    for _ in 0..2 {
        let answer = ground.call(server.token(), "DELETE", &auditor, None).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    for unknown in ["1", "0", "x", "99999999999999999"] {
        let path = format!("/administrators/{unknown}");
        let answer = ground.call(server.token(), "DELETE", &path, None).await;
        assert_eq!(answer.status, 404, "{unknown}");
    }
    let answer = ground.call(&ground.auditor, "GET", "/tenants", None).await;
    assert_eq!(answer.status, 401);
    let listed = ground.get(server.token(), "/administrators").await;
    assert!(listed["data"][1]["attributes"]["revoked_at"].is_string());

    let lines = ground
        .get(server.token(), "/audit?filter[action]=administrator.revoke")
        .await;
    assert_eq!(
        column(&lines, "subject"),
        ["auditor"],
        "the second time is no effect"
    );
    let lines = ground
        .get(
            server.token(),
            "/audit?filter[action]=administrator.create&page[size]=2",
        )
        .await;
    assert_eq!(lines["data"].as_array().map(Vec::len), Some(2));
    let next = lines["links"]["next"].as_str().expect("a next page");
    let rest = ground
        .get(
            server.token(),
            next.strip_prefix("/admin/v1").expect("our path"),
        )
        .await;
    assert_eq!(column(&rest, "subject"), ["of acme", "of beta"]);
    let of = lines["data"][0]["attributes"]["administrator"]
        .as_str()
        .expect("a name");
    let by = ground
        .get(
            server.token(),
            &format!("/audit?filter[administrator]={of}&filter[since]=2020-01-01T00:00:00Z"),
        )
        .await;
    assert!(column(&by, "action").contains(&"tenant.create".to_owned()));
    let none = ground
        .get(server.token(), "/audit?filter[until]=2020-01-01T00:00:00Z")
        .await;
    assert_eq!(none["data"], json!([]));
    let bad = ground
        .call(
            server.token(),
            "GET",
            "/audit?filter[since]=yesterday",
            None,
        )
        .await;
    assert_eq!(bad.status, 422);
}
