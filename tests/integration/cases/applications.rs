//! Administrators see who awaits approval and decide by the hundred (docs/api.md, "Applications"; docs/threats.md, row 145).

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::command::enroll;
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::members::{Site, set_user};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};
use crate::harness::wait::until;

on_all_databases!(
    those_who_wait_are_listed_oldest_first_with_what_brought_them,
    many_applications_are_decided_and_each_is_told_what_became_of_it,
    of_those_who_decide_at_once_one_decides,
);

/// Tenants whose newcomers wait for approval.
async fn start(database: &TestDatabase, options: ServerOptions) -> Server {
    let options = options.patient().database("main", database);
    let options = match database.backend() {
        Backend::Sqlite => options,
        Backend::Postgres | Backend::Mysql => options.platform(database),
    };
    let server = Server::start(options).await;
    for tenant in ["acme", "beta"] {
        let mut settings = no_limits();
        settings["registration"] = json!({"approval": true});
        create_tenant(&server, tenant, Placement::Shared("main"), settings).await;
    }
    server
}

async fn waiting(server: &Server, tenant: &str, query: &str) -> Value {
    let path = format!("/admin/v1/tenants/{tenant}/applications{query}");
    admin(server, "GET", &path, None).await.expect(200)
}

async fn decide(server: &Server, tenant: &str, attributes: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{tenant}/applications/decide");
    let body = json!({"data": {"type": "decisions", "attributes": attributes}});
    admin(server, "POST", &path, Some(body)).await
}

async fn apply(server: &Server, tenant: &str, names: &[&str]) {
    for name in names {
        let mut newcomer = ada(name);
        newcomer["register_reason"] = json!("to join");
        let answer = register(server, tenant, newcomer).await;
        assert_eq!(answer.error_code(), "register_validate", "{answer:?}");
    }
}

fn column<'a>(list: &'a Value, read: impl Fn(&'a Value) -> &'a Value) -> Vec<&'a str> {
    let items = list["data"].as_array().expect("a list").iter();
    items.filter_map(|item| read(item).as_str()).collect()
}

fn names(list: &Value) -> Vec<&str> {
    column(list, |item| &item["attributes"]["username"])
}

fn ids(list: &Value) -> Vec<String> {
    let ids = column(list, |item| &item["id"]);
    ids.into_iter().map(str::to_owned).collect()
}

fn outcomes(answer: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let items = answer["data"].as_array().expect("a list").iter();
    items
        .map(|item| {
            let attributes = &item["attributes"];
            (
                item["id"].as_str().expect("an id"),
                attributes["outcome"].as_str().expect("an outcome"),
                attributes["status"].as_str(),
            )
        })
        .collect()
}

async fn audited(server: &Server) -> Value {
    let path = "/admin/v1/audit?filter[action]=user.decide&page[size]=500";
    admin(server, "GET", path, None).await.expect(200)
}

async fn metric(server: &Server, name: &str) -> Option<f64> {
    let answer = Request::new("GET", "/metrics").send(server.admin()).await;
    let text = answer.text();
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let (_, value) = lines.find(|(found, _)| *found == name)?;
    Some(value.parse().expect("a number"))
}

