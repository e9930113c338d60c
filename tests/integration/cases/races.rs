//! Many who want the same thing at the same moment (docs/threats.md rows 19 to 29 and 33).

use std::collections::HashSet;

use serde_json::json;

use crate::harness::client::{Answer, Request, admin, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::server::Server;
use crate::harness::tenants::{create_tenant, invite, issue_invite, users};
use crate::harness::wait::until;

on_all_databases!(
    a_name_is_given_once_however_it_is_spelled,
    two_processes_give_a_name_once,
    an_invite_brings_as_many_accounts_as_it_has_uses,
    two_processes_spend_an_invite_as_often_as_it_may_be_spent,
    requests_with_one_idempotency_key_make_one_account,
    two_processes_make_one_account_for_one_idempotency_key,
    a_code_revoked_or_issued_by_one_process_is_so_at_the_other,
);

const RACERS: usize = 64;
const ROUNDS: usize = 2;

/// One name in the spellings that people and input methods come up with.
fn spellings(round: usize) -> [String; 8] {
    [
        format!("rene\u{301}e{round}"),
        format!("ren\u{e9}e{round}"),
        format!("REN\u{c9}E{round}"),
        format!("RENE\u{301}E{round}"),
        format!("Ren\u{e9}e{round}"),
        // Full-width letters.
        format!("\u{ff52}\u{ff45}\u{ff4e}\u{e9}\u{ff45}{round}"),
        format!("\u{ff32}\u{ff25}\u{ff2e}\u{c9}\u{ff25}{round}"),
        format!("\u{ff52}\u{ff45}\u{ff4e}e\u{301}e{round}"),
    ]
}

/// Racers for one name, each with a password of its own.
fn name_race(tenant: &str, round: usize, racers: std::ops::Range<usize>) -> Vec<Request> {
    let names = spellings(round);
    racers
        .map(|racer| {
            let (username, password) = (
                &names[racer % names.len()],
                format!("password of {racer:02}"),
            );
            Request::register(tenant, json!({"username": username, "password": password}))
        })
        .collect()
}

/// Asserts that one answer is a success and all others say that the name is taken.
fn assert_one_winner(answers: &[Answer]) {
    let winners = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 422, "{}", answer.text());
        let error = answer.error();
        assert_eq!(error["code"], "validation_error");
        assert_eq!(error["source"]["pointer"], "/data/attributes/username");
    }
    assert_eq!(winners, 1, "of {} requests for one name", answers.len());
}

async fn a_name_is_given_once_however_it_is_spelled(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        for round in 0..ROUNDS {
            let racers = name_race(tenant, round, 0..RACERS);
            assert_one_winner(&volley(server.public(), &racers).await);
        }
        assert_eq!(users(&server, tenant).await.len(), ROUNDS, "in {tenant}");
    }
}

async fn two_processes_give_a_name_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let first = Server::start(ground.options()).await;
    let second = Server::start(first.twin()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&first, tenant, placement, no_limits()).await;
        for round in 0..ROUNDS {
            let halves =
                [0..RACERS / 2, RACERS / 2..RACERS].map(|half| name_race(tenant, round, half));
            let (mut answers, others) = tokio::join!(
                volley(first.public(), &halves[0]),
                volley(second.public(), &halves[1])
            );
            answers.extend(others);
            assert_one_winner(&answers);
        }
        for server in [&first, &second] {
            assert_eq!(users(server, tenant).await.len(), ROUNDS, "in {tenant}");
        }
    }
}

const USES: usize = 6;

/// Four times as many racers as the code has uses, each with a name of its own and a spelling of the code.
fn invite_race(tenant: &str, racers: std::ops::Range<usize>) -> Vec<Request> {
    let spellings = [
        "SUMMER-2026",
        "summer-2026",
        " Summer-2026 ",
        "SUM MER-20 26",
    ];
    racers
        .map(|racer| {
            let mut attributes = ada(&format!("guest{racer}"));
            attributes["code"] = spellings[racer % spellings.len()].into();
            Request::register(tenant, attributes)
        })
        .collect()
}

/// Asserts that there are as many successes as uses, and that all others were refused for the code.
fn assert_all_uses_spent(answers: &[Answer]) {
    let winners = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 422, "{}", answer.text());
        let error = answer.error();
        assert_eq!(error["code"], "invite_invalid");
        assert_eq!(error["source"]["pointer"], "/data/attributes/code");
    }
    assert_eq!(winners, USES, "of {} requests with one code", answers.len());
}

async fn an_invite_brings_as_many_accounts_as_it_has_uses(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        let code = issue_invite(
            &server,
            tenant,
            json!({"code": "Summer-2026", "max_uses": USES}),
        )
        .await;
        let answers = volley(server.public(), &invite_race(tenant, 0..4 * USES)).await;
        assert_all_uses_spent(&answers);
        assert_eq!(invite(&server, tenant, &code).await["uses"], USES);
        assert_eq!(users(&server, tenant).await.len(), USES, "in {tenant}");
    }
}

