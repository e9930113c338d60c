//! Which tenant a request is for, whatever it says besides (`docs/contract.md`, section 14; `docs/threats.md`, rows 4 to 10,
//! 14 and 95).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::client::{Answer, MEDIA_TYPE, Request, admin, send_raw};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, suspend_tenant};

const PASSWORD: &str = "wX7_q9!-lamp";
const HERE: &str = "/api/register";
const AMBIGUOUS: &str = "400 tenant_ambiguous";
const BAD_HOST: &str = "400 bad_host";
const NOT_FOUND: &str = "404 tenant_not_found";
/// Refused as no sound HTTP, before there is anybody to write a document (`docs/contract.md`, section 1).
const NO_HTTP: &str = "400";
const NO_ROUTE: &str = "404 route_not_found";

/// Header fields, in the order of the wire.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// A server with the tenants alpha and bravo; alpha has host names of its own.
struct Town {
    server: Server,
    users: AtomicU32,
}

impl Town {
    async fn new(options: ServerOptions) -> Self {
        let server = Server::start(options).await;
        for key in ["alpha", "bravo"] {
            tenants::create_tenant(&server, key, Placement::Own, no_limits()).await;
        }
        let hosts =
            json!({"hosts": ["alpha.example", "Shop.Example.org", "xn--bcher-kva.example"]});
        let body = json!({"data": {"type": "tenants", "attributes": hosts}});
        admin(&server, "PATCH", "/admin/v1/tenants/alpha", Some(body))
            .await
            .expect(200);
        Self {
            server,
            users: AtomicU32::new(0),
        }
    }

    /// The body of a registration that nothing is wrong with.
    fn body(&self) -> String {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let attributes = json!({"username": format!("user-{number}"), "password": PASSWORD});
        json!({"data": {"attributes": attributes}}).to_string()
    }

    /// Registers somebody by this target and these header fields: the tenant's key, or the refusal.
    async fn ask(&self, target: &str, fields: Fields<'_>) -> String {
        let mut request = Request::new("POST", target)
            .header("Content-Type", MEDIA_TYPE)
            .body(self.body());
        for (name, value) in fields {
            request = request.header(name, value);
        }
        outcome(&request.send(self.server.public()).await)
    }

    /// As [`Town::ask`], for a table of requests.
    async fn asks(&self, table: &[(&str, Fields<'_>, &str)]) {
        for (target, fields, expected) in table {
            let told = self.ask(target, fields).await;
            assert_eq!(told, *expected, "{target} {fields:?}");
        }
    }

    async fn count(&self, tenant: &str) -> usize {
        tenants::users(&self.server, tenant).await.len()
    }
}

fn no_limits() -> Value {
    json!({"limits": {"per_address": null, "per_username": null, "per_tenant": null, "in_flight": null}})
}

/// The tenant for which the new token is good, or status and code.
fn outcome(answer: &Answer) -> String {
    if answer.status == 400 && answer.body.is_empty() {
        return NO_HTTP.to_owned();
    }
    if answer.status != 200 {
        return format!("{} {}", answer.status, answer.error_code());
    }
    let document = answer.json();
    let token = document["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token");
    let claims = token.split('.').nth(1).expect("a payload");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("claims");
    claims["aud"].as_str().expect("an audience").to_owned()
}

#[tokio::test]
async fn a_tenant_is_named_by_host_by_header_or_by_path() {
    let town = Town::new(ServerOptions::new().patient()).await;
    town.asks(&[
        (HERE, &[("Host", "alpha.localhost")], "alpha"),
        (HERE, &[("Host", "ALPHA.LocalHost")], "alpha"),
        (HERE, &[("Host", "bravo.localhost:8080")], "bravo"),
        (HERE, &[("Host", "alpha.localhost.")], "alpha"),
        (HERE, &[("Host", "alpha.localhost.:80")], "alpha"),
        (HERE, &[("Host", "alpha.localhost:")], "alpha"),
        (HERE, &[("Host", "alpha.example")], "alpha"),
        (HERE, &[("Host", "Alpha.Example.:443")], "alpha"),
        (HERE, &[("Host", "shop.example.org")], "alpha"),
        (HERE, &[("Host", "xn--bcher-kva.example")], "alpha"),
        (HERE, &[("X-Tenant-Id", "bravo")], "bravo"),
        (HERE, &[("x-tenant-id", "BRAVO")], "bravo"),
        ("/t/bravo/api/register", &[], "bravo"),
        ("/t/BRAVO/api/register?x=y", &[], "bravo"),
        (
            "/t/bravo/api/register",
            &[("Host", "localhost:8080")],
            "bravo",
        ),
        (
            HERE,
            &[("Host", "[::1]:8080"), ("X-Tenant-Id", "bravo")],
            "bravo",
        ),
        // All three, and they agree.
        (
            "/t/alpha/api/register",
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "Alpha")],
            "alpha",
        ),
        (
            "/t/alpha/api/register",
            &[("Host", "alpha.example"), ("X-Tenant-Id", "alpha")],
            "alpha",
        ),
        // Nobody is named: there is no default tenant.
        (HERE, &[], NOT_FOUND),
        (HERE, &[("Host", "localhost")], NOT_FOUND),
        (HERE, &[("Host", "127.0.0.1")], NOT_FOUND),
        (HERE, &[("Host", "example")], NOT_FOUND),
        (HERE, &[("Host", "x.alpha.localhost")], NOT_FOUND),
        (HERE, &[("Host", "alphalocalhost")], NOT_FOUND),
        (HERE, &[("Host", "x.alpha.example")], NOT_FOUND),
        (HERE, &[("X-Tenant-Id", "charlie")], NOT_FOUND),
        ("/t/charlie/api/register", &[], NOT_FOUND),
    ])
    .await;
    let (alpha, bravo) = (town.count("alpha").await, town.count("bravo").await);
    assert_eq!((alpha, bravo), (11, 7), "each is where its token says");
}

