//! The container, the compose file and the systemd unit: linted by real linters, and the binary run as they run it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::Request;
use crate::harness::command::{Outcome, enroll, run};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::process::Process;
use crate::harness::prometheus::program;
use crate::harness::wait::until;

on_all_databases!(the_binary_serves_as_its_container_would_run_it);

const MIB: u64 = 1 << 20;
/// The user of the image.
const USER: u32 = 65_532;
/// How long the server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

fn path_of(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text_of(file: &str) -> String {
    fs::read_to_string(path_of(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs what `scripts/linters` names, with more arguments; `None` when `--quick` left it out.
async fn lint(variable: &str, arguments: &[&str]) -> Option<Outcome> {
    let line = program(variable)?;
    let line = line.to_str().expect("UTF-8");
    let mut words = line.lines();
    let program = words.next().expect("a program");
    let all: Vec<&str> = words.chain(arguments.iter().copied()).collect();
    Some(run(program, &all, &[("HOME", "/nonexistent")], "").await)
}

/// The values of `key` in a file of lines such as `key=value` or `key: value`.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim);
    let of_key = lines.filter_map(|line| line.strip_prefix(key));
    of_key
        .filter_map(|rest| rest.strip_prefix(['=', ':']))
        .map(str::trim)
        .collect()
}

/// Bytes as Docker and systemd write them.
fn bytes(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit.to_ascii_lowercase().as_str() {
        "m" => MIB,
        "g" => 1024 * MIB,
        other => panic!("the unit {other}"),
    };
    number.parse::<u64>().expect("a number") * unit
}

#[tokio::test]
async fn the_dockerfile_passes_hadolint() {
    let file = path_of("Dockerfile");
    let file = file.to_str().expect("UTF-8");
    if let Some(outcome) = lint("ENROLL_TEST_HADOLINT", &["--no-color", file]).await {
        assert_eq!(outcome.well(), "");
    }
}

#[tokio::test]
async fn the_compose_file_is_valid_and_lint_finds_nothing_but_tags() {
    let file = path_of("compose.yaml");
    let file = file.to_str().expect("UTF-8");
    let Some(schema) = lint("ENROLL_TEST_COMPOSE_SCHEMA", &[file]).await else {
        return;
    };
    assert!(schema.well().contains("ok"));
    let arguments = ["check", "--format", "json", "--fail-on", "low", file];
    let outcome = lint("ENROLL_TEST_COMPOSE_LINT", &arguments)
        .await
        .expect("both or none");
    let report: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let findings = report["findings"].as_array().expect("a list of findings");
    // Images by tag: a digest is for whoever pulls them to write down. Five services, and each is named.
    let rules: Vec<&str> = findings
        .iter()
        .map(|finding| finding["rule_id"].as_str().expect("a rule"))
        .collect();
    assert_eq!(rules, ["CL-0019"; 5], "{report}");
}

#[tokio::test]
async fn prometheus_takes_its_part_of_the_compose_file() {
    let file = path_of("compose/prometheus.yaml");
    let arguments = [
        "check",
        "config",
        "--syntax-only",
        file.to_str().expect("UTF-8"),
    ];
    if let Some(outcome) = lint("ENROLL_TEST_PROMTOOL", &arguments).await {
        assert!(outcome.well().contains("SUCCESS"));
    }
}

#[tokio::test]
async fn systemd_takes_the_unit_and_finds_it_little_exposed() {
    let root = TempDir::new().expect("a temporary folder");
    let units = root.path().join("etc/systemd/system");
    let programs = root.path().join("usr/local/bin");
    for folder in [&units, &programs, &root.path().join("usr/lib/systemd")] {
        fs::create_dir_all(folder).expect("a folder");
    }
    fs::copy(
        path_of("systemd/enroll.service"),
        units.join("enroll.service"),
    )
    .expect("the unit");
    // The targets that every unit hangs on are not looked for, but the program is.
    fs::copy("/bin/true", programs.join("enroll")).expect("a program");
    for target in ["sysinit", "basic", "shutdown", "network-online"] {
        fs::write(units.join(format!("{target}.target")), "[Unit]\n").expect("a target");
    }
    for slice in ["system", "-"] {
        fs::write(units.join(format!("{slice}.slice")), "[Slice]\n").expect("a slice");
    }
    let root = format!("--root={}", root.path().display());
    let arguments = ["--man=no", &root, "verify", "enroll.service"];
    let Some(outcome) = lint("ENROLL_TEST_SYSTEMD_ANALYZE", &arguments).await else {
        return;
    };
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome:?}"
    );
    // In tenths. What is left: sockets, /proc/stat, calls that set priorities.
    let arguments = [
        "--no-pager",
        "--offline=yes",
        "--threshold=15",
        &root,
        "security",
        "enroll.service",
    ];
    let outcome = lint("ENROLL_TEST_SYSTEMD_ANALYZE", &arguments)
        .await
        .expect("as before");
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

/// The calls to the kernel of a set as `systemd-analyze syscall-filter` prints it, with the sets in it.
fn calls_of(sets: &BTreeMap<String, Vec<String>>, name: &str, found: &mut BTreeSet<String>) {
    for member in sets.get(name).unwrap_or_else(|| panic!("no set {name}")) {
        if member.starts_with('@') {
            calls_of(sets, member, found);
        } else {
            found.insert(member.clone());
        }
    }
}

#[tokio::test]
async fn the_units_filter_lets_every_call_to_the_kernel_pass() {
    let Some(listed) = lint("ENROLL_TEST_SYSTEMD_ANALYZE", &["syscall-filter"]).await else {
        return;
    };
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    let listed = listed.well();
    for line in listed.lines() {
        if line.starts_with('@') {
            line.clone_into(&mut name);
        } else if line.starts_with(' ') && !line.trim().starts_with('#') {
            sets.entry(name.clone())
                .or_default()
                .push(line.trim().to_owned());
        }
    }
    let (mut allowed, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let unit = text_of("systemd/enroll.service");
    for rule in values(&unit, "SystemCallFilter") {
        match rule.strip_prefix('~') {
            Some(set) => calls_of(&sets, set, &mut refused),
            None => calls_of(&sets, rule, &mut allowed),
        }
    }
    // What systemd itself always lets pass, so that a program can start at all.
    calls_of(&sets, "@default", &mut allowed);

    let strace = program("ENROLL_TEST_STRACE").expect("as before");
    let folder = TempDir::new().expect("a temporary folder");
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (data, counts) = (place("data"), place("counts"));
    let environment = [
        ("ENROLL__DATA__DIR", data.as_str()),
        ("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0"),
        ("ENROLL__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    enroll(&["migrate"], &environment, "").await.well();
    let create = ["admin", "token", "create", "--name", "test", "--json"];
    let token = enroll(&create, &environment, "").await.json();
    let environment: BTreeMap<String, String> = environment
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // From its first call on; -D makes the server our child, not the tracer's.
    let line = [
        "-D",
        "-f",
        "-c",
        "-U",
        "name",
        "-o",
        &counts,
        env!("CARGO_BIN_EXE_enroll"),
        "serve",
    ];
    let mut server = Process::spawn_by(strace.to_str().expect("UTF-8"), &line, &environment);
    let (public, admin) = listening(&mut server).await;
    let token = token["token"].as_str().expect("a token");
    create_acme(admin, token, json!({"kind": "own"})).await;
    for number in 0..20 {
        let request = Request::register("acme", ada(&format!("called{number}")));
        request.send(public).await.expect(200);
    }
    server.sigterm();
    let status = server.wait_exit(Duration::from_secs(60)).await;
    assert_eq!(status.code(), Some(0));
    let counted = until("what strace counted", async || {
        let counted = fs::read_to_string(&counts).ok()?;
        (!counted.is_empty()).then_some(counted)
    })
    .await;
    let made: BTreeSet<String> = counted
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter(|line| !matches!(*line, "syscall" | "name" | "total"))
        .map(str::to_owned)
        .collect();
    assert!(
        made.len() > 20 && made.contains("fsync") && made.contains("execve"),
        "{counted}"
    );
    // As root, SQLite gives its files to the owner of their folder; the unit's user is not root.
    let is_root = fs::metadata("/proc/self").expect("ourselves").uid() == 0;
    let barred: Vec<&String> = made
        .iter()
        .filter(|call| !allowed.contains(*call) || refused.contains(*call))
        .filter(|call| !(is_root && call.as_str() == "fchown"))
        .collect();
    assert_eq!(barred, Vec::<&String>::new());
}

/// Waits until a server listens; gives its public address and the operators'.
async fn listening(server: &mut Process) -> (SocketAddr, SocketAddr) {
    let event: Value = server
        .wait_until(START_LIMIT, |server| {
            serde_json::from_str(server.stdout().split_once('\n')?.0).ok()
        })
        .await;
    let address = |name: &str| {
        let text = event[name].as_str().expect("an address");
        text.parse().expect("an address")
    };
    (address("public"), address("admin"))
}

/// Creates the tenant `acme`.
async fn create_acme(admin: SocketAddr, token: &str, placement: Value) {
    let attributes = json!({"key": "acme", "placement": placement, "settings": no_limits()});
    Request::new("POST", "/admin/v1/tenants")
        .header("Authorization", format!("Bearer {token}"))
        .json(&json!({"data": {"type": "tenants", "attributes": attributes}}))
        .send(admin)
        .await
        .expect(201);
}

#[tokio::test]
async fn memory_and_time_of_the_files_are_those_that_the_settings_ask_for() {
    let (compose, unit) = (text_of("compose.yaml"), text_of("systemd/enroll.service"));
    let memory_of_compose = memory_of_compose(&compose);
    for (threads, allowed) in [
        ("2", memory_of_compose),
        ("8", bytes(values(&unit, "MemoryMax")[0])),
    ] {
        let folder = TempDir::new().expect("a temporary folder");
        let environment = [
            (
                "ENROLL__DATA__DIR",
                folder.path().to_str().expect("a path in UTF-8"),
            ),
            ("ENROLL__HASHING__THREADS", threads),
        ];
        enroll(&["migrate"], &environment, "").await.well();
        let report = enroll(&["doctor", "--json"], &environment, "").await;
        let wanted = report
            .stdout
            .split("up to ")
            .find_map(|part| part.split_once(" MiB of memory may be needed"));
        let wanted: u64 = wanted
            .unwrap_or_else(|| panic!("no memory in {report:?}"))
            .0
            .parse()
            .expect("a number");
        assert!(
            wanted * MIB <= allowed && allowed < wanted * MIB * 2,
            "{threads} threads may need {wanted} MiB, {allowed} bytes are given"
        );
    }
    // Defaults in a container, production.toml under systemd.
    let number = |text: &str, key: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.filter(|(name, _)| name.trim() == key);
        let value = found.map(|(_, value)| value.trim()).next_back();
        value.expect("a setting").parse().expect("milliseconds")
    };
    for (settings, seconds) in [
        (
            "config/default.toml",
            values(&compose, "stop_grace_period")[0].trim_end_matches('s'),
        ),
        ("config/production.toml", values(&unit, "TimeoutStopSec")[0]),
    ] {
        let settings = text_of(settings);
        let asked = number(&settings, "not_ready_ms") + number(&settings, "grace_ms");
        let given: u64 = seconds.parse().expect("seconds");
        assert!(
            given * 1000 >= asked + 12_000,
            "{given} s for {asked} ms and the tenants' end"
        );
    }
}

/// Bytes that `compose.yaml` gives to the server: the first limit in it.
fn memory_of_compose(compose: &str) -> u64 {
    let (_, ours) = compose.split_once("x-enroll:").expect("our part");
    bytes(values(ours, "mem_limit")[0])
}

/// The variables that the image and the compose file set.
fn environment_of_the_files() -> BTreeMap<String, String> {
    let dockerfile = text_of("Dockerfile");
    let (_, image) = dockerfile.rsplit_once("\nFROM ").expect("a last stage");
    let compose = text_of("compose.yaml");
    let (_, ours) = compose.split_once("x-enroll:").expect("our part");
    let (_, ours) = ours.split_once("environment:\n").expect("variables");
    let (ours, _) = ours.split_once("  secrets:").expect("their end");
    let of_image = image
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let of_compose = ours.lines().filter_map(|line| line.trim().split_once(": "));
    let all: BTreeMap<String, String> = of_image
        .chain(of_compose)
        .filter(|(name, _)| name.starts_with("ENROLL_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(all.len(), 8, "{all:?}");
    all
}

/// What the files mount and limit, made on this machine.
struct Container {
    root: TempDir,
    data: TempDir,
    secrets: TempDir,
    memory: u64,
    environment: BTreeMap<String, String>,
}

impl Container {
    /// The secrets are those that the script makes, but the database is the one at hand.
    async fn new(database: &TestDatabase) -> Self {
        let folder = || TempDir::with_prefix("enroll-container-").expect("a temporary folder");
        let mut container = Self {
            root: folder(),
            data: folder(),
            secrets: folder(),
            memory: memory_of_compose(&text_of("compose.yaml")),
            environment: environment_of_the_files(),
        };
        let secrets = container.secrets.path().to_str().expect("UTF-8");
        let script = path_of("scripts/compose-secrets");
        let made = run(script.to_str().expect("UTF-8"), &[secrets], &[], "").await;
        made.well();
        let file = container.secrets.path().join("enroll.toml");
        let made = fs::read_to_string(&file).expect("settings");
        let password = fs::read_to_string(container.secrets.path().join("enroll_password"));
        let url = format!(
            "postgres://enroll:{}@postgres:5432/enroll",
            password.expect("a password")
        );
        assert_eq!(made.matches(&url).count(), 2, "{made}");
        fs::remove_file(&file).expect("may be replaced");
        fs::write(&file, made.replace(&url, database.url())).expect("settings");
        for (name, value) in [
            ("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0"),
            ("ENROLL__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
            // What --cpus says to the server.
            ("ENROLL__HASHING__THREADS", "2"),
            ("ENROLL__TENANTS__ARBITERS", "2"),
            // A busy machine is no failure.
            ("ENROLL__HASHING__WAIT_MS", "20000"),
            ("ENROLL__SERVER__REQUEST_TIMEOUT_MS", "30000"),
            ("ENROLL__DATABASE__ACQUIRE_TIMEOUT_MS", "10000"),
            ("ENROLL__DATABASE__STATEMENT_TIMEOUT_MS", "10000"),
            ("ENROLL__TENANTS__LAUNCH_TIMEOUT_MS", "25000"),
        ] {
            let before = container
                .environment
                .insert(name.to_owned(), value.to_owned());
            assert_eq!(before.is_some(), name.contains("LISTEN"), "{name}");
        }
        container
    }

    /// Starts the binary in it.
    fn start(&self, arguments: &[&str]) -> Process {
        let place = |folder: &TempDir| folder.path().to_str().expect("UTF-8").to_owned();
        let mut all = [
            place(&self.root),
            place(&self.data),
            place(&self.secrets),
            self.memory.to_string(),
            env!("CARGO_BIN_EXE_enroll").to_owned(),
        ]
        .to_vec();
        all.extend(arguments.iter().map(|&word| word.to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let script = path_of("scripts/contained");
        Process::spawn_by(script.to_str().expect("UTF-8"), &all, &self.environment)
    }

    /// Runs a command in it to its end; gives the status, and standard output.
    async fn command(&self, arguments: &[&str]) -> (i32, String) {
        let mut process = self.start(arguments);
        let status = process.wait_exit(Duration::from_secs(60)).await;
        self.forget_group();
        let code = status.code().unwrap_or(-1);
        if code != 0 {
            println!("{arguments:?}: {}", process.stderr());
        }
        (code, process.stdout())
    }

    /// The control group of the last process, where the machine allows one.
    fn group(&self) -> Option<PathBuf> {
        let file = self.root.path().join("group");
        fs::read_to_string(file).ok().map(PathBuf::from)
    }

    /// Removes it; it must be empty.
    fn forget_group(&self) {
        if let Some(group) = self.group() {
            let _ = fs::remove_file(self.root.path().join("group"));
            fs::remove_dir(&group).unwrap_or_else(|error| panic!("{group:?}: {error}"));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(group) = self.group() {
            let _ = fs::remove_dir(group);
        }
    }
}

/// A line of a file of `/proc` that begins with a name and a colon.
fn told(text: &str, name: &str) -> String {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

async fn the_binary_serves_as_its_container_would_run_it(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let mut container = Container::new(&database).await;
    if backend == Backend::Sqlite {
        // Files lie in the volume, the only place that can be written.
        let lines = "[databases.main]\nurl = \"sqlite:/var/lib/enroll/main.db\"\n";
        fs::write(container.secrets.path().join("enroll.toml"), lines).expect("settings");
    }
    assert_eq!(container.command(&["health"]).await.0, 1, "no server yet");
    assert_eq!(container.command(&["migrate"]).await.0, 0);
    let (code, printed) = container
        .command(&["admin", "token", "create", "--name", "test", "--json"])
        .await;
    assert_eq!(code, 0);
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let token = printed["token"].as_str().expect("a token").to_owned();

    let mut server = container.start(&["serve"]);
    let (public, admin) = listening(&mut server).await;
    held_to_what_the_files_say(server.pid());

    let placement = json!({"kind": "shared", "database": "main"});
    create_acme(admin, &token, placement).await;
    // Passwords of several clients at once, hashed as in production.
    let clients = (0..8).map(|client| async move {
        for number in 0..6 {
            let request = Request::register("acme", ada(&format!("c{client}n{number}")));
            request.send(public).await.expect(200);
        }
    });
    futures_util::future::join_all(clients).await;

    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let peak: u64 = told(&status, "VmHWM")
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    println!(
        "peak {} MiB of {} MiB; control group: {:?}",
        peak / 1024,
        container.memory / MIB,
        container.group()
    );
    assert!(peak * 1024 <= container.memory, "{peak} kB");

    let before = container.environment.clone();
    let listen = "ENROLL__SERVER__ADMIN_LISTEN".to_owned();
    container.environment.insert(listen, admin.to_string());
    // Its own group takes the place of the server's in the file; the server's is removed at the end.
    let of_server = container.group();
    let _ = fs::remove_file(container.root.path().join("group"));
    assert_eq!(container.command(&["health"]).await.0, 0, "it is ready");
    container.environment = before;

    server.sigterm();
    let status = server.wait_exit(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0));
    if let Some(group) = of_server {
        fs::remove_dir(&group).unwrap_or_else(|error| panic!("{group:?}: {error}"));
    }
}

/// Looks at a process from outside: its user, its rights, what it sees and where it may write.
fn held_to_what_the_files_say(pid: u32) {
    let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("a file");
    let status = file("status");
    let outside = fs::metadata("/proc/self").expect("ourselves").uid();
    if outside == 0 {
        assert_eq!(
            told(&status, "Uid"),
            [USER.to_string().as_str(); 4].join(" ")
        );
        assert_eq!(
            told(&status, "Gid"),
            [USER.to_string().as_str(); 4].join(" ")
        );
        assert_eq!(told(&status, "Groups"), "");
    } else {
        let map = file("uid_map");
        let map: Vec<&str> = map.split_whitespace().collect();
        assert_eq!(map[0], USER.to_string(), "{map:?}");
    }
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(told(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(told(&status, "NoNewPrivs"), "1");

    // Each line: id, parent, device, root, place, options, more.
    let writable: BTreeSet<String> = file("mountinfo")
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let is_writable = fields[5].split(',').any(|option| option == "rw");
            is_writable.then(|| fields[4].to_owned())
        })
        .filter(|place| {
            !["/proc", "/dev/"]
                .iter()
                .any(|known| place.starts_with(known))
        })
        .collect();
    assert_eq!(writable, BTreeSet::from(["/var/lib/enroll".to_owned()]));

    if outside == 0 {
        let inside = PathBuf::from(format!("/proc/{pid}/root"));
        let programs = |folder: &str| -> Vec<String> {
            let entries = fs::read_dir(inside.join(folder)).into_iter().flatten();
            entries
                .map(|entry| {
                    let name = entry.expect("an entry").file_name();
                    name.to_string_lossy().into_owned()
                })
                .collect()
        };
        assert_eq!(programs("usr/local/bin"), ["enroll"]);
        for empty in ["bin", "usr/bin", "sbin", "usr/sbin"] {
            assert_eq!(programs(empty), Vec::<String>::new(), "{empty}");
        }
    }
}

/// The first words of the paths that a text names by a macro such as `include_str!("../../assets/mark.svg")`.
fn embedded(text: &str) -> impl Iterator<Item = &str> {
    let calls = ["include_str!(\"", "include_bytes!(\""];
    calls.into_iter().flat_map(move |call| {
        let paths = text.split(call).skip(1);
        paths.filter_map(|rest| {
            let path = rest.split('"').next()?.trim_start_matches("../");
            path.split('/').next()
        })
    })
}

#[test]
fn the_image_is_built_from_all_that_is_compiled_in_and_nothing_else() {
    let ignored = text_of(".dockerignore");
    let lines: Vec<&str> = ignored
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert_eq!(lines[0], "*");
    let sent: BTreeSet<&str> = lines[1..]
        .iter()
        .map(|line| line.strip_prefix('!').expect("an exception"))
        .collect();
    let dockerfile = text_of("Dockerfile");
    let copied: BTreeSet<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|rest| !rest.starts_with("--from"))
        .flat_map(|rest| {
            let mut words: Vec<&str> = rest.split(' ').collect();
            words.pop();
            words
        })
        .map(|path| path.split('/').next().expect("a first word"))
        .collect();
    assert_eq!(copied, sent);

    let mut folders = vec![path_of("src"), path_of("entity"), path_of("migration")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("source");
                for first in embedded(&text) {
                    found += 1;
                    let beside = path.with_file_name(first).exists();
                    assert!(beside || sent.contains(first), "{path:?} embeds {first}");
                }
            }
        }
    }
    assert!(found > 3, "{found}");
    assert!(
        path_of("templates").is_dir(),
        "askama reads templates when it compiles"
    );
}
