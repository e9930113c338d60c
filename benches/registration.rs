//! Registrations per second beside the bare hash rate of the same run, what refusals cost, memory, and time to ready.
//!
//! `cargo bench` builds the release server, runs it on loopback with its real hash cost and SQLite, and prints a table.
//! Client and server share the machine, so read the ratios, not the absolute figures. Nothing here fails on a slow
//! machine; wrong answers do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a bench may stop at the first surprise, reads the clock and prints"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use enroll::hashing::{EngineKind, HashParams, bare_rate};
use serde_json::{Value, json};

const ROUNDS: usize = 5;
const BARE_SECONDS: u32 = 4;
const LOAD: Duration = Duration::from_secs(6);
const REFUSALS: Duration = Duration::from_secs(3);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = folder.path().join("enroll.toml");
    std::fs::write(&settings, settings_text(folder.path())).expect("the settings are written");
    run(&settings, &["migrate"]);
    let made = run(
        &settings,
        &["admin", "token", "create", "--name", "bench", "--json"],
    );
    let made: Value = serde_json::from_str(&made).expect("a token");
    let token = made["token"].as_str().expect("a token").to_owned();

    let server = Server::start(&settings);
    create_tenant(&server, &token, "bench", no_limits());
    create_tenant(&server, &token, "limited", one_call_an_hour());
    register(&server, "bench", 0, "warm").expect_status(200);
    register(&server, "limited", 0, "warm").expect_status(200);

    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "{cores} cores, Argon2id m=19456 t=2 p=1, {cores} hash threads, SQLite synchronous=FULL"
    );
    registrations(&server, cores);
    memory(&server, cores);
    refusals(&server);
    drop(server);
    time_to_ready(&settings, &token);
}