#[tokio::test]
async fn the_base_domain_is_the_operators_choice() {
    let options = ServerOptions::new()
        .patient()
        .set("server.base_domain", "join.example.com");
    let town = Town::new(options).await;
    town.asks(&[
        (HERE, &[("Host", "bravo.join.example.com")], "bravo"),
        (HERE, &[("Host", "alpha.example")], "alpha"),
        (HERE, &[("Host", "bravo.localhost")], NOT_FOUND),
        (HERE, &[("Host", "join.example.com")], NOT_FOUND),
        (HERE, &[("Host", "bravojoin.example.com")], NOT_FOUND),
        (HERE, &[("Host", "bravo-join.example.com")], NOT_FOUND),
        (HERE, &[("Host", "x.bravo.join.example.com")], NOT_FOUND),
        (
            HERE,
            &[("Host", "bravo.join.example.com.evil.test")],
            NOT_FOUND,
        ),
        (
            HERE,
            &[("Host", "join.example.com"), ("X-Tenant-Id", "bravo")],
            "bravo",
        ),
        // A host that is nobody's says nothing against another way.
        (
            HERE,
            &[("Host", "balancer.internal"), ("X-Tenant-Id", "bravo")],
            "bravo",
        ),
    ])
    .await;
}

/// Row 4.
#[tokio::test]
async fn two_names_in_one_request_are_refused() {
    let town = Town::new(ServerOptions::new().patient()).await;
    town.asks(&[
        (
            HERE,
            &[("X-Tenant-Id", "alpha"), ("X-Tenant-Id", "bravo")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("X-Tenant-Id", "bravo"), ("X-Tenant-Id", "alpha")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("x-tenant-id", "alpha"), ("X-TENANT-ID", "bravo")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("X-Tenant-Id", "alpha"), ("X-Tenant-Id", "alpha")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("X-Tenant-Id", "alpha"), ("X-Tenant-Id", "")],
            AMBIGUOUS,
        ),
        (HERE, &[("X-Tenant-Id", "alpha,bravo")], AMBIGUOUS),
        (HERE, &[("X-Tenant-Id", "alpha, alpha")], AMBIGUOUS),
        (HERE, &[("X-Tenant-Id", "alpha,")], AMBIGUOUS),
        (HERE, &[("X-Tenant-Id", ",")], AMBIGUOUS),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("Host", "bravo.localhost")],
            NO_HTTP,
        ),
        (
            HERE,
            &[("Host", "bravo.localhost"), ("HOST", "alpha.localhost")],
            NO_HTTP,
        ),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("Host", "alpha.localhost")],
            NO_HTTP,
        ),
        (
            HERE,
            &[
                ("Host", "localhost"),
                ("Host", "localhost"),
                ("X-Tenant-Id", "alpha"),
            ],
            NO_HTTP,
        ),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "bravo")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("Host", "alpha.example"), ("X-Tenant-Id", "bravo")],
            AMBIGUOUS,
        ),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "charlie")],
            AMBIGUOUS,
        ),
        (
            "/t/bravo/api/register",
            &[("Host", "alpha.localhost")],
            AMBIGUOUS,
        ),
        (
            "/t/bravo/api/register",
            &[("Host", "alpha.example")],
            AMBIGUOUS,
        ),
        (
            "/t/bravo/api/register",
            &[("X-Tenant-Id", "alpha")],
            AMBIGUOUS,
        ),
        (
            "/t/bravo/api/register",
            &[("Host", "bravo.localhost"), ("X-Tenant-Id", "alpha")],
            AMBIGUOUS,
        ),
        // A comma list of hosts is no host.
        (
            HERE,
            &[("Host", "alpha.localhost, bravo.localhost")],
            BAD_HOST,
        ),
    ])
    .await;
    assert_eq!(
        (town.count("alpha").await, town.count("bravo").await),
        (0, 0)
    );
}

