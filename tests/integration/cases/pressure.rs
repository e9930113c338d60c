//! What presses a tenant, and the bulkheads that keep it within its part (docs/api.md, "Pressure"; docs/threats.md rows 42,
//! 43 and 52).

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

use crate::harness::client::{Answer, Begun, Request, admin, metric, register, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::neighbours::Home;
use crate::harness::pressure::{free_again, limited_by, path, pressure, resource};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant, suspend_tenant};
use crate::harness::wait::until;

on_all_databases!(a_database_that_hangs_is_named_and_forgotten_when_it_is_back);

fn with_limits(more: Value) -> Value {
    let mut settings = no_limits();
    for (name, value) in more.as_object().expect("limits") {
        settings["limits"][name] = value.clone();
    }
    settings
}

/// Registrations that were sent, and whose answers nobody has waited for yet.
async fn begun(server: &Server, tenant: &str, names: &[&str]) -> Vec<Begun> {
    let mut calls = Vec::new();
    for name in names {
        let request = Request::register(tenant, ada(name));
        calls.push(request.begin(server.public()).await.expect("a connection"));
    }
    calls
}

async fn end_well(calls: Vec<Begun>) {
    for call in calls {
        call.answer().await.expect("an answer").expect(200);
    }
}

fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, code),
        "{answer:?}"
    );
    assert!(answer.header("retry-after").is_some());
}

/// Each hash takes so long that others meet what it holds.
fn slow_hashes(threads: usize) -> ServerOptions {
    ServerOptions::new()
        .set("hashing.threads", threads)
        .set("hashing.wait_ms", 20_000)
        .failpoints("hash=sleep(1500)")
}

