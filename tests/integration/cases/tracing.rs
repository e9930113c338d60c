//! Traces over OTLP: what they hold, who decides about them, and that no collector, however bad, is ever waited for.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::client::{Request, metric};
use crate::harness::collector::{Collector, Manner, attribute, is_request};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::simulator::{Simulator, accounts};
use crate::harness::tenants::{Placement, create_tenant};
use crate::harness::wait::until;

on_all_databases!(a_registration_is_one_trace_of_request_actor_hash_and_transaction);

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";

/// Traces everything, to that collector.
fn traced(options: ServerOptions, endpoint: &str) -> ServerOptions {
    options
        .set("telemetry.otlp_endpoint", endpoint)
        .set("telemetry.trace_ppm", 1_000_000)
}

async fn acme(server: &Server) {
    create_tenant(server, "acme", Placement::Own, no_limits()).await;
}

async fn register(server: &Server, name: &str) {
    let request = Request::register("acme", ada(name));
    request.send(server.public()).await.expect(200);
}

/// The request's own spans for registrations.
fn registrations(spans: &[Span]) -> Vec<&Span> {
    let named = |span: &&Span| span.name == "POST /api/register";
    spans.iter().filter(named).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn nanos(span: &Span) -> u64 {
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    span.end_time_unix_nano - span.start_time_unix_nano
}

async fn a_registration_is_one_trace_of_request_actor_hash_and_transaction(backend: Backend) {
    let collector = Collector::start(Manner::Takes).await;
    let ground = Ground::create(backend).await;
    let server = Server::start(traced(ground.options(), &collector.endpoint())).await;
    create_tenant(&server, "acme", ground.own_placement(), no_limits()).await;
    let begun = Instant::now();
    register(&server, "ada").await;
    let took = begun.elapsed();

    // One for the tenant's creation, one for the registration.
    let spans = collector.requests(2).await;
    let request = match registrations(&spans).as_slice() {
        [request] => (*request).clone(),
        others => panic!("{others:?}"),
    };
    let trace: Vec<&Span> = spans
        .iter()
        .filter(|span| span.trace_id == request.trace_id)
        .collect();
    let one = |name: &str, operation: Option<&str>| -> &Span {
        let found: Vec<&&Span> = trace
            .iter()
            .filter(|span| span.name == name)
            .filter(|span| {
                operation.is_none() || attribute(span, "operation").as_deref() == operation
            })
            .collect();
        assert_eq!(found.len(), 1, "{name}: {trace:#?}");
        found[0]
    };
    let (actor, hash) = (one("actor", None), one("hash", None));
    let transaction = one("transaction", Some("create_account"));
    assert!(request.parent_span_id.is_empty(), "a new trace begins here");
    assert_eq!(actor.parent_span_id, request.span_id);
    assert_eq!(hash.parent_span_id, actor.span_id);
    assert_eq!(transaction.parent_span_id, actor.span_id);
    // Every span of the trace hangs on another one of it.
    for span in &trace {
        let has_parent = trace
            .iter()
            .any(|other| other.span_id == span.parent_span_id);
        assert!(has_parent || span.span_id == request.span_id, "{span:?}");
    }

    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/register"),
        ("http.response.status_code", "200"),
        ("enroll.tenant", "acme"),
    ] {
        assert_eq!(attribute(&request, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(attribute(actor, "enroll.tenant").as_deref(), Some("acme"));
    assert!(hash.end_time_unix_nano <= transaction.start_time_unix_nano);
    let of_parts = nanos(hash) + nanos(transaction);
    assert!(nanos(hash) > 0 && of_parts <= nanos(actor) && nanos(actor) <= nanos(&request));
    assert!(u128::from(nanos(&request)) <= took.as_nanos());

    // The log's lines of a request name its trace; an answer that is a fault marks its span.
    let unknown = Request::register("nobody", ada("ada"))
        .send(server.public())
        .await;
    assert_eq!(unknown.status, 404);
    let spans = collector.requests(3).await;
    let unknown = registrations(&spans)
        .into_iter()
        .find(|span| span.span_id != request.span_id)
        .expect("a second one");
    assert_eq!(
        attribute(unknown, "enroll.tenant"),
        None,
        "nobody invents a tenant"
    );
    assert!(metric(&server, "enroll_trace_spans_total", "exported").await >= 6.0);
    assert_eq!(
        metric(&server, "enroll_trace_spans_total", "dropped").await,
        0.0
    );
}

#[tokio::test]
async fn the_log_names_the_trace_of_a_request() {
    let collector = Collector::start(Manner::Takes).await;
    let options = traced(ServerOptions::new().patient(), &collector.endpoint())
        .set("telemetry.log_format", "json")
        .failpoints("request_future=1*panic(on purpose)");
    let server = Server::start(options).await;
    acme(&server).await;
    let broken = Request::register("acme", ada("ada"))
        .send(server.public())
        .await;
    assert_eq!(broken.status, 503);
    let spans = collector.requests(2).await;
    let request = registrations(&spans)[0];
    assert_eq!(
        request.status.as_ref().map(|status| status.code),
        Some(2),
        "an error"
    );
    let id = broken.header("x-request-id").expect("an id");
    assert_eq!(attribute(request, "id").as_deref(), Some(id));
    server.logged(&[id, &hex(&request.trace_id)]).await;
}

#[tokio::test]
async fn the_ratio_decides_and_only_a_trusted_proxy_decides_otherwise() {
    // The proxy is trusted or not; the ratio is none or all; what `traceparent` says; how many of 3 registrations are told.
    let cases = [
        (false, 0, None, 0),
        (false, 1_000_000, None, 3),
        (false, 0, Some(SAMPLED), 0),
        (false, 1_000_000, Some(NOT_SAMPLED), 3),
        (true, 0, Some(SAMPLED), 3),
        (true, 1_000_000, Some(NOT_SAMPLED), 0),
        (true, 0, Some("00-no-trace-01"), 0),
    ];
    for (is_trusted, ppm, traceparent, told) in cases {
        let what = format!("{is_trusted} {ppm} {traceparent:?}");
        let collector = Collector::start(Manner::Takes).await;
        let proxies = if is_trusted {
            vec!["127.0.0.1/32"]
        } else {
            vec![]
        };
        let options = traced(ServerOptions::new().patient(), &collector.endpoint())
            .set("telemetry.trace_ppm", ppm)
            .set("server.trusted_proxies", proxies);
        let mut server = Server::start(options).await;
        acme(&server).await;
        for number in 0..3 {
            let mut request = Request::register("acme", ada(&format!("ada{number}")));
            if let Some(traceparent) = traceparent {
                request = request.header("traceparent", traceparent);
            }
            request.send(server.public()).await.expect(200);
        }
        server.sigterm();
        // What waits is sent before the end.
        assert!(
            server.wait_exit(Duration::from_secs(30)).await.success(),
            "{what}"
        );
        let spans = collector.spans();
        let requests = registrations(&spans);
        assert_eq!(requests.len(), told, "{what}");
        for span in requests {
            let is_the_proxys = hex(&span.trace_id) == SAMPLED[3..35];
            let parent = hex(&span.parent_span_id);
            assert_eq!(is_the_proxys, is_trusted, "{what}");
            assert_eq!(parent == SAMPLED[36..52], is_trusted, "{what}: {parent}");
        }
        if told == 0 {
            let of_tenant = |span: &Span| attribute(span, "enroll.tenant").is_some();
            assert!(!spans.iter().any(of_tenant), "{what}: {spans:?}");
        }
    }
}

#[tokio::test]
async fn a_part_of_the_requests_is_traced_whole() {
    let collector = Collector::start(Manner::Takes).await;
    let options = traced(ServerOptions::new().patient(), &collector.endpoint())
        .set("telemetry.trace_ppm", 500_000);
    let mut server = Server::start(options).await;
    acme(&server).await;
    for number in 0..40 {
        register(&server, &format!("ada{number}")).await;
    }
    server.sigterm();
    assert!(server.wait_exit(Duration::from_secs(30)).await.success());
    let spans = collector.spans();
    // Out of these bounds once in a hundred million runs.
    let requests = registrations(&spans);
    assert!((3..=37).contains(&requests.len()), "{}", requests.len());
    for request in requests {
        for name in ["actor", "hash", "transaction"] {
            let is_part = |span: &&Span| span.trace_id == request.trace_id && span.name == name;
            assert!(spans.iter().any(|span| is_part(&span)), "{name} is missing");
        }
    }
}

#[tokio::test]
async fn what_the_house_does_by_itself_is_no_trace() {
    let collector = Collector::start(Manner::Takes).await;
    let options = traced(ServerOptions::new().patient(), &collector.endpoint())
        .set("tenants.housekeeping_ms", 1000);
    let mut server = Server::start(options).await;
    acme(&server).await;
    register(&server, "ada").await;
    let sweeps = || {
        metric(
            &server,
            "enroll_database_seconds_count",
            "delete_expired_sessions",
        )
    };
    until("a round of housekeeping", async || {
        (sweeps().await >= 1.0).then_some(())
    })
    .await;
    server.sigterm();
    assert!(server.wait_exit(Duration::from_secs(30)).await.success());
    for span in collector.spans() {
        let is_root = span.parent_span_id.is_empty();
        assert_eq!(is_root, is_request(&span), "{span:?}");
    }
}

#[tokio::test]
async fn a_bad_collector_costs_spans_and_nothing_else() {
    let collectors = [
        Some(Manner::Hangs),
        Some(Manner::Refuses),
        Some(Manner::Slow(Duration::from_millis(700))),
        None,
    ];
    for manner in collectors {
        let collector = match manner {
            Some(manner) => Some(Collector::start(manner).await),
            None => None,
        };
        let endpoint = match &collector {
            Some(collector) => collector.endpoint(),
            None => {
                // A port on which nobody listens any more.
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                format!("http://{}", listener.local_addr().expect("its address"))
            }
        };
        let options = traced(ServerOptions::new().patient(), &endpoint)
            .set("telemetry.trace_queue", 20)
            .set("telemetry.trace_timeout_ms", 1000);
        let mut server = Server::start(options).await;
        acme(&server).await;
        // Some at first, so that a message is under way; then more than the line holds.
        for number in 0..3 {
            register(&server, &format!("first{number}")).await;
        }
        if let Some(collector) = &collector {
            until("a first message", async || {
                (collector.messages() > 0).then_some(())
            })
            .await;
        }
        for number in 0..15 {
            register(&server, &format!("next{number}")).await;
        }
        let lost = async || {
            metric(&server, "enroll_trace_spans_total", "dropped").await
                + metric(&server, "enroll_trace_spans_total", "failed").await
        };
        until("lost spans are counted", async || {
            (lost().await > 0.0).then_some(())
        })
        .await;
        if manner != Some(Manner::Slow(Duration::from_millis(700))) {
            server
                .logged(&["WARN", "the collector takes no traces"])
                .await;
        }
        let begun = Instant::now();
        server.sigterm();
        let status = server.wait_exit(Duration::from_secs(30)).await;
        assert_eq!(status.code(), Some(0), "{manner:?}");
        // The message under way and the last one share what one may take; the rest of the end is as without traces.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(6), "{manner:?}: {took:?}");
    }
}

#[tokio::test]
async fn no_span_holds_what_people_sent() {
    let collector = Collector::start(Manner::Takes).await;
    let simulator = Simulator::start().await;
    let options = simulator.serve(traced(
        ServerOptions::new().patient(),
        &collector.endpoint(),
    ));
    let mut server = Server::start(options).await;
    create_tenant(&server, "acme", Placement::Own, accounts()).await;
    let post = async |path: &str, attributes: serde_json::Value| {
        let body = json!({"data": {"attributes": attributes}});
        let request = Request::new("POST", &format!("{path}?needle-query=needle-value"))
            .header("X-Tenant-Id", "acme")
            .header("User-Agent", "needle-agent")
            .header("X-Forwarded-For", "203.0.113.77")
            .header("tracestate", "needle=state")
            .header("baggage", "needle=baggage");
        request.json(&body).send(server.public()).await
    };
    let made = post(
        "/api/register",
        json!({"username": "needlename", "password": "needle-password-1"}),
    )
    .await;
    let made = made.expect(200);
    let token = made["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token");
    let refresh = made["data"]["attributes"]["refresh_token"]
        .as_str()
        .expect("a token");
    let wrong = json!({"username": "needlename", "password": "needle-wrong-1"});
    assert_eq!(post("/api/login", wrong).await.status, 403);
    let phone = json!({"mobile": "13800138000", "type": "login"});
    post("/api/sms/send", phone).await.expect(200);
    let code = simulator.codes("+8613800138000").await.remove(0);
    let verify = json!({"mobile": "13800138000", "type": "login", "code": code, "register": 1});
    post("/api/sms/verify", verify).await.expect(200);
    let unknown = Request::new("GET", "/needle-path?needle=1");
    assert_eq!(unknown.send(server.public()).await.status, 404);

    let spans = collector.requests(6).await;
    assert!(
        spans.iter().any(|span| span.name == "provider"),
        "the gateway was called"
    );
    server.sigterm();
    assert!(server.wait_exit(Duration::from_secs(30)).await.success());
    let bytes = collector.bytes();
    let has = |needle: &str| {
        bytes
            .windows(needle.len())
            .any(|part| part == needle.as_bytes())
    };
    assert!(
        has("POST /api/sms/verify") && has("acme"),
        "the search finds what is there"
    );
    for needle in [
        "needle",
        "13800138000",
        "203.0.113.77",
        "127.0.0.1:",
        "simulated",
        &code,
        token,
        refresh,
        server.token(),
    ] {
        // Of the message's own head, the host is the collector's.
        let host = collector.endpoint();
        let found = if needle == "127.0.0.1:" {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.replace(host.trim_start_matches("http://"), "")
                .contains(needle)
        } else {
            has(needle)
        };
        assert!(!found, "{needle} is in a trace");
    }
    for span in &spans {
        assert!(
            span.events.is_empty() && span.trace_state.is_empty(),
            "{span:?}"
        );
    }
}