/// Rows 5 and 10: what anybody can add to a request names nobody.
#[tokio::test]
async fn forwarded_names_bodies_queries_and_cookies_name_nobody() {
    // Not even a trusted proxy names a tenant this way.
    for proxies in [json!([]), json!(["127.0.0.0/8"])] {
        let town = Town::new(
            ServerOptions::new()
                .patient()
                .set("server.trusted_proxies", proxies),
        )
        .await;
        for (name, value) in [
            ("X-Forwarded-Host", "bravo.localhost"),
            ("Forwarded", "host=bravo.localhost;for=127.0.0.1"),
            ("X-Original-Host", "bravo.localhost"),
            ("X-Original-URL", "/t/bravo/api/register"),
            ("X-Rewrite-URL", "/t/bravo/api/register"),
            ("X-Forwarded-Uri", "/t/bravo/api/register"),
            ("X-Forwarded-Prefix", "/t/bravo"),
            ("X-Forwarded-Server", "bravo.localhost"),
            ("X-HTTP-Host-Override", "bravo.localhost"),
            ("X-Host", "bravo.localhost"),
            ("X-Real-Host", "bravo.localhost"),
            ("Origin", "http://bravo.localhost"),
            ("Referer", "http://bravo.localhost/t/bravo/"),
            ("Via", "1.1 bravo.localhost"),
            ("X-Tenant", "bravo"),
            ("Tenant-Id", "bravo"),
            ("X_Tenant_Id", "bravo"),
            ("X-Tenant-Id-", "bravo"),
            ("Cookie", "tenant=bravo; X-Tenant-Id=bravo; tenant_id=bravo"),
        ] {
            let others = [("Host", "alpha.localhost"), ("X-Tenant-Id", "alpha")];
            for other in others {
                assert_eq!(
                    town.ask(HERE, &[other, (name, value)]).await,
                    "alpha",
                    "{name}"
                );
                assert_eq!(
                    town.ask(HERE, &[(name, value), other]).await,
                    "alpha",
                    "{name}"
                );
            }
            assert_eq!(town.ask(HERE, &[(name, value)]).await, NOT_FOUND, "{name}");
        }
        let query = "/api/register?tenant=bravo&tenant_id=bravo&X-Tenant-Id=bravo&key=bravo&host=bravo.localhost";
        assert_eq!(town.ask(query, &[("X-Tenant-Id", "alpha")]).await, "alpha");
        assert_eq!(town.ask(query, &[]).await, NOT_FOUND);

        let body = |name: &str| {
            json!({
                "data": {
                    "attributes": {"username": name, "password": PASSWORD, "tenant": "bravo", "tenant_id": "bravo", "key": "bravo"},
                    "relationships": {"tenant": {"data": {"type": "tenants", "id": "bravo"}}},
                    "tenant": "bravo",
                },
                "meta": {"tenant": "bravo"}, "tenant_id": "bravo",
            })
        };
        let named = Request::new("POST", HERE)
            .header("X-Tenant-Id", "alpha")
            .json(&body("named"));
        assert_eq!(outcome(&named.send(town.server.public()).await), "alpha");
        let unnamed = Request::new("POST", HERE).json(&body("unnamed"));
        assert_eq!(
            outcome(&unnamed.send(town.server.public()).await),
            NOT_FOUND
        );
        assert_eq!(town.count("bravo").await, 0);
    }
}

