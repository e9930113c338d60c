//! How tenants' actors come and go (docs/threats.md rows 17, 39 and 116).

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::harness::client::{Request, admin, metric, register, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::load::Load;
use crate::harness::server::Server;
use crate::harness::tenants::{Placement, create_tenant, resume_tenant, suspend_tenant, users};
use crate::harness::wait::until;

on_all_databases!(
    a_hundred_first_requests_launch_a_tenant_once,
    an_idle_tenant_is_evicted_and_comes_back,
    a_tenant_makes_room_for_another,
    a_tenant_deleted_under_load_answers_cleanly,
    a_tenant_suspended_under_load_answers_cleanly,
    a_change_made_by_one_process_is_in_force_at_the_other,
    a_locked_database_costs_its_own_tenant_503_and_heals,
);

async fn a_hundred_first_requests_launch_a_tenant_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
    }
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        0.0
    );
    let requests: Vec<Request> = (0..100)
        .map(|number| {
            Request::register(["own", "shared"][number % 2], ada(&format!("ada{number}")))
        })
        .collect();
    for answer in volley(server.public(), &requests).await {
        answer.expect(200);
    }
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        2.0
    );
    assert_eq!(metric(&server, "enroll_live_actors", "").await, 2.0);
    for (tenant, _) in ground.placements() {
        assert_eq!(users(&server, tenant).await.len(), 50);
    }
}

async fn an_idle_tenant_is_evicted_and_comes_back(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("tenants.idle_after_ms", 1000)
        .set("tenants.housekeeping_ms", 1000);
    let server = Server::start(options).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        register(&server, tenant, ada("ada")).await.expect(200);
    }
    until("both are evicted", async || {
        (metric(&server, "enroll_live_actors", "").await == 0.0).then_some(())
    })
    .await;
    let evictions = metric(&server, "enroll_actor_evictions_total", "").await;
    assert!(evictions >= 2.0, "{evictions}");
    for (tenant, _) in ground.placements() {
        let taken = register(&server, tenant, ada("ada")).await;
        assert_eq!(
            taken.error()["source"]["pointer"],
            "/data/attributes/username"
        );
        register(&server, tenant, ada("bob")).await.expect(200);
    }
    assert_eq!(
        metric(&server, "enroll_actor_relaunches_total", "").await,
        0.0,
        "nobody died"
    );
}

async fn a_tenant_makes_room_for_another(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options().set("tenants.max_live", 1)).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
    }
    for round in 0..3 {
        for tenant in ["own", "shared"] {
            register(&server, tenant, ada(&format!("ada{round}")))
                .await
                .expect(200);
            assert_eq!(metric(&server, "enroll_live_actors", "").await, 1.0);
        }
    }
    assert_eq!(
        metric(&server, "enroll_actor_evictions_total", "").await,
        5.0
    );
    // Both at once: who finds no room is told when to come back.
    let requests: Vec<Request> = (0..20)
        .map(|number| {
            Request::register(["own", "shared"][number % 2], ada(&format!("bob{number}")))
        })
        .collect();
    let answers = volley(server.public(), &requests).await;
    for answer in &answers {
        if answer.status != 200 {
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (503, "unavailable")
            );
            assert!(answer.header("retry-after").is_some());
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
}

async fn a_tenant_deleted_under_load_answers_cleanly(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let other = Server::start(server.twin()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        let loads = [
            Load::start(server.public(), tenant, "a", None),
            Load::start(other.public(), tenant, "b", None),
        ];
        for load in &loads {
            load.acknowledged(10).await;
        }
        let path = format!("/admin/v1/tenants/{tenant}");
        let deleted = admin(&server, "DELETE", &path, None).await;
        assert!((200..300).contains(&deleted.status), "{deleted:?}");
        // Where it was deleted, at once; at other processes, soon.
        let after = register(&server, tenant, ada("late")).await;
        assert_eq!(
            (after.status, after.error_code().as_str()),
            (404, "tenant_not_found")
        );
        until("the other process knows", async || {
            (register(&other, tenant, ada("late")).await.status == 404).then_some(())
        })
        .await;
        for load in loads {
            for call in load.end().await {
                assert!(matches!(call.outcome, Ok(200 | 404)), "{call:?}");
            }
        }
        for server in [&server, &other] {
            until("its actor is gone", async || {
                (metric(server, "enroll_live_actors", "").await == 0.0).then_some(())
            })
            .await;
        }
        let attributes =
            json!({"key": tenant, "placement": {"kind": "shared", "database": SHARED}});
        let body = json!({"data": {"type": "tenants", "attributes": attributes}});
        let again = admin(&server, "POST", "/admin/v1/tenants", Some(body)).await;
        assert_eq!(
            (again.status, again.error_code().as_str()),
            (409, "tenant_key_taken")
        );
    }
}

