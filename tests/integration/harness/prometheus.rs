//! A real Prometheus, and promtool; `scripts/prometheus` names both in the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::client::Request;
use super::wait::until;

/// How long Prometheus may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The program that a variable names; `None` when `--quick` left it out.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).map(PathBuf::from);
    let quick = std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1");
    assert!(
        value.is_some() || quick,
        "{variable} is not set: run the tests by scripts/test"
    );
    value
}

/// A running Prometheus on a port of its own that scrapes every second and keeps its data in a temporary folder. Dropping
/// it kills it.
pub(crate) struct Prometheus {
    _child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

/// A series with what it was worth when, in seconds since the Unix epoch.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) labels: Value,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Prometheus {
    /// Starts one that knows these rules and scrapes this address as job `enroll`; `None` when `--quick` left it out.
    pub(crate) async fn start(rules: &Path, target: SocketAddr) -> Option<Self> {
        let program = program("ENROLL_TEST_PROMETHEUS")?;
        let folder = TempDir::with_prefix("enroll-prometheus-").expect("a temporary folder");
        let settings = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs: [{{job_name: enroll, static_configs: [{{targets: ['{target}']}}]}}]\n",
            rules.display()
        );
        std::fs::write(&settings, text).expect("its settings");
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus starts");
        let log = child.stderr.take().expect("a pipe");
        let address = tokio::time::timeout(START_LIMIT, listening(log)).await;
        let address = address.expect("Prometheus listens soon");
        // It listens before it has read its data.
        until("Prometheus is ready", async || {
            let ready = Request::new("GET", "/-/ready").send(address).await;
            (ready.status == 200).then_some(())
        })
        .await;
        Some(Self {
            address,
            _child: child,
            _folder: folder,
        })
    }

    /// The time by which Prometheus stamps, in seconds since the Unix epoch.
    pub(crate) fn now() -> f64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("a clock after 1970").as_secs_f64()
    }

    /// What a query gives now: pairs of labels and value.
    pub(crate) async fn ask(&self, query: &str) -> Vec<(Value, f64)> {
        let result = self.call("query", &[("query", query)]).await;
        if result["resultType"] == "scalar" {
            return vec![(Value::Null, number(&result["result"][1]))];
        }
        let series = result["result"].as_array().expect("a list").iter();
        series
            .map(|one| (one["metric"].clone(), number(&one["value"][1])))
            .collect()
    }

    /// What a query gave between two moments, second by second.
    pub(crate) async fn ask_range(&self, query: &str, from: f64, to: f64) -> Vec<Range> {
        let (from, to) = (format!("{from:.3}"), format!("{to:.3}"));
        let parameters = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let result = self.call("query_range", &parameters).await;
        let series = result["result"].as_array().expect("a list").iter();
        series
            .map(|one| Range {
                labels: one["metric"].clone(),
                points: one["values"]
                    .as_array()
                    .expect("values")
                    .iter()
                    .map(|point| (point[0].as_f64().expect("a time"), number(&point[1])))
                    .collect(),
            })
            .collect()
    }

    /// Every rule that was loaded, of all groups.
    pub(crate) async fn rules(&self) -> Vec<Value> {
        let groups = self.call("rules", &[]).await;
        let groups = groups["groups"].as_array().expect("groups").iter();
        groups
            .flat_map(|group| group["rules"].as_array().expect("rules").clone())
            .collect()
    }

    /// The values of a label among the series that match.
    pub(crate) async fn label_values(&self, label: &str, of: &str) -> Vec<String> {
        let path = format!("label/{label}/values?match%5B%5D={}", encoded(of));
        let values = self.call(&path, &[]).await;
        let values = values.as_array().expect("a list").iter();
        values
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    async fn call(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let form: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let target = format!("/api/v1/{path}");
        let request = if form.is_empty() {
            Request::new("GET", &target)
        } else {
            Request::new("POST", &target)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form.join("&"))
        };
        let answer = request.send(self.address).await;
        assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
        answer.json()["data"].take()
    }
}

/// Prometheus writes numbers as texts, for JSON has no infinity.
fn number(value: &Value) -> f64 {
    let text = value.as_str().expect("a number as text");
    text.replace("Inf", "inf").parse().expect("a number")
}

fn encoded(text: &str) -> String {
    let bytes = text.bytes();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Reads its log until it tells its address; the rest is read and thrown away, so that it never waits for us.
async fn listening(log: ChildStderr) -> SocketAddr {
    let mut lines = BufReader::new(log).lines();
    let mut said = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let told = line
            .split_once("Listening on")
            .and_then(|(_, rest)| rest.split_once("address="))
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        if let Some(address) = told {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return address;
        }
        said.push(line);
    }
    panic!("Prometheus ended before it listened:\n{}", said.join("\n"));
}