/// Row 6.
#[tokio::test]
async fn the_host_of_the_request_line_and_of_the_field_must_agree() {
    let town = Town::new(ServerOptions::new().patient()).await;
    let by = |host: &'static str| [("Host", host)];
    town.asks(&[
        (
            "http://alpha.localhost/api/register",
            &by("alpha.localhost"),
            "alpha",
        ),
        (
            "http://ALPHA.localhost.:81/api/register",
            &by("alpha.localhost:80"),
            "alpha",
        ),
        (
            "https://alpha.example/api/register",
            &by("alpha.example"),
            "alpha",
        ),
        (
            "http://alpha.localhost/t/alpha/api/register",
            &by("alpha.localhost"),
            "alpha",
        ),
        (
            "http://alpha.localhost/t/bravo/api/register",
            &by("alpha.localhost"),
            AMBIGUOUS,
        ),
        (
            "http://bravo.localhost/api/register",
            &by("alpha.localhost"),
            AMBIGUOUS,
        ),
        (
            "http://alpha.localhost/api/register",
            &by("bravo.localhost"),
            AMBIGUOUS,
        ),
        (
            "http://alpha.localhost/api/register",
            &by("localhost"),
            AMBIGUOUS,
        ),
        (
            "http://localhost/api/register",
            &by("alpha.localhost"),
            AMBIGUOUS,
        ),
        (
            "http://alpha.example/api/register",
            &by("alpha.localhost"),
            AMBIGUOUS,
        ),
        (
            "http://bravo@alpha.localhost/api/register",
            &by("alpha.localhost"),
            BAD_HOST,
        ),
        (
            "http://alpha.localhost@bravo.localhost/api/register",
            &by("bravo.localhost"),
            BAD_HOST,
        ),
        (
            "http://alpha.localhost/api/register",
            &by("bravo@alpha.localhost"),
            BAD_HOST,
        ),
    ])
    .await;
    for odd in [
        "bravo@alpha.localhost",
        "alpha.localhost@bravo.localhost",
        "alpha.localhost:80@bravo.localhost",
        "alpha.localhost:80:80",
        "alpha.localhost:99999",
        "alpha.localhost:-1",
        "alpha.localhost:http",
        "alpha..localhost",
        ".alpha.localhost",
        "alpha.localhost..",
        "-alpha.localhost",
        "alpha-.localhost",
        "alpha_1.localhost",
        "*.localhost",
        "alpha.localhost/",
        "alpha.localhost/t/bravo",
        "http://alpha.localhost",
        "alpha.localhost?x",
        "alpha.localhost#x",
        "alpha localhost",
        "alpha\tlocalhost",
        "alpha.localhost\\@bravo.localhost",
        "alpha%2elocalhost",
        "%61lpha.localhost",
        "alpha.localhost%00",
        "alpha.localhost;bravo.localhost",
        "'alpha.localhost'",
        "[::1",
        "[alpha.localhost]",
        "127.1",
        "0x7f.1",
        "2130706433",
        "",
        // Not in A-label form, or not in the one that would be made (row 8).
        "\u{430}lpha.localhost",
        "ａlpha.localhost",
        "al\u{ad}pha.localhost",
        "alpha\u{200b}.localhost",
        "alpha\u{3002}localhost",
        "b\u{fc}cher.example",
        "xn--alpha.localhost",
        "xn--alpha-.localhost",
        "xn--.localhost",
        "alpha.xn--localhost",
    ] {
        for fields in [
            &[("Host", odd)][..],
            &[("Host", odd), ("X-Tenant-Id", "alpha")],
        ] {
            assert_eq!(town.ask(HERE, fields).await, BAD_HOST, "{fields:?}");
        }
    }
    let long = format!("alpha.localhost{}", ".localhost".repeat(400));
    assert_eq!(town.ask(HERE, &[("Host", &long)]).await, BAD_HOST);
    // A sound encoded label is a host, but nobody's.
    assert_eq!(
        town.ask(HERE, &[("Host", "xn--lpha-53d.localhost")]).await,
        NOT_FOUND
    );
    assert_eq!(
        (town.count("alpha").await, town.count("bravo").await),
        (4, 0)
    );
}

