//! Who may do what with the admin API (docs/api.md, "Roles"; docs/threats.md, rows 12 and 106).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::ada;
use crate::harness::openapi::{self, Operation, operations};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};

on_all_databases!(
    each_role_does_what_the_description_says_and_no_more,
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

/// Whoever may call, by the name of the role; and whoever may not, by what they show.
struct Credential<'a> {
    name: &'static str,
    /// The token, if any.
    token: Option<&'a str>,
    /// The role, of a real administrator.
    role: Option<&'static str>,
    /// The one tenant of the role.
    tenant: Option<&'static str>,
}

/// Operations that end something come after those that need it, and a tenant that is suspended is resumed next.
fn rank(operation: &Operation) -> usize {
    match (operation.id.as_str(), operation.method.as_str()) {
        ("suspendTenant", _) => 2,
        ("resumeTenant", _) => 3,
        ("deleteTenant", _) => 5,
        (_, "DELETE") => 4,
        (_, "GET") => 0,
        _ => 1,
    }
}

/// What stands for the parameters of paths: something of the tenant's own that is there.
async fn parameters(ground: &Ground, tenant: &str, spare: &str) -> Vec<(&'static str, String)> {
    let server = &ground.server;
    issue_invite(server, tenant, json!({"code": "SPRING"})).await;
    register(server, tenant, ada("ada")).await.expect(200);
    let first = async |kind: &str| {
        let list = ground
            .get(server.token(), &format!("/tenants/{tenant}/{kind}"))
            .await;
        list["data"][0]["id"].as_str().expect("an id").to_owned()
    };
    let deleted = async |name: &str| {
        let user = register(server, tenant, ada(name)).await.expect(200);
        let id = user["data"]["id"].as_str().expect("an id").to_owned();
        let path = format!("/tenants/{tenant}/users/{id}");
        ground.call(server.token(), "DELETE", &path, None).await;
        id
    };
    let restored = deleted("restored").await;
    let erased = deleted("erased").await;
    vec![
        ("{key}", tenant.to_owned()),
        (
            "deleted-users/{id}/restore",
            format!("deleted-users/{restored}/restore"),
        ),
        ("deleted-users/{id}", format!("deleted-users/{erased}")),
        ("users/{id}", format!("users/{}", first("users").await)),
        ("administrators/{id}", format!("administrators/{spare}")),
        ("{kid}", first("keys").await),
        ("{version}", "1".to_owned()),
        ("{code}", "SPRING".to_owned()),
        ("{batch}", "autumn".to_owned()),
    ]
}

