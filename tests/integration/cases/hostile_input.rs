//! What hostile input gets: an error document, never a fault of ours, and no trace in the data (`docs/threats.md`, rows 68
//! to 76, 86, 88 and 90, as far as registrations go).

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::{Answer, MEDIA_TYPE, Request, register, send_raw};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::no_limits;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement};

on_all_databases!(text_that_no_database_holds_is_refused_before_it);

const PASSWORD: &str = "wX7_q9!-lamp";
/// A tenant in each dialect.
const TENANTS: [&str; 2] = ["standard", "discuzq"];
const FIELDS: [&str; 4] = ["username", "password", "register_reason", "code"];
/// Every call that reads attributes. The bodies here are made for the first; to the others they are strangers.
const ROUTES: [&str; 7] = [
    REGISTER,
    "/api/login",
    "/api/refresh-token",
    "/api/sms/send",
    "/api/sms/verify",
    "/api/oauth/wechat/miniprogram",
    "/api/mobile/bind/miniprogram",
];
const REGISTER: &str = "/api/register";

/// What no answer may hold: names of our parts and of the languages and libraries they are made with.
const INTERNALS: [&str; 12] = [
    "panick", "src/", ".rs", "sqlx", "sea_orm", "serde", "SELECT", "INSERT", "users.", "at line",
    "0x", "enroll::",
];

async fn create_tenants(server: &Server, placement: Placement<'_>) {
    let limits = no_limits()["limits"].take();
    // Patterns at which a matcher that tries every way would never end (row 90).
    let words = json!([
        {"word": "{99}a{99}a{99}a{99}a{99}b", "action": "banned"},
        {"word": format!("{}{{99}}c", "a".repeat(50)), "action": "review"},
    ]);
    for dialect in TENANTS {
        let settings = json!({
            "dialect": dialect, "limits": limits, "registration": {"words": words}, "locale": "en",
        });
        tenants::create_tenant(server, dialect, placement, settings).await;
    }
}

/// A server on SQLite with a tenant in each dialect.
async fn start(options: ServerOptions) -> Server {
    let server = Server::start(options).await;
    create_tenants(&server, Placement::Own).await;
    server
}

fn post(tenant: &str, body: impl Into<Vec<u8>>) -> Request {
    post_to(REGISTER, tenant, body)
}

fn post_to(route: &str, tenant: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", route)
        .header("X-Tenant-Id", tenant)
        .header("Content-Type", MEDIA_TYPE)
        .body(body)
}

fn document(attributes: &Value) -> String {
    json!({"data": {"attributes": attributes}}).to_string()
}

/// Attributes that make an account, but for one that is replaced.
fn good_but(field: &str, value: Value) -> Value {
    let mut attributes = json!({"username": "mallory", "password": PASSWORD});
    attributes[field] = value;
    attributes
}

/// Asserts an error of the caller's, told by a document that says nothing of our inside.
fn assert_refused(answer: &Answer, tenant: &str, label: &str) {
    assert!(
        (400..500).contains(&answer.status),
        "{label}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    if tenant == "standard" {
        answer.errors();
    }
    // The shapes of `discuzq` are more: the code may stand alone, and a rejected token's status is a number.
    assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE), "{label}");
    let document = answer.json();
    let errors = document["errors"].as_array().map_or(0, Vec::len);
    assert!(errors > 0 && document.get("data").is_none(), "{label}");
    for error in document["errors"].as_array().into_iter().flatten() {
        let status = error["status"].as_str().map(str::to_owned);
        let status = status.unwrap_or_else(|| error["status"].to_string());
        assert_eq!(status, answer.status.to_string(), "{label}: {error}");
        assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()));
    }
    for internal in INTERNALS {
        assert!(
            !answer.text().contains(internal),
            "{label}: {}",
            answer.text()
        );
    }
}

/// The tail of every case: registration works, exactly those who may have an account have one, and the log holds no
/// fault of ours.
async fn assert_unharmed(server: &Server, expected: &[&str]) {
    for tenant in TENANTS {
        let attributes = json!({"username": "honest", "password": PASSWORD});
        let answer = register(server, tenant, attributes).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let users = names_at(server, tenant).await;
        let expected: HashSet<String> = expected
            .iter()
            .chain(&["honest"])
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(users, expected, "the accounts at {tenant}");
    }
    let log = server.log();
    let fault = log
        .lines()
        .find(|line| line.contains("ERROR") || line.contains("WARN") || line.contains("panic"));
    assert_eq!(fault, None);
}

