//! The load test itself: `load-tests/register.js`, run by the real k6 against a real server.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant};

const LIMIT: Duration = Duration::from_secs(60);

/// The path of k6; `None` where the caller of `scripts/test --quick` left it out. A missing one is a failure.
fn k6() -> Option<String> {
    if std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1") {
        println!("left out by --quick");
        return None;
    }
    let path = std::env::var("ENROLL_TEST_K6");
    Some(
        path.unwrap_or_else(|_| panic!("ENROLL_TEST_K6 is not set: run the tests by scripts/test")),
    )
}

/// Limits made for people would refuse a load that comes from one address.
async fn start(settings: Value) -> Server {
    let server = Server::start(ServerOptions::new()).await;
    let mut all = json!({"limits": {"per_address": null, "per_username": null, "per_tenant": null, "in_flight": null}});
    for (name, value) in settings.as_object().expect("settings") {
        all[name] = value.clone();
    }
    create_tenant(&server, "load", Placement::Own, all).await;
    server
}

/// Runs the script for three seconds, and gives how k6 ended and what it measured.
async fn run(k6: &str, server: &Server, environment: &[(&str, &str)]) -> (Output, Value) {
    let folder = TempDir::new().expect("a folder");
    let summary = folder.path().join("summary.json");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/register.js");
    let run = Command::new(k6)
        .args([
            "run",
            "--no-usage-report",
            "--no-color",
            "--quiet",
            "--address",
            "",
        ])
        .arg("--summary-export")
        .arg(&summary)
        .arg(&script)
        .env_clear()
        .env("HOME", folder.path())
        .env("BASE_URL", format!("http://{}", server.public()))
        .env("TENANT", "load")
        .env("RATE", "10")
        .env("DURATION", "3s")
        .env("P99_MS", "10000")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, run)
        .await
        .expect("k6 ends")
        .expect("k6 runs");
    let measured = std::fs::read_to_string(&summary).unwrap_or_default();
    (
        output,
        serde_json::from_str(&measured).unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn the_load_script_registers_users_and_its_thresholds_hold() {
    let Some(k6) = k6() else { return };
    let server = start(json!({})).await;
    let (output, measured) = run(&k6, &server, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let begun = measured["metrics"]["iterations"]["count"]
        .as_u64()
        .expect("a count");
    assert!(
        (25..=35).contains(&begun),
        "ten a second for three seconds: {begun}"
    );
    // What k6 counted as registered is registered.
    let users = tenants::users(&server, "load").await;
    assert_eq!(users.len() as u64, begun);
}

#[tokio::test]
async fn the_load_script_sends_an_invite_where_one_is_demanded() {
    let Some(k6) = k6() else { return };
    let server = start(json!({"registration": {"invite_required": true}})).await;
    let code = tenants::issue_invite(&server, "load", json!({"max_uses": 1000})).await;
    let (output, _) = run(&k6, &server, &[("INVITE", &code)]).await;
    assert!(output.status.success(), "{output:?}");
    let uses = tenants::invite(&server, "load", &code).await["uses"]
        .as_u64()
        .expect("a count");
    assert_eq!(tenants::users(&server, "load").await.len() as u64, uses);
    assert!(uses > 0);
}

#[tokio::test]
async fn the_load_script_fails_when_a_threshold_is_missed() {
    let Some(k6) = k6() else { return };
    let closed = start(json!({"registration": {"open": false}})).await;
    let open = start(json!({})).await;
    for (server, environment, threshold) in [
        (&closed, &[("DURATION", "1s")][..], "checks"),
        // Nothing answers within a microsecond.
        (
            &open,
            &[("DURATION", "1s"), ("P99_MS", "0.001")],
            "http_req_duration",
        ),
    ] {
        let (output, _) = run(&k6, server, environment).await;
        assert_eq!(
            output.status.code(),
            Some(99),
            "k6 says so by its exit status: {output:?}"
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(threshold), "{threshold} is not named: {said}");
    }
    // A call without a server or a tenant is refused before any load.
    let (output, _) = run(&k6, &open, &[("TENANT", "")]).await;
    assert!(!output.status.success());
}
