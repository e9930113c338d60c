//! Databases that are down or frozen (docs/threats.md rows 36, 37, 40, 41 and 43).

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, metric, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::load::Load;
use crate::harness::pressure::{limited_by, pressure, resource};
use crate::harness::proxy::Proxy;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant, issue_invite, users};
use crate::harness::wait::until;

on_server_databases!(
    a_server_starts_before_its_databases,
    a_tenants_database_that_dies_under_load_harms_nobody_else,
    a_frozen_database_is_answered_for_in_time_and_replaced,
    a_platform_database_that_freezes_stops_no_tenant,
    a_tenant_whose_operations_hang_leaves_connections_to_its_neighbour,
);

/// Short times, so that the test sees them pass.
fn impatient(options: ServerOptions) -> ServerOptions {
    options
        .set("database.acquire_timeout_ms", 3000)
        .set("database.statement_timeout_ms", 3000)
        .set("database.own_pool_size", 3)
        .set("tenants.launch_timeout_ms", 10_000)
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "unavailable")
    );
    let wait = answer
        .header("retry-after")
        .and_then(|text| text.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| seconds >= 1), "{answer:?}");
}

/// What `/readyz` says is missing.
async fn missing(server: &Server) -> Value {
    let livez = Request::new("GET", "/livez").send(server.admin()).await;
    assert_eq!(livez.status, 200, "alive, whatever is missing");
    let answer = Request::new("GET", "/readyz").send(server.admin()).await;
    let missing = answer.json()["missing"].take();
    assert_eq!(answer.status, if missing == json!([]) { 200 } else { 503 });
    missing
}

async fn becomes_missing(server: &Server, expected: Value) {
    until("the verdict on readiness", async || {
        (missing(server).await == expected).then_some(())
    })
    .await;
}

async fn works_again(server: &Server, tenant: &str, username: &str) {
    until("the tenant works again", async || {
        let answer = register(server, tenant, ada(username)).await;
        if answer.status == 200 {
            return Some(());
        }
        assert_unavailable(&answer);
        None
    })
    .await;
}

async fn a_server_starts_before_its_databases(backend: Backend) {
    let (platform, shared) =
        tokio::join!(TestDatabase::create(backend), TestDatabase::create(backend));
    let mut platform_proxy = Proxy::before(platform.url()).await;
    let mut shared_proxy = Proxy::before(shared.url()).await;
    let options = impatient(ServerOptions::new())
        .set("platform.url", platform_proxy.url(platform.url()))
        .set("databases.shared.url", shared_proxy.url(shared.url()));
    let mut first = Server::start(options).await;
    create_tenant(&first, "shared", Placement::Shared("shared"), no_limits()).await;
    create_tenant(&first, "own", Placement::Own, no_limits()).await;
    register(&first, "shared", ada("ada")).await.expect(200);
    first.sigkill();

    platform_proxy.down().await;
    shared_proxy.down().await;
    let server = Server::start(first.twin()).await;
    becomes_missing(&server, json!(["platform database", "database shared"])).await;
    for tenant in ["shared", "own"] {
        assert_unavailable(&register(&server, tenant, ada("bob")).await);
    }
    platform_proxy.up();
    becomes_missing(&server, json!(["database shared"])).await;
    works_again(&server, "own", "bob").await;
    assert_unavailable(&register(&server, "shared", ada("bob")).await);
    shared_proxy.up();
    becomes_missing(&server, json!([])).await;
    works_again(&server, "shared", "bob").await;
    assert_eq!(users(&server, "shared").await.len(), 2);
}

async fn a_tenants_database_that_dies_under_load_harms_nobody_else(backend: Backend) {
    let ground = Ground::create(backend).await;
    let mut proxy = Proxy::before(ground.own().url()).await;
    // Who calls another tenant must never meet them, however busy the machine.
    let options = impatient(ground.options())
        .set("database.acquire_timeout_ms", 6000)
        .set("database.statement_timeout_ms", 6000)
        .set("tenants.launch_timeout_ms", 20_000);
    let server = Server::start(options).await;
    let url = proxy.url(ground.own().url());
    create_tenant(&server, "own", Placement::OwnAt(&url), no_limits()).await;
    create_tenant(&server, "other", Placement::Shared("shared"), no_limits()).await;
    let load = Load::start(server.public(), "own", "a", None);
    let other = Load::start(server.public(), "other", "b", None);
    load.acknowledged(10).await;
    proxy.down().await;
    assert_unavailable(&register(&server, "own", ada("vain")).await);
    other.acknowledged(other.count() + 10).await;
    proxy.up();
    load.acknowledged(load.count() + 10).await;
    let calls = load.end().await;
    for call in &calls {
        assert!(matches!(call.outcome, Ok(200 | 503)), "{call:?}");
    }
    assert!(calls.iter().any(|call| call.outcome == Ok(503)));
    for call in other.end().await {
        assert_eq!(call.outcome, Ok(200), "{call:?}");
    }
    let names: Vec<Value> = users(&server, "own")
        .await
        .iter()
        .map(|user| user["attributes"]["username"].clone())
        .collect();
    for call in calls.iter().filter(|call| call.is_acknowledged()) {
        assert!(names.contains(&json!(call.username)), "lost: {call:?}");
    }
    assert_eq!(
        missing(&server).await,
        json!([]),
        "a tenant's own database is the tenant's own affair"
    );
}