async fn those_who_wait_are_listed_oldest_first_with_what_brought_them(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let server = start(&database, ServerOptions::new()).await;
    issue_invite(&server, "acme", json!({"code": "SPRING"})).await;
    apply(&server, "acme", &["Anna", "bert"]).await;
    let mut invited = ada("anton");
    invited["code"] = json!("SPRING");
    invited["register_reason"] = json!("I like it here");
    let answer = register(&server, "acme", invited).await;
    assert_eq!(answer.error_code(), "register_validate");
    apply(&server, "beta", &["anna"]).await;

    let list = waiting(&server, "acme", "").await;
    assert_eq!(names(&list), ["Anna", "bert", "anton"]);
    let (first, last) = (
        &list["data"][0]["attributes"],
        &list["data"][2]["attributes"],
    );
    assert_eq!(
        (&first["invite_code"], &first["invited_by"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(last["invite_code"], "SPRING");
    assert_eq!(last["register_reason"], "I like it here");
    assert!(
        last["age_seconds"].as_u64().expect("an age") < 120,
        "{last}"
    );
    assert_eq!(list["data"][2]["type"], "applications");

    let page = waiting(&server, "acme", "?page[size]=2").await;
    assert_eq!(names(&page), ["Anna", "bert"]);
    let next = page["links"]["next"].as_str().expect("a next page");
    let rest = admin(&server, "GET", next, None).await.expect(200);
    assert_eq!(
        (names(&rest), &rest["links"]["next"]),
        (vec!["anton"], &Value::Null)
    );
    let begins = waiting(&server, "acme", "?filter[username]=AN").await;
    assert_eq!(names(&begins), ["Anna", "anton"]);
    let path = "/admin/v1/tenants/acme/applications?filter[status]=pending";
    assert_eq!(admin(&server, "GET", path, None).await.status, 422);

    // Whoever is decided about waits no longer.
    let anna = ids(&list).remove(0);
    set_user(&server, "acme", &anna, json!({"status": "banned"}))
        .await
        .expect(200);
    assert_eq!(
        names(&waiting(&server, "acme", "").await),
        ["bert", "anton"]
    );
    assert_eq!(names(&waiting(&server, "beta", "").await), ["anna"]);
}

async fn many_applications_are_decided_and_each_is_told_what_became_of_it(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let options = ServerOptions::new().set("tenants.housekeeping_ms", 1000);
    let server = start(&database, options).await;
    apply(&server, "acme", &["anna", "bert", "carl", "dora"]).await;
    apply(&server, "beta", &["emil"]).await;
    let waiting_ids = ids(&waiting(&server, "acme", "").await);
    let [anna, bert, carl, dora] = &waiting_ids[..] else {
        panic!("{waiting_ids:?}");
    };
    let emil = ids(&waiting(&server, "beta", "").await).remove(0);
    let pending = "enroll_applications_pending{tenant=\"acme\"}";
    let oldest = "enroll_applications_oldest_timestamp_seconds{tenant=\"acme\"}";
    until("the applications are counted", async || {
        (metric(&server, pending).await == Some(4.0)).then_some(())
    })
    .await;
    assert!(metric(&server, oldest).await.is_some_and(|at| at > 1e9));

    let approve = json!({"action": "approve", "ids": [bert, "1", anna, emil]});
    let answer = decide(&server, "acme", approve.clone()).await.expect(200);
    assert_eq!(
        outcomes(&answer),
        [
            (bert.as_str(), "decided", Some("normal")),
            ("1", "not_found", None),
            (anna, "decided", Some("normal")),
            (&emil, "not_found", None),
        ],
        "in the order of the call, and nobody of another tenant"
    );
    let again = decide(&server, "acme", approve).await.expect(200);
    let expected = [
        (bert.as_str(), "not_pending", Some("normal")),
        ("1", "not_found", None),
        (anna, "not_pending", Some("normal")),
        (&emil, "not_found", None),
    ];
    assert_eq!(outcomes(&again), expected);
    let message = "申请不完整".repeat(51);
    let reject = json!({"action": "reject", "ids": [carl, bert], "message": message});
    let answer = decide(&server, "acme", reject).await.expect(200);
    let expected = [
        (carl.as_str(), "decided", Some("rejected")),
        (bert, "not_pending", Some("normal")),
    ];
    assert_eq!(
        outcomes(&answer),
        expected,
        "a decision is not turned round"
    );
    let ignore = json!({"action": "ignore", "ids": [dora], "message": null});
    let answer = decide(&server, "acme", ignore).await.expect(200);
    assert_eq!(
        outcomes(&answer),
        [(dora.as_str(), "decided", Some("ignored"))]
    );

    let url = format!("http://{}", server.admin());
    let environment = [
        ("ENROLL_ADMIN_URL", url.as_str()),
        ("ENROLL_ADMIN_TOKEN", server.token()),
    ];
    let shown = enroll(&["user", "applications", "beta"], &environment, "")
        .await
        .well();
    assert!(
        shown.contains(&emil) && !shown.contains(anna.as_str()),
        "{shown}"
    );
    let again = [
        "user",
        "decide",
        "acme",
        "reject",
        dora,
        "--message",
        "no",
        "--json",
    ];
    let again = enroll(&again, &environment, "").await.json();
    assert_eq!(
        outcomes(&again),
        [(dora.as_str(), "not_pending", Some("ignored"))]
    );

    // It is in force.
    let site = Site::of(&server, "acme");
    let login = async |name| site.login(name, "correct horse battery").await;
    assert_eq!(login("anna").await.status, 200);
    assert_eq!(login("carl").await.error_code(), "validate_reject");
    assert_eq!(login("dora").await.error_code(), "validate_ignore");
    let shown = admin(
        &server,
        "GET",
        &format!("/admin/v1/tenants/acme/users/{carl}"),
        None,
    )
    .await;
    assert_eq!(
        shown.expect(200)["data"]["attributes"]["refuse_message"],
        message
    );
    assert!(ids(&waiting(&server, "acme", "").await).is_empty());
    assert_eq!(ids(&waiting(&server, "beta", "").await), [emil]);

    // One line for each who was decided about, and an age.
    let audit = audited(&server).await;
    let mut subjects = column(&audit, |line| &line["attributes"]["subject"]);
    let mut decided = [anna, bert, carl, dora].map(String::as_str);
    subjects.sort_unstable();
    decided.sort_unstable();
    assert_eq!(subjects, decided);
    let of_carl = json!({"status": 3, "refuse_message": message});
    let lines = audit["data"].as_array().expect("a list");
    let line = lines
        .iter()
        .find(|line| line["attributes"]["subject"] == carl.as_str());
    assert_eq!(line.expect("a line")["attributes"]["after"], of_carl);
    let ages = metric(&server, "enroll_application_decision_age_seconds_count").await;
    assert_eq!(ages, Some(4.0));
    until("nobody waits in the metrics", async || {
        let nobody = metric(&server, pending).await == Some(0.0);
        (nobody && metric(&server, oldest).await.is_none()).then_some(())
    })
    .await;

    for (pointer, wrong) in [
        ("action", json!({"action": "ban", "ids": ["7"]})),
        ("action", json!({"ids": ["7"]})),
        ("ids", json!({"action": "approve"})),
        ("ids", json!({"action": "approve", "ids": []})),
        ("ids", json!({"action": "approve", "ids": ["7", "7"]})),
        ("ids", json!({"action": "approve", "ids": [7]})),
        (
            "message",
            json!({"action": "reject", "ids": ["7"], "message": "x".repeat(256)}),
        ),
        (
            "message",
            json!({"action": "reject", "ids": ["7"], "message": "a\u{0}b"}),
        ),
        (
            "status",
            json!({"action": "reject", "ids": ["7"], "status": "normal"}),
        ),
    ] {
        let answer = decide(&server, "acme", wrong.clone()).await;
        let found = &answer.json()["errors"][0]["source"]["pointer"];
        let expected = format!("/data/attributes/{pointer}");
        assert_eq!((answer.status, found), (422, &json!(expected)), "{wrong}");
    }
}

async fn of_those_who_decide_at_once_one_decides(backend: Backend) {
    const USERS: usize = 120;
    let database = TestDatabase::create(backend).await;
    let server = start(&database, ServerOptions::new()).await;
    let users: Vec<Value> = (0..USERS)
        .map(|number| json!({"username": format!("user{number}"), "status": "pending"}))
        .collect();
    let body = json!({"data": {"type": "user-imports", "attributes": {"rows": users}}});
    let path = "/admin/v1/tenants/acme/users/import";
    admin(&server, "POST", path, Some(body)).await.expect(200);
    let ids = ids(&waiting(&server, "acme", "?page[size]=500").await);
    assert_eq!(ids.len(), USERS);
    let backwards: Vec<&String> = ids.iter().rev().collect();
    let calls = (0..6).map(|number| {
        let action = ["approve", "reject", "ignore"][number % 3];
        let ids = if number < 3 {
            json!(ids)
        } else {
            json!(backwards)
        };
        decide(&server, "acme", json!({"action": action, "ids": ids}))
    });
    let mut decided = Vec::new();
    for answer in join_all(calls).await {
        // A database may give up on one of so many that collide; what it decided before stands in the audit.
        if answer.status == 503 {
            continue;
        }
        let answer = answer.expect(200);
        for (id, outcome, _) in outcomes(&answer) {
            assert_ne!(outcome, "not_found");
            if outcome == "decided" {
                decided.push(id.to_owned());
            }
        }
    }
    let different: std::collections::HashSet<_> = decided.iter().collect();
    assert_eq!(
        different.len(),
        decided.len(),
        "nobody is decided about twice"
    );
    assert!(
        waiting(&server, "acme", "").await["data"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    let audit = audited(&server).await;
    let mut subjects = column(&audit, |line| &line["attributes"]["subject"]);
    subjects.sort_unstable();
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    assert_eq!(subjects, ids, "one line for each");
}
