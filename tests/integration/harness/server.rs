//! A real server on ports of its own: `enroll serve`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::database::TestDatabase;
use super::process::Process;
use super::wait::until;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a command such as `enroll migrate` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// What a server starts with. The defaults suit most cases: SQLite in a fresh folder, cheap hashing, a short drain.
#[derive(Clone)]
pub(crate) struct ServerOptions {
    /// Settings by their dotted name. JSON and TOML write strings, numbers, booleans and lists of them alike.
    settings: BTreeMap<String, Value>,
    environment: BTreeMap<String, String>,
    /// Only for the server itself: the commands that prepare its data must not stumble.
    failpoints: Option<String>,
    /// Shared by all servers that run on the same data, so that it lives as long as the last of them.
    data: Arc<TempDir>,
    /// The admin token, once there is one; then the platform database is ready, too.
    token: Option<String>,
}

impl ServerOptions {
    /// The defaults, on a fresh data folder.
    pub(crate) fn new() -> Self {
        let data = TempDir::with_prefix("enroll-data-").expect("a temporary folder");
        let options = Self {
            settings: BTreeMap::new(),
            environment: BTreeMap::new(),
            failpoints: None,
            data: Arc::new(data),
            token: None,
        };
        let folder = options
            .data_dir()
            .to_str()
            .expect("a path in UTF-8")
            .to_owned();
        options
            .set("server.public_listen", "127.0.0.1:0")
            .set("server.admin_listen", "127.0.0.1:0")
            .set("server.base_domain", "localhost")
            .set("shutdown.not_ready_ms", 0)
            .set("shutdown.grace_ms", 10_000)
            .set("data.dir", folder)
            .set("hashing.memory_kib", 256)
            .set("hashing.iterations", 1)
            .set("hashing.allow_weak", true)
    }

    /// Sets one setting by its dotted name, for instance `tenants.idle_after_ms`.
    pub(crate) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a setting to the server's own default.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.settings.remove(name);
        self
    }

    /// Waits long for a disk that others keep busy: for cases that are not about time.
    pub(crate) fn patient(self) -> Self {
        self.set("database.acquire_timeout_ms", 20_000)
            .set("database.statement_timeout_ms", 20_000)
            .set("tenants.launch_timeout_ms", 20_000)
            .set("hashing.wait_ms", 20_000)
            .set("server.request_timeout_ms", 25_000)
    }

    /// Hashes as in production.
    pub(crate) fn real_hashing(self) -> Self {
        self.unset("hashing.memory_kib")
            .unset("hashing.iterations")
            .unset("hashing.allow_weak")
    }

    /// Sets an environment variable of the server and of the commands beside it.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Arms failpoints of the server, in the language of the crate `fail`: `name=1*panic;other=sleep(500)`. An empty
    /// text disarms those of a [`Server::twin`].
    pub(crate) fn failpoints(mut self, points: &str) -> Self {
        self.failpoints = Some(points.to_owned());
        self
    }

    /// Puts the platform database there.
    pub(crate) fn platform(self, database: &TestDatabase) -> Self {
        self.set("platform.url", database.url())
    }

    /// Makes a database known by a name, for tenants to share.
    pub(crate) fn database(self, name: &str, database: &TestDatabase) -> Self {
        self.set(&format!("databases.{name}.url"), database.url())
    }

    /// The folder in which the server keeps its data.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Writes the settings as TOML, one dotted key a line.
    fn write(&self, path: &Path) {
        let lines: String = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        std::fs::write(path, lines).expect("the settings can be written");
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    process: Process,
    options: ServerOptions,
    token: String,
    public: SocketAddr,
    admin: SocketAddr,
    /// Holds the settings file.
    folder: TempDir,
}