async fn names_at(server: &Server, tenant: &str) -> HashSet<String> {
    let users = tenants::users(server, tenant).await;
    users
        .iter()
        .map(|user| text(&user["attributes"]["canonical_name"]))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Rows 69 to 71 and 88, 90: bodies that no account may come from.
fn hostile_bodies() -> Vec<(String, Vec<u8>)> {
    let mut bodies: Vec<(String, Vec<u8>)> = Vec::new();
    let good = document(&json!({"username": "mallory", "password": PASSWORD}));
    for end in 0..good.len() {
        bodies.push((format!("cut at {end}"), good.as_bytes()[..end].to_vec()));
    }
    let mut add = |label: &str, body: Vec<u8>| bodies.push((label.to_owned(), body));
    for (label, body) in [
        ("trailing data", format!("{good}{good}")),
        ("trailing word", format!("{good} x")),
        ("a comma too many", good.replace("}}}", ",}}}")),
        ("single quotes", good.replace('"', "'")),
        ("a comment", good.replace("{\"data\"", "{/**/\"data\"")),
        ("no quotes", good.replace("\"data\"", "data")),
        ("a NUL behind", format!("{good}\0")),
        ("NaN", good.replace("\"mallory\"", "NaN")),
        ("Infinity", good.replace("\"mallory\"", "-Infinity")),
        ("a leading zero", good.replace("\"mallory\"", "007")),
        ("a hexadecimal number", good.replace("\"mallory\"", "0x10")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a raw line break", good.replace("mallory", "mal\nlory")),
        ("an unknown escape", good.replace("mallory", "\\x41llory")),
        ("half an escape", good.replace("mallory", "\\u00")),
        ("arrays without end", "[".repeat(60_000)),
        ("data without end", "{\"data\":".repeat(1000)),
        (
            "attributes without end",
            "{\"data\":{\"attributes\":".repeat(2000),
        ),
        (
            "a deep attribute",
            good.replace(
                "\"mallory\"",
                &format!("{}1{}", "[".repeat(500), "]".repeat(500)),
            ),
        ),
        (
            "a deep stranger",
            good.replace(
                "{\"attributes\"",
                &format!(
                    "{{\"x\":{}1{},\"attributes\"",
                    "[".repeat(500),
                    "]".repeat(500)
                ),
            ),
        ),
        (
            "the name twice",
            good.replace("\"username\":", "\"username\":\"a\",\"username\":"),
        ),
        (
            "the name twice, escaped",
            good.replace("\"username\":", "\"\\u0075sername\":\"a\",\"username\":"),
        ),
        (
            "the password twice",
            good.replace("\"password\":", "\"pass\\u0077ord\":\"a\",\"password\":"),
        ),
        (
            "the data twice",
            good.replace("{\"data\"", "{\"data\":{},\"data\""),
        ),
        (
            "the attributes twice",
            good.replace("{\"attributes\"", "{\"attributes\":{},\"\\u0061ttributes\""),
        ),
        (
            "a stranger twice",
            good.replace("{\"attributes\"", "{\"x\":1,\"x\":1,\"attributes\""),
        ),
        (
            "a stranger twice, deep",
            good.replace(
                "{\"attributes\"",
                "{\"x\":[{\"y\":{},\"y\":{}}],\"attributes\"",
            ),
        ),
    ] {
        add(label, body.into_bytes());
    }
    for number in ["1e99999", "-1e99999", "1e400", "123456789e999999999"] {
        add(number, good.replace("\"mallory\"", number).into_bytes());
        let stranger = format!("{{\"x\":{number},\"attributes\"");
        add(
            number,
            good.replace("{\"attributes\"", &stranger).into_bytes(),
        );
    }
    let members: String = (0..20_000)
        .map(|number| format!("\"k{number}\":{number},"))
        .collect();
    add(
        "20,000 members",
        good.replace("{\"password\"", &format!("{{{members}\"password\""))
            .into_bytes(),
    );
    let members: String = (0..4000)
        .map(|number| format!("\"k{number}\":0,"))
        .collect();
    add(
        "4,000 members and no name",
        format!("{{\"data\":{{\"attributes\":{{{members}\"password\":\"{PASSWORD}\"}}}}}}")
            .into_bytes(),
    );
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    add("UTF-16, big end first", utf16(u16::to_be_bytes));
    add("UTF-16, little end first", utf16(u16::to_le_bytes));
    add(
        "UTF-16 with mark",
        [&[0xff, 0xfe][..], &utf16(u16::to_le_bytes)].concat(),
    );

    for field in FIELDS {
        for (label, bytes) in broken_utf8() {
            let body = document(&good_but(field, json!("mal@lory-lamp-9")));
            let body = replace(body.as_bytes(), b"@", &bytes);
            add(&format!("{label} in {field}"), body);
        }
        for escape in [
            "\\ud800",
            "\\udfff",
            "\\udc00\\ud800",
            "\\ud83d\\u0041",
            "\\ud800\\ud800",
        ] {
            let body = document(&good_but(field, json!("mal@lory-lamp-9"))).replace('@', escape);
            add(&format!("{escape} in {field}"), body.into_bytes());
        }
        for wrong in [
            json!([]),
            json!(["mallory"]),
            json!({}),
            json!({"$ne": null}),
            json!({"toString": "x", "__proto__": {}}),
            json!(true),
            json!(false),
            json!(1.5),
            json!(-1e300),
        ] {
            add(
                &format!("{wrong} as {field}"),
                document(&good_but(field, wrong)).into_bytes(),
            );
        }
        for unit in [
            "a",
            "ab",
            "aé",
            " ",
            "\u{3000}",
            "%",
            "\\",
            "e\u{301}",
            "ﷺ",
            "\u{1f468}\u{200d}",
        ] {
            if field == "register_reason" && unit.trim().is_empty() {
                continue;
            }
            let long = unit.repeat(60_000 / unit.len() / 2);
            add(
                &format!("30 KB of {unit:?} as {field}"),
                document(&good_but(field, json!(long))).into_bytes(),
            );
        }
    }
    for number in [
        "1e5",
        "12345678901234567890123",
        "-0.0",
        "1E+2",
        "18446744073709551616",
    ] {
        let body = good.replace("\"mallory\"", number);
        add(&format!("{number} as a name"), body.into_bytes());
    }
    for name in [
        "a\0b",
        "\0",
        "匿名用户",
        "mal\u{200b}lory",
        "\u{202e}yrollam",
        "\u{e000}",
        "\u{378}",
        "\u{fffe}",
        "\u{1b}[2J",
    ] {
        let label = format!("the name {name:?}");
        add(
            &label,
            document(&good_but("username", json!(name))).into_bytes(),
        );
    }
    for envelope in [
        "null",
        "0",
        "\"\"",
        "[]",
        "{}",
        "true",
        "[{}]",
        "[[]]",
        "{\"data\":null}",
        "{\"data\":[]}",
        "{\"data\":\"x\"}",
        "{\"data\":{\"attributes\":null}}",
        "{\"data\":{\"attributes\":[]}}",
        "{\"data\":{\"attributes\":\"x\"}}",
        "{\"errors\":[]}",
        "{\"Data\":{\"attributes\":{\"username\":\"mallory\",\"password\":\"wX7_q9!-lamp\"}}}",
        "{\"data\":[{\"attributes\":{\"username\":\"mallory\",\"password\":\"wX7_q9!-lamp\"}}]}",
        "{\"username\":\"mallory\",\"password\":\"wX7_q9!-lamp\"}",
        "{\"data\":{\"username\":\"mallory\",\"password\":\"wX7_q9!-lamp\"}}",
        "{\"data\":{\"attributes\":{\"Username\":\"mallory\",\"PASSWORD\":\"wX7_q9!-lamp\"}}}",
        "{\"data\":{\"attributes\":{\"data\":{\"attributes\":{\"username\":\"mallory\",\"password\":\"wX7_q9!-lamp\"}}}}}",
    ] {
        add(envelope, envelope.as_bytes().to_vec());
    }
    bodies
}

fn broken_utf8() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a lone continuation byte", vec![0x80]),
        ("a sequence cut short", vec![0xe4, 0xb8]),
        ("an overlong NUL", vec![0xc0, 0x80]),
        ("an overlong slash", vec![0xe0, 0x80, 0xaf]),
        ("an encoded surrogate", vec![0xed, 0xa0, 0x80]),
        ("a code point too high", vec![0xf4, 0x90, 0x80, 0x80]),
        ("0xff", vec![0xff]),
    ]
}

