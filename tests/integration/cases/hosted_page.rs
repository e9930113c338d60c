//! The hosted registration page, `GET` and `POST /register` (docs/api.md, "The hosted page"; docs/threats.md, rows 107
//! to 109). What a person sees of it stands in `browser.rs`.

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, metric, register};
use crate::harness::database::Backend;
use crate::harness::ground::{ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::simulator::{Simulator, merge};
use crate::harness::tenants::{Placement, create_tenant, invite, issue_invite, users};

on_all_databases!(a_form_goes_through_the_same_pipeline_and_makes_one_account);

async fn get(server: &Server, path: &str) -> Answer {
    Request::new("GET", path)
        .header("Accept-Language", "en")
        .send(server.public())
        .await
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a Answer, name: &str) -> &'a str {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.text().split_once(&start).unwrap_or_else(|| {
        panic!("no {name} in {}", page.text());
    });
    rest.split('"').next().expect("a value")
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request {
    Request::new("POST", path)
        .header("Accept-Language", "en")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded(fields))
}

/// A form that was opened and filled in.
async fn send(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = get(server, path).await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut all = vec![("key", hidden(&page, "key"))];
    all.extend_from_slice(fields);
    form(path, &all).send(server.public()).await
}

async fn start(settings: Value) -> Server {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, settings).await;
    server
}

const PAGE: &str = "/t/acme/register";
const PASSWORD: &str = "correct horse battery";

async fn a_form_goes_through_the_same_pipeline_and_makes_one_account(backend: Backend) {
    let ground = crate::harness::ground::Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let mut settings = json!({"registration": {"invite_required": true}});
    merge(&mut settings, no_limits());
    create_tenant(&server, "acme", ground.own_placement(), settings).await;
    let code = issue_invite(&server, "acme", json!({"max_uses": 2})).await;

    let page = get(&server, &format!("{PAGE}?code={}", code.to_lowercase())).await;
    assert_eq!(hidden(&page, "lang"), "en");
    assert!(
        page.text()
            .contains(&format!("value=\"{}\"", code.to_lowercase()))
    );
    let key = hidden(&page, "key").to_owned();
    let fields = [
        ("key", key.as_str()),
        ("username", "Ada"),
        ("password", PASSWORD),
        ("code", &code),
    ];
    // Sent twice, and twice again at the same moment.
    let request = form(PAGE, &fields);
    let first = request.send(server.public()).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert!(first.text().contains("<strong>Ada</strong>"), "{first:?}");
    let again = request.send(server.public()).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    let page = get(&server, PAGE).await;
    let key = hidden(&page, "key").to_owned();
    let twice = form(
        PAGE,
        &[
            ("key", &key),
            ("username", "bob"),
            ("password", PASSWORD),
            ("code", &code),
        ],
    );
    for answer in crate::harness::client::volley(server.public(), &[twice.clone(), twice]).await {
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
    }
    assert_eq!(users(&server, "acme").await.len(), 2);
    assert_eq!(invite(&server, "acme", &code).await["uses"], 2);
    assert!(
        metric(
            &server,
            "enroll_registrations_total",
            "outcome=\"registered\""
        )
        .await
            >= 3.0
    );

    // Nothing that opens an account stands in an answer, and its user logs in by the API.
    for secret in ["token", "eyJ", PASSWORD] {
        assert!(!first.text().contains(secret), "{secret}: {first:?}");
    }
    let login = Request::new("POST", "/t/acme/api/login")
        .json(&json!({"data": {"attributes": {"username": "ada", "password": PASSWORD}}}));
    assert_eq!(login.send(server.public()).await.status, 200);

    // What the API refuses, the form refuses with the same text, at its field.
    let spent = send(
        &server,
        PAGE,
        &[("username", "eve"), ("password", PASSWORD), ("code", &code)],
    )
    .await;
    assert_eq!(spent.status, 422);
    assert!(
        spent
            .text()
            .contains("id=\"code-fault\"><span>The invite code is not valid.</span>")
    );
}