async fn a_frozen_database_is_answered_for_in_time_and_replaced(backend: Backend) {
    let ground = Ground::create(backend).await;
    let (own, shared) = (
        Proxy::before(ground.own().url()).await,
        Proxy::before(ground.shared().url()).await,
    );
    // One connection each, so that the load keeps it busy: it freezes in the middle of a statement.
    let options = impatient(ground.options())
        .set("database.own_pool_size", 1)
        .set("databases.frozen.url", shared.url(ground.shared().url()))
        .set("databases.frozen.pool_size", 1)
        .set("tenants.arbiters", 1);
    let server = Server::start(options).await;
    let url = own.url(ground.own().url());
    create_tenant(&server, "own", Placement::OwnAt(&url), no_limits()).await;
    let frozen = Placement::Shared("frozen");
    create_tenant(&server, "frozen", frozen, no_limits()).await;
    let other = Placement::Shared("shared");
    create_tenant(&server, "other", other, no_limits()).await;
    for (tenant, proxy) in [("own", &own), ("frozen", &shared)] {
        let load = Load::start(server.public(), tenant, "a", None);
        load.acknowledged(10).await;
        proxy.freeze();
        assert_unavailable(&register(&server, tenant, ada("vain")).await);
        let beside = register(&server, "other", ada(&format!("not{tenant}"))).await;
        beside.expect(200);
        if tenant == "frozen" {
            becomes_missing(&server, json!(["database frozen"])).await;
        }
        // The frozen connection stays so for ever; another one takes its place.
        proxy.thaw();
        works_again(&server, tenant, "bob").await;
        load.acknowledged(load.count() + 10).await;
        let calls = load.end().await;
        for call in &calls {
            assert!(matches!(call.outcome, Ok(200 | 503)), "{call:?}");
        }
        assert!(calls.iter().any(|call| call.outcome == Ok(503)));
    }
    becomes_missing(&server, json!([])).await;
}

async fn a_platform_database_that_freezes_stops_no_tenant(backend: Backend) {
    let ground = Ground::create(backend).await;
    let platform = TestDatabase::create(backend).await;
    let proxy = Proxy::before(platform.url()).await;
    let options = impatient(ground.options()).set("platform.url", proxy.url(platform.url()));
    let server = Server::start(options).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        register(&server, tenant, ada("ada")).await.expect(200);
    }
    create_tenant(&server, "cold", Placement::Own, no_limits()).await;
    proxy.freeze();
    becomes_missing(&server, json!(["platform database"])).await;
    for (tenant, _) in ground.placements() {
        register(&server, tenant, ada("bob")).await.expect(200);
    }
    assert_unavailable(&register(&server, "cold", ada("ada")).await);
    assert_unavailable(&register(&server, "unknown", ada("ada")).await);
    proxy.thaw();
    becomes_missing(&server, json!([])).await;
    works_again(&server, "cold", "ada").await;
    assert_eq!(register(&server, "unknown", ada("ada")).await.status, 404);
}

/// Somebody holds a row that all registrations of one tenant need. How many connections of the shared pool that tenant
/// may take decides whether its neighbour is served.
async fn a_tenant_whose_operations_hang_leaves_connections_to_its_neighbour(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("tenants.arbiters", 1)
        .set("databases.shared.pool_size", 4)
        .set("database.acquire_timeout_ms", 3000)
        .set("database.statement_timeout_ms", 20_000);
    let server = Server::start(options).await;
    let hung = create_tenant(&server, "hung", Placement::Shared(SHARED), no_limits()).await;
    create_tenant(&server, "next", Placement::Shared(SHARED), no_limits()).await;
    for tenant in ["hung", "next"] {
        register(&server, tenant, ada("ada")).await.expect(200);
    }
    let code = json!({"code": "SPRING-FAIR", "max_uses": 1000});
    issue_invite(&server, "hung", code).await;

    // Half of the pool by default; with the whole of it, nothing is left.
    for (share, bound, served) in [(Value::Null, 2_u32, true), (json!(4), 4, false)] {
        change_settings(
            &server,
            "hung",
            json!({"limits": {"database_in_flight": share}}),
        )
        .await;
        let holder = ground
            .shared()
            .connect_as(hung["id"].as_str().expect("an id"))
            .await;
        let hold = "SELECT id FROM invite_codes WHERE code = 'SPRING-FAIR' FOR UPDATE";
        holder
            .execute_unprepared("BEGIN")
            .await
            .expect("a transaction");
        holder.execute_unprepared(hold).await.expect("the row");
        let call = |number: u32| {
            let mut attributes = ada(&format!("bob{bound}x{number}"));
            attributes["code"] = json!("SPRING-FAIR");
            Request::register("hung", attributes)
        };
        let hashes = metric(&server, "enroll_hashes_total", "").await;
        let mut calls = Vec::new();
        for number in 0..bound {
            let begun = call(number).begin(server.public()).await;
            calls.push(begun.expect("a connection"));
        }
        until("its whole share hangs", async || {
            // After the hash a call has one thing left to do: what hangs.
            let hashed = metric(&server, "enroll_hashes_total", "").await - hashes;
            let now = pressure(&server, "hung").await;
            (hashed >= f64::from(bound) && resource(&now, "database")["in_use"] == bound)
                .then_some(())
        })
        .await;
        for number in bound..8 {
            let begun = call(number).begin(server.public()).await;
            calls.push(begun.expect("a connection"));
        }
        assert_eq!(
            limited_by(&server, "hung", "database").await["bound"],
            bound
        );
        let answer = register(&server, "next", ada(&format!("eve{bound}"))).await;
        assert_eq!(answer.status == 200, served, "{answer:?}");
        if served {
            assert_eq!(pressure(&server, "next").await["limiting"], Value::Null);
        }
        holder
            .execute_unprepared("ROLLBACK")
            .await
            .expect("the release");
        for call in calls {
            let answer = call.answer().await.expect("an answer");
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        }
        register(&server, "hung", ada(&format!("later{bound}")))
            .await
            .expect(200);
    }
}