/// Rows 7 to 9.
#[tokio::test]
async fn a_key_has_one_spelling_and_touches_no_file() {
    let town = Town::new(ServerOptions::new().patient()).await;
    for key in ["alpha", "bravo"] {
        assert_eq!(town.ask(HERE, &[("X-Tenant-Id", key)]).await, key);
    }
    let folder = town.server.data_dir().to_owned();
    let before = files(&folder);
    // White space around a field's value is not part of it (RFC 9110, section 5.5).
    for spelling in ["alpha", "ALPHA", "aLpHa", " alpha", "alpha  ", "\talpha\t"] {
        assert_eq!(
            town.ask(HERE, &[("X-Tenant-Id", spelling)]).await,
            "alpha",
            "{spelling:?}"
        );
    }
    let long = "a".repeat(4096);
    let odd = [
        "al pha",
        "alpha.",
        ".alpha",
        "alpha-",
        "-alpha",
        "alpha_",
        "alpha/",
        "/alpha",
        "\"alpha\"",
        "'alpha'",
        "alpha;",
        "alpha%20",
        "%61lpha",
        "alph%61",
        "alpha%00",
        "alpha\\",
        "alpha*",
        "*",
        "?",
        "a",
        "",
        "..",
        ".",
        "../bravo",
        "..%2fbravo",
        "%2f..%2f",
        "..\\bravo",
        "alpha/../bravo",
        "alpha'--",
        "alpha\u{200b}",
        "al\u{ad}pha",
        "\u{430}lpha",
        "ａlpha",
        "ＡＬＰＨＡ",
        "\u{202e}ahpla",
        "xn--alpha",
        "xn--lpha-53d",
        "al--pha",
        "\u{212a}ey",
        "alpha.localhost",
        "platform",
        "master.key",
        long.as_str(),
    ];
    for key in odd {
        assert_eq!(
            town.ask(HERE, &[("X-Tenant-Id", key)]).await,
            NOT_FOUND,
            "{key:?}"
        );
    }
    // In a path, percent signs are read once; the key is then alpha's own, or none.
    for (target, expected) in [
        ("/t/ALPHA/api/register", "alpha"),
        ("/t/%61lpha/api/register", "alpha"),
        ("/t/alph%2561/api/register", NOT_FOUND),
        ("/t/%2e%2e/api/register", NOT_FOUND),
        ("/t/../api/register", NOT_FOUND),
        ("/t/../t/bravo/api/register", NO_ROUTE),
        ("/t/alpha/../bravo/api/register", NO_ROUTE),
        ("/t/alpha%2f..%2fbravo/api/register", NOT_FOUND),
        ("/t/%2f..%2fbravo/api/register", NOT_FOUND),
        ("/t/..%2fbravo/api/register", NOT_FOUND),
        ("/t/..%5cbravo/api/register", NOT_FOUND),
        ("/t/alpha%00/api/register", NOT_FOUND),
        ("/t/%00/api/register", NOT_FOUND),
        ("/t/alpha%20/api/register", NOT_FOUND),
        ("/t/alpha;x/api/register", NOT_FOUND),
        ("/t/alpha,bravo/api/register", NOT_FOUND),
        ("/t/*/api/register", NOT_FOUND),
        ("/t/'/api/register", NOT_FOUND),
        ("/t/%d0%b0lpha/api/register", NOT_FOUND),
        ("/t/%ff/api/register", NOT_FOUND),
        ("/t/xn--alpha/api/register", NOT_FOUND),
        ("/t//api/register", NO_ROUTE),
        ("/t/alpha//api/register", NO_ROUTE),
        ("/t/alpha/api/register/", NO_ROUTE),
        ("/t/alpha/t/bravo/api/register", NO_ROUTE),
        ("/T/alpha/api/register", NO_ROUTE),
        ("/t/alpha%2fapi%2fregister", NO_ROUTE),
        (&format!("/t/{long}/api/register"), NOT_FOUND),
    ] {
        assert_eq!(town.ask(target, &[]).await, expected, "{target}");
    }
    // Odd keys make no tenants, and another spelling makes no second one.
    for key in odd
        .into_iter()
        .filter(|key| !["platform", "alpha.localhost"].contains(key))
    {
        let attributes = json!({"key": key, "placement": {"kind": "own"}});
        let body = json!({"data": {"type": "tenants", "attributes": attributes}});
        let answer = admin(&town.server, "POST", "/admin/v1/tenants", Some(body)).await;
        assert_eq!(answer.status, 422, "{key:?}: {}", answer.text());
        assert_eq!(
            answer.errors()[0]["source"]["pointer"],
            "/data/attributes/key"
        );
    }
    let again = json!({"data": {"type": "tenants", "attributes": {"key": "ALPHA"}}});
    let answer = admin(&town.server, "POST", "/admin/v1/tenants", Some(again)).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    let shown = admin(&town.server, "GET", "/admin/v1/tenants/ALPHA", None).await;
    assert_eq!(shown.expect(200)["data"]["attributes"]["key"], "alpha");

    assert_eq!(files(&folder), before, "no key makes a file");
    let metrics = Request::new("GET", "/metrics")
        .send(town.server.admin())
        .await;
    let series: BTreeSet<&str> = metrics
        .text()
        .split("tenant=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(
        series.contains("alpha") && series.contains("bravo"),
        "{series:?}"
    );
    let strangers: Vec<_> = series
        .iter()
        .filter(|key| !["alpha", "bravo", "other", ""].contains(*key))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?} are tenants to nobody");
}

