//! How many tenants are live, who makes room, and what is remembered of those that sleep (docs/threats.md rows 58, 61 and 62).

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::client::{Answer, Request, metric, register, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::pressure::pressure;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant};
use crate::harness::wait::until;

on_all_databases!(a_change_reaches_a_live_tenant_whose_name_was_forgotten);

/// A cheap call that asks the tenant's database one question.
fn look(tenant: &str) -> Request {
    Request::new("GET", &format!("/t/{tenant}/api/invite/NOSUCHC0DE"))
}

async fn call(server: &Server, tenant: &str) -> Answer {
    look(tenant).send(server.public()).await
}

async fn is_live(server: &Server, tenant: &str) -> bool {
    pressure(server, tenant).await["live"] == true
}

async fn live(server: &Server) -> f64 {
    metric(server, "enroll_live_actors", "").await
}

/// Creates tenants some at a time.
async fn create_many(
    server: &Server,
    keys: &[String],
    place: impl Fn(usize) -> Placement<'static>,
) {
    for (chunk, some) in keys.chunks(16).enumerate() {
        let made = some.iter().enumerate().map(|(index, key)| {
            let placement = place(chunk * 16 + index);
            create_tenant(server, key, placement, no_limits())
        });
        join_all(made).await;
    }
}

#[tokio::test]
async fn two_thousand_tenants_in_turn_are_all_served_by_fifty_places() {
    const MOST: usize = 50;
    let ground = Ground::create(Backend::Sqlite).await;
    let options = ground.options().set("tenants.max_live", MOST);
    let server = Server::start(options).await;
    let keys: Vec<String> = (0..2000).map(|number| format!("t{number}")).collect();
    create_many(&server, &keys, |number| match number % 20 {
        0 => Placement::Own,
        _ => Placement::Shared(SHARED),
    })
    .await;
    assert_eq!(live(&server).await, 0.0, "creating wakes nobody");
    for some in keys.chunks(8) {
        let requests: Vec<Request> = some.iter().map(|key| look(key)).collect();
        for answer in volley(server.public(), &requests).await {
            assert_eq!(answer.status, 404, "{answer:?}");
        }
        let live = live(&server).await;
        assert!(live <= 50.0, "{live} are live");
    }
    assert_eq!(live(&server).await, 50.0);
    assert_eq!(
        metric(&server, "enroll_actor_evictions_total", "").await,
        1950.0
    );
    assert_eq!(
        metric(
            &server,
            "enroll_admission_refusals_total",
            "reason=\"live_tenants\""
        )
        .await,
        0.0
    );
    // The ones used last are those that stayed.
    assert!(is_live(&server, "t1999").await);
    assert!(!is_live(&server, "t0").await);
}

#[tokio::test]
async fn bytes_bound_the_live_and_the_least_used_makes_room() {
    // Room for three tenants with files of their own, or for many that share one.
    let ground = Ground::create(Backend::Sqlite).await;
    let options = ground.options().set("tenants.max_live_bytes", 1 << 20);
    let server = Server::start(options).await;
    for key in ["a", "b", "c", "d"] {
        let key = format!("own-{key}");
        create_tenant(&server, &key, Placement::Own, no_limits()).await;
    }
    let sharing: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    create_many(&server, &sharing, |_| Placement::Shared(SHARED)).await;
    for key in ["own-a", "own-b", "own-c"] {
        assert_eq!(call(&server, key).await.status, 404);
    }
    assert_eq!(live(&server).await, 3.0);
    assert_eq!(call(&server, "own-a").await.status, 404);
    assert_eq!(call(&server, "own-d").await.status, 404);
    assert_eq!(live(&server).await, 3.0);
    assert!(!is_live(&server, "own-b").await, "the least used went");
    assert!(is_live(&server, "own-a").await);
    for key in &sharing {
        assert_eq!(call(&server, key).await.status, 404);
    }
    let now = live(&server).await;
    assert!(now > 20.0, "{now} are live: small ones are many");
    until("operators see what they take", async || {
        let bytes = metric(&server, "enroll_live_bytes", "").await;
        (bytes > 20.0 * 16_384.0 && bytes <= 1_048_576.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_at_work_is_never_evicted() {
    let options = ServerOptions::new()
        .set("tenants.max_live", 1)
        .set("hashing.wait_ms", 20_000)
        .failpoints("hash=sleep(3000)");
    let server = Server::start(options).await;
    for key in ["busy", "other"] {
        create_tenant(&server, key, Placement::Own, no_limits()).await;
    }
    let request = Request::register("busy", ada("ada"));
    let at_work = request.begin(server.public()).await.expect("a connection");
    until("the tenant is at work", async || {
        is_live(&server, "busy").await.then_some(())
    })
    .await;
    let refused = call(&server, "other").await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (503, "unavailable")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        metric(&server, "enroll_actor_evictions_total", "").await,
        0.0
    );
    at_work.answer().await.expect("an answer").expect(200);
    assert_eq!(call(&server, "other").await.status, 404);
    assert!(!is_live(&server, "busy").await);
}

#[tokio::test]
async fn sleeping_tenants_keep_their_limits_until_too_many_do() {
    let ground = Ground::create(Backend::Sqlite).await;
    // A quarter of this, at 1 KiB a slot, keeps the limits of 256 tenants.
    let options = ground
        .options()
        .set("tenants.max_live", 1)
        .set("tenants.max_live_bytes", 1 << 20);
    let server = Server::start(options).await;
    let mut settings = no_limits();
    settings["limits"]["calls_per_address"] = json!({"calls": 1, "seconds": 3600});
    let keys: Vec<String> = (0..400).map(|number| format!("t{number}")).collect();
    for some in keys.chunks(16) {
        let made = some
            .iter()
            .map(|key| create_tenant(&server, key, Placement::Shared(SHARED), settings.clone()));
        join_all(made).await;
    }
    for key in &keys {
        assert_eq!(call(&server, key).await.status, 404, "{key}");
    }
    until("the first are forgotten", async || {
        (metric(&server, "enroll_limits_forgotten_total", "").await >= 143.0).then_some(())
    })
    .await;
    assert!(metric(&server, "enroll_limits_forgotten_total", "").await < 200.0);
    let launches = metric(&server, "enroll_actor_launches_total", "").await;
    for key in ["t390", "t300", "t250"] {
        assert_eq!(call(&server, key).await.status, 429, "{key}");
    }
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        launches,
        "a refusal wakes nobody"
    );
    assert_eq!(call(&server, "t0").await.status, 404);
}

async fn a_change_reaches_a_live_tenant_whose_name_was_forgotten(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let other = Server::start(server.twin().set("tenants.names", 1)).await;
    create_tenant(&server, "acme", Placement::Shared(SHARED), no_limits()).await;
    create_tenant(&server, "neighbour", Placement::Shared(SHARED), no_limits()).await;
    register(&other, "acme", ada("ada")).await.expect(200);
    for number in 0..20 {
        // One name fits: soon it is this one.
        register(&other, "neighbour", ada(&format!("bob{number}")))
            .await
            .expect(200);
    }
    let limit = json!({"limits": {"per_address": {"calls": 1, "seconds": 3600}}});
    change_settings(&server, "acme", limit).await;
    // The limit is the actor's to make, and it stayed live.
    until("the limit is in force", async || {
        (register(&other, "acme", ada("amy")).await.status == 429).then_some(())
    })
    .await;
    assert_eq!(metric(&other, "enroll_actor_launches_total", "").await, 2.0);
}