#[tokio::test]
async fn what_was_typed_stays_but_the_password() {
    let server = start(json!({"registration": {"approval": true}})).await;
    let fields = [
        ("username", "a name that is \"far\" too long <b>"),
        ("password", "short"),
        ("register_reason", "I like\r\ncomets & stars"),
        ("code", "NO&PE"),
    ];
    let answer = send(&server, PAGE, &fields).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let text = answer.text();
    assert!(
        text.contains("value=\"a name that is &#34;far&#34; too long &#60;b&#62;\""),
        "{text}"
    );
    assert!(
        text.contains(">I like\ncomets &#38; stars</textarea>"),
        "{text}"
    );
    assert!(!text.contains("short\""), "{text}");
    // An unknown code is told before the fields are judged, as the contract's order has it.
    assert!(text.contains("id=\"code-fault\""), "{text}");
    let answer = send(&server, PAGE, &fields[..3]).await;
    for field in ["username", "password"] {
        assert!(
            answer.text().contains(&format!("id=\"{field}-fault\"")),
            "{answer:?}"
        );
    }
    assert!(!answer.text().contains("id=\"code-fault\""));
    let none = send(
        &server,
        PAGE,
        &[("username", "ada"), ("password", PASSWORD)],
    )
    .await;
    assert!(
        none.text().contains("A reason to register is required."),
        "{none:?}"
    );
    let nothing = send(&server, PAGE, &[("register_reason", "x")]).await;
    assert!(
        nothing.text().contains("id=\"username-fault\""),
        "{nothing:?}"
    );
    assert!(
        nothing.text().contains("id=\"password-fault\""),
        "{nothing:?}"
    );
    assert_eq!(users(&server, "acme").await.len(), 0);

    let waits = send(
        &server,
        PAGE,
        &[
            ("username", "ada"),
            ("password", PASSWORD),
            ("register_reason", "comets"),
        ],
    )
    .await;
    assert_eq!(waits.status, 200);
    assert!(
        waits.text().contains("The account awaits approval."),
        "{waits:?}"
    );
    let chinese = Request::new("GET", PAGE)
        .header("Accept-Language", "zh-CN")
        .send(server.public())
        .await;
    assert!(
        chinese.text().contains("<html lang=\"zh-CN\">") && chinese.text().contains("注册原因")
    );
    let switched = get(&server, &format!("{PAGE}?lang=zh-CN&code=AB%26C")).await;
    assert!(switched.text().contains("注册账号"));
    assert!(
        switched.text().contains("?code=AB%26C&#38;lang=en"),
        "{switched:?}"
    );
}

