//! What was acknowledged stays, what was not is whole or not there (docs/threats.md rows 25, 27, 30 and 31).

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde_json::json;

use crate::harness::client::{Request, metric, register};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::load::{Call, Load};
use crate::harness::server::Server;
use crate::harness::tenants::{create_tenant, invite, issue_invite, users};
use crate::harness::wait::until;

on_all_databases!(
    no_acknowledged_user_is_lost_by_a_crash,
    a_crash_inside_the_transaction_leaves_nothing,
    a_panic_inside_the_transaction_leaves_nothing,
    a_refused_registration_spends_no_invite,
    a_graceful_stop_answers_what_was_begun,
    a_second_signal_ends_the_process_at_once,
);

const KILLS: usize = 3;

/// The names of all users of a tenant.
async fn names(server: &Server, tenant: &str) -> HashSet<String> {
    let users = users(server, tenant).await;
    let count = users.len();
    let names: HashSet<String> = users
        .into_iter()
        .map(|user| {
            user["attributes"]["username"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    assert_eq!(names.len(), count, "no name stands there twice");
    names
}

fn assert_kept(calls: &[Call], names: &HashSet<String>) {
    for call in calls.iter().filter(|call| call.is_acknowledged()) {
        assert!(names.contains(&call.username), "lost: {call:?}");
    }
}

async fn no_acknowledged_user_is_lost_by_a_crash(backend: Backend) {
    let ground = Ground::create(backend).await;
    let mut server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        issue_invite(
            &server,
            tenant,
            json!({"code": "LOAD", "max_uses": 1_000_000}),
        )
        .await;
    }
    let mut calls = [Vec::new(), Vec::new()];
    for round in 0..KILLS {
        let point = 20 + usize::try_from(RandomState::new().hash_one(round) % 40).expect("small");
        println!("killed after {point} accounts");
        let loads = ground.placements().map(|(tenant, _)| {
            Load::start(server.public(), tenant, &format!("r{round}"), Some("LOAD"))
        });
        loads[0].acknowledged(point).await;
        loads[1].acknowledged(1).await;
        server.sigkill();
        for (load, calls) in loads.into_iter().zip(&mut calls) {
            calls.extend(load.end().await);
        }
        server = Server::start(server.twin()).await;
    }
    for ((tenant, _), calls) in ground.placements().iter().zip(&calls) {
        let names = names(&server, tenant).await;
        assert_kept(calls, &names);
        // A use was spent if and only if its account exists, answered or not.
        let invited = calls
            .iter()
            .filter(|call| call.invited && names.contains(&call.username));
        assert_eq!(
            invite(&server, tenant, "LOAD").await["uses"],
            invited.count(),
            "in {tenant}"
        );
    }
}

fn invited(username: &str) -> serde_json::Value {
    let mut attributes = ada(username);
    attributes["code"] = "ONCE".into();
    attributes
}

async fn a_crash_inside_the_transaction_leaves_nothing(backend: Backend) {
    let ground = Ground::create(backend).await;
    let mut server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        issue_invite(&server, tenant, json!({"code": "ONCE"})).await;
    }
    for ((tenant, _), point) in ground
        .placements()
        .iter()
        .zip(["after_invite_spend", "before_commit"])
    {
        server.sigkill();
        server = Server::start(server.twin().failpoints(&format!("{point}=sleep(60000)"))).await;
        let begun = Request::register(tenant, invited("ada"))
            .begin(server.public())
            .await;
        let begun = begun.expect("a request sent");
        until("the transaction begins", async || {
            (metric(&server, "enroll_hashes_total", "").await >= 1.0).then_some(())
        })
        .await;
        // The way from the hash to the point is a few statements; too early a crash leaves nothing, either.
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.sigkill();
        assert!(
            begun.answer().await.is_err(),
            "nobody is answered before the commit"
        );
        server = Server::start(server.twin().failpoints("")).await;
        assert!(users(&server, tenant).await.is_empty(), "{point}");
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 0, "{point}");
        register(&server, tenant, invited("ada")).await.expect(200);
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 1, "{point}");
    }
}

