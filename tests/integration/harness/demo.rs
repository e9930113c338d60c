//! A running `enroll demo`, and the shell of somebody who types what it prints.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::process::Process;

/// How long a demo may take to start or to end, and a shell for all its commands.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Stands between the outputs of two commands.
const MARK: &str = "-- the next command --";

/// A demo that serves.
pub(crate) struct Demo {
    pub(crate) process: Process,
    /// `demo.json`.
    pub(crate) told: Value,
}

impl Demo {
    /// Starts a demo on ports of its own with its data in `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let folder_text = folder.to_str().expect("UTF-8");
        let line = [
            "demo",
            "--data-dir",
            folder_text,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ];
        let mut process = Process::spawn(&line, &environment());
        process.wait_until(LIMIT, printed).await;
        let text = std::fs::read_to_string(folder.join("demo.json")).expect("demo.json");
        let told = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        Self { process, told }
    }

    /// A text of `demo.json`.
    pub(crate) fn text(&self, name: &str) -> String {
        let value = self.told[name].as_str();
        value
            .unwrap_or_else(|| panic!("no {name} in {}", self.told))
            .to_owned()
    }

    /// A listener's or the simulator's address, by the name of its URL in `demo.json`.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let url = self.text(name);
        let address = url.strip_prefix("http://").expect("a URL");
        address.parse().expect("an address")
    }

    /// The public listener.
    pub(crate) fn public(&self) -> SocketAddr {
        self.address("public_url")
    }

    /// The commands that it prints.
    pub(crate) fn commands(&self) -> Vec<String> {
        commands(&self.process.stdout())
    }

    /// Presses Ctrl-C and waits for the end.
    pub(crate) async fn interrupt(mut self) {
        interrupt(&self.process);
        let status = self.process.wait_exit(LIMIT).await;
        assert_eq!(status.code(), Some(0), "{}", self.process.stderr());
    }
}

/// The cheap hash of tests: the demo reads settings as any server does.
pub(crate) fn environment() -> BTreeMap<String, String> {
    [
        ("ENROLL__HASHING__MEMORY_KIB", "256"),
        ("ENROLL__HASHING__ITERATIONS", "1"),
        ("ENROLL__HASHING__ALLOW_WEAK", "true"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Whether the demo has said its last word before it serves.
pub(crate) fn printed(process: &Process) -> Option<()> {
    process.stdout().contains("Ctrl-C ends it.\n").then_some(())
}

/// Presses Ctrl-C.
pub(crate) fn interrupt(process: &Process) {
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", process.pid())])
        .status();
    assert!(sent.expect("a shell").success());
}

/// The commands in the demo's output: what is indented by two spaces, with the lines below that are indented further.
pub(crate) fn commands(output: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in output.lines() {
        let Some(text) = line.strip_prefix("  ") else {
            continue;
        };
        match found.last_mut() {
            Some(command) if text.starts_with(' ') => {
                command.push('\n');
                command.push_str(text);
            }
            _ => found.push(text.to_owned()),
        }
    }
    found
}

/// Types commands one after the other into one shell, `sh -eu`, and gives what each printed. Fails with the first
/// command that fails.
pub(crate) async fn type_in(commands: &[String]) -> Vec<String> {
    let script: String = commands
        .iter()
        .map(|command| format!("{command}\nprintf '%s\\n' '{MARK}'\n"))
        .collect();
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("the commands end")
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut outputs: Vec<String> = text
        .split(&format!("{MARK}\n"))
        .map(str::to_owned)
        .collect();
    let last = outputs.pop();
    assert!(
        output.status.success(),
        "{}: {last:?} {}",
        commands.get(outputs.len()).map_or("", String::as_str),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(outputs.len(), commands.len(), "{text}");
    outputs
}