#[tokio::test]
async fn a_form_from_elsewhere_or_of_another_kind_is_refused() {
    let server = start(json!({})).await;
    let key = "0123456789abcdef0123456789abcdef";
    let fields = [("key", key), ("username", "ada"), ("password", PASSWORD)];
    let good = form(PAGE, &fields);
    for (name, value) in [
        ("Origin", "null"),
        ("Origin", "https://evil.example"),
        ("Origin", "http://127.0.0.1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "none"),
    ] {
        let answer = good.clone().header(name, value).send(server.public()).await;
        assert_eq!(answer.status, 403, "{name}: {value}: {answer:?}");
        assert!(
            answer.text().contains("did not come from our own page"),
            "{answer:?}"
        );
    }
    for (kind, status) in [
        ("application/json", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
    ] {
        let request = Request::new("POST", PAGE)
            .header("Content-Type", kind)
            .body(encoded(&fields));
        assert_eq!(request.send(server.public()).await.status, status, "{kind}");
    }
    let twice = form(PAGE, &[fields[0], fields[1], fields[1], fields[2]]);
    assert_eq!(twice.send(server.public()).await.status, 400);
    let bad = Request::new("POST", PAGE)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("username=%ff");
    assert_eq!(bad.send(server.public()).await.status, 400);
    let long = form(PAGE, &[("username", &"x".repeat(100_000))]);
    assert_eq!(long.send(server.public()).await.status, 413);
    for key in ["", "short", "zz23456789abcdef0123456789abcdef"] {
        let answer = form(PAGE, &[("key", key), fields[1], fields[2]])
            .send(server.public())
            .await;
        assert_eq!(answer.status, 400, "{key}");
        assert_eq!(hidden(&answer, "key").len(), 32, "a form that can be sent");
    }
    assert_eq!(users(&server, "acme").await.len(), 0);

    let own = format!("http://{}", server.public());
    let host = server.public().to_string();
    let answer = good
        .clone()
        .header("Host", &host)
        .header("Origin", own)
        .send(server.public())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // The same key with another name is another form; it is given a key of its own.
    let other = form(
        PAGE,
        &[("key", key), ("username", "bob"), ("password", PASSWORD)],
    );
    let other = other.send(server.public()).await;
    assert_eq!(other.status, 422, "{other:?}");
    assert_ne!(hidden(&other, "key"), key);
    assert_eq!(users(&server, "acme").await.len(), 1);
}

#[tokio::test]
async fn the_page_wears_the_tenants_looks_and_nothing_in_them_runs() {
    let evil = "</title><script>alert(1)</script>";
    let server = start(json!({"page": {
        "title": evil, "welcome": "Line one\n<img src=x onerror=alert(1)>", "accent": "#ffd54f",
        "logo_url": "https://cdn.example.com/logo.png?a=1&b=2",
    }, "cors": {"origins": ["https://www.example.com"]}}))
    .await;
    let page = get(
        &server,
        &format!("{PAGE}?return_to=https%3A%2F%2Fwww.example.com%2Fin%3Fa%3D1"),
    )
    .await;
    let text = page.text();
    assert!(
        !text.contains("<script") && !text.contains("<img src=x"),
        "{text}"
    );
    assert!(
        text.contains("Line one\n&#60;img src=x onerror=alert(1)&#62;"),
        "{text}"
    );
    assert!(
        text.contains("src=\"https://cdn.example.com/logo.png?a=1&#38;b=2\""),
        "{text}"
    );
    assert_eq!(hidden(&page, "return_to"), "https://www.example.com/in?a=1");
    let policy = page.header("content-security-policy").expect("a policy");
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; img-src 'self' https://cdn.example.com; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let theme = get(&server, "/t/acme/register/theme.css?v=1").await;
    assert_eq!(
        theme.text(),
        ":root { --brand: #ffd54f; --on-brand: #000; }\n"
    );
    assert_eq!(
        theme.header("content-type"),
        Some("text/css; charset=utf-8")
    );

    // Whoever opens the page is sent to the tenant's own sites alone.
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "javascript:alert(1)",
        "https://www.example.com.evil.example/",
    ] {
        let page = get(
            &server,
            &format!(
                "{PAGE}?return_to={}",
                encoded(&[("", elsewhere)]).trim_start_matches('=')
            ),
        )
        .await;
        assert_eq!(hidden(&page, "return_to"), "", "{elsewhere}");
        let sent = send(
            &server,
            PAGE,
            &[
                (
                    "username",
                    &elsewhere[elsewhere.len() - 4..].replace(['(', ')', '/'], "x"),
                ),
                ("password", PASSWORD),
                ("return_to", elsewhere),
            ],
        )
        .await;
        assert!(!sent.text().contains("evil"), "{sent:?}");
    }
    // The stylesheet's name tells its content, so it may be kept for ever; another name is not found.
    let css = text
        .split("href=\"")
        .find(|rest| rest.starts_with("/assets/"))
        .expect("a stylesheet");
    let css = css.split('"').next().expect("an address");
    let style = get(&server, css).await;
    assert_eq!(
        (style.status, style.header("content-type")),
        (200, Some("text/css; charset=utf-8"))
    );
    assert_eq!(
        style.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(
        get(&server, "/assets/0000000000000000/enroll.css")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_page_that_cannot_serve_says_so() {
    let server = start(json!({"registration": {"open": false}})).await;
    let closed = get(&server, PAGE).await;
    assert_eq!(closed.status, 403);
    assert!(
        closed.text().contains("Registration is closed."),
        "{closed:?}"
    );
    assert!(!closed.text().contains("<form"));
    create_tenant(
        &server,
        "off",
        Placement::Own,
        json!({"page": {"enabled": false}}),
    )
    .await;
    assert_eq!(get(&server, "/t/off/register").await.status, 404);
    let unknown = get(&server, "/t/nobody/register").await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.text().contains("There is no such tenant."),
        "{unknown:?}"
    );
    assert_eq!(get(&server, "/register").await.status, 404);
    assert_eq!(get(&server, &format!("{PAGE}?a=%zz")).await.status, 400);
    create_tenant(&server, "own", Placement::Own, json!({})).await;
    let by_host = Request::new("GET", "/register").header("Host", "own.localhost");
    let by_host = by_host.send(server.public()).await;
    assert_eq!(by_host.status, 200);
    assert!(
        by_host.text().contains("action=\"/register\""),
        "{by_host:?}"
    );
    let put = Request::new("PUT", PAGE).send(server.public()).await;
    assert_eq!(
        (put.status, put.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    let head = Request::new("HEAD", "/t/own/register")
        .send(server.public())
        .await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn page_and_api_share_their_limits() {
    let server = start(json!({"limits": {"per_address": {"calls": 2, "seconds": 3600}}})).await;
    register(&server, "acme", ada("ada")).await.expect(200);
    let second = send(
        &server,
        PAGE,
        &[("username", "bob"), ("password", PASSWORD)],
    )
    .await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(
        second
            .header("ratelimit")
            .is_some_and(|field| field.contains("r=0")),
        "{second:?}"
    );
    let third = send(
        &server,
        PAGE,
        &[("username", "eve"), ("password", PASSWORD)],
    )
    .await;
    assert_eq!(third.status, 429, "{third:?}");
    assert!(third.header("retry-after").is_some());
    assert!(third.text().contains("Too many requests."), "{third:?}");
}

#[tokio::test]
async fn a_captcha_is_shown_where_the_page_can_and_judged_by_its_provider() {
    let simulator = Simulator::start().await;
    let server = Server::start(simulator.serve(ServerOptions::new())).await;
    let with = |provider: &str, key: Value| {
        let account =
            json!({"provider": provider, "secret": format!("simulated-{provider}-secret")});
        json!({
            "captcha": account, "captcha_rules": {"on_register": true},
            "page": {"captcha_site_key": key},
        })
    };
    for (provider, field, host) in [
        (
            "turnstile",
            "cf-turnstile-response",
            "https://challenges.cloudflare.com",
        ),
        ("hcaptcha", "h-captcha-response", "https://*.hcaptcha.com"),
    ] {
        create_tenant(
            &server,
            provider,
            Placement::Own,
            with(provider, json!("0x4AAA-key_1")),
        )
        .await;
        let path = format!("/t/{provider}/register");
        let page = get(&server, &path).await;
        assert!(
            page.text().contains("data-sitekey=\"0x4AAA-key_1\""),
            "{page:?}"
        );
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains(&format!("script-src {host}")) || policy.contains(host),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let fields = [("username", "ada"), ("password", PASSWORD)];
        let without = send(&server, &path, &fields).await;
        assert_eq!(without.status, 422);
        assert!(
            without.text().contains("id=\"captcha-fault\""),
            "{without:?}"
        );
        let mut solved = fields.to_vec();
        solved.push((field, "good"));
        assert_eq!(send(&server, &path, &solved).await.status, 200);
    }
    create_tenant(
        &server,
        "keyless",
        Placement::Own,
        with("turnstile", Value::Null),
    )
    .await;
    let page = get(&server, "/t/keyless/register").await;
    assert!(page.text().contains("cannot show"), "{page:?}");
    assert!(!page.text().contains("<form"), "{page:?}");
}

#[tokio::test]
async fn wechats_way_in_leads_back_to_the_tenants_own_site() {
    let app = json!({"app_id": "wx0000000000000001", "app_secret": "hush"});
    let server = start(json!({
        "wechat": {"official_account": app, "open_platform": app},
        "cors": {"origins": ["https://www.example.com"]},
    }))
    .await;
    let page = get(
        &server,
        &format!("{PAGE}?return_to=https://www.example.com/in"),
    )
    .await;
    assert!(
        page.text().contains(
            "href=\"/t/acme/api/oauth/wechat/pc?redirect=https%3A%2F%2Fwww.example.com%2Fin\""
        ),
        "{page:?}"
    );
    let inside = Request::new("GET", PAGE).header("User-Agent", "Mozilla/5.0 MicroMessenger/8.0");
    let inside = inside.send(server.public()).await;
    assert!(
        inside.text().contains("href=\"/t/acme/api/oauth/wechat\""),
        "{inside:?}"
    );
    create_tenant(
        &server,
        "siteless",
        Placement::Own,
        json!({"wechat": {"open_platform": app}}),
    )
    .await;
    assert!(
        !get(&server, "/t/siteless/register")
            .await
            .text()
            .contains("oauth")
    );
}