fn replace(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let at = text
        .windows(what.len())
        .position(|window| window == what)
        .expect("what is to be replaced");
    [&text[..at], by, &text[at + what.len()..]].concat()
}

/// Rows 72 and 75: heads that no account may come from, whatever the body.
fn hostile_heads(route: &str, tenant: &str) -> Vec<(String, Request)> {
    let good = document(&json!({"username": "mallory", "password": PASSWORD})).into_bytes();
    let mut requests: Vec<(String, Request)> = Vec::new();
    let plain = || Request::new("POST", route).header("X-Tenant-Id", tenant);
    let post = |tenant: &str, body: Vec<u8>| post_to(route, tenant, body);
    let tail = route.trim_start_matches("/api/");
    for media_type in [
        "text/plain",
        "text/html; charset=utf-8",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=json",
        "multipart/mixed",
        "application/octet-stream",
        "application/xml",
        "*/*",
        "\"",
        ";",
        "",
    ] {
        requests.push((
            media_type.to_owned(),
            plain()
                .header("Content-Type", media_type)
                .body(good.clone()),
        ));
    }
    for encoding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "identity, gzip",
        "gzip, identity",
        "x",
        "",
        "GZIP",
        "chunked",
    ] {
        let bomb = include_bytes!("../../../Cargo.lock")
            .iter()
            .take(60_000)
            .map(|_| 0x1f)
            .collect::<Vec<u8>>();
        requests.push((
            format!("encoded by {encoding:?}"),
            post(tenant, bomb).header("Content-Encoding", encoding),
        ));
    }
    let twice = post(tenant, good.clone()).header("Content-Type", "application/json");
    requests.push(("two types".to_owned(), twice));
    let encodings = post(tenant, good.clone())
        .header("Content-Encoding", "identity")
        .header("Content-Encoding", "gzip");
    requests.push(("two encodings".to_owned(), encodings));
    for token in [
        "x",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Basic YTpi",
        "Digest username=\"\u{1}\"",
        "Bearer ' OR 1=1 --",
    ] {
        let label = format!("Authorization: {token}");
        let token = token.replace('\u{1}', "\t");
        requests.push((
            label,
            post(tenant, good.clone()).header("Authorization", token),
        ));
    }
    for key in ["", "\"\"", "\u{e9}", "a\tb", &"x".repeat(256)] {
        requests.push((
            format!("Idempotency-Key: {key:?}"),
            post(tenant, good.clone()).header("Idempotency-Key", key),
        ));
    }
    let keys = post(tenant, good.clone())
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    requests.push(("two idempotency keys".to_owned(), keys));
    for method in [
        "GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "register", "PROPFIND",
    ] {
        let request = Request::new(method, route)
            .header("X-Tenant-Id", tenant)
            .header("Content-Type", MEDIA_TYPE)
            .body(good.clone());
        requests.push((method.to_owned(), request));
    }
    let overridden = Request::new("GET", route)
        .header("X-Tenant-Id", tenant)
        .header("X-HTTP-Method-Override", "POST");
    requests.push(("an overridden method".to_owned(), overridden));
    for target in [
        "/",
        "//api/register",
        "/api//register",
        "/api/register/",
        "/api/register/../register",
        "/api/./register",
        "/API/REGISTER",
        "/api/register%00",
        "/api%2fregister",
        "/api/register;x=1",
        "/%2e%2e/api/register",
        "*",
        "/admin/v1/tenants",
        "/metrics",
        "/livez",
    ] {
        let target = target
            .replace("register", tail)
            .replace("REGISTER", &tail.to_uppercase());
        let request = Request::new("POST", &target)
            .header("X-Tenant-Id", tenant)
            .header("Content-Type", MEDIA_TYPE)
            .body(good.clone());
        requests.push((target, request));
    }
    requests
}

#[tokio::test]
async fn every_hostile_request_gets_an_error_document() {
    let server = start(ServerOptions::new().patient()).await;
    let good = document(&json!({"username": "mallory", "password": PASSWORD})).into_bytes();
    let mut count = 0;
    for tenant in TENANTS {
        for (label, body) in hostile_bodies() {
            let label = format!("{label} at {tenant}");
            assert_ne!(body, good, "{label} changes nothing");
            let answer = post(tenant, body).try_send(server.public()).await;
            let answer = answer.unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_refused(&answer, tenant, &label);
            count += 1;
        }
        for (label, request) in hostile_heads(REGISTER, tenant) {
            let label = format!("{label} at {tenant}");
            let answer = request.try_send(server.public()).await;
            let answer = answer.unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_refused(&answer, tenant, &label);
            count += 1;
        }
    }
    println!("{count} hostile requests");
    assert!(count >= 200, "only {count}");
    assert_unharmed(&server, &[]).await;
}

/// The same at every other call that reads attributes.
#[tokio::test]
async fn no_neighbour_of_the_register_call_stumbles_over_hostile_requests() {
    let server = start(ServerOptions::new().patient()).await;
    let to = server.public();
    // What is cut is read by the same code everywhere; some cuts will do.
    let bodies: Vec<_> = hostile_bodies()
        .into_iter()
        .enumerate()
        .filter(|(index, (label, _))| index % 12 == 0 || !label.starts_with("cut at"))
        .map(|(_, labelled)| labelled)
        .collect();
    for (route, tenant) in ROUTES
        .iter()
        .skip(1)
        .flat_map(|route| TENANTS.map(|tenant| (*route, tenant)))
    {
        let requests = bodies
            .iter()
            .map(|(label, body)| (label.clone(), post_to(route, tenant, body.clone())))
            .chain(hostile_heads(route, tenant))
            .chain([(
                "12 MiB".to_owned(),
                post_to(route, tenant, vec![b' '; 12 * 1024 * 1024]),
            )]);
        for (label, request) in requests {
            let label = format!("{label} at {tenant}{route}");
            let answer = request.try_send(to).await;
            let answer = answer.unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_refused(&answer, tenant, &label);
        }
    }
    assert_unharmed(&server, &[]).await;
}