/// Every file below a folder; the logs of SQLite come and go.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().ends_with("-shm")
                && !path.to_string_lossy().ends_with("-wal")
            {
                found.insert(path);
            }
        }
    }
    found
}

/// Row 14.
#[tokio::test]
async fn unknown_suspended_and_deleted_tenants_look_alike() {
    let town = Town::new(ServerOptions::new().patient()).await;
    for (key, host) in [("sleeper", "sleeper.example"), ("goner", "goner.example")] {
        let settings = json!({
            "locale": "en", "dialect": "discuzq", "site": {"closed_for": ["pc"], "close_message": "gone fishing"},
        });
        let attributes = json!({"key": key, "hosts": [host], "settings": settings});
        let body = json!({"data": {"type": "tenants", "attributes": attributes}});
        admin(&town.server, "POST", "/admin/v1/tenants", Some(body))
            .await
            .expect(201);
        // Each was known, and said so.
        assert_eq!(town.ask(HERE, &[("Host", host)]).await, "401 site_closed");
    }
    suspend_tenant(&town.server, "sleeper").await;
    let deleted = admin(&town.server, "DELETE", "/admin/v1/tenants/goner", None).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");

    for languages in ["", "en", "zh-CN"] {
        for method_and_target in ["POST /api/register", "GET /.well-known/jwks.json"] {
            let (method, target) = method_and_target.split_once(' ').expect("both");
            let mut answers = Vec::new();
            for key in ["stranger", "sleeper", "goner", "-"] {
                let ways = [
                    (target.to_owned(), "X-Tenant-Id", key.to_owned()),
                    (format!("/t/{key}{target}"), "Accept", "*/*".to_owned()),
                    (
                        target.to_owned(),
                        "Host",
                        format!("{}.localhost", key.replace('-', "x")),
                    ),
                    (
                        target.to_owned(),
                        "Host",
                        format!("{}.example", key.replace('-', "x")),
                    ),
                ];
                for (target, name, value) in ways {
                    let mut request = Request::new(method, &target).header(name, value);
                    if !languages.is_empty() {
                        request = request.header("Accept-Language", languages);
                    }
                    if method == "POST" {
                        request = request.header("Content-Type", MEDIA_TYPE).body(town.body());
                    }
                    let mut answer = request.send(town.server.public()).await;
                    assert_eq!(outcome(&answer), NOT_FOUND, "{key} {method} {target}");
                    answer
                        .headers
                        .retain(|(name, _)| name != "x-request-id" && name != "date");
                    // Their order tells nothing: it is drawn anew for each answer.
                    answer.headers.sort();
                    answers.push((answer.status, answer.headers, answer.body));
                }
            }
            for answer in &answers {
                assert_eq!(*answer, answers[0]);
            }
            let text = String::from_utf8_lossy(&answers[0].2).into_owned();
            for word in [
                "sleeper",
                "goner",
                "stranger",
                "alpha",
                "suspended",
                "deleted",
            ] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }
    tenants::resume_tenant(&town.server, "sleeper").await;
    assert_eq!(
        town.ask(HERE, &[("X-Tenant-Id", "sleeper")]).await,
        "401 site_closed"
    );
    // A suspended neighbour makes no second name of a request harmless.
    suspend_tenant(&town.server, "bravo").await;
    assert_eq!(
        town.ask(
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "bravo")]
        )
        .await,
        AMBIGUOUS
    );
    assert_eq!(town.ask(HERE, &[("X-Tenant-Id", "alpha")]).await, "alpha");
}

