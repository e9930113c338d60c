//! Restarts under load: what was begun is answered, and behind a balancer nobody notices (`docs/threats.md`, rows 119 and
//! 120).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::balancer::Balancer;
use crate::harness::client::Request;
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::load::Load;
use crate::harness::server::Server;
use crate::harness::tenants::{Placement, create_tenant, invite, issue_invite, users};
use crate::harness::wait::until;

on_server_databases!(three_processes_restart_in_turn_and_no_request_fails);

/// How long a stop may take: far below what Kubernetes grants, far above what it needs.
const STOP: Duration = Duration::from_secs(30);
const CODE: &str = "ROLLING";

#[tokio::test]
async fn fifty_stops_under_load_cut_nothing_that_was_begun() {
    let ground = Ground::create(Backend::Sqlite).await;
    let options = ground.options().set("shutdown.not_ready_ms", 200);
    let mut server = Server::start(options).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    let mut kept = HashSet::new();
    let mut begun = 0;
    for round in 0..50 {
        let load = Load::start(server.public(), "acme", &format!("r{round}"), None);
        load.acknowledged(5).await;
        load.mark();
        server.sigterm();
        let status = server.wait_exit(STOP).await;
        assert_eq!(status.code(), Some(0), "round {round}: {}", server.log());
        for call in load.end().await {
            if call.before_mark {
                begun += 1;
                assert_eq!(call.outcome, Ok(200), "round {round} cut {call:?}");
            }
            if call.is_acknowledged() {
                kept.insert(call.username);
            }
        }
        server = Server::start(server.twin()).await;
    }
    let stored: HashSet<String> = names(&server).await;
    let lost: Vec<_> = kept.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");
    println!(
        "50 stops, {begun} requests begun before, {} accounts",
        kept.len()
    );
}

async fn names(server: &Server) -> HashSet<String> {
    let everybody = users(server, "acme").await;
    let name =
        |user: &serde_json::Value| user["attributes"]["username"].as_str().map(str::to_owned);
    everybody.iter().filter_map(name).collect()
}

/// A registration that brings the code, by way of the balancer.
struct Call {
    name: String,
    outcome: Result<u16, String>,
    begun: Instant,
    took: Duration,
}

async fn join(to: SocketAddr, name: String) -> Call {
    let mut attributes = ada(&name);
    attributes["code"] = CODE.into();
    let begun = Instant::now();
    let answer = Request::register("acme", attributes).try_send(to).await;
    let outcome = answer
        .map(|answer| answer.status)
        .map_err(|error| error.to_string());
    Call {
        name,
        outcome,
        begun,
        took: begun.elapsed(),
    }
}

async fn three_processes_restart_in_turn_and_no_request_fails(backend: Backend) {
    let ground = Ground::create(backend).await;
    let balancer = Balancer::start().await;
    // Longer than the balancer needs to see that a server is not ready any more.
    let options = ground.options().set("shutdown.not_ready_ms", 1000);
    let first = Server::start(options).await;
    let options = first.twin();
    let mut servers = [
        first,
        Server::start(options.clone()).await,
        Server::start(options).await,
    ];
    for (index, server) in servers.iter().enumerate() {
        balancer.put(index, server);
    }
    create_tenant(&servers[0], "acme", Placement::Shared(SHARED), no_limits()).await;
    issue_invite(
        &servers[0],
        "acme",
        json!({"code": CODE, "max_uses": 100_000}),
    )
    .await;
    until("all three are ready", async || {
        (balancer.ready() == 3).then_some(())
    })
    .await;
    let to = balancer.address;
    let peak = peak(to).await;
    // An open model: arrivals do not wait for answers.
    let pause = Duration::from_secs_f64(1.0 / (peak * 0.8));
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let arrivals = tokio::spawn(async move {
        let mut calls = JoinSet::new();
        let mut clock = tokio::time::interval(pause);
        let mut number = 0;
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                _ = clock.tick() => {
                    calls.spawn(join(to, format!("u{number}")));
                    number += 1;
                }
            }
        }
        calls.join_all().await
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    let restarts = Instant::now();
    for (index, server) in servers.iter_mut().enumerate() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.sigterm();
        let status = server.wait_exit(STOP).await;
        assert_eq!(status.code(), Some(0), "{}", server.log());
        *server = Server::start(server.twin()).await;
        balancer.put(index, server);
        until("it is ready again", async || {
            (balancer.ready() == 3).then_some(())
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.send(()).expect("the arrivals go on");
    let calls = arrivals.await.expect("the arrivals end");
    let failed: Vec<_> = calls
        .iter()
        .map(|call| &call.outcome)
        .filter(|outcome| **outcome != Ok(200))
        .collect();
    assert!(failed.is_empty(), "of {}: {failed:?}", calls.len());
    let stored = names(&servers[0]).await;
    for call in &calls {
        assert!(stored.contains(&call.name), "lost: {}", call.name);
    }
    let spent = invite(&servers[0], "acme", CODE).await["uses"].clone();
    assert_eq!(spent, stored.len(), "each account spent the code once");
    let (before, during): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.begun < restarts);
    // Times are told, not judged: the machine may be busy with other tests.
    println!(
        "{} requests at {:.0}/s, none failed; of a hundred the slowest took {:?} before and {:?} during the restarts",
        calls.len(),
        peak * 0.8,
        slow(&before),
        slow(&during)
    );
}

/// The time that 99 of a hundred do not exceed.
fn slow(calls: &[&Call]) -> Duration {
    let mut times: Vec<Duration> = calls.iter().map(|call| call.took).collect();
    times.sort_unstable();
    let place = times.len() * 99 / 100;
    times.get(place).copied().unwrap_or_default()
}

/// Registrations a second of four clients who ask one after the other, a first look at what this machine can do.
async fn peak(to: SocketAddr) -> f64 {
    const MOST: f64 = 150.0;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..4 {
        clients.spawn(async move {
            let mut done = 0;
            while begun.elapsed() < Duration::from_secs(2) {
                let call = join(to, format!("p{client}n{done}")).await;
                assert_eq!(call.outcome, Ok(200));
                done += 1;
            }
            done
        });
    }
    let done: u32 = clients.join_all().await.into_iter().sum();
    (f64::from(done) / begun.elapsed().as_secs_f64()).clamp(1.0, MOST)
}