/// What a user may offer to be bound, and a captcha's answer, in types that they cannot have.
#[tokio::test]
async fn offers_of_a_wrong_type_are_faults_of_their_fields() {
    let server = start(ServerOptions::new().patient()).await;
    let send = async |tenant: &str, name: &str, value: &Value| {
        let answer = register(&server, tenant, good_but(name, value.clone())).await;
        (answer, format!("{name}: {value} at {tenant}"))
    };
    for tenant in TENANTS {
        for (name, field) in [
            ("token", "token"),
            ("mobileToken", "mobileToken"),
            ("js_code", "js_code"),
            ("iv", "iv"),
            ("encryptedData", "encryptedData"),
            ("captcha_ticket", "captcha"),
            ("captcha_rand_str", "captcha"),
        ] {
            for wrong in [
                json!({}),
                json!({"$ne": null}),
                json!([]),
                json!(["a"]),
                json!(true),
                json!(false),
                json!(1.5),
                json!(-1e300),
            ] {
                let (answer, label) = send(tenant, name, &wrong).await;
                assert_refused(&answer, tenant, &label);
                assert_eq!(answer.status, 422, "{label}");
                let error = answer.error();
                assert_eq!(error["code"], "validation_error", "{label}");
                let pointer = format!("/data/attributes/{field}");
                assert_eq!(error["source"]["pointer"], pointer, "{label}");
            }
        }
        // Whole numbers are text in the lenient dialect alone; `iv` without the rest of the triple is then nothing.
        let (answer, label) = send(tenant, "iv", &json!(5)).await;
        let expected = if tenant == "standard" { 422 } else { 200 };
        assert_eq!(answer.status, expected, "{label}: {}", answer.text());
    }
    // A token that proves nothing, of whatever characters, is refused by the strict and passed over by the lenient.
    for (number, text) in ["\0", "'--", "\u{202e}", &"t".repeat(15_000), "%00\r\nX: y"]
        .into_iter()
        .enumerate()
    {
        for name in ["token", "mobileToken"] {
            let (answer, label) = send("standard", name, &json!(text)).await;
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (422, "token_invalid"),
                "{label}"
            );
            let mut attributes = good_but(name, json!(text));
            attributes["username"] = json!(format!("{name}{number}"));
            let answer = register(&server, "discuzq", attributes).await;
            assert_eq!(answer.status, 200, "{label}: {}", answer.text());
        }
        let mut attributes = good_but("js_code", json!(text));
        attributes["username"] = json!(format!("triple{number}"));
        attributes["iv"] = json!(text);
        attributes["encryptedData"] = json!(text);
        for tenant in TENANTS {
            let answer = register(&server, tenant, attributes.clone()).await;
            assert_refused(&answer, tenant, text);
            assert_eq!(answer.error_code(), "not_offered");
        }
    }
    // Nothing can be wrong with a switch.
    for (number, value) in [json!([]), json!({}), json!("x"), json!(5), json!(null)]
        .iter()
        .enumerate()
    {
        for tenant in TENANTS {
            let mut attributes = good_but("rebind", value.clone());
            attributes["username"] = json!(format!("switch{number}"));
            let answer = register(&server, tenant, attributes).await;
            assert_eq!(answer.status, 200, "{value} at {tenant}: {}", answer.text());
        }
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// Row 71: PostgreSQL's text cannot hold a NUL, and MySQL's cuts at what it cannot decode.
async fn text_that_no_database_holds_is_refused_before_it(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().patient().database("shared", &database)).await;
    create_tenants(&server, Placement::Shared("shared")).await;
    for tenant in TENANTS {
        for field in FIELDS {
            for (label, bytes) in broken_utf8().into_iter().chain([
                ("NUL", b"\\u0000".to_vec()),
                ("a raw NUL", vec![0]),
                ("a lone surrogate", b"\\ud800".to_vec()),
            ]) {
                let body = document(&good_but(field, json!("mal@lory-lamp-9")));
                let answer = post(tenant, replace(body.as_bytes(), b"@", &bytes))
                    .send(server.public())
                    .await;
                assert_refused(&answer, tenant, &format!("{label} in {field} at {tenant}"));
            }
        }
        let form = |value: &str| {
            Request::new("POST", "/api/register")
                .header("X-Tenant-Id", tenant)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(format!(
                    "data[attributes][username]={value}&data[attributes][password]={PASSWORD}"
                ))
        };
        for value in ["mal%00lory", "%00", "%ff", "%ed%a0%80", "%c0%80"] {
            let answer = form(value).send(server.public()).await;
            assert_refused(&answer, tenant, &format!("{value} in a form at {tenant}"));
        }
        // What does look odd, but is text, comes back as it was sent.
        for name in ["O'Neil\\", "%00", "\u{10330}\u{10331}", "𠮷"] {
            let answer = register(
                &server,
                tenant,
                json!({"username": name, "password": PASSWORD}),
            )
            .await;
            // UTS 39 leaves Gothic out in `standard`.
            if answer.status == 200 {
                let users = tenants::users(&server, tenant).await;
                assert!(
                    users
                        .iter()
                        .any(|user| user["attributes"]["username"] == name),
                    "{name}"
                );
            } else {
                assert_refused(&answer, tenant, name);
            }
        }
        let answer = register(
            &server,
            tenant,
            json!({"username": "honest", "password": PASSWORD}),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!names_at(&server, tenant).await.contains("mallory"));
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// Row 68.
#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_never_kept() {
    const MIB: usize = 1024 * 1024;
    let server = start(ServerOptions::new().patient()).await;
    let to = server.public();
    let good = document(&json!({"username": "exact", "password": PASSWORD}));
    let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    let peak_before = peak_memory(&server);
    for tenant in TENANTS {
        let answer = post(tenant, padded(65_537)).send(to).await;
        assert_eq!(
            (answer.status, answer.error_code()),
            (413, "body_too_large".to_owned())
        );
        // The last byte that fits.
        assert_eq!(post(tenant, padded(65_536)).send(to).await.status, 200);

        for size in [200_000, 12 * MIB] {
            let body = padded(size);
            let answer = post(tenant, body.clone()).send(to).await;
            assert_eq!(
                (answer.status, answer.error_code()),
                (413, "body_too_large".to_owned())
            );
            let chunked = post(tenant, chunks(body.as_bytes(), 64 * 1024))
                .header("Transfer-Encoding", "chunked");
            let answer = chunked.send(to).await;
            assert_eq!(
                (answer.status, answer.error_code()),
                (413, "body_too_large".to_owned())
            );
        }
        for announced in ["1000000000000", "18446744073709551615"] {
            let answer = post(tenant, good.clone())
                .header("Content-Length", announced)
                .send(to)
                .await;
            assert_eq!(
                (answer.status, answer.error_code()),
                (413, "body_too_large".to_owned()),
                "{announced}"
            );
        }
        // In many small chunks a body that fits is read as any other.
        let name = format!("small-{tenant}");
        let body = document(&json!({"username": name, "password": PASSWORD}));
        let chunked =
            post(tenant, chunks(body.as_bytes(), 1)).header("Transfer-Encoding", "chunked");
        assert_eq!(chunked.send(to).await.status, 200);
    }
    let long = vec![b' '; 12 * MIB];
    let many = (0..8).map(|_| async { post("standard", long.clone()).send(to).await.status });
    assert_eq!(join_all(many).await, [413; 8]);
    let growth = peak_memory(&server).saturating_sub(peak_before);
    assert!(
        growth < 24 * MIB,
        "8 bodies of 12 MiB at once cost {growth} bytes"
    );
    for tenant in TENANTS {
        let names = names_at(&server, tenant).await;
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

/// The most memory that the server has held so far.
fn peak_memory(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kib.expect("a number of KiB") * 1024
}

/// A body in the chunked coding.
fn chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut coded = Vec::with_capacity(body.len() + body.len() / size * 8);
    for chunk in body.chunks(size) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_cut_off() {
    let server = start(
        ServerOptions::new()
            .patient()
            .set("server.body_timeout_ms", 300),
    )
    .await;
    let body = document(&json!({"username": "slow", "password": PASSWORD}));
    for coding in ["Content-Length: 200", "Transfer-Encoding: chunked"] {
        for drip in [false, true] {
            let mut stream = TcpStream::connect(server.public())
                .await
                .expect("a connection");
            let head = format!(
                "POST /api/register HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Id: standard\r\nContent-Type: {MEDIA_TYPE}\r\n\
                 {coding}\r\n\r\n"
            );
            stream
                .write_all(head.as_bytes())
                .await
                .expect("the head is taken");
            let mut answer = Vec::new();
            let end = tokio::time::Instant::now() + Duration::from_secs(20);
            // One byte at a time keeps the connection busy, but not the deadline away.
            let mut bytes = if drip {
                body.bytes().collect()
            } else {
                Vec::new()
            };
            bytes.reverse();
            while !ends_with_document(&answer) {
                assert!(tokio::time::Instant::now() < end, "{coding}: no answer");
                let mut part = [0; 4096];
                match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut part)).await
                {
                    Ok(Ok(0)) => break,
                    Ok(read) => answer.extend_from_slice(&part[..read.expect("an answer")]),
                    Err(_) => {
                        if let Some(byte) = bytes.pop() {
                            let coded = if coding.contains("chunked") {
                                chunk_of(byte)
                            } else {
                                vec![byte]
                            };
                            let _ = stream.try_write(&coded);
                        }
                    }
                }
            }
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with("HTTP/1.1 408 "), "{coding}: {answer}");
            assert!(
                answer.contains("\"code\":\"body_timeout\""),
                "{coding}: {answer}"
            );
        }
    }
    // A body that ends early, with the connection closed behind it or half of it.
    for coding in ["Content-Length: 200", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(server.public())
            .await
            .expect("a connection");
        let request = format!(
            "POST /api/register HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Id: standard\r\nContent-Type: {MEDIA_TYPE}\r\n\
             {coding}\r\n\r\n"
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the head is taken");
        stream.shutdown().await.expect("half a close");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_unharmed(&server, &[]).await;
}

fn chunk_of(byte: u8) -> Vec<u8> {
    vec![b'1', b'\r', b'\n', byte, b'\r', b'\n']
}

fn ends_with_document(answer: &[u8]) -> bool {
    answer.ends_with(b"]}")
}

/// Attributes that a client may not set, in the spellings of this server and of others.
fn privileged() -> Vec<(&'static str, Value)> {
    let (number, word) = (json!(7), json!("mallory"));
    let (address, date) = (json!("203.0.113.7"), json!("1999-01-01T00:00:00Z"));
    let hash = json!("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
    let mut attributes = Vec::new();
    for (names, value) in [
        (
            &[
                "id",
                "user_id",
                "uid",
                "tenant_id",
                "group_id",
                "invited_by",
                "invite_id",
                "register_port",
                "expires_in",
            ][..],
            number,
        ),
        (
            &[
                "status",
                "state",
                "role",
                "tenant",
                "mobile",
                "phone",
                "unionId",
                "unionid",
                "openid",
                "access_token",
            ],
            word,
        ),
        (
            &["nickname", "display_name", "canonical_name", "skeleton"],
            json!("root"),
        ),
        (
            &["is_admin", "isAdmin", "admin", "email_verified", "approved"],
            json!(true),
        ),
        (&["roles", "groups"], json!(["admin"])),
        (
            &[
                "created_at",
                "createdAt",
                "updated_at",
                "updatedAt",
                "login_at",
            ],
            date,
        ),
        (
            &["lastLoginIp", "last_login_ip", "register_ip", "registerIp"],
            address,
        ),
        (&["password_hash", "passwordHash"], hash),
        (&["__proto__", "constructor"], json!({"status": "banned"})),
    ] {
        attributes.extend(names.iter().map(|name| (*name, value.clone())));
    }
    attributes
}

/// Row 73.
#[tokio::test]
async fn attributes_that_only_we_may_set_are_never_stored() {
    let server = start(ServerOptions::new().patient()).await;
    for tenant in TENANTS {
        let mut attributes = json!({"username": "mallory", "password": PASSWORD});
        for (name, value) in privileged() {
            attributes[name] = value;
        }
        let body = json!({
            "data": {
                "type": "admins", "id": "7", "attributes": attributes,
                "relationships": {"groups": {"data": [{"type": "groups", "id": "1"}]}, "tenant": {"data": {"type": "tenants", "id": "1"}}},
            },
            "included": [{"type": "users", "id": "7", "attributes": {"status": "banned"}}],
            "meta": {"admin": true},
            "username": "root",
        });
        let answer = post(tenant, body.to_string()).send(server.public()).await;
        let answered = answer.expect(200);
        assert_ne!(answered["data"]["id"], "7");
        if tenant == "standard" {
            let user = &answered["included"][0]["attributes"];
            assert_eq!(user["nickname"], "mallory");
            assert_eq!(
                (&user["mobile"], &user["unionId"]),
                (&json!(""), &json!(""))
            );
            assert_eq!(user["lastLoginIp"], "127.0.0.1");
        }
        let users = tenants::users(&server, tenant).await;
        assert_eq!(users.len(), 1);
        let user = &users[0];
        assert_eq!(user["id"], answered["data"]["id"]);
        let created = text(&user["attributes"]["created_at"]);
        assert!(created.as_str() > "2020", "{created}");
        assert_eq!(
            user["attributes"],
            json!({
                "username": "mallory",
                "canonical_name": "mallory",
                "status": "normal",
                "refuse_message": null,
                "group_id": 10,
                "register_reason": null,
                "register_ip": "127.0.0.1",
                "last_login_ip": "127.0.0.1",
                "created_at": created,
                "updated_at": created,
            })
        );
    }
    assert_unharmed(&server, &["mallory"]).await;
}

/// Rows 74 and 75: what means something to a database, a terminal, a log or a spreadsheet means nothing here.
#[tokio::test]
async fn text_that_commands_others_is_text_to_us() {
    let options = ServerOptions::new()
        .patient()
        .set("telemetry.log_format", "json")
        .set("telemetry.log_level", "trace");
    let server = start(options).await;
    let commands = [
        "'",
        "\"",
        "`",
        "\\",
        "';--",
        "' OR '1'='1",
        "\") OR 1=1 --",
        "'; DROP TABLE users; --",
        "%",
        "_",
        "%' --",
        "1; SELECT pg_sleep(9)",
        "' UNION SELECT password_hash FROM users --",
        "$1",
        "?",
        ":tenant",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "$(id)",
        "`id`",
        "|id",
        "a\r\nSet-Cookie: x=1",
        "a\nERROR forged=1",
        "\u{1b}]0;owned\u{7}",
        "\u{1b}[31m",
        "../../etc/passwd",
        "%n%s%x",
    ];
    let mut made = HashSet::new();
    for tenant in TENANTS {
        made.clear();
        for (number, command) in commands.into_iter().enumerate() {
            let beside = format!("beside-{number}");
            for (field, name) in [
                ("username", command),
                ("register_reason", &beside),
                ("code", "nobody"),
                ("password", "nobody"),
            ] {
                let mut attributes = good_but("username", json!(name));
                // Too short a password keeps this request from an account; otherwise the text may be a good password.
                attributes[field] = json!(if field == "password" {
                    &command[..1]
                } else {
                    command
                });
                let answer = register(&server, tenant, attributes).await;
                let label = format!("{command:?} as {field} at {tenant}");
                assert_eq!(answer.header("set-cookie"), None, "{label}");
                if answer.status == 200 {
                    let stored: String = name
                        .chars()
                        .filter(|character| !character.is_whitespace())
                        .collect();
                    made.insert(stored.to_lowercase());
                } else {
                    assert_refused(&answer, tenant, &label);
                }
            }
            for (name, value) in [
                ("X-Tenant-Id", command),
                ("Accept-Language", command),
                ("User-Agent", command),
                ("X-Request-Id", command),
                ("X-Forwarded-For", command),
            ] {
                // Line breaks would be a header of their own: that is the framing's case.
                let value: String = value
                    .chars()
                    .filter(|character| !character.is_control())
                    .collect();
                let request =
                    Request::new("POST", "/api/register").header("Content-Type", MEDIA_TYPE);
                let request = if name == "X-Tenant-Id" {
                    request
                } else {
                    request.header("X-Tenant-Id", tenant)
                };
                let answer = request
                    .header(name, &value)
                    .body("{}")
                    .send(server.public())
                    .await;
                assert_refused(&answer, tenant, &format!("{name}: {value} at {tenant}"));
                let id = answer.header("x-request-id").unwrap_or_default();
                assert!(
                    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{id}"
                );
            }
        }
        let expected: HashSet<String> = made.clone();
        assert!(
            expected.len() > commands.len(),
            "most of it is taken: {expected:?}"
        );
        assert_eq!(names_at(&server, tenant).await, expected);
    }
    let log = server.log();
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert!(event["forged"].is_null(), "{line}");
        assert!(
            !line.contains('\u{1b}') && !line.contains("DROP TABLE"),
            "{line}"
        );
        assert_ne!(event["level"], "ERROR", "{line}");
    }
}

/// A whole request that makes an account, to be hidden in the framing of another.
fn smuggled(number: usize) -> String {
    let body = document(&json!({"username": format!("smuggled-{number}"), "password": PASSWORD}));
    format!(
        "POST /api/register HTTP/1.1\r\nHost: localhost\r\nX-Tenant-Id: standard\r\nContent-Type: {MEDIA_TYPE}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Row 76: framings of which two readers may think differently, each with a request hidden behind it.
fn framings() -> Vec<Vec<u8>> {
    let line = "POST /api/register HTTP/1.1\r\n";
    let head = "Host: localhost\r\nX-Tenant-Id: standard\r\nContent-Type: application/json\r\n";
    let mut framings = Vec::new();
    // With both lengths, of which one ends the body before the hidden request.
    for (before, after) in [
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: chunked\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: {all}\r\n",
        ),
        ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: Chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: identity, chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding : chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding\t: chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding:\u{b}chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            " Transfer-Encoding: chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "X: y\rTransfer-Encoding: chunked\r\n",
        ),
        (
            "Content-Length: {all}\r\n",
            "X: \0\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
        ),
        (
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: {all}\r\n",
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", ""),
        ("Transfer-Encoding: chunked, cow\r\n", ""),
        ("Content-Length: 5\r\n", "Content-Length: {all}\r\n"),
        ("Content-Length: {all}\r\n", "Content-Length: 5\r\n"),
        ("Content-Length: 5, {all}\r\n", ""),
        ("Content-Length: +5\r\n", ""),
        ("Content-Length: -5\r\n", ""),
        ("Content-Length: 0x5\r\n", ""),
        ("Content-Length: 5 5\r\n", ""),
        ("Content-Length: 5_\r\n", ""),
        ("Content-Length: 5.0\r\n", ""),
        ("Content-Length: \r\n", ""),
        ("Content-Length: 99999999999999999999999\r\n", ""),
        ("Content-Length : 5\r\n", ""),
        ("Content Length: 5\r\n", ""),
        ("no colon\r\n", "Content-Length: 5\r\n"),
        (": empty name\r\n", "Content-Length: 5\r\n"),
    ] {
        let hidden = smuggled(framings.len());
        let all = (5 + hidden.len()).to_string();
        let fields = format!("{before}{after}").replace("{all}", &all);
        framings.push(format!("{line}{head}{fields}\r\n0\r\n\r\n{hidden}").into_bytes());
    }
    // Chunks of which the size can be read in two ways.
    for chunk in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "g\r\n\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;ext=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
    ] {
        let hidden = smuggled(framings.len());
        framings.push(
            format!("{line}{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{hidden}").into_bytes(),
        );
    }
    framings
}

/// Sound requests whose body is a request: it is theirs, whether anybody reads it or not.
fn bodies_that_look_like_requests(first: usize) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for (line, fields) in [
        ("GET /api/register", "X-Tenant-Id: standard\r\n"),
        ("DELETE /api/register", "X-Tenant-Id: standard\r\n"),
        ("POST /nowhere", "X-Tenant-Id: standard\r\n"),
        ("POST /api/register", "X-Tenant-Id: nobody\r\n"),
        (
            "POST /api/register",
            "X-Tenant-Id: standard\r\nContent-Type: text/plain\r\n",
        ),
        (
            "POST /api/register",
            "X-Tenant-Id: standard\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n",
        ),
        (
            "POST /api/register",
            "X-Tenant-Id: standard\r\nContent-Type: application/json\r\n",
        ),
        (
            "POST /api/register",
            "X-Tenant-Id: standard\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n",
        ),
        (
            "POST /api/register",
            "X-Tenant-Id: standard\r\nContent-Type: application/json\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        ),
    ] {
        let hidden = smuggled(first + requests.len());
        requests.push(
            format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            )
            .into_bytes(),
        );
    }
    requests
}

/// What is no HTTP/1.1 at all, or too much of it.
fn no_requests() -> Vec<Vec<u8>> {
    let with = |field: String| {
        format!("POST /api/register HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n").into_bytes()
    };
    vec![
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET /\r\n\r\n".to_vec(),
        b"POST /api/register HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(),
        b"POST /api/register HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"POST /api/register\0 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"POST \xff HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\0\0\0\0".to_vec(),
        vec![b'\n'; 4096],
        with(format!("X: {}", "y".repeat(1024 * 1024))),
        with(
            (0..2000)
                .map(|number| format!("X-{number}: y\r\n"))
                .collect::<String>()
                + "Z: z",
        ),
        format!(
            "POST /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "x".repeat(1024 * 1024)
        )
        .into_bytes(),
        format!(
            "{} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "X".repeat(100_000)
        )
        .into_bytes(),
    ]
}

/// Sends bytes and reads until the server closes, or is silent for long: the status of every answer that came.
async fn converse(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    // The server may have closed before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let reading = async {
        let mut part = [0; 4096];
        while let Ok(read) = stream.read(&mut part).await {
            if read == 0 {
                break;
            }
            received.extend_from_slice(&part[..read]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), reading).await;
    String::from_utf8_lossy(&received)
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().expect("a status"))
        .filter(|status| *status != 100)
        .collect()
}

