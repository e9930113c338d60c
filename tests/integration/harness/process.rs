//! One run of the `enroll` program, with its output in files and an end that is never forgotten.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How often a waiting test looks again.
const POLL: Duration = Duration::from_millis(10);

/// How much of a program's last words a failing test shows, in lines.
const TAIL_LINES: usize = 40;

/// A running or ended `enroll`. Dropping it kills and reaps it; if the test is failing, its last words are printed.
pub(crate) struct Process {
    child: Child,
    what: String,
    /// Holds the output files, and serves as the working folder.
    folder: TempDir,
}

impl Process {
    /// Starts the program. Of this process's environment it sees only the search path and the folder for temporary
    /// files, so that no setting leaks in.
    pub(crate) fn spawn<'a>(
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        Self::spawn_by(env!("CARGO_BIN_EXE_enroll"), arguments, environment)
    }

    /// The same through another program, which becomes it or starts it.
    pub(crate) fn spawn_by<'a>(
        program: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let folder = TempDir::with_prefix("enroll-run-").expect("a temporary folder");
        let kept = ["PATH", "TMPDIR"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(kept)
            .env("RUST_BACKTRACE", "1")
            .envs(environment)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(stdout_path(folder.path())).expect("a file for standard output"))
            .stderr(File::create(stderr_path(folder.path())).expect("a file for standard error"))
            .spawn()
            .expect("the enroll program starts");
        Self {
            child,
            what: format!("{program} {}", arguments.join(" ")),
            folder,
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that the program has printed so far to its standard output.
    pub(crate) fn stdout(&self) -> String {
        read(&stdout_path(self.folder.path()))
    }

    /// All that the program has printed so far to its standard error, which is its log.
    pub(crate) fn stderr(&self) -> String {
        read(&stderr_path(self.folder.path()))
    }

    /// The exit status, if the program has ended.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the program can be waited for")
    }

    /// Waits for `probe` to give a value, for at most `timeout`, and fails if the program ends first.
    pub(crate) async fn wait_until<T>(
        &mut self,
        timeout: Duration,
        probe: impl Fn(&Self) -> Option<T>,
    ) -> T {
        let end = Instant::now() + timeout;
        loop {
            // Asked before the probe, so that a last word is not lost.
            let ended = self.exit_status();
            if let Some(value) = probe(self) {
                return value;
            }
            if let Some(status) = ended {
                panic!("`{}` ended early with {status}", self.what);
            }
            assert!(
                Instant::now() < end,
                "`{}` was not ready within {timeout:?}",
                self.what
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the end of the program, for at most `timeout`.
    pub(crate) async fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let end = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            assert!(
                Instant::now() < end,
                "`{}` did not end within {timeout:?}",
                self.what
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends SIGTERM: the polite request to drain and end.
    pub(crate) fn sigterm(&self) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.pid())])
            .status();
        assert!(
            sent.expect("a shell").success(),
            "`{}` cannot be signalled",
            self.what
        );
    }

    /// Sends SIGKILL and reaps the program: what a power cut looks like to its files.
    pub(crate) fn sigkill(&mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is the aim.
        let _ = self.child.kill();
        let status = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- `{}`, {status:?}, the end of its standard error:",
                self.what
            );
            eprintln!("{}", tail(&self.stderr()));
        }
    }
}

fn stdout_path(folder: &Path) -> PathBuf {
    folder.join("stdout")
}

fn stderr_path(folder: &Path) -> PathBuf {
    folder.join("stderr")
}

/// Reads a file that may end in the middle of a character, for it is still being written.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("the output file")).into_owned()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