async fn a_panic_inside_the_transaction_leaves_nothing(backend: Backend) {
    let ground = Ground::create(backend).await;
    let points = "after_invite_spend=1*panic->off;before_commit=1*panic->off";
    let server = Server::start(ground.options().failpoints(points)).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        issue_invite(&server, tenant, json!({"code": "ONCE"})).await;
        let lost = register(&server, tenant, invited("ada")).await;
        assert_eq!(
            (lost.status, lost.error_code().as_str()),
            (503, "unavailable")
        );
        assert!(users(&server, tenant).await.is_empty());
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 0);
    }
    for (tenant, _) in ground.placements() {
        register(&server, tenant, invited("ada")).await.expect(200);
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 1);
    }
    assert_eq!(
        metric(&server, "enroll_request_panics_total", "").await,
        2.0
    );
}

async fn a_refused_registration_spends_no_invite(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        let mut settings = no_limits();
        settings["registration"] = json!({"words": [{"word": "lamp", "action": "banned"}]});
        create_tenant(&server, tenant, placement, settings).await;
        issue_invite(&server, tenant, json!({"code": "ONCE"})).await;
        register(&server, tenant, ada("bob")).await.expect(200);
        let mut weak = invited("ada");
        weak["password"] = "short".into();
        for refused in [
            weak,
            invited("bob"),
            invited("BOB"),
            invited("lamp"),
            invited("a b\u{0}"),
        ] {
            register(&server, tenant, refused).await.expect(422);
        }
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 0);
        register(&server, tenant, invited("ada")).await.expect(200);
    }
}

async fn a_graceful_stop_answers_what_was_begun(backend: Backend) {
    let ground = Ground::create(backend).await;
    // Requests that lie in the system's queue when the signal comes are accepted in this time.
    let mut server = Server::start(ground.options().set("shutdown.not_ready_ms", 400)).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
    }
    let loads = ground
        .placements()
        .map(|(tenant, _)| Load::start(server.public(), tenant, "s", None));
    loads[0].acknowledged(30).await;
    loads[1].acknowledged(1).await;
    loads.iter().for_each(Load::mark);
    server.sigterm();
    let document = until("not ready", async || {
        let answer = Request::new("GET", "/readyz").send(server.admin()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(document.header("retry-after").is_some());
    assert_eq!(document.json()["missing"], json!(["stopping"]));
    let livez = Request::new("GET", "/livez").send(server.admin()).await;
    assert_eq!(livez.status, 200);
    let status = server.wait_exit(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let mut all = Vec::new();
    for load in loads {
        all.push(load.end().await);
    }
    let next = Server::start(server.twin()).await;
    for ((tenant, _), calls) in ground.placements().iter().zip(&all) {
        for call in calls.iter().filter(|call| call.before_mark) {
            assert_eq!(call.outcome, Ok(200), "cut: {call:?}");
        }
        assert_kept(calls, &names(&next, tenant).await);
    }
}

async fn a_second_signal_ends_the_process_at_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let options = ground
        .options()
        .set("shutdown.grace_ms", 60_000)
        .failpoints("hash=sleep(60000)");
    let mut server = Server::start(options).await;
    create_tenant(&server, "own", ground.own_placement(), no_limits()).await;
    let begun = Request::register("own", ada("ada"))
        .begin(server.public())
        .await;
    let begun = begun.expect("a request sent");
    until("the hash begins", async || {
        (metric(&server, "enroll_hash_wait_seconds_count", "").await >= 1.0).then_some(())
    })
    .await;
    server.sigterm();
    until("the server stops", async || {
        let answer = Request::new("GET", "/readyz").send(server.admin()).await;
        (answer.status == 503).then_some(())
    })
    .await;
    server.sigterm();
    let status = server.wait_exit(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(130), "not the end of an orderly stop");
    assert!(begun.answer().await.is_err());
}