#[tokio::test]
async fn no_request_hides_in_the_framing_of_another() {
    let options = ServerOptions::new()
        .patient()
        .set("server.body_timeout_ms", 500)
        .set("server.head_timeout_ms", 500)
        .set("server.keep_alive_ms", 500);
    let server = start(options).await;
    let to = server.public();
    let framings = framings();
    let told = join_all(framings.iter().map(|framing| converse(to, framing))).await;
    for (framing, statuses) in framings.iter().zip(told) {
        let framing = framing.escape_ascii().to_string();
        assert!(statuses.len() <= 1, "{statuses:?} to {framing}");
        assert!(
            statuses.iter().all(|status| (400..500).contains(status)),
            "{statuses:?} to {framing}"
        );
    }
    let hidden = bodies_that_look_like_requests(framings.len());
    let told = join_all(hidden.iter().map(|request| converse(to, request))).await;
    for (request, statuses) in hidden.iter().zip(told) {
        let request = request.escape_ascii().to_string();
        assert_eq!(statuses.len(), 1, "{statuses:?} to {request}");
        assert!(
            (400..500).contains(&statuses[0]),
            "{statuses:?} to {request}"
        );
    }
    let no_requests = no_requests();
    let told = join_all(no_requests.iter().map(|bytes| converse(to, bytes))).await;
    for (bytes, statuses) in no_requests.iter().zip(told) {
        let start = bytes
            .iter()
            .take(60)
            .copied()
            .collect::<Vec<u8>>()
            .escape_ascii()
            .to_string();
        assert!(statuses.len() <= 1, "{statuses:?} to {start}");
        assert!(
            statuses.iter().all(|status| (400..500).contains(status)),
            "{statuses:?} to {start}"
        );
    }
    // The hidden request is a good one: sent openly, it makes its account.
    let open = send_raw(to, smuggled(0).as_bytes())
        .await
        .expect("an answer");
    assert_eq!(open.status, 200, "{}", open.text());
    let names = names_at(&server, "standard").await;
    assert_eq!(names, HashSet::from(["smuggled-0".to_owned()]));
}

