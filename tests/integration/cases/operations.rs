//! What operators see: metrics, health, logs; and that strangers cannot make any of it grow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::{Answer, Request, admin, register, volley};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant};

const PASSWORD: &str = "correct-horse-42";

/// Every series of `/metrics` with its value: `name{label="value"}`.
type Series = BTreeMap<String, f64>;

async fn metrics(server: &Server) -> Series {
    let answer = Request::new("GET", "/metrics").send(server.admin()).await;
    assert_eq!(answer.status, 200);
    let media = answer.header("content-type").expect("a media type");
    assert!(media.starts_with("text/plain; version=0.0.4"), "{media}");
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    let mut series = Series::new();
    for line in lines {
        let (name, value) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("no value in {line:?}"));
        let value = value
            .parse()
            .unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let before = series.insert(name.to_owned(), value);
        assert_eq!(before, None, "{name} stands there twice");
    }
    series
}

/// The value of a series; one that nothing was counted in yet is 0.
fn value(series: &Series, name: &str) -> f64 {
    series.get(name).copied().unwrap_or(0.0)
}

/// Waits until a series has the value that is wanted, for what is counted on a timer.
async fn wait_for(server: &Server, name: &str, wanted: impl Fn(f64) -> bool) {
    for _ in 0..400 {
        if wanted(value(&metrics(server).await, name)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{name} stays at {}", value(&metrics(server).await, name));
}

async fn registers(server: &Server, tenant: &str, name: &str) -> Answer {
    register(
        server,
        tenant,
        json!({"username": name, "password": PASSWORD}),
    )
    .await
}

async fn set(server: &Server, tenant: &str, settings: Value) {
    let body = json!({"data": {"type": "tenants", "attributes": {"settings": settings}}});
    admin(
        server,
        "PATCH",
        &format!("/admin/v1/tenants/{tenant}"),
        Some(body),
    )
    .await
    .expect(200);
}

/// No limit that would refuse what comes from one address.
fn no_limits() -> Value {
    json!({"limits": {"per_address": null, "per_username": null, "per_tenant": null}})
}

#[tokio::test]
async fn every_metric_moves_with_what_it_counts() {
    let options = ServerOptions::new()
        .set("tenants.sync_ms", 50)
        .set("tenants.housekeeping_ms", 1000);
    // One thread that takes its time, so that passwords queue up, and no password that loses patience.
    let options = options
        .set("hashing.threads", 1)
        .set("hashing.wait_ms", 9000)
        .failpoints("hash=sleep(200)");
    let server = Server::start(options).await;
    let fresh = metrics(&server).await;
    for name in [
        "enroll_hash_queue_depth",
        "enroll_hash_wait_seconds_count",
        "enroll_hash_seconds_count",
        "enroll_hash_threads",
        "enroll_hash_memory_bytes",
        "enroll_hashes_total",
        "enroll_live_actors",
        "enroll_actor_launches_total",
        "enroll_actor_relaunches_total",
        "enroll_actor_evictions_total",
        "enroll_actor_launch_failures_total",
        "enroll_request_panics_total",
        "enroll_invite_hint_entries",
        "enroll_ready",
        "enroll_log_lines_dropped_total",
        "enroll_trace_spans_total{outcome=\"dropped\"}",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_threads",
    ] {
        assert!(fresh.contains_key(name), "{name} is missing");
    }
    assert!(
        fresh
            .keys()
            .any(|name| name.starts_with("enroll_build_info{version="))
    );
    assert_eq!(value(&fresh, "enroll_hash_threads"), 1.0);
    assert_eq!(value(&fresh, "enroll_live_actors"), 0.0);
    assert!(value(&fresh, "process_resident_memory_bytes") > 1_000_000.0);

    let settings = json!({
        "limits": {"per_address": null, "per_username": {"calls": 3, "seconds": 600}, "in_flight": 4},
        "registration": {"words": [{"word": "casino", "action": "banned"}]},
    });
    create_tenant(&server, "acme", Placement::Own, settings).await;

    // Registrations by outcome, requests by route and status, one launch.
    for name in ["ada", "grace"] {
        registers(&server, "acme", name).await.expect(200);
    }
    assert_eq!(registers(&server, "acme", "ada").await.status, 422);
    assert_eq!(registers(&server, "acme", "casino").await.status, 422);
    // Invite hints: unknown to the cache once, known the second time.
    for _ in 0..2 {
        let attributes = json!({"username": "alan", "password": PASSWORD, "code": "NO-SUCH-CODE"});
        assert_eq!(register(&server, "acme", attributes).await.status, 422);
    }
    // The limit of a name.
    let mut limited = 0;
    for _ in 0..5 {
        limited += u32::from(registers(&server, "acme", "kurt").await.status == 429);
    }
    assert_eq!(limited, 2);
    let now = metrics(&server).await;
    let outcome = |outcome: &str| {
        format!("enroll_registrations_total{{outcome=\"{outcome}\",tenant=\"acme\"}}")
    };
    for (name, wanted) in [
        (outcome("registered"), 3.0),
        (outcome("invalid"), 3.0),
        (outcome("banned"), 1.0),
        (outcome("invite"), 2.0),
        (outcome("limited"), 2.0),
        (request_series("public", "/api/register", "POST", 200), 3.0),
        (request_series("public", "/api/register", "POST", 422), 6.0),
        (request_series("public", "/api/register", "POST", 429), 2.0),
        (
            request_series("operators", "/admin/v1/tenants", "POST", 201),
            1.0,
        ),
        (
            "enroll_http_request_seconds_count{listener=\"public\",route=\"/api/register\"}"
                .to_owned(),
            11.0,
        ),
        (
            "enroll_limiter_refusals_total{limit=\"username\"}".to_owned(),
            2.0,
        ),
        ("enroll_invite_hints_total{result=\"miss\"}".to_owned(), 1.0),
        ("enroll_invite_hints_total{result=\"hit\"}".to_owned(), 1.0),
        ("enroll_actor_launches_total".to_owned(), 1.0),
        ("enroll_live_actors".to_owned(), 1.0),
        ("enroll_hashes_total".to_owned(), 3.0),
        ("enroll_hash_wait_seconds_count".to_owned(), 3.0),
        ("enroll_hash_queue_depth".to_owned(), 0.0),
    ] {
        assert_eq!(value(&now, &name), wanted, "{name} in {now:#?}");
    }
    assert!(
        value(
            &now,
            "enroll_database_seconds_count{operation=\"create_account\"}"
        ) >= 3.0
    );
    wait_for(
        &server,
        "enroll_database_connections{state=\"idle\"}",
        |open| open >= 1.0,
    )
    .await;
    wait_for(&server, "enroll_ready", |ready| ready == 1.0).await;
    wait_for(&server, "enroll_limiter_keys{limit=\"username\"}", |keys| {
        keys >= 1.0
    })
    .await;

    // Admission: of many at once, no more than four are let in; the rest is refused before any work.
    let crowd: Vec<Request> = (0..24)
        .map(|number| {
            Request::register(
                "acme",
                json!({"username": format!("user{number}"), "password": PASSWORD}),
            )
        })
        .collect();
    let (answers, ()) = tokio::join!(
        volley(server.public(), &crowd),
        wait_for(&server, "enroll_hash_queue_depth", |depth| {
            (1.0..=3.0).contains(&depth)
        })
    );
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(
        refused > 0
            && answers
                .iter()
                .all(|answer| matches!(answer.status, 200 | 503)),
        "{answers:?}"
    );
    for answer in answers.iter().filter(|answer| answer.status == 503) {
        assert_eq!(answer.error_code(), "overloaded");
        assert!(answer.header("retry-after").is_some());
    }
    let after = metrics(&server).await;
    let admission = "enroll_admission_refusals_total{reason=\"in_flight\"}";
    assert_eq!(
        value(&after, admission),
        f64::from(u32::try_from(refused).expect("few"))
    );
    assert_eq!(
        value(&after, &outcome("overloaded")),
        value(&after, admission)
    );
    assert_eq!(
        value(&after, "enroll_hash_queue_depth"),
        0.0,
        "the queue is empty again"
    );
}

fn request_series(listener: &str, route: &str, method: &str, status: u16) -> String {
    format!(
        "enroll_http_requests_total{{listener=\"{listener}\",method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
    )
}

#[tokio::test]
async fn deaths_launches_and_evictions_of_actors_are_counted() {
    let options = ServerOptions::new()
        .set("tenants.max_live", 2)
        .failpoints("actor_handler=1*panic->off");
    let server = Server::start(options).await;
    for tenant in ["acme", "beta", "gamma"] {
        create_tenant(&server, tenant, Placement::Own, no_limits()).await;
    }
    // The first message kills the actor; the next request finds another one.
    assert_eq!(registers(&server, "acme", "ada").await.status, 503);
    registers(&server, "acme", "ada").await.expect(200);
    let now = metrics(&server).await;
    assert_eq!(value(&now, "enroll_actor_launches_total"), 2.0);
    assert_eq!(value(&now, "enroll_actor_relaunches_total"), 1.0);
    assert_eq!(value(&now, "enroll_request_panics_total"), 1.0);
    assert_eq!(value(&now, "enroll_live_actors"), 1.0);
    // Room for two: the third makes the idlest one go.
    registers(&server, "beta", "ada").await.expect(200);
    registers(&server, "gamma", "ada").await.expect(200);
    let now = metrics(&server).await;
    assert_eq!(value(&now, "enroll_actor_launches_total"), 4.0);
    assert_eq!(value(&now, "enroll_actor_evictions_total"), 1.0);
    wait_for(&server, "enroll_live_actors", |live| live == 2.0).await;
}

#[tokio::test]
async fn tenants_beyond_the_cap_are_counted_together() {
    let server = Server::start(ServerOptions::new().set("telemetry.max_tenant_series", 2)).await;
    for number in 0..6 {
        let key = format!("tenant-{number}");
        create_tenant(&server, &key, Placement::Own, no_limits()).await;
        registers(&server, &key, "ada").await.expect(200);
    }
    let registrations = |series: &Series| -> Vec<(String, f64)> {
        let found = series
            .iter()
            .filter(|(name, _)| name.starts_with("enroll_registrations_total"));
        found.map(|(name, value)| (name.clone(), *value)).collect()
    };
    let series = |tenant: &str| {
        format!("enroll_registrations_total{{outcome=\"registered\",tenant=\"{tenant}\"}}")
    };
    let told = registrations(&metrics(&server).await);
    assert_eq!(
        told,
        [
            (series("other"), 4.0),
            (series("tenant-0"), 1.0),
            (series("tenant-1"), 1.0)
        ]
    );
    // A deleted tenant gives its place to another.
    let deleted = admin(&server, "DELETE", "/admin/v1/tenants/tenant-0", None).await;
    assert_eq!(deleted.status, 204);
    registers(&server, "tenant-5", "grace").await.expect(200);
    let told = registrations(&metrics(&server).await);
    assert_eq!(
        told,
        [
            (series("other"), 4.0),
            (series("tenant-1"), 1.0),
            (series("tenant-5"), 1.0)
        ]
    );
}

#[tokio::test]
async fn made_up_names_paths_and_methods_add_no_series() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    let strange = |number: usize| {
        let register =
            |name: &str| Request::register(name, json!({"username": "ada", "password": PASSWORD}));
        [
            register(&format!("needle-{number}")),
            register("acme").header("Host", format!("needle-{number}.localhost")),
            Request::new("POST", &format!("/t/needle-{number}/api/register")).body("{}"),
            Request::new("GET", &format!("/t/needle-{number}/.well-known/jwks.json")),
            Request::new("GET", &format!("/needle-{number}?needle={number}")),
            Request::new(&format!("NEEDLE{number}"), "/api/register"),
            Request::new("GET", &format!("/needle-{number}"))
                .header("Host", format!("needle-{number}.example")),
            Request::new("POST", "/api/register")
                .header("Content-Type", format!("text/needle-{number}")),
        ]
    };
    let send_all = async |from: usize, to: usize| {
        for number in from..to {
            join_all(
                strange(number)
                    .iter()
                    .map(|request| request.send(server.public())),
            )
            .await;
            let path = format!("/admin/v1/tenants/needle-{number}");
            admin(&server, "GET", &path, None).await.error();
        }
    };
    // Once, so that every series there can be is there.
    send_all(0, 1).await;
    metrics(&server).await;
    let before: BTreeSet<String> = metrics(&server).await.into_keys().collect();
    send_all(1, 38).await;
    let after: BTreeSet<String> = metrics(&server).await.into_keys().collect();
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(
        !after
            .iter()
            .any(|name| name.to_lowercase().contains("needle"))
    );
}

#[tokio::test]
async fn operators_pages_are_not_on_the_public_listener() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/t/acme/metrics",
        "/healthz",
        "/admin/v1/tenants",
    ] {
        let answer = Request::new("GET", path)
            .header("X-Tenant-Id", "acme")
            .send(server.public())
            .await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "route_not_found"),
            "{path}"
        );
    }
    for path in ["/metrics", "/livez", "/readyz"] {
        let head = Request::new("HEAD", path).send(server.admin()).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

/// Looks at `/readyz` until something is missing, or nothing, as wanted.
async fn readiness(server: &Server, wanted: &[&str]) {
    let mut seen = Value::Null;
    for _ in 0..400 {
        let answer = Request::new("GET", "/readyz").send(server.admin()).await;
        seen = answer.json();
        if seen["missing"] == json!(wanted) {
            let status = if wanted.is_empty() { 200 } else { 503 };
            assert_eq!(answer.status, status, "{seen}");
            assert_eq!(answer.header("retry-after").is_some(), status == 503);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{wanted:?} is wanted, {seen} is told");
}

async fn is_alive(server: &Server) {
    let answer = Request::new("GET", "/livez").send(server.admin()).await;
    assert_eq!(answer.expect(200), json!({"status": "ok"}));
}

#[tokio::test]
async fn readiness_names_what_is_missing_and_liveness_asks_no_database() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    readiness(&server, &[]).await;
    is_alive(&server).await;
    wait_for(&server, "enroll_ready", |ready| ready == 1.0).await;

    // Port 1 answers nobody. A shared database that is down takes no other tenant with it.
    let dead = "postgres://enroll:needle-4711@127.0.0.1:1/enroll";
    let without_shared = Server::start(server.twin().set("databases.dead.url", dead)).await;
    readiness(&without_shared, &["database dead"]).await;
    is_alive(&without_shared).await;
    registers(&without_shared, "acme", "ada").await.expect(200);
    wait_for(&without_shared, "enroll_ready", |ready| ready == 0.0).await;

    // Without the platform database nobody can be found, and everybody is told to come again.
    let without_platform = Server::start(server.twin().set("platform.url", dead)).await;
    readiness(&without_platform, &["platform database"]).await;
    is_alive(&without_platform).await;
    let answer = registers(&without_platform, "acme", "grace").await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "unavailable")
    );
    assert!(answer.header("retry-after").is_some());
    let answer = admin(&without_platform, "GET", "/admin/v1/tenants", None).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "unavailable")
    );
    is_alive(&without_platform).await;
    for log in [without_shared.log(), without_platform.log()] {
        assert!(!log.contains("needle"), "{log}");
    }
}