async fn a_tenant_suspended_under_load_answers_cleanly(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        let load = Load::start(server.public(), tenant, "a", None);
        for _ in 0..3 {
            load.acknowledged(load.count() + 5).await;
            suspend_tenant(&server, tenant).await;
            let suspended = register(&server, tenant, ada("late")).await;
            assert_eq!(
                (suspended.status, suspended.error_code().as_str()),
                (404, "tenant_not_found")
            );
            resume_tenant(&server, tenant).await;
        }
        load.acknowledged(load.count() + 5).await;
        let calls = load.end().await;
        for call in &calls {
            assert!(matches!(call.outcome, Ok(200 | 404)), "{call:?}");
        }
        let acknowledged = calls.iter().filter(|call| call.is_acknowledged()).count();
        assert_eq!(users(&server, tenant).await.len(), acknowledged);
        suspend_tenant(&server, tenant).await;
        until("its actor is gone", async || {
            (metric(&server, "enroll_live_actors", "").await == 0.0).then_some(())
        })
        .await;
    }
}

async fn change(server: &Server, tenant: &str, settings: Value) {
    let body = json!({"data": {"type": "tenants", "attributes": {"settings": settings}}});
    admin(
        server,
        "PATCH",
        &format!("/admin/v1/tenants/{tenant}"),
        Some(body),
    )
    .await
    .expect(200);
}

async fn a_change_made_by_one_process_is_in_force_at_the_other(backend: Backend) {
    let ground = Ground::create(backend).await;
    let first = Server::start(ground.options()).await;
    let second = Server::start(first.twin()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&first, tenant, placement, no_limits()).await;
        register(&second, tenant, ada("ada")).await.expect(200);
        change(&first, tenant, json!({"registration": {"open": false}})).await;
        let here = register(&first, tenant, ada("bob")).await;
        assert_eq!(
            (here.status, here.error_code().as_str()),
            (401, "register_close")
        );
        // Within `tenants.sync_ms`, which is 1 s; the test's patience is longer for the sake of a busy machine.
        until("closed at the other process", async || {
            let answer = register(&second, tenant, ada("ada")).await;
            match answer.status {
                401 => Some(()),
                status => {
                    assert_eq!(status, 422, "the name is taken");
                    None
                }
            }
        })
        .await;
        change(&first, tenant, json!({"registration": {"open": true}})).await;
        until("open at the other process", async || {
            (register(&second, tenant, ada("ada")).await.status == 422).then_some(())
        })
        .await;
        suspend_tenant(&second, tenant).await;
        until("suspended at the first process", async || {
            (register(&first, tenant, ada("ada")).await.status == 404).then_some(())
        })
        .await;
    }
}

/// The change that the other process made is on its way to the actor when a newer one is made here.
#[tokio::test]
async fn an_older_change_that_comes_late_changes_nothing() {
    let ground = Ground::create(Backend::Sqlite).await;
    let first = Server::start(ground.options()).await;
    let shared = Placement::Shared(SHARED);
    create_tenant(&first, "acme", shared, no_limits()).await;
    let options = first.twin().failpoints("reconfigure=1*return(2000)->off");
    let second = Server::start(options).await;
    register(&second, "acme", ada("ada")).await.expect(200);
    change(&first, "acme", json!({"locale": "en"})).await;
    // Long enough for a look for changes to begin, and far shorter than the way that the failpoint makes.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let closed = json!({"registration": {"open": false}});
    change(&second, "acme", closed).await;
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let answer = register(&second, "acme", ada("bob")).await;
        assert_eq!(answer.error_code(), "register_close", "{answer:?}");

        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_locked_database_costs_its_own_tenant_503_and_heals(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("database.acquire_timeout_ms", 2000)
        .set("database.statement_timeout_ms", 2000);
    let server = Server::start(options).await;
    let tenant = create_tenant(&server, "own", ground.own_placement(), no_limits()).await;
    create_tenant(&server, "other", Placement::Shared(SHARED), no_limits()).await;
    for tenant in ["own", "other"] {
        register(&server, tenant, ada("ada")).await.expect(200);
    }
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
    // More than its pool has connections.
    let requests: Vec<Request> = (0..8)
        .map(|number| Request::register("own", ada(&format!("bob{number}"))))
        .collect();
    for answer in volley(server.public(), &requests).await {
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (503, "unavailable")
        );
        assert!(answer.header("retry-after").is_some());
    }
    register(&server, "other", ada("bob")).await.expect(200);
    connection
        .execute_unprepared(release)
        .await
        .expect("the release");
    until("the tenant works again", async || {
        (register(&server, "own", ada("bob0")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(users(&server, "own").await.len(), 2);
}