/// Row 86.
#[tokio::test]
async fn look_alikes_of_a_name_get_no_account() {
    let server = start(ServerOptions::new().patient()).await;
    let spoofs = spoofs_of_alice();
    println!("{} spoofs", spoofs.len());
    assert!(spoofs.len() >= 130);
    for tenant in TENANTS {
        let answer = register(
            &server,
            tenant,
            json!({"username": "Alice", "password": PASSWORD}),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for spoof in &spoofs {
            let answer = register(
                &server,
                tenant,
                json!({"username": spoof, "password": PASSWORD}),
            )
            .await;
            assert_eq!(
                answer.status,
                422,
                "{spoof} ({}) at {tenant}",
                spoof.escape_unicode()
            );
            assert_refused(&answer, tenant, spoof);
            assert_eq!(
                answer.errors()[0]["source"]["pointer"],
                "/data/attributes/username"
            );
        }
        let honest = [
            "Grüße",
            "Françoise",
            "Nguyễn",
            "Владимир",
            "Ελένη",
            "王小明",
            "ひろし",
            "カタカナ",
            "김민준",
            "محمد",
            "משה",
            "आरती",
            "สมชาย",
            "মিতা",
            "தமிழ்",
            "გიორგი",
            "Արամ",
            "ሰላም",
            "សុខា",
            "ສົມ",
            "မောင်",
            "ਗੁਰਪ੍ਰੀਤ",
            "ગીતા",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "සිංහල",
            "李Lei",
            "田中さん",
            "김철수3",
        ];
        for name in honest {
            let answer = register(
                &server,
                tenant,
                json!({"username": name, "password": PASSWORD}),
            )
            .await;
            assert_eq!(answer.status, 200, "{name} at {tenant}: {}", answer.text());
        }
        assert_eq!(names_at(&server, tenant).await.len(), 1 + honest.len());
    }
    assert!(!server.log().contains("ERROR"));
}

/// Names that people take for `Alice`, or that mean the same to some software.
fn spoofs_of_alice() -> Vec<String> {
    let mut spoofs: Vec<String> = [
        "alice",
        "ALICE",
        "aLiCe",
        " a l i c e ",
        "\u{3000}alice",
        "ａｌｉｃｅ",
        "ＡＬＩＣＥ",
        "Ａlice",
    ]
    .map(str::to_owned)
    .to_vec();
    // Invisible and directional characters, fillers, variation selectors, tags, private use, unassigned.
    for odd in [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{17b5}',
        '\u{180b}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{202a}',
        '\u{202b}',
        '\u{202c}',
        '\u{202d}',
        '\u{202e}',
        '\u{2060}',
        '\u{2061}',
        '\u{2064}',
        '\u{2066}',
        '\u{2067}',
        '\u{2068}',
        '\u{2069}',
        '\u{206a}',
        '\u{206f}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{fffc}',
        '\u{fffd}',
        '\u{1bca0}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0061}',
        '\u{e0100}',
        '\u{e000}',
        '\u{f8ff}',
        '\u{f0000}',
        '\u{378}',
        '\u{fdd0}',
        '\u{ffff}',
        '\0',
        '\u{7}',
        '\u{7f}',
        '\u{80}',
        '\u{9b}',
    ] {
        spoofs.push(format!("ali{odd}ce"));
        spoofs.push(format!("alice{odd}"));
    }
    // Mathematical and other compatibility letters.
    for first in [
        0x1d41a, 0x1d44e, 0x1d482, 0x1d4ea, 0x1d51e, 0x1d552, 0x1d586, 0x1d5ba, 0x1d5ee, 0x1d622,
        0x1d656, 0x1d68a, 0x24d0,
    ] {
        let letters: Option<String> = "alice"
            .bytes()
            .map(|letter| char::from_u32(first + u32::from(letter - b'a')))
            .collect();
        spoofs.push(letters.expect("letters"));
    }
    // Letters of other scripts, digits and letters that look alike, in one place or in all.
    for spoof in [
        "\u{430}lice",
        "al\u{456}ce",
        "ali\u{441}e",
        "alic\u{435}",
        "\u{430}li\u{441}\u{435}",
        "\u{251}lice",
        "a1ice",
        "aIice",
        "a|ice",
        "alıce",
        "aⅼice",
        "alіce",
        "aℓice",
        "aliсe",
        "alicе",
        "ałice\u{338}",
        "\u{3b1}lice",
        "al\u{3b9}ce",
        "ali\u{2ca5}e",
        "\u{13aa}lice",
        "a\u{4cf}ice",
        "a\u{7c0}ice",
        "alice\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{301}alice",
        "aⅼⅰⅽe",
    ] {
        spoofs.push(spoof.to_owned());
    }
    spoofs
}

/// A generator of our own, so that a printed seed repeats a run (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("small")).expect("small")
    }
}

