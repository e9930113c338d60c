//! Pages of other origins (docs/contract.md section 1.2, docs/threats.md row 109).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

const PAGE: &str = "https://www.acme.example";
const LOCAL_PAGE: &str = "http://localhost:5173";

const ROUTES: [&str; 6] = [
    "/t/acme/api/register",
    "/t/acme/api/forum",
    "/t/acme/.well-known/jwks.json",
    "/api/register",
    "/api/forum",
    "/.well-known/jwks.json",
];

async fn start() -> Server {
    let server = Server::start(ServerOptions::new()).await;
    let origins = |page: &str| json!({"cors": {"origins": [page, LOCAL_PAGE]}});
    create_tenant(&server, "acme", Placement::Own, origins(PAGE)).await;
    create_tenant(
        &server,
        "beta",
        Placement::Own,
        origins("https://www.beta.example"),
    )
    .await;
    create_tenant(&server, "plain", Placement::Own, json!({})).await;
    server
}

/// A request at `acme`, named by path, or by host where the path names nobody.
fn from_page(method: &str, path: &str, origin: &str) -> Request {
    Request::new(method, path)
        .header("Host", "acme.localhost")
        .header("Origin", origin)
}

fn words(answer: &Answer, name: &str) -> Vec<String> {
    let list = answer.header(name).unwrap_or_default();
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// Asserts that the page may read the answer and send what the contract's calls take.
fn assert_allowed(answer: &Answer, origin: &str) {
    let header = |name| answer.header(name);
    assert_eq!(
        header("access-control-allow-origin"),
        Some(origin),
        "{answer:?}"
    );
    assert_eq!(header("access-control-allow-credentials"), Some("true"));
    assert_eq!(header("access-control-max-age"), Some("600"));
    let methods = words(answer, "access-control-allow-methods");
    assert_eq!(
        methods,
        ["GET", "POST", "PATCH", "PUT", "OPTIONS", "DELETE"]
    );
    let headers = words(answer, "access-control-allow-headers");
    for name in [
        "Origin",
        "Content-Type",
        "Cookie",
        "X-CSRF-TOKEN",
        "Accept",
        "Authorization",
        "X-XSRF-TOKEN",
        "X-HTTP-Method-Override",
        "Idempotency-Key",
        "X-Tenant-Id",
        "Accept-Language",
    ] {
        assert!(headers.iter().any(|known| known == name), "{headers:?}");
    }
    assert_eq!(
        words(answer, "access-control-expose-headers"),
        [
            "Authorization",
            "authenticated",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After"
        ]
    );
    assert_safe(answer);
}

/// Asserts that no page may read the answer.
fn assert_no_cors(answer: &Answer) {
    let told = answer
        .headers
        .iter()
        .find(|(name, _)| name.starts_with("access-control-"));
    assert_eq!(told, None, "{answer:?}");
    assert_safe(answer);
}

fn assert_safe(answer: &Answer) {
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

fn attributes(username: &str) -> Value {
    json!({"data": {"attributes": {"username": username, "password": "correct horse battery"}}})
}

#[tokio::test]
async fn every_preflight_is_answered_and_allows_the_listed_pages_alone() {
    let server = start().await;
    for path in ROUTES {
        for origin in [PAGE, LOCAL_PAGE] {
            let preflight = from_page("OPTIONS", path, origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "content-type,x-tenant-id");
            let answer = preflight.send(server.public()).await;
            assert_eq!((answer.status, answer.text()), (200, ""), "{path}");
            assert_allowed(&answer, origin);
        }
        let answer = from_page("OPTIONS", path, "https://other.example")
            .send(server.public())
            .await;
        assert_eq!((answer.status, answer.text()), (200, ""), "{path}");
        assert_no_cors(&answer);
    }
    for path in ["/", "/nothing", "/t/acme/nothing", "/t/nobody/api/register"] {
        let answer = Request::new("OPTIONS", path).send(server.public()).await;
        assert_eq!((answer.status, answer.text()), (200, ""), "{path}");
        assert_no_cors(&answer);
    }
}

#[tokio::test]
async fn an_origin_that_is_not_listed_letter_by_letter_may_read_nothing() {
    let server = start().await;
    for origin in [
        "null",
        "*",
        "",
        "https://www.acme.example.",
        "https://www.acme.example/",
        "https://www.acme.example.evil.example",
        "https://evil-www.acme.example",
        "https://acme.example",
        "https://www.acme.example:443",
        "https://www.acme.example:8443",
        "http://www.acme.example",
        "https://WWW.acme.example",
        "HTTPS://www.acme.example",
        "https://www.acme.example https://www.acme.example",
        "https://user@www.acme.example",
        "https://www.beta.example",
        "http://localhost",
        "http://localhost:5174",
        "http://127.0.0.1:5173",
    ] {
        for method in ["OPTIONS", "GET"] {
            let answer = from_page(method, "/api/forum", origin)
                .send(server.public())
                .await;
            assert_eq!(answer.status, 200, "{origin}");
            assert_no_cors(&answer);
        }
    }
    let twice = from_page("GET", "/api/forum", PAGE).header("Origin", PAGE);
    assert_no_cors(&twice.send(server.public()).await);
    let other_tenant = from_page("GET", "/t/beta/api/forum", PAGE).header("Host", "localhost");
    for request in [
        Request::new("GET", "/t/beta/api/forum").header("Origin", PAGE),
        Request::new("GET", "/t/plain/api/forum").header("Origin", PAGE),
        Request::new("GET", "/t/acme/api/forum"),
    ] {
        let answer = request.send(server.public()).await;
        assert_eq!(answer.status, 200);
        assert_no_cors(&answer);
    }
    // Two Host lines are no sound HTTP: nobody may read that either.
    let answer = other_tenant.send(server.public()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.header("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn a_listed_page_reads_every_answer_and_errors_too() {
    let server = start().await;
    let post = |body: &Value| from_page("POST", "/api/register", PAGE).json(body);
    let page_sees = async |request: Request, status: u16| {
        let answer = request.send(server.public()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_allowed(&answer, PAGE);
        answer
    };
    let made = page_sees(post(&attributes("ada")), 200).await;
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert!(made.header("ratelimit").is_some());
    page_sees(post(&attributes("ada")), 422).await;
    page_sees(from_page("GET", "/api/register", PAGE), 405).await;
    page_sees(from_page("GET", "/nothing", PAGE), 404).await;
    page_sees(post(&json!({})).header("Content-Encoding", "gzip"), 415).await;
    page_sees(from_page("POST", "/api/register", PAGE).body("{"), 415).await;
    page_sees(from_page("GET", "/.well-known/jwks.json", PAGE), 200).await;
    page_sees(from_page("GET", "/api/forum", PAGE), 200).await;
    // By path, and by header, where the browser sends no preflight's worth of names.
    for request in [
        Request::new("GET", "/t/acme/api/forum"),
        Request::new("GET", "/api/forum").header("X-Tenant-Id", "acme"),
    ] {
        page_sees(request.header("Origin", PAGE), 200).await;
    }
    let mut limited = None;
    for _ in 0..100 {
        let answer = post(&attributes("ada")).send(server.public()).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("a limit");
    assert!(limited.header("retry-after").is_some());
    assert_allowed(&limited, PAGE);
    // Operators' tools are no pages.
    let metrics = Request::new("GET", "/metrics").header("Origin", PAGE);
    let answer = metrics.send(server.admin()).await;
    assert!(answer.header("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn a_listed_page_reads_the_guards_own_refusals() {
    let options = ServerOptions::new()
        .set("server.request_timeout_ms", 200)
        .set("server.body_timeout_ms", 200)
        .failpoints("request_future=1*sleep(4000)->off");
    let server = Server::start(options).await;
    let settings = json!({"cors": {"origins": [PAGE]}});
    create_tenant(&server, "acme", Placement::Own, settings).await;
    let post = from_page("POST", "/api/register", PAGE).json(&attributes("ada"));
    let answer = post.send(server.public()).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (503, "deadline_exceeded")
    );
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some(PAGE));
    assert!(answer.header("retry-after").is_some());
}
