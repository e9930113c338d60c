//! Registrations and logins per second beside the bare hash rate of the same run, refreshes per second, what refusals
//! cost, memory, and time to ready.
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

mod server;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use enroll::hashing::{EngineKind, HashParams, bare_rate};
use serde_json::{Value, json};

use server::{Answer, Client, Server, run, settings_text};

const ROUNDS: usize = 5;
const BARE_SECONDS: u32 = 4;
const LOAD: Duration = Duration::from_secs(6);
const LIGHT_LOAD: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 32;
const PASSWORD: &str = "a-bench-password-1";

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
    log_in(&server, "limited", "warm0").expect_status(200);

    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "{cores} cores, Argon2id m=19456 t=2 p=1, {cores} hash threads, SQLite synchronous=FULL"
    );
    beside_hashing(
        &server,
        (EngineKind::Fast, cores),
        "registrations",
        |round, connection, number| {
            register_request("bench", &format!("u{round}c{connection}n{number}"))
        },
    );
    // Those who registered in the first round.
    beside_hashing(
        &server,
        (EngineKind::Fast, cores),
        "logins",
        |_, connection, _| login_request("bench", &format!("u0c{connection}n0")),
    );
    refreshes(&server);
    memory(&server, cores);
    {
        let server = Server::start_with_reference_engine(&settings);
        register(&server, "bench", 0, "reference").expect_status(200);
        beside_hashing(
            &server,
            (EngineKind::Reference, cores),
            "registrations, reference engine,",
            |round, connection, number| {
                register_request("bench", &format!("r{round}c{connection}n{number}"))
            },
        );
    }
    refusals(&server);
    drop(server);
    time_to_ready(&settings, &token);
}

/// The bare rate and the rate of calls that hash once each in turn, so that both meet the same machine.
fn beside_hashing(
    server: &Server,
    (engine, threads): (EngineKind, usize),
    what: &str,
    make: impl Fn(usize, usize, u64) -> Vec<u8> + Copy + Send + Sync + 'static,
) {
    let params = HashParams::new(19_456, 2, 1).expect("valid parameters");
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = bare_rate(engine, &params, threads, BARE_SECONDS).expect("memory for hashing");
        let load = load(
            server,
            CONNECTIONS,
            LOAD,
            200,
            move |connection, number, _| make(round, connection, number),
        );
        assert_eq!(load.other, 0, "{what} were refused");
        let ratio = load.rate / bare;
        println!(
            "round {round}: bare {bare:6.1}/s  {what} {:6.1}/s  ratio {ratio:.3}  p99 {:.0} ms",
            load.rate, load.p99_ms
        );
        ratios.push(ratio);
    }
    let (least, median, most) = spread(&mut ratios);
    println!("{what} / bare hash rate: median {median:.3} ({least:.3} to {most:.3}), goal 0.90");
}

/// Each connection trades its refresh token for the next one, again and again.
fn refreshes(server: &Server) {
    let mut rates = Vec::new();
    let mut p99_ms = Vec::new();
    for _ in 0..ROUNDS {
        let first: Vec<String> = (0..CONNECTIONS)
            .map(|connection| log_in(server, "bench", &format!("u0c{connection}n0")))
            .map(|answer| refresh_token(&answer.body))
            .collect();
        let load = load(
            server,
            CONNECTIONS,
            LIGHT_LOAD,
            200,
            move |connection, number, last| {
                let token = if number == 0 {
                    first[connection].clone()
                } else {
                    refresh_token(last)
                };
                post("bench", "refresh-token", &json!({"refresh_token": token}))
            },
        );
        assert_eq!(load.other, 0, "refreshes were refused");
        rates.push(load.rate);
        p99_ms.push(load.p99_ms);
    }
    let (least, median, most) = spread(&mut rates);
    let (_, p99, _) = spread(&mut p99_ms);
    println!("refreshes/s: median {median:.0} ({least:.0} to {most:.0}), p99 {p99:.1} ms");
}

fn refresh_token(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).expect("a document");
    let token = document["data"]["attributes"]["refresh_token"].as_str();
    token.expect("a refresh token").to_owned()
}

/// The least, the median and the most of some figures.
fn spread(figures: &mut [f64]) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (
        figures[0],
        figures[figures.len() / 2],
        figures[figures.len() - 1],
    )
}

fn memory(server: &Server, threads: usize) {
    let base = Server::start_without_hash_memory(&server.settings).peak_kib();
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
    let cases: [Refusal; 4] = [
        ("bad body", 400, || {
            request("bench", "register", "{\"data\":")
        }),
        ("limited client", 429, || {
            register_request("limited", "somebody")
        }),
        ("limited login", 429, || {
            login_request("limited", "somebody")
        }),
        ("unknown tenant", 404, || {
            register_request("nobody", "somebody")
        }),
    ];
    for (name, status, make) in cases {
        let load = load(server, 64, LIGHT_LOAD, status, move |_, _, _| make());
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

/// A closed loop on so many connections, each with one request on the way; counts the answers with `status`. A request
/// is made from the number of its connection, its own number there, and the body of the answer before it.
fn load(
    server: &Server,
    connections: usize,
    time: Duration,
    status: u16,
    make: impl Fn(usize, u64, &[u8]) -> Vec<u8> + Send + Sync + 'static,
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
                let mut last = Vec::new();
                start.wait();
                let end = Instant::now() + time;
                for number in 0.. {
                    let begun = Instant::now();
                    if begun >= end {
                        break;
                    }
                    let answer = client.ask(&make(connection, number, &last));
                    if answer.status == status {
                        times.push(begun.elapsed());
                    } else {
                        other.fetch_add(1, Ordering::Relaxed);
                    }
                    last = answer.body;
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

fn register_request(tenant: &str, username: &str) -> Vec<u8> {
    let attributes = json!({"username": username, "password": PASSWORD});
    post(tenant, "register", &attributes)
}

fn login_request(tenant: &str, username: &str) -> Vec<u8> {
    let attributes = json!({"username": username, "password": PASSWORD});
    post(tenant, "login", &attributes)
}

fn post(tenant: &str, route: &str, attributes: &Value) -> Vec<u8> {
    let document = json!({"data": {"attributes": attributes}});
    request(tenant, route, &document.to_string())
}

fn request(tenant: &str, route: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/{route} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Id: {tenant}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn register(server: &Server, tenant: &str, connection: usize, name: &str) -> Answer {
    let request = register_request(tenant, &format!("{name}{connection}"));
    Client::new(server.public).ask(&request)
}

fn log_in(server: &Server, tenant: &str, username: &str) -> Answer {
    Client::new(server.public).ask(&login_request(tenant, username))
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
    json!({"limits": {"per_address": null, "per_username": null, "per_tenant": null, "login_per_address": null,
                      "in_flight": null},
           "username": {"allow_confusable": true}})
}

fn one_call_an_hour() -> Value {
    let rate = json!({"calls": 1, "seconds": 3600});
    json!({"limits": {"per_address": rate, "login_per_address": rate}})
}