/// Changes a few bytes of a request, at random.
fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    const PIECES: [&[u8]; 16] = [
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\0",
        b"1e999",
        b"null",
        b"\r\n",
        b"\x80",
        b"\"username\":",
    ];
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len().max(1));
        match dice.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => {
                let piece = PIECES[dice.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 if at < bytes.len() => {
                let end = at + dice.below(bytes.len() - at);
                bytes.drain(at..end);
            }
            _ => {
                let end = at + dice.below(bytes.len() - at + 1);
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

#[tokio::test]
async fn random_changes_of_a_good_request_meet_no_fault_of_ours() {
    const ROUNDS: usize = 500;
    let seed = std::env::var("ENROLL_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(()) | 1);
    println!("ENROLL_TEST_SEED={seed}");
    let server = start(
        ServerOptions::new()
            .patient()
            .set("server.body_timeout_ms", 500),
    )
    .await;
    let mut dice = Dice(seed);
    for round in 0..ROUNDS {
        let tenant = TENANTS[round % 2];
        let name = format!("mallory-{round}");
        let attributes =
            json!({"username": name, "password": PASSWORD, "register_reason": "r", "code": null});
        let mut body = document(&attributes).into_bytes();
        mutate(&mut dice, &mut body);
        let answer = post(tenant, body.clone()).send(server.public()).await;
        if answer.status != 200
            && !(answer.status == 401 && answer.text().contains("register_validate"))
        {
            assert_refused(
                &answer,
                tenant,
                &format!("round {round}: {}", body.escape_ascii()),
            );
        }
    }
    for tenant in TENANTS {
        let answer = register(
            &server,
            tenant,
            json!({"username": "honest", "password": PASSWORD}),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}
