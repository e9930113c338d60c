//! A panic costs one request and nothing else (docs/threats.md rows 57 and 58).

use serde_json::json;

use crate::harness::client::{Answer, Request, metric, register};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::server::Server;
use crate::harness::tenants::{create_tenant, users};

on_all_databases!(
    a_panic_in_a_request_fails_that_request_alone,
    an_actor_that_dies_is_replaced_and_no_limit_is_forgotten,
    a_panic_while_hashing_fails_that_request_alone,
);

fn assert_try_again(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "unavailable")
    );
    let wait = answer
        .header("retry-after")
        .and_then(|text| text.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| seconds >= 1), "{answer:?}");
}

async fn two_tenants(ground: &Ground, server: &Server) {
    for (tenant, placement) in ground.placements() {
        create_tenant(server, tenant, placement, no_limits()).await;
    }
}

async fn a_panic_in_a_request_fails_that_request_alone(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(
        ground
            .options()
            .failpoints("request_future=1*off->1*panic->off"),
    )
    .await;
    two_tenants(&ground, &server).await;
    register(&server, "shared", ada("amy")).await.expect(200);
    assert_try_again(&register(&server, "own", ada("ada")).await);
    register(&server, "own", ada("ada")).await.expect(200);
    register(&server, "shared", ada("bob")).await.expect(200);
    assert_eq!(
        metric(&server, "enroll_request_panics_total", "").await,
        1.0
    );
    assert_eq!(
        metric(&server, "enroll_actor_launches_total", "").await,
        2.0,
        "the actor lives on"
    );
    assert_eq!(users(&server, "own").await.len(), 1);
}

async fn an_actor_that_dies_is_replaced_and_no_limit_is_forgotten(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("server.trusted_proxies", json!(["127.0.0.0/8"]))
        // A dead actor takes no room from its successor.
        .set("tenants.max_live", 1)
        .failpoints("actor_handler=2*off->1*panic->off");
    let server = Server::start(options).await;
    let settings = json!({"limits": {"per_address": {"calls": 3, "seconds": 3600}}});
    create_tenant(&server, "own", ground.own_placement(), settings).await;
    let from = |address: &'static str, name: &'static str| {
        let request = Request::register("own", ada(name)).header("X-Forwarded-For", address);
        let server = &server;
        async move { request.send(server.public()).await }
    };
    from("198.51.100.1", "ada").await.expect(200);
    from("198.51.100.1", "bob").await.expect(200);
    assert_try_again(&from("198.51.100.1", "cid").await);
    assert_eq!(from("198.51.100.1", "cid").await.status, 429);
    from("198.51.100.2", "cid").await.expect(200);
    assert_eq!(
        metric(&server, "enroll_actor_relaunches_total", "").await,
        1.0
    );
    assert_eq!(metric(&server, "enroll_live_actors", "").await, 1.0);
    assert_eq!(
        metric(&server, "enroll_request_panics_total", "").await,
        1.0
    );
    assert_eq!(
        from("198.51.100.1", "dan").await.status,
        429,
        "the successor keeps the limits"
    );
    assert_eq!(users(&server, "own").await.len(), 3);
}

async fn a_panic_while_hashing_fails_that_request_alone(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("hashing.threads", 1)
        .failpoints("hash=1*panic->off");
    let server = Server::start(options).await;
    two_tenants(&ground, &server).await;
    assert_try_again(&register(&server, "own", ada("ada")).await);
    // The only thread goes on.
    for tenant in ["own", "shared"] {
        register(&server, tenant, ada("ada")).await.expect(200);
        assert_eq!(users(&server, tenant).await.len(), 1);
    }
}