impl Server {
    /// Prepares the platform database and an admin token, unless the options come from [`Server::twin`], and starts
    /// the server. Returns when it listens.
    pub(crate) async fn start(options: ServerOptions) -> Self {
        let folder = TempDir::with_prefix("enroll-settings-").expect("a temporary folder");
        let file = settings_file(&folder);
        options.write(&file);
        let token = match &options.token {
            Some(token) => token.clone(),
            None => prepare(&options, &file).await,
        };
        let mut environment = options.environment.clone();
        environment.extend(
            options
                .failpoints
                .iter()
                .map(|points| ("FAILPOINTS".to_owned(), points.clone())),
        );
        let mut process = Process::spawn(&with_settings(&file, &["serve"]), &environment);
        let event = process
            .wait_until(START_LIMIT, |process| listening(&process.stdout()))
            .await;
        let address = |name: &str| event[name].as_str().and_then(|text| text.parse().ok());
        Self {
            public: address("public").unwrap_or_else(|| panic!("no public address in {event}")),
            admin: address("admin").unwrap_or_else(|| panic!("no admin address in {event}")),
            process,
            options,
            token,
            folder,
        }
    }

    /// The address where end users register.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    /// The address of the admin API, the metrics and the health checks.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A bearer token for the admin API.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The folder in which the server keeps its data.
    pub(crate) fn data_dir(&self) -> &Path {
        self.options.data_dir()
    }

    /// Options for another server on the same data: a second replica, or the next life of this one.
    pub(crate) fn twin(&self) -> ServerOptions {
        ServerOptions {
            token: Some(self.token.clone()),
            ..self.options.clone()
        }
    }

    /// Runs another command with this server's settings and returns its exit status, standard output and standard
    /// error.
    pub(crate) async fn command(&self, arguments: &[&str]) -> (ExitStatus, String, String) {
        run(&self.options, &settings_file(&self.folder), arguments).await
    }

    /// The file of its settings.
    pub(crate) fn settings_file(&self) -> PathBuf {
        settings_file(&self.folder)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The server's log so far. An answer may arrive before what was logged of it: wait for that with
    /// [`Server::logged`] first.
    pub(crate) fn log(&self) -> String {
        self.process.stderr()
    }

    /// Waits for a whole line of the log that holds all of `parts`, and gives the log up to then.
    pub(crate) async fn logged(&self, parts: &[&str]) -> String {
        until(&format!("a line of the log with {parts:?}"), async || {
            let log = self.log();
            let (whole, _) = log.rsplit_once('\n')?;
            let found = whole
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)));
            found.then(|| whole.to_owned())
        })
        .await
    }

    /// Sends SIGTERM: the polite request to drain and end.
    pub(crate) fn sigterm(&self) {
        self.process.sigterm();
    }

    /// Kills the server as a crash would, and waits until it is gone.
    pub(crate) fn sigkill(&mut self) {
        self.process.sigkill();
    }

    /// Waits for the end of the server, for at most `timeout`.
    pub(crate) async fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        self.process.wait_exit(timeout).await
    }
}

/// Makes the platform schema and an admin token.
async fn prepare(options: &ServerOptions, file: &Path) -> String {
    run_well(options, file, &["migrate"]).await;
    let printed = run_well(
        options,
        file,
        &["admin", "token", "create", "--name", "test", "--json"],
    )
    .await;
    let document: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed:?}"));
    document["token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token in {printed:?}"))
        .to_owned()
}

/// Runs a command that must succeed and returns its standard output.
async fn run_well(options: &ServerOptions, file: &Path, arguments: &[&str]) -> String {
    let (status, stdout, stderr) = run(options, file, arguments).await;
    assert!(
        status.success(),
        "`enroll {}` ended with {status}:\n{stderr}",
        arguments.join(" ")
    );
    stdout
}

async fn run(
    options: &ServerOptions,
    file: &Path,
    arguments: &[&str],
) -> (ExitStatus, String, String) {
    let mut process = Process::spawn(&with_settings(file, arguments), &options.environment);
    let status = process.wait_exit(COMMAND_LIMIT).await;
    (status, process.stdout(), process.stderr())
}

fn settings_file(folder: &TempDir) -> PathBuf {
    folder.path().join("enroll.toml")
}

fn with_settings<'a>(file: &'a Path, arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["--config", file.to_str().expect("a path in UTF-8")];
    all.extend_from_slice(arguments);
    all
}

/// The event by which the server says that it listens, once it has been printed whole.
fn listening(stdout: &str) -> Option<Value> {
    let (line, _) = stdout.split_once('\n')?;
    let event: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    assert_eq!(
        event["event"], "listening",
        "the first line says that the server listens"
    );
    Some(event)
}
