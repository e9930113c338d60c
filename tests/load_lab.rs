//! The load lab itself: `load-tests/run`, run as small as it goes against this build. What it finds of speed says nothing
//! here; that it runs, finds every figure and no wrong answer, and can tell one, is what is shown. A binary of its own,
//! because cargo runs one after another: beside the other tests the lab would load what they wait for, and they its server.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the whole binary is a test: it may stop at the first surprise, and sees its environment"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Mutex;

const SCENARIOS: [&str; 11] = [
    "capacity",
    "steady",
    "burst",
    "overload",
    "hot-tenant",
    "many-tenants",
    "invite-race",
    "slow-provider",
    "refusals",
    "login-refresh-mix",
    "soak",
];
const LIMIT: Duration = Duration::from_secs(600);

/// One lab at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Whether the caller of `scripts/test --quick` left the lab out. It needs k6, wrk and PostgreSQL.
fn is_left_out() -> bool {
    let quick = std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1");
    if quick {
        println!("left out by --quick");
    }
    quick
}

/// Runs the lab against a program; its report goes to `out`. Peers are left out: their installation takes minutes.
async fn run(binary: &Path, out: &Path, arguments: &[&str]) -> Output {
    let run = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/run"))
        .args(["--smoke", "--no-peers", "--binary"])
        .arg(binary)
        .arg("--out")
        .arg(out)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(LIMIT, run)
        .await
        .expect("the lab ends")
        .expect("the lab runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_lab_measures_every_goal_and_sees_no_wrong_answer() {
    if is_left_out() {
        return;
    }
    let _alone = ALONE.lock().await;
    let folder = TempDir::new().expect("a folder");
    let scenarios = SCENARIOS.join(",");
    let binary = Path::new(env!("CARGO_BIN_EXE_enroll"));
    let output = run(binary, folder.path(), &["--scenario", &scenarios]).await;
    assert!(output.status.success(), "{}", said(&output));

    let figures = fs::read(folder.path().join("figures.json")).expect("the figures");
    let figures: Value = serde_json::from_slice(&figures).expect("JSON");
    let report = fs::read_to_string(folder.path().join("report.md")).expect("the report");
    for name in SCENARIOS {
        assert!(report.contains(&format!("\n## {name}\n")), "{name}");
        let found = figures["scenarios"][name]["figures"]
            .as_array()
            .expect("figures");
        assert!(!found.is_empty(), "{name} has no figure");
        for figure in found {
            let (key, median) = (&figure["key"], figure["median"].as_f64());
            assert!(median.is_some_and(f64::is_finite), "{key} is {median:?}");
        }
        for plot in figures["scenarios"][name]["plots"]
            .as_array()
            .expect("plots")
        {
            let plot = plot.as_str().expect("a file");
            assert!(report.contains(plot), "{plot} is not shown");
            let drawn = fs::read_to_string(folder.path().join(plot)).expect("a plot");
            assert!(drawn.contains("<svg"), "{plot} is no drawing");
        }
    }
    let goals = figures["goals"].as_array().expect("goals");
    assert!(goals.len() >= 20, "goals are missing: {}", goals.len());
    for goal in goals {
        let verdict = goal["verdict"].as_str().expect("a verdict");
        assert!(["pass", "missed"].contains(&verdict), "{goal}");
    }
    // Speed is measured, not made up: a rate of registrations lies between nothing and what no machine does.
    let rate = median_of(&figures, "capacity", "capacity.sqlite");
    assert!((1.0..100_000.0).contains(&rate), "{rate}");
}

/// The median of a figure.
fn median_of(figures: &Value, scenario: &str, key: &str) -> f64 {
    figures["scenarios"][scenario]["figures"]
        .as_array()
        .expect("figures")
        .iter()
        .find(|figure| figure["key"] == key)
        .and_then(|figure| figure["median"].as_f64())
        .expect("the figure")
}

/// A server that serves nobody who names the tenant by header, as the lab does: every answer is wrong.
fn broken_server(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("enroll");
    let program = env!("CARGO_BIN_EXE_enroll");
    let script =
        format!("#!/bin/sh\nENROLL__SERVER__NAME_BY_HEADER=false exec '{program}' \"$@\"\n");
    fs::write(&path, script).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("that it may run");
    // The bare handler, which the lab would build, and does not start in this scenario.
    fs::create_dir(folder.join("examples")).expect("a folder");
    fs::write(folder.join("examples/bare"), "").expect("a file");
    path
}

#[tokio::test]
async fn the_labs_own_tests_pass() {
    if is_left_out() {
        return;
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/run");
    let output = Command::new(lab).arg("--self-test").output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("it ends")
        .expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("Ran 1"), "{}", said(&output));
}

#[tokio::test]
async fn the_lab_fails_when_answers_are_wrong_and_when_told_to_where_a_goal_is_not_met() {
    if is_left_out() {
        return;
    }
    let _alone = ALONE.lock().await;
    let folder = TempDir::new().expect("a folder");
    let broken = broken_server(folder.path());
    let output = run(&broken, folder.path(), &["--scenario", "invite-race"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let report = fs::read_to_string(folder.path().join("report.md")).expect("the report");
    assert!(report.contains("There were wrong answers"), "{report}");
    assert!(report.contains(" answers with status 4"), "{report}");

    let binary = Path::new(env!("CARGO_BIN_EXE_enroll"));
    let left_out = ["--scenario", "peers"];
    let output = run(binary, folder.path(), &left_out).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let strict = ["--scenario", "peers", "--strict"];
    let output = run(binary, folder.path(), &strict).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));

    let output = run(binary, folder.path(), &["--scenario", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("there are capacity"));
}
