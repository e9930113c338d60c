//! The program as an administrator calls it: one command, its output and its end.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::client::register;
use super::server::{Server, ServerOptions};

const LIMIT: Duration = Duration::from_secs(60);

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Its standard output, if it ended well.
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    pub(crate) fn json(self) -> Value {
        let text = self.well();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Its standard error, if it ended with this code; then it has printed no result.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        self.stderr
    }
}

/// Runs the program with nothing in its environment but the search path and what is given.
pub(crate) async fn enroll(
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Outcome {
    run(env!("CARGO_BIN_EXE_enroll"), arguments, environment, input).await
}

pub(crate) async fn run(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Outcome {
    let folder = TempDir::with_prefix("enroll-command-").expect("a temporary folder");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("its standard input");
    // A command that reads no input may have ended before.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
        .expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// An administrator with a terminal at a running server.
pub(crate) struct Operator {
    pub(crate) server: Server,
    pub(crate) url: String,
}

impl Operator {
    pub(crate) async fn start() -> Self {
        Self::at(Server::start(ServerOptions::new()).await)
    }

    /// At this server.
    pub(crate) fn at(server: Server) -> Self {
        let url = format!("http://{}", server.admin());
        Self { server, url }
    }

    pub(crate) async fn run(&self, line: &[&str]) -> Outcome {
        self.run_with(line, "").await
    }

    pub(crate) async fn run_with(&self, line: &[&str], input: &str) -> Outcome {
        let environment = [
            ("ENROLL_ADMIN_URL", self.url.as_str()),
            ("ENROLL_ADMIN_TOKEN", self.server.token()),
        ];
        enroll(line, &environment, input).await
    }

    /// Registers and gives the status.
    pub(crate) async fn registers(&self, tenant: &str, name: &str) -> u16 {
        let attributes = json!({"username": name, "password": "correct-horse-42"});
        register(&self.server, tenant, attributes).await.status
    }
}