#[tokio::test]
async fn a_way_that_is_switched_off_is_ignored() {
    let off = |way: &str| {
        ServerOptions::new()
            .patient()
            .set(&format!("server.name_by_{way}"), false)
    };
    let town = Town::new(off("host")).await;
    town.asks(&[
        (HERE, &[("Host", "alpha.localhost")], NOT_FOUND),
        (HERE, &[("Host", "alpha.example")], NOT_FOUND),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "bravo")],
            "bravo",
        ),
        (
            HERE,
            &[("Host", "alpha.example"), ("X-Tenant-Id", "bravo")],
            "bravo",
        ),
        (HERE, &[("Host", "x@y"), ("X-Tenant-Id", "bravo")], "bravo"),
        (
            "/t/bravo/api/register",
            &[("Host", "alpha.localhost")],
            "bravo",
        ),
        (
            "/t/bravo/api/register",
            &[("X-Tenant-Id", "alpha")],
            AMBIGUOUS,
        ),
    ])
    .await;
    let town = Town::new(off("header")).await;
    town.asks(&[
        (HERE, &[("X-Tenant-Id", "alpha")], NOT_FOUND),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "bravo")],
            "alpha",
        ),
        (
            HERE,
            &[
                ("Host", "alpha.localhost"),
                ("X-Tenant-Id", "../x"),
                ("X-Tenant-Id", ","),
            ],
            "alpha",
        ),
        (
            "/t/bravo/api/register",
            &[("X-Tenant-Id", "alpha")],
            "bravo",
        ),
        (
            "/t/bravo/api/register",
            &[("Host", "alpha.localhost")],
            AMBIGUOUS,
        ),
    ])
    .await;
    let town = Town::new(off("path")).await;
    town.asks(&[
        ("/t/alpha/api/register", &[], NOT_FOUND),
        (
            "/t/bravo/api/register",
            &[("Host", "alpha.localhost")],
            "alpha",
        ),
        (
            "/t/bravo/api/register",
            &[("X-Tenant-Id", "alpha")],
            "alpha",
        ),
        (
            "/t/..%2f/api/register",
            &[("X-Tenant-Id", "alpha")],
            "alpha",
        ),
        (
            HERE,
            &[("Host", "alpha.localhost"), ("X-Tenant-Id", "bravo")],
            AMBIGUOUS,
        ),
    ])
    .await;
}