#[tokio::test]
async fn probes_cost_the_databases_nothing() {
    let server = Server::start(ServerOptions::new()).await;
    readiness(&server, &[]).await;
    // What the server asks of its own accord goes on: once each half second, and each second for changes.
    let asked = |series: &Series| -> f64 {
        let counts = series
            .iter()
            .filter(|(name, _)| name.starts_with("enroll_database_seconds_count"));
        counts.map(|(_, count)| count).sum()
    };
    let before = asked(&metrics(&server).await);
    for _ in 0..300 {
        let (live, ready) = (
            Request::new("GET", "/livez"),
            Request::new("GET", "/readyz"),
        );
        let both = tokio::join!(live.send(server.admin()), ready.send(server.admin()));
        assert_eq!((both.0.status, both.1.status), (200, 200));
    }
    let more = asked(&metrics(&server).await) - before;
    assert!(more < 150.0, "600 probes made {more} questions");
}

#[tokio::test]
async fn a_json_log_is_one_object_a_line_and_names_the_request() {
    let options = ServerOptions::new()
        .set("telemetry.log_format", "json")
        .set("telemetry.log_level", "trace")
        .failpoints("request_future=1*panic->off");
    let server = Server::start(options).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    let evil = "a\r\n{\"level\":\"ERROR\"}\u{1b}[31m";
    let lost = register(
        &server,
        "acme",
        json!({"username": "ada", "password": PASSWORD, "register_reason": evil}),
    )
    .await;
    assert_eq!(lost.status, 503);
    let placement = json!({"kind": "own", "url": "mysql://u:p@127.0.0.1:1/x"});
    let body =
        json!({"data": {"type": "tenants", "attributes": {"key": "beta", "placement": placement}}});
    let refused = admin(&server, "POST", "/admin/v1/tenants", Some(body)).await;
    assert_eq!(refused.status, 422);
    let requests: Vec<Answer> = vec![
        registers(&server, "acme", "ada").await,
        register(&server, "acme", json!({"username": evil})).await,
        Request::new("GET", "/metrics").send(server.admin()).await,
    ];
    let ids: BTreeSet<&str> = requests
        .iter()
        .chain([&lost, &refused])
        .map(|answer| answer.header("x-request-id").expect("an id"))
        .collect();
    assert_eq!(ids.len(), 5, "every request has an id of its own: {ids:?}");

    server
        .logged(&["the database of a new tenant cannot be used"])
        .await;
    let log = server.logged(&["panic"]).await;
    let events: Vec<Value> = log
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
        })
        .collect();
    assert!(events.len() > 3, "{log}");
    for event in &events {
        for name in ["timestamp", "level", "target", "message"] {
            assert!(event[name].is_string(), "no {name} in {event}");
        }
    }
    let find = |message: &str| {
        let found = events.iter().find(|event| event["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {log}"))
    };
    find("listening");
    let panic = find("panic");
    assert_eq!(
        panic["span"]["id"].as_str(),
        lost.header("x-request-id"),
        "{panic}"
    );
    let unusable = find("the database of a new tenant cannot be used");
    assert_eq!(
        unusable["span"]["id"].as_str(),
        refused.header("x-request-id"),
        "{unusable}"
    );
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn a_pretty_log_is_one_line_an_event() {
    let server =
        Server::start(ServerOptions::new().failpoints("request_future=1*panic->off")).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    let lost = registers(&server, "acme", "ada").await;
    let id = lost.header("x-request-id").expect("an id").to_owned();
    let log = server.logged(&["panic", &id]).await;
    for line in log.lines() {
        let begins_with_a_date = line
            .get(..11)
            .is_some_and(|date| date.ends_with('T') && date.starts_with("20"));
        assert!(begins_with_a_date, "{line:?}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

/// Sends requests on one connection, some at a time, and gives how often each status came back.
async fn pipeline(
    to: SocketAddr,
    requests: impl Iterator<Item = String>,
) -> BTreeMap<String, usize> {
    const AT_ONCE: usize = 50;
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let mut statuses = BTreeMap::new();
    let requests: Vec<String> = requests.collect();
    for some in requests.chunks(AT_ONCE) {
        stream
            .write_all(some.concat().as_bytes())
            .await
            .expect("it is taken");
        let mut received = Vec::new();
        let mut ends = 0;
        while ends < some.len() {
            let read =
                tokio::time::timeout(Duration::from_secs(30), stream.read_buf(&mut received)).await;
            assert_ne!(
                read.expect("in time").expect("answers"),
                0,
                "the connection is cut"
            );
            // Every answer is one error document, which ends so.
            ends = received
                .windows(3)
                .filter(|window| window == b"}]}")
                .count();
        }
        let text = String::from_utf8(received).expect("UTF-8");
        for line in text.lines().filter_map(|line| line.split_once("HTTP/1.1 ")) {
            *statuses.entry(line.1[..3].to_owned()).or_default() += 1;
        }
    }
    statuses
}

#[tokio::test]
async fn ten_thousand_unknown_tenants_cost_no_actor_and_little_memory() {
    const CONNECTIONS: usize = 4;
    const EACH: usize = 2500;
    let server = Server::start(ServerOptions::new().set("tenants.names", 1000)).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    registers(&server, "acme", "ada").await.expect(200);
    let before = metrics(&server).await;
    assert_eq!(value(&before, "enroll_live_actors"), 1.0);
    let request = |number: usize| {
        // By header, by a label under the base domain, by a host of its own, by path.
        let (host, header, path) = match number % 4 {
            0 => (
                "localhost".to_owned(),
                format!("X-Tenant-Id: unknown-{number}\r\n"),
                String::new(),
            ),
            1 => (
                format!("unknown-{number}.localhost"),
                String::new(),
                String::new(),
            ),
            2 => (
                format!("unknown-{number}.example"),
                String::new(),
                String::new(),
            ),
            _ => (
                "localhost".to_owned(),
                String::new(),
                format!("/t/unknown-{number}"),
            ),
        };
        format!(
            "POST {path}/api/register HTTP/1.1\r\nHost: {host}\r\n{header}Content-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        )
    };
    let scans = (0..CONNECTIONS).map(|connection| {
        let numbers = connection * EACH..(connection + 1) * EACH;
        pipeline(server.public(), numbers.map(request))
    });
    for statuses in join_all(scans).await {
        assert_eq!(statuses, BTreeMap::from([("404".to_owned(), EACH)]));
    }
    let after = metrics(&server).await;
    assert_eq!(value(&after, "enroll_live_actors"), 1.0);
    assert_eq!(value(&after, "enroll_actor_launches_total"), 1.0);
    let memory = "process_resident_memory_bytes";
    let grown = value(&after, memory) - value(&before, memory);
    assert!(grown < 64.0 * 1024.0 * 1024.0, "{grown} bytes more");
    let files = std::fs::read_dir(server.data_dir().join("tenants")).expect("the folder");
    let databases = files.filter(|file| {
        let name = file.as_ref().expect("an entry").file_name();
        name.to_string_lossy().ends_with(".db")
    });
    assert_eq!(databases.count(), 1, "a made-up name makes no file");
    registers(&server, "acme", "grace").await.expect(200);
    assert_eq!(tenants::users(&server, "acme").await.len(), 2);
}

#[tokio::test]
async fn a_change_of_settings_restarts_no_actor() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    registers(&server, "acme", "ada").await.expect(200);
    set(&server, "acme", json!({"registration": {"open": false}})).await;
    assert_eq!(registers(&server, "acme", "grace").await.status, 401);
    let now = metrics(&server).await;
    for outcome in ["registered", "closed"] {
        let name = format!("enroll_registrations_total{{outcome=\"{outcome}\",tenant=\"acme\"}}");
        assert_eq!(value(&now, &name), 1.0, "{outcome}");
    }
    assert_eq!(
        value(&now, "enroll_actor_launches_total"),
        1.0,
        "a change restarts nothing"
    );
}