async fn two_processes_spend_an_invite_as_often_as_it_may_be_spent(backend: Backend) {
    let ground = Ground::create(backend).await;
    let first = Server::start(ground.options()).await;
    let second = Server::start(first.twin()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&first, tenant, placement, no_limits()).await;
        let code = issue_invite(
            &first,
            tenant,
            json!({"code": "summer-2026", "max_uses": USES}),
        )
        .await;
        let halves = [0..2 * USES, 2 * USES..4 * USES].map(|half| invite_race(tenant, half));
        let (mut answers, others) = tokio::join!(
            volley(first.public(), &halves[0]),
            volley(second.public(), &halves[1])
        );
        answers.extend(others);
        assert_all_uses_spent(&answers);
        for server in [&first, &second] {
            assert_eq!(invite(server, tenant, &code).await["uses"], USES);
            assert_eq!(users(server, tenant).await.len(), USES, "in {tenant}");
        }
    }
}

/// The same call, with one key, many times.
fn key_race(tenant: &str, round: usize, racers: usize) -> Vec<Request> {
    let mut attributes = ada(&format!("once{round}"));
    attributes["code"] = "ONCE".into();
    let request =
        Request::register(tenant, attributes).header("Idempotency-Key", format!("race {round}"));
    vec![request; racers]
}

/// Asserts that every success names the same account and that nobody was refused for good.
fn assert_one_account(answers: &[Answer]) {
    let mut accounts = HashSet::new();
    for answer in answers {
        if answer.status == 200 {
            accounts.insert(answer.json()["data"]["id"].to_string());
        } else {
            assert_eq!(answer.status, 409, "{}", answer.text());
            assert_eq!(answer.error_code(), "idempotency_in_progress");
        }
    }
    assert_eq!(accounts.len(), 1, "accounts for one key");
}

async fn requests_with_one_idempotency_key_make_one_account(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        issue_invite(&server, tenant, json!({"code": "ONCE", "max_uses": ROUNDS})).await;
        for round in 0..ROUNDS {
            assert_one_account(&volley(server.public(), &key_race(tenant, round, 16)).await);
        }
        assert_eq!(users(&server, tenant).await.len(), ROUNDS, "in {tenant}");
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], ROUNDS);
    }
}

async fn two_processes_make_one_account_for_one_idempotency_key(backend: Backend) {
    let ground = Ground::create(backend).await;
    let first = Server::start(ground.options()).await;
    let second = Server::start(first.twin()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&first, tenant, placement, no_limits()).await;
        // One use a round: whoever comes second finds neither the name nor the invite free, and must still be answered.
        issue_invite(&first, tenant, json!({"code": "ONCE", "max_uses": ROUNDS})).await;
        for round in 0..ROUNDS {
            let racers = key_race(tenant, round, 4);
            let (mut answers, others) = tokio::join!(
                volley(first.public(), &racers),
                volley(second.public(), &racers)
            );
            answers.extend(others);
            assert_one_account(&answers);
        }
        assert_eq!(users(&first, tenant).await.len(), ROUNDS, "in {tenant}");
        assert_eq!(invite(&second, tenant, "ONCE").await["uses"], ROUNDS);
    }
}

async fn a_code_revoked_or_issued_by_one_process_is_so_at_the_other(backend: Backend) {
    let ground = Ground::create(backend).await;
    let first = Server::start(ground.options()).await;
    let second = Server::start(first.twin()).await;
    let with_code = |tenant: &str, username: String, code: &str| {
        let mut attributes = ada(&username);
        attributes["code"] = code.into();
        Request::register(tenant, attributes)
    };
    for (tenant, placement) in ground.placements() {
        create_tenant(&first, tenant, placement, no_limits()).await;
        issue_invite(&first, tenant, json!({"code": "OLD-CODE", "max_uses": 9})).await;
        let warm = with_code(tenant, "warm".to_owned(), "OLD-CODE");
        warm.send(second.public()).await.expect(200);
        let unknown = with_code(tenant, "early".to_owned(), "NEW-CODE");
        assert_eq!(
            unknown.send(second.public()).await.error_code(),
            "invite_invalid"
        );

        let path = format!("/admin/v1/tenants/{tenant}/invites/OLD-CODE");
        let revoked = admin(&first, "DELETE", &path, None).await;
        assert!((200..300).contains(&revoked.status), "{revoked:?}");
        let late = with_code(tenant, "late".to_owned(), "OLD-CODE");
        assert_eq!(
            late.send(second.public()).await.error_code(),
            "invite_invalid"
        );

        issue_invite(&first, tenant, json!({"code": "NEW-CODE"})).await;
        // The second process remembers the code as unknown for `tenants.invite_hint_ttl_ms` at most.
        until("the new code works at the other process", async || {
            let answer = unknown.send(second.public()).await;
            if answer.status == 200 {
                return Some(());
            }
            assert_eq!(answer.error_code(), "invite_invalid");
            None
        })
        .await;
    }
}