#[tokio::test]
async fn a_full_door_is_named_and_its_bound_moves_while_calls_are_at_work() {
    let server = Server::start(slow_hashes(4)).await;
    let settings = with_limits(json!({"in_flight": 2}));
    create_tenant(&server, "acme", Placement::Own, settings).await;
    let calls = begun(&server, "acme", &["ada", "bob"]).await;
    let door = limited_by(&server, "acme", "admission").await;
    assert_eq!(door["setting"], "limits.in_flight");
    assert_eq!((&door["in_use"], &door["bound"]), (&json!(2), &json!(2)));
    assert_eq!(door["refused_last_60_s"], 0);
    assert_eq!(
        (&door["waiting"], &door["expected_wait_ms"]),
        (&Value::Null, &Value::Null)
    );

    assert_refused(&register(&server, "acme", ada("eve")).await, "overloaded");
    let door = limited_by(&server, "acme", "admission").await;
    assert_eq!(
        (&door["refused_last_10_s"], &door["refused_last_60_s"]),
        (&json!(1), &json!(1))
    );
    end_well(calls).await;

    // A smaller bound counts the two that are at work: both had come in under the old one.
    change_settings(&server, "acme", json!({"limits": {"in_flight": 3}})).await;
    let calls = begun(&server, "acme", &["eve", "amy"]).await;
    until("both are at work", async || {
        let now = pressure(&server, "acme").await;
        (resource(&now, "admission")["in_use"] == 2).then_some(())
    })
    .await;
    change_settings(&server, "acme", json!({"limits": {"in_flight": 1}})).await;
    let now = pressure(&server, "acme").await;
    let door = resource(&now, "admission");
    assert_eq!((&door["in_use"], &door["bound"]), (&json!(2), &json!(1)));
    assert_refused(&register(&server, "acme", ada("abe")).await, "overloaded");
    end_well(calls).await;
    register(&server, "acme", ada("abe")).await.expect(200);
    free_again(&server, "acme").await;
    let now = pressure(&server, "acme").await;
    let door = resource(&now, "admission");
    assert_eq!(
        (&door["in_use"], &door["refused_last_10_s"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn a_tenants_line_for_hashes_is_bounded_and_named_and_its_neighbours_is_not() {
    let server = Server::start(slow_hashes(1)).await;
    let settings = with_limits(json!({"hash_waiting": 2}));
    create_tenant(&server, "loud", Placement::Own, settings).await;
    create_tenant(&server, "quiet", Placement::Own, no_limits()).await;
    let requests: Vec<Request> = (0..6)
        .map(|number| Request::register("loud", ada(&format!("ada{number}"))))
        .collect();
    let neighbours = begun(&server, "quiet", &["ada", "bob", "eve"]);
    let (answers, neighbours) = tokio::join!(volley(server.public(), &requests), neighbours);
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    // At most one at work and two in line at any time; the first may have been at work before the others came.
    assert!((3..=4).contains(&refused.len()), "{answers:?}");
    for answer in &refused {
        assert_refused(answer, "overloaded");
    }
    let line = limited_by(&server, "loud", "hash_queue").await;
    assert_eq!(
        (&line["bound"], &line["setting"]),
        (&json!(2), &json!("limits.hash_waiting"))
    );
    assert_eq!(line["refused_last_60_s"], refused.len());
    end_well(neighbours).await;
    let quiet = pressure(&server, "quiet").await;
    let line = resource(&quiet, "hash_queue");
    assert_eq!(
        (&line["bound"], &line["refused_last_60_s"]),
        (&json!(128), &json!(0))
    );
    free_again(&server, "loud").await;
}

#[tokio::test]
async fn a_full_line_for_hashes_refuses_before_the_database_is_asked() {
    let server = Server::start(slow_hashes(1)).await;
    let settings = with_limits(json!({"hash_waiting": 1}));
    create_tenant(&server, "acme", Placement::Own, settings).await;
    register(&server, "acme", ada("old")).await.expect(200);
    let begun_hashes = async || metric(&server, "enroll_hash_wait_seconds_count", "").await;
    let before = begun_hashes().await;
    let mut calls = begun(&server, "acme", &["one"]).await;
    // While it waits itself, the next would find no place.
    until("the first is at work", async || {
        (begun_hashes().await > before).then_some(())
    })
    .await;
    calls.extend(begun(&server, "acme", &["two"]).await);
    until("the line is full", async || {
        let now = pressure(&server, "acme").await;
        (resource(&now, "hash_queue")["in_use"] == 1).then_some(())
    })
    .await;
    let asked = async || metric(&server, "enroll_database_seconds_count", "").await;
    let before = asked().await;
    // A name that is taken, an invite code that nobody issued, a wrong password: each is known only after a look-up.
    let mut invited = ada("three");
    invited["code"] = json!("00000000000000000000000000000000");
    for body in [ada("old"), invited] {
        assert_refused(&register(&server, "acme", body).await, "overloaded");
    }
    let wrong = json!({"data": {"attributes": {"username": "old", "password": "wrong"}}});
    let login = Request::new("POST", "/api/login")
        .header("X-Tenant-Id", "acme")
        .json(&wrong);
    assert_refused(&login.send(server.public()).await, "overloaded");
    assert_eq!(asked().await - before, 0.0, "the database was asked");
    end_well(calls).await;
}

/// A connection that keeps everybody else from the tenant's database, until the statement that comes with it.
async fn locked(
    ground: &Ground,
    backend: Backend,
    server: &Server,
    tenant: &Value,
) -> (DatabaseConnection, &'static str) {
    let connection = match backend {
        Backend::Sqlite => {
            let id = tenant["id"].as_str().expect("an id");
            let file = server.data_dir().join("tenants").join(format!("{id}.db"));
            let url = format!("sqlite://{}", file.to_str().expect("a path in UTF-8"));
            let mut options = sea_orm::ConnectOptions::new(url);
            options.max_connections(1).sqlx_logging(false);
            Database::connect(options).await.expect("the tenant's file")
        }
        Backend::Postgres | Backend::Mysql => ground.own().connect().await,
    };
    let (lock, release) = match backend {
        Backend::Sqlite => ("BEGIN EXCLUSIVE", "ROLLBACK"),
        Backend::Postgres => (
            "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
            "ROLLBACK",
        ),
        Backend::Mysql => ("LOCK TABLES users WRITE", "UNLOCK TABLES"),
    };
    connection.execute_unprepared(lock).await.expect("the lock");
    (connection, release)
}

async fn a_database_that_hangs_is_named_and_forgotten_when_it_is_back(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("database.acquire_timeout_ms", 2000)
        .set("database.statement_timeout_ms", 3000);
    let server = Server::start(options).await;
    let settings = with_limits(json!({"database_in_flight": 2}));
    let tenant = create_tenant(&server, "own", ground.own_placement(), settings).await;
    register(&server, "own", ada("ada")).await.expect(200);
    assert_eq!(pressure(&server, "own").await["limiting"], Value::Null);

    let (connection, release) = locked(&ground, backend, &server, &tenant).await;
    let mut calls = begun(&server, "own", &["bob", "eve", "amy", "abe", "ann"]).await;
    // Names that are looked up at one moment share a query, so there must be other questions as well.
    for name in ["bob", "eve", "amy"] {
        let attributes = json!({"username": name, "password": "not-the-right-one-7"});
        let login = Request::new("POST", "/api/login")
            .header("X-Tenant-Id", "own")
            .json(&json!({"data": {"attributes": attributes}}));
        calls.push(login.begin(server.public()).await.expect("a connection"));
    }
    // First as what is waited for, later as what refuses.
    let database = until("two at work and others in line", async || {
        let now = pressure(&server, "own").await;
        let database = resource(&now, "database");
        let is_full = database["in_use"] == 2 && database["waiting"].as_u64() > Some(0);
        is_full.then(|| (now["limiting"].clone(), database.clone()))
    })
    .await;
    let (limiting, database) = database;
    assert_eq!(limiting, "database");
    assert_eq!(
        (&database["bound"], &database["setting"]),
        (&json!(2), &json!("limits.database_in_flight"))
    );
    for call in calls {
        let answer = call.answer().await.expect("an answer");
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some());
    }
    let database = limited_by(&server, "own", "database").await;
    assert!(
        database["refused_last_10_s"].as_u64() > Some(0),
        "{database}"
    );

    connection
        .execute_unprepared(release)
        .await
        .expect("the release");
    until("the tenant works again", async || {
        (register(&server, "own", ada("bob")).await.status == 200).then_some(())
    })
    .await;
    free_again(&server, "own").await;
}

#[tokio::test]
async fn a_slow_provider_is_named() {
    let home = Home::start(Backend::Sqlite).await;
    let settings = json!({"limits": {"provider_in_flight": 1}});
    let tenant = home.tenant("modern", settings).await;
    let slow = json!({"sms": "slow", "slow_ms": 2500});
    home.simulator.mode(slow).await;
    let send = |number: u32| {
        let attributes = json!({"mobile": format!("1390013900{number}"), "type": "login"});
        tenant.call("/api/sms/send", &attributes)
    };
    let first = send(1)
        .begin(home.server.public())
        .await
        .expect("a connection");
    let provider = limited_by(&home.server, "modern", "provider.sms_gateway").await;
    assert_eq!(
        (&provider["in_use"], &provider["bound"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(provider["setting"], "limits.provider_in_flight");
    assert_refused(&send(2).send(home.server.public()).await, "overloaded");
    first.answer().await.expect("an answer").expect(200);
    home.simulator.mode(json!({})).await;
    let provider = limited_by(&home.server, "modern", "provider.sms_gateway").await;
    assert_eq!(
        (&provider["in_use"], &provider["refused_last_60_s"]),
        (&json!(0), &json!(1))
    );
    send(3).send(home.server.public()).await.expect(200);
    free_again(&home.server, "modern").await;
}

#[tokio::test]
async fn each_limit_that_refuses_is_named() {
    let server = Server::start(ServerOptions::new()).await;
    let once = json!({"calls": 1, "seconds": 3600});
    for (tenant, name, limit) in [
        ("a1", "limit.address", "per_address"),
        ("a2", "limit.username", "per_username"),
        ("a3", "limit.tenant", "per_tenant"),
    ] {
        let settings = with_limits(json!({limit: once}));
        create_tenant(&server, tenant, Placement::Own, settings).await;
        register(&server, tenant, ada("ada")).await.expect(200);
        let before = pressure(&server, tenant).await;
        assert_eq!(
            resource(&before, name)["setting"],
            format!("limits.{limit}")
        );
        // The tenant's own quota is one number, and used up; the others are many.
        let used_up = limit == "per_tenant";
        assert_eq!(before["limiting"] == name, used_up, "{before}");
        assert_eq!(register(&server, tenant, ada("ada")).await.status, 429);
        let limit = limited_by(&server, tenant, name).await;
        assert_eq!(
            (&limit["bound"], &limit["refused_last_10_s"]),
            (&json!(1), &json!(1))
        );
    }
    let settings = with_limits(json!({"login_per_address": once}));
    create_tenant(&server, "a4", Placement::Own, settings).await;
    let login = || {
        let body =
            json!({"data": {"attributes": {"username": "nobody", "password": "wrong horse"}}});
        Request::new("POST", "/t/a4/api/login").json(&body)
    };
    assert_ne!(login().send(server.public()).await.status, 429);
    assert_eq!(login().send(server.public()).await.status, 429);
    limited_by(&server, "a4", "limit.login").await;
    free_again(&server, "a1").await;
}

#[tokio::test]
async fn who_looks_wakes_nobody_and_must_be_an_administrator() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    let asleep = json!({"key": "acme", "live": false, "limiting": null, "resources": []});
    assert_eq!(pressure(&server, "acme").await, asleep);
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        0.0
    );

    register(&server, "acme", ada("ada")).await.expect(200);
    let awake = pressure(&server, "acme").await;
    assert_eq!(
        (&awake["live"], &awake["limiting"]),
        (&json!(true), &Value::Null)
    );
    let names: Vec<&Value> = awake["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|resource| &resource["name"])
        .collect();
    // Limits that are off and providers that were never asked are none.
    assert_eq!(names, ["admission", "hash_queue", "database"]);
    assert_eq!(resource(&awake, "admission")["bound"], Value::Null);

    let anonymous = Request::new("GET", &path("acme"))
        .send(server.admin())
        .await;
    assert_eq!(
        (anonymous.status, anonymous.error_code().as_str()),
        (401, "not_authenticated")
    );
    for nobody in ["nobody", "a", ".."] {
        let answer = admin(&server, "GET", &path(nobody), None).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let posted = admin(&server, "POST", &path("acme"), None).await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
    let public = Request::new("GET", &path("acme"))
        .send(server.public())
        .await;
    assert_eq!(public.status, 404);

    suspend_tenant(&server, "acme").await;
    until("its actor is gone", async || {
        (pressure(&server, "acme").await["live"] == false).then_some(())
    })
    .await;
    admin(&server, "DELETE", "/admin/v1/tenants/acme", None).await;
    assert_eq!(admin(&server, "GET", &path("acme"), None).await.status, 404);
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        1.0
    );
}