#[tokio::test]
async fn only_http_1_0_may_come_without_a_host() {
    let town = Town::new(ServerOptions::new().patient()).await;
    for (version, field, expected) in [
        ("1.0", "X-Tenant-Id: alpha\r\n", "alpha"),
        ("1.0", "", NOT_FOUND),
    ] {
        let body = town.body();
        let request = format!(
            "POST /api/register HTTP/{version}\r\n{field}Content-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(town.server.public())
            .await
            .expect("a connection");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .expect("sent");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
            .await
            .expect("an answer");
        // An answer to HTTP/1.0 says so in its first line.
        let (status, code) = if expected == "alpha" {
            ("200", "access_token")
        } else {
            ("404", "tenant_not_found")
        };
        assert!(
            answer.split(' ').nth(1) == Some(status) && answer.contains(code),
            "{answer}"
        );
    }
    let without = format!(
        "POST /api/register HTTP/1.1\r\nX-Tenant-Id: alpha\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let answer = send_raw(town.server.public(), without.as_bytes()).await;
    assert_eq!(outcome(&answer.expect("an answer")), NO_HTTP);
    assert_eq!(town.count("alpha").await, 1);
}

/// Row 95: the address that is stored and counted is not the client's to choose.
#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let town = Town::new(ServerOptions::new().patient()).await;
    for (name, value) in forged_addresses(7) {
        assert_eq!(
            town.ask(HERE, &[("X-Tenant-Id", "alpha"), (name, &value)])
                .await,
            "alpha"
        );
    }
    for user in tenants::users(&town.server, "alpha").await {
        assert_eq!(user["attributes"]["register_ip"], "127.0.0.1");
        assert_eq!(user["attributes"]["last_login_ip"], "127.0.0.1");
    }

    let trusted = json!(["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]);
    let town = Town::new(
        ServerOptions::new()
            .patient()
            .set("server.trusted_proxies", trusted),
    )
    .await;
    let mut expected = Vec::new();
    for (lines, address) in [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (&["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (&["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (
            &["198.51.100.1, 203.0.113.9", "10.1.1.1, 127.0.0.1"],
            "203.0.113.9",
        ),
        (&["203.0.113.9:4711"], "203.0.113.9"),
        (&["[2001:db8::7]:4711"], "2001:db8::7"),
        (&["2001:DB8:0::7"], "2001:db8::7"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2"),
        (&["203.0.113.9, "], "127.0.0.1"),
        (&["junk"], "127.0.0.1"),
        (&[""], "127.0.0.1"),
        (&["203.0.113.9; DROP TABLE users"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        let mut fields = vec![("X-Tenant-Id", "alpha")];
        fields.extend(lines.iter().map(|line| ("X-Forwarded-For", *line)));
        assert_eq!(town.ask(HERE, &fields).await, "alpha");
        expected.push(address);
    }
    // The other fields mean nothing from a proxy, either.
    for (name, value) in forged_addresses(7)
        .into_iter()
        .filter(|(name, _)| *name != "X-Forwarded-For")
    {
        assert_eq!(
            town.ask(HERE, &[("X-Tenant-Id", "alpha"), (name, &value)])
                .await,
            "alpha"
        );
        expected.push("127.0.0.1");
    }
    let mut users = tenants::users(&town.server, "alpha").await;
    users.sort_by_key(|user| {
        let name = user["attributes"]["username"]
            .as_str()
            .and_then(|name| name.strip_prefix("user-"));
        name.and_then(|number| number.parse::<u32>().ok())
    });
    let stored: Vec<&str> = users
        .iter()
        .filter_map(|user| user["attributes"]["register_ip"].as_str())
        .collect();
    assert_eq!(stored, expected);
}

/// An address of the client's own making, in each of the fields that somebody somewhere believes.
fn forged_addresses(number: usize) -> Vec<(&'static str, String)> {
    let address = format!("203.0.113.{number}");
    vec![
        ("X-Forwarded-For", address.clone()),
        ("X-Real-IP", address.clone()),
        ("Forwarded", format!("for={address}")),
        ("Client-IP", address.clone()),
        ("True-Client-IP", address.clone()),
        ("CF-Connecting-IP", address.clone()),
        ("X-Client-IP", address.clone()),
        ("X-Cluster-Client-IP", address),
    ]
}

#[tokio::test]
async fn forged_addresses_pass_no_limit() {
    let server = Server::start(ServerOptions::new().patient()).await;
    let mut settings = no_limits();
    settings["limits"]["per_address"] = json!({"calls": 5, "seconds": 3600});
    tenants::create_tenant(&server, "alpha", Placement::Own, settings).await;
    let mut passed = 0;
    for number in 0..60 {
        let fields = forged_addresses(number);
        let (name, value) = &fields[number % fields.len()];
        let attributes = json!({"username": format!("user-{number}"), "password": PASSWORD});
        let request = Request::register("alpha", attributes).header(name, value);
        let answer = request.send(server.public()).await;
        if answer.status == 200 {
            passed += 1;
        } else {
            assert_eq!(
                (answer.status, answer.error_code()),
                (429, "too_many_requests".to_owned())
            );
        }
    }
    assert_eq!(passed, 5);
}
