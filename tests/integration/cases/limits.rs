//! Limits, queues and bounds (docs/contract.md section 5, docs/threats.md rows 52 to 58).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, metric, register, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, users};
use crate::harness::wait::until;

on_all_databases!(
    each_limit_counts_what_it_is_named_for,
    limits_outlive_eviction_and_changes_of_other_settings,
);

/// A registration as a trusted proxy passes it on.
fn from(address: &str, tenant: &str, username: &str) -> Request {
    Request::register(tenant, ada(username)).header("X-Forwarded-For", address)
}

/// Settings with this one limit and no other.
fn only(limit: &str, value: Value) -> Value {
    let mut settings = no_limits();
    settings["limits"][limit] = value;
    settings
}

fn behind_proxy(options: ServerOptions) -> ServerOptions {
    options.set("server.trusted_proxies", json!(["127.0.0.0/8"]))
}

/// The seconds of `Retry-After`.
fn retry_after(answer: &Answer) -> u64 {
    let text = answer
        .header("retry-after")
        .unwrap_or_else(|| panic!("no Retry-After: {answer:?}"));
    let seconds = text.parse().expect("whole seconds");
    assert!(seconds >= 1);
    seconds
}

fn assert_limited(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (429, "too_many_requests")
    );
    assert!(
        retry_after(answer) <= 1800,
        "no longer than one of two calls takes to come back"
    );
}

fn assert_overloaded(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "overloaded")
    );
    retry_after(answer);
}

async fn each_limit_counts_what_it_is_named_for(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(behind_proxy(ground.options())).await;
    let twice = json!({"calls": 2, "seconds": 3600});
    for (key, limit) in [
        ("address", "per_address"),
        ("name", "per_username"),
        ("tenant", "per_tenant"),
    ] {
        create_tenant(
            &server,
            key,
            Placement::Shared("shared"),
            only(limit, twice.clone()),
        )
        .await;
    }
    create_tenant(&server, "free", Placement::Shared("shared"), no_limits()).await;
    let send = |request: Request| {
        let server = &server;
        async move { request.send(server.public()).await }
    };

    // An IPv6 network of 64 bits is one requester; RateLimit fields tell what is left.
    for (host, left) in [
        ("1", "\"address\";r=1;t=1800"),
        ("2", "\"address\";r=0;t=1800"),
    ] {
        let answer = send(from(
            &format!("2001:db8:1:1::{host}"),
            "address",
            &format!("ada{host}"),
        ))
        .await;
        answer.expect(200);
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"address\";q=2;w=3600")
        );
        assert_eq!(answer.header("ratelimit"), Some(left));
    }
    let refused = send(from("2001:db8:1:1:ffff::3", "address", "ada3")).await;
    assert_limited(&refused);
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"address\";q=2;w=3600")
    );
    let left = refused.header("ratelimit").unwrap_or_default();
    assert!(left.starts_with("\"address\";r=0;t="), "{left}");
    let again = send(from("2001:db8:1:1::3", "address", "ada3")).await;
    assert_limited(&again);
    assert!(
        retry_after(&again) <= retry_after(&refused),
        "a further try makes the wait no longer"
    );
    send(from("2001:db8:1:2::1", "address", "ada3"))
        .await
        .expect(200);
    send(from("198.51.100.7", "address", "ada4"))
        .await
        .expect(200);

    // However it is spelled, and whoever asks for it.
    send(from("198.51.100.1", "name", "bob")).await.expect(200);
    assert_eq!(send(from("198.51.100.2", "name", "BOB")).await.status, 422);
    let refused = send(from("198.51.100.3", "name", "\u{ff22}ob")).await;
    assert_limited(&refused);
    assert_eq!(
        refused.header("ratelimit"),
        None,
        "this tenant has no limit of addresses"
    );
    send(from("198.51.100.3", "name", "bobby"))
        .await
        .expect(200);

    send(from("198.51.100.1", "tenant", "eve1"))
        .await
        .expect(200);
    send(from("198.51.100.2", "tenant", "eve2"))
        .await
        .expect(200);
    assert_limited(&send(from("198.51.100.3", "tenant", "eve3")).await);

    // With every limit off, and whatever happened to the others.
    for number in 0..40 {
        let answer = send(from("198.51.100.1", "free", "eve1")).await;
        assert_eq!(answer.status, if number == 0 { 200 } else { 422 });
        assert_eq!(answer.header("ratelimit"), None);
    }
    for (limit, count) in [("address", 2.0), ("username", 1.0), ("tenant", 1.0)] {
        let label = format!("limit=\"{limit}\"");
        assert_eq!(
            metric(&server, "enroll_limiter_refusals_total", &label).await,
            count,
            "{limit}"
        );
    }
}