/// The bare rate and the server's rate in turn, so that both meet the same machine.
fn registrations(server: &Server, threads: usize) {
    let params = HashParams::new(19_456, 2, 1).expect("valid parameters");
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = bare_rate(EngineKind::Fast, &params, threads, BARE_SECONDS)
            .expect("memory for hashing");
        let load = load(server, 32, LOAD, move |connection, number| {
            body(
                "bench",
                &format!("u{round}c{connection}n{number}"),
                "a-bench-password-1",
            )
        });
        assert_eq!(load.other, 0, "registrations were refused");
        let ratio = load.rate / bare;
        println!(
            "round {round}: bare {bare:6.1}/s  registrations {:6.1}/s  ratio {ratio:.3}  p99 {:.0} ms",
            load.rate, load.p99_ms
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (
        ratios.first().unwrap_or(&0.0),
        ratios.last().unwrap_or(&0.0),
    );
    println!(
        "registrations / bare hash rate: median {:.3} ({least:.3} to {most:.3}), goal 0.90",
        ratios[ratios.len() / 2]
    );
}

fn memory(server: &Server, threads: usize) {
    let base = Server::start_of(&server.settings, 1, 8).peak_kib();
    let most = base as f64 + threads as f64 * 19_456.0 * 1.2;
    println!(
        "peak memory {:.1} MiB; base with 8 KiB hash blocks {:.1} MiB, base + {threads} x 19 MiB + 20 % = {:.1} MiB",
        server.peak_kib() as f64 / 1024.0,
        base as f64 / 1024.0,
        most / 1024.0
    );
}

/// What is refused, with which status, and a request that is.
type Refusal = (&'static str, u16, fn() -> Vec<u8>);

fn refusals(server: &Server) {
    let cases: [Refusal; 3] = [
        ("bad body", 400, || request("bench", "{\"data\":")),
        ("limited client", 429, || {
            body("limited", "somebody", "a-bench-password-1")
        }),
        ("unknown tenant", 404, || {
            body("nobody", "somebody", "a-bench-password-1")
        }),
    ];
    for (name, status, make) in cases {
        let load = load_expecting(server, 64, REFUSALS, status, move |_, _| make());
        assert_eq!(load.other, 0, "{name}: other answers than {status}");
        println!(
            "refusals/s, {name:<15} {:8.0}  p99 {:.1} ms, goal 12000",
            load.rate, load.p99_ms
        );
    }
}

fn time_to_ready(settings: &Path, token: &str) {
    let server = Server::start(settings);
    for number in 0..100 {
        create_tenant(&server, token, &format!("t{number}"), json!({}));
    }
    drop(server);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| Server::start(settings).ready_after)
        .collect();
    times.sort();
    println!(
        "start to ready with 100 tenants: median {:?}, goal 500 ms",
        times[ROUNDS / 2]
    );
}

/// What a load came to.
struct Load {
    rate: f64,
    p99_ms: f64,
    other: u64,
}

fn load(
    server: &Server,
    connections: usize,
    time: Duration,
    make: impl Fn(usize, u64) -> Vec<u8> + Send + Sync + 'static,
) -> Load {
    load_expecting(server, connections, time, 200, make)
}

/// A closed loop on so many connections, each with one request on the way; counts the answers with `status`.
fn load_expecting(
    server: &Server,
    connections: usize,
    time: Duration,
    status: u16,
    make: impl Fn(usize, u64) -> Vec<u8> + Send + Sync + 'static,
) -> Load {
    let make = Arc::new(make);
    let other = Arc::new(AtomicU64::new(0));
    let start = Arc::new(Barrier::new(connections + 1));
    let threads: Vec<_> = (0..connections)
        .map(|connection| {
            let (make, other, start) = (Arc::clone(&make), Arc::clone(&other), Arc::clone(&start));
            let address = server.public;
            std::thread::spawn(move || {
                let mut client = Client::new(address);
                let mut times = Vec::new();
                start.wait();
                let end = Instant::now() + time;
                for number in 0.. {
                    let begun = Instant::now();
                    if begun >= end {
                        break;
                    }
                    if client.ask(&make(connection, number)).status == status {
                        times.push(begun.elapsed());
                    } else {
                        other.fetch_add(1, Ordering::Relaxed);
                    }
                }
                times
            })
        })
        .collect();
    start.wait();
    let begun = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    for thread in threads {
        times.extend(thread.join().expect("a client thread"));
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort();
    let p99 = times
        .get(times.len().saturating_sub(1) * 99 / 100)
        .copied()
        .unwrap_or_default();
    Load {
        rate: times.len() as f64 / seconds,
        p99_ms: p99.as_secs_f64() * 1000.0,
        other: other.load(Ordering::Relaxed),
    }
}

fn body(tenant: &str, username: &str, password: &str) -> Vec<u8> {
    let document = json!({"data": {"attributes": {"username": username, "password": password}}});
    request(tenant, &document.to_string())
}

fn request(tenant: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/register HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Id: {tenant}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn register(server: &Server, tenant: &str, connection: usize, name: &str) -> Answer {
    Client::new(server.public).ask(&body(
        tenant,
        &format!("{name}{connection}"),
        "a-bench-password-1",
    ))
}

fn create_tenant(server: &Server, token: &str, key: &str, settings: Value) {
    let document =
        json!({"data": {"type": "tenants", "attributes": {"key": key, "settings": settings}}})
            .to_string();
    let request = format!(
        "POST /admin/v1/tenants HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/vnd.api+json\r\nContent-Length: {}\r\n\r\n{document}",
        document.len()
    );
    Client::new(server.operators)
        .ask(request.as_bytes())
        .expect_status(201);
}

fn no_limits() -> Value {
    json!({"limits": {"per_address": null, "per_username": null, "per_tenant": null, "in_flight": null},
           "username": {"allow_confusable": true}})
}

fn one_call_an_hour() -> Value {
    json!({"limits": {"per_address": {"calls": 1, "seconds": 3600}}})
}

/// One connection that is kept open.
struct Client {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn expect_status(&self, status: u16) {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
    }
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket option");
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn ask(&mut self, request: &[u8]) -> Answer {
        self.stream
            .get_mut()
            .write_all(request)
            .expect("a request is written");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a status line");
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header line");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        Answer { status, body }
    }
}

/// A release server with a data folder.
struct Server {
    process: Child,
    public: SocketAddr,
    operators: SocketAddr,
    ready_after: Duration,
    settings: std::path::PathBuf,
}

impl Server {
    fn start(settings: &Path) -> Self {
        Self::start_of(settings, 0, 0)
    }

    /// Starts the server; with `threads` and `memory_kib` other than 0, with so small a hash.
    fn start_of(settings: &Path, threads: usize, memory_kib: usize) -> Self {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_enroll"));
        command
            .arg("--config")
            .arg(settings)
            .arg("serve")
            .stdout(Stdio::piped());
        if memory_kib > 0 {
            command
                .env("ENROLL__HASHING__THREADS", threads.to_string())
                .env("ENROLL__HASHING__MEMORY_KIB", memory_kib.to_string())
                .env("ENROLL__HASHING__ALLOW_WEAK", "true");
        }
        let mut process = command.spawn().expect("the server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its first line");
        let event: Value = serde_json::from_str(&line).expect("its addresses");
        let address = |name: &str| {
            event[name]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("an address")
        };
        let (public, operators) = (address("public"), address("admin"));
        while Client::new(operators)
            .ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status
            != 200
        {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the server does not get ready"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let settings = settings.to_owned();
        Self {
            process,
            public,
            operators,
            ready_after: begun.elapsed(),
            settings,
        }
    }

    /// The most memory that the process ever held, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("its peak");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

fn settings_text(folder: &Path) -> String {
    format!(
        "[server]\npublic_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [data]\ndir = {:?}\n[hashing]\nwait_ms = 5000\n[telemetry]\nlog_level = \"warn\"\n",
        folder.join("data")
    )
}

fn run(settings: &Path, arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_enroll"))
        .arg("--config")
        .arg(settings)
        .args(arguments)
        .output()
        .expect("the command runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("text")
}