async fn each_role_does_what_the_description_says_and_no_more(backend: Backend) {
    let ground = Ground::start(backend).await;
    let server = &ground.server;
    let spare = created(server, json!({"name": "spare", "role": "auditor"}))
        .await
        .expect(201);
    let spare = spare["data"]["id"].as_str().expect("an id");
    let revoked = created(server, json!({"name": "revoked", "role": "platform"}))
        .await
        .expect(201);
    let path = format!(
        "/administrators/{}",
        revoked["data"]["id"].as_str().expect("an id")
    );
    let revoked = revoked["data"]["attributes"]["token"]
        .as_str()
        .expect("a token");
    ground.call(server.token(), "DELETE", &path, None).await;
    let tenants = ["acme", "beta"];
    let mut places = Vec::new();
    for tenant in tenants {
        places.push(parameters(&ground, tenant, spare).await);
    }
    let user = register(server, "acme", ada("bob")).await.expect(200);
    let user = user["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token");

    let credential = |name, token, role, tenant| Credential {
        name,
        token,
        role,
        tenant,
    };
    // Those who may call come last, the platform's after all others, so that nothing is gone before it was tried.
    let credentials = [
        credential("nobody", None, None, None),
        credential("rubbish", Some("enroll_admin_rubbish"), None, None),
        credential("a revoked administrator", Some(revoked), None, None),
        credential("a user", Some(user), None, None),
        credential(
            "of beta",
            Some(&ground.of_beta),
            Some("tenant"),
            Some("beta"),
        ),
        credential(
            "of acme",
            Some(&ground.of_acme),
            Some("tenant"),
            Some("acme"),
        ),
        credential("the auditor", Some(&ground.auditor), Some("auditor"), None),
        credential(
            "the platform's",
            Some(server.token()),
            Some("platform"),
            None,
        ),
    ];
    let mut operations = operations(&openapi::document(server.admin()).await);
    operations.retain(|operation| operation.path.starts_with("/admin/"));
    operations.sort_by_key(rank);
    assert!(operations.len() > 25, "{operations:?}");
    let mut calls = 0;
    for operation in &operations {
        let roles = operation
            .roles
            .as_ref()
            .expect("an operation of administrators names its roles");
        let of_tenant = operation.path.contains("{key}");
        for (tenant, place) in tenants
            .iter()
            .zip(&places)
            .take(if of_tenant { 2 } else { 1 })
        {
            let path = place
                .iter()
                .fold(operation.path.clone(), |path, (name, value)| {
                    path.replace(name, value)
                });
            let mut done = false;
            for credential in &credentials {
                let mut request = Request::new(&operation.method, &path);
                if let Some(token) = credential.token {
                    request = request.header("Authorization", format!("Bearer {token}"));
                }
                if let Some(example) = &operation.example {
                    let mut body = example.clone();
                    if operation.id == "createTenant" {
                        body["data"]["attributes"]["key"] = "gamma".into();
                    }
                    request = request.json(&body);
                }
                let answer = request.send(server.admin()).await;
                let what = format!(
                    "{} {path} by {}: {answer:?}",
                    operation.method, credential.name
                );
                calls += 1;
                let Some(role) = credential.role else {
                    // After a few wrong tokens the rest are not looked at.
                    let refused = (answer.status, answer.error_code());
                    let slowed =
                        credential.token.is_some() && refused == (429, "too_many_attempts".into());
                    assert!(
                        refused == (401, "not_authenticated".into()) || slowed,
                        "{what}"
                    );
                    continue;
                };
                if of_tenant && credential.tenant.is_some_and(|own| own != *tenant) {
                    assert_eq!(
                        (answer.status, answer.error_code().as_str()),
                        (404, "model_not_found"),
                        "{what}"
                    );
                } else if roles.iter().any(|may| may == role) {
                    let succeeded = operation.success.contains(&answer.status);
                    // What another made or ended a moment ago.
                    assert!(
                        succeeded || (done && [404, 409].contains(&answer.status)),
                        "{what}"
                    );
                    done |= succeeded;
                } else {
                    assert_eq!(
                        (answer.status, answer.error_code().as_str()),
                        (403, "permission_denied"),
                        "{what}"
                    );
                }
            }
            assert!(done, "{} {path} was done by nobody", operation.method);
        }
    }
    assert!(calls > 300, "{calls} calls");
    // Of a tenant that is gone its administrator finds nothing.
    assert_eq!(
        ground.get(&ground.of_acme, "/tenants").await["data"],
        json!([])
    );
}

async fn a_tenants_administrator_learns_of_no_other_tenant(backend: Backend) {
    let ground = Ground::start(backend).await;
    let own = &ground.of_acme;
    let tenants = ground.get(own, "/tenants").await;
    assert_eq!(column(&tenants, "key"), ["acme"]);
    let none = ground.get(own, "/tenants?filter[state]=suspended").await;
    assert_eq!(none["data"], json!([]));
    for (filter, found) in [
        ("key]=ac", 1),
        ("name]=a", 1),
        ("key]=beta", 0),
        ("name]=b", 0),
    ] {
        let list = ground.get(own, &format!("/tenants?filter[{filter}")).await;
        assert_eq!(
            list["data"].as_array().map(Vec::len),
            Some(found),
            "{filter}"
        );
    }
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