async fn limits_outlive_eviction_and_changes_of_other_settings(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("tenants.idle_after_ms", 1000)
        .set("tenants.housekeeping_ms", 1000)
        .set("tenants.max_live", 2);
    let server = Server::start(options).await;
    let mut settings = no_limits();
    settings["limits"]["per_address"] = json!({"calls": 1, "seconds": 3600});
    create_tenant(&server, "own", ground.own_placement(), settings).await;
    for key in ["idle", "busy"] {
        create_tenant(&server, key, Placement::Shared("shared"), no_limits()).await;
    }
    register(&server, "own", ada("ada")).await.expect(200);
    assert_limited_for_long(&register(&server, "own", ada("bob")).await);

    // Other settings change, the limit stays exhausted.
    let change = json!({"data": {"type": "tenants", "attributes": {"settings": {"username": {"max_length": 12}}}}});
    admin(&server, "PATCH", "/admin/v1/tenants/own", Some(change))
        .await
        .expect(200);
    assert_limited_for_long(&register(&server, "own", ada("bob")).await);

    // Somebody idle is evicted, but not who has a limit that looks back further.
    register(&server, "idle", ada("ada")).await.expect(200);
    until("the idle tenant is evicted", async || {
        (metric(&server, "enroll_actor_evictions_total", "").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(metric(&server, "enroll_live_actors", "").await, 1.0);
    assert_limited_for_long(&register(&server, "own", ada("bob")).await);

    // Whoever makes room for others remembers, too.
    register(&server, "idle", ada("amy")).await.expect(200);
    register(&server, "busy", ada("ada")).await.expect(200);
    register(&server, "idle", ada("abe")).await.expect(200);
    register(&server, "busy", ada("amy")).await.expect(200);
    assert_limited_for_long(&register(&server, "own", ada("bob")).await);
    assert_eq!(users(&server, "own").await.len(), 1);
}

fn assert_limited_for_long(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (429, "too_many_requests")
    );
    assert!(retry_after(answer) > 60, "{answer:?}");
}

/// A server with slow hashes, and a tenant; what it refuses, it refuses before any database is asked.
async fn slow(options: ServerOptions, settings: Value) -> Server {
    let server = Server::start(options.failpoints("hash=sleep(1500)")).await;
    create_tenant(&server, "acme", Placement::Own, settings).await;
    server
}

/// As many registrations at once; gives the refused ones, after it has seen that all others succeeded.
async fn refused_of(server: &Server, count: usize) -> Vec<Answer> {
    let requests: Vec<Request> = (0..count)
        .map(|number| Request::register("acme", ada(&format!("ada{number}"))))
        .collect();
    let answers = volley(server.public(), &requests).await;
    let (refused, done): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status != 200);
    assert_eq!(users(server, "acme").await.len(), done.len());
    refused
}

#[tokio::test]
async fn a_tenant_works_on_as_many_calls_as_it_may() {
    let options = ServerOptions::new()
        .set("hashing.threads", 4)
        .set("hashing.wait_ms", 20_000);
    let server = slow(options, only("in_flight", json!(2))).await;
    let refused = refused_of(&server, 6).await;
    assert_eq!(refused.len(), 4);
    refused.iter().for_each(assert_overloaded);
    assert_eq!(
        metric(
            &server,
            "enroll_admission_refusals_total",
            "reason=\"in_flight\""
        )
        .await,
        4.0
    );
    // The permits came back.
    register(&server, "acme", ada("later")).await.expect(200);
}

#[tokio::test]
async fn the_process_works_on_as_many_calls_as_it_may() {
    let options = ServerOptions::new()
        .set("hashing.threads", 4)
        .set("hashing.wait_ms", 20_000)
        .set("server.max_in_flight", 2);
    let server = slow(options, no_limits()).await;
    let refused = refused_of(&server, 6).await;
    assert_eq!(refused.len(), 4);
    refused.iter().for_each(assert_overloaded);
    assert_eq!(
        metric(
            &server,
            "enroll_admission_refusals_total",
            "reason=\"in_flight_process\""
        )
        .await,
        4.0
    );
    register(&server, "acme", ada("later")).await.expect(200);
}

#[tokio::test]
async fn a_full_hash_queue_refuses_at_once() {
    let options = ServerOptions::new()
        .set("hashing.threads", 1)
        .set("hashing.queue", 1)
        .set("hashing.wait_ms", 20_000);
    let server = slow(options, no_limits()).await;
    let refused = refused_of(&server, 6).await;
    // One at work and one in the queue, unless the others came before the thread took the first one out.
    assert!(
        (4..=5).contains(&refused.len()),
        "{} refused",
        refused.len()
    );
    refused.iter().for_each(assert_overloaded);
    let counted = metric(&server, "enroll_hash_refusals_total", "reason=\"busy\"").await;
    assert_eq!(
        counted,
        f64::from(u8::try_from(refused.len()).expect("a few"))
    );
    register(&server, "acme", ada("later")).await.expect(200);
}

#[tokio::test]
async fn nobody_waits_for_a_hash_longer_than_the_limit() {
    let options = ServerOptions::new()
        .set("hashing.threads", 1)
        .set("hashing.wait_ms", 200);
    let server = slow(options, no_limits()).await;
    let refused = refused_of(&server, 4).await;
    assert_eq!(refused.len(), 3);
    refused.iter().for_each(assert_overloaded);
    register(&server, "acme", ada("later")).await.expect(200);
}
