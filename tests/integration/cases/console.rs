//! The console without a browser: sessions, forms from elsewhere, roles (docs/console.md; docs/threats.md, rows 106 and
//! 107). What a person sees of it stands in `browser.rs`.

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::ada;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite, users};

on_all_databases!(a_session_holds_at_every_replica_and_ends_everywhere_at_once);

/// An administrator who is signed in, as a browser keeps it.
struct SignedIn<'a> {
    server: &'a Server,
    cookie: String,
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

/// A form as a browser sends it from a page of this server.
fn form(server: &Server, path: &str, fields: &[(&str, &str)]) -> Request {
    Request::new("POST", path)
        .header("Host", server.admin().to_string())
        .header("Origin", format!("http://{}", server.admin()))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Accept-Language", "en")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded(fields))
}

async fn sign_in(server: &Server, token: &str) -> Answer {
    form(server, "/console/sign-in", &[("token", token)])
        .send(server.admin())
        .await
}

impl<'a> SignedIn<'a> {
    async fn by(server: &'a Server, token: &str) -> Self {
        let answer = sign_in(server, token).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.header("location"), Some("/console"));
        let cookie = answer.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        Self { server, cookie }
    }

    /// The same browser at another replica.
    fn at<'b>(&self, server: &'b Server) -> SignedIn<'b> {
        SignedIn {
            server,
            cookie: self.cookie.clone(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        Request::new("GET", path)
            .header("Cookie", &self.cookie)
            .header("Accept-Language", "en")
            .send(self.server.admin())
            .await
    }

    /// The token of this session's forms.
    async fn form_token(&self) -> String {
        let page = self.get("/console/audit").await;
        let (_, rest) = page
            .text()
            .split_once("name=\"form\" value=\"")
            .unwrap_or_else(|| panic!("no form in {page:?}"));
        rest.split('"').next().expect("a value").to_owned()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token().await;
        let mut all = vec![("form", token.as_str())];
        all.extend_from_slice(fields);
        form(self.server, path, &all)
            .header("Cookie", &self.cookie)
            .send(self.server.admin())
            .await
    }
}

async fn administrator(server: &Server, attributes: Value) -> (String, String) {
    let body = json!({"data": {"type": "administrators", "attributes": attributes}});
    let made = admin(server, "POST", "/admin/v1/administrators", Some(body)).await;
    let made = made.expect(201);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (
        text(&made["data"]["id"]),
        text(&made["data"]["attributes"]["token"]),
    )
}

async fn a_session_holds_at_every_replica_and_ends_everywhere_at_once(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let first = Server::start(ServerOptions::new().platform(&platform)).await;
    let second = Server::start(first.twin()).await;
    let answer = sign_in(&first, first.token()).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    for part in [
        "; Path=/console;",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Max-Age=28800",
    ] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(
        !cookie.contains(first.token()) && !cookie.contains("Secure"),
        "{cookie}"
    );
    let own = SignedIn::by(&first, first.token()).await;
    let other = SignedIn::by(&second, first.token()).await;
    for (session, at) in [(&own, &first), (&own, &second), (&other, &first)] {
        assert_eq!(session.at(at).get("/console").await.status, 200);
    }
    let out = own.at(&second).post("/console/sign-out", &[]).await;
    assert_eq!(
        (out.status, out.header("location")),
        (303, Some("/console/sign-in"))
    );
    for at in [&first, &second] {
        let gone = own.at(at).get("/console").await;
        assert_eq!(
            (gone.status, gone.header("location")),
            (303, Some("/console/sign-in"))
        );
    }
    assert_eq!(
        other.get("/console").await.status,
        200,
        "another browser's session stays"
    );

    // A revoked token ends its sessions, too.
    let (id, token) = administrator(&first, json!({"name": "eve", "role": "auditor"})).await;
    let eve = SignedIn::by(&first, &token).await;
    assert_eq!(eve.at(&second).get("/console").await.status, 200);
    let revoked = admin(
        &first,
        "DELETE",
        &format!("/admin/v1/administrators/{id}"),
        None,
    )
    .await;
    assert_eq!(revoked.status, 204);
    for at in [&first, &second] {
        assert_eq!(eve.at(at).get("/console").await.status, 303);
    }
    let lines = admin(&first, "GET", "/admin/v1/audit?page[size]=100", None)
        .await
        .expect(200);
    let actions: Vec<&str> = lines["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|line| line["attributes"]["action"].as_str())
        .filter(|action| action.starts_with("console."))
        .collect();
    let in_ = "console.sign_in";
    assert_eq!(actions, [in_, in_, in_, "console.sign_out", in_]);
}

#[tokio::test]
async fn signing_in_is_throttled_and_tells_nothing() {
    let server = Server::start(ServerOptions::new()).await;
    let page = Request::new("GET", "/console/sign-in")
        .send(server.admin())
        .await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("script-src"), "{policy}");
    for wrong in ["", "wrong", &server.token()[1..], &"x".repeat(1000)] {
        let answer = sign_in(&server, wrong).await;
        assert_eq!(answer.status, 403, "{wrong}: {answer:?}");
        assert!(
            answer.text().contains("not known, or was revoked"),
            "{answer:?}"
        );
        assert_eq!(answer.header("set-cookie"), None);
    }
    let mut last = 403;
    for _ in 0..20 {
        let answer = sign_in(&server, "enroll_admin_guess").await;
        last = answer.status;
        if last == 429 {
            assert!(answer.header("retry-after").is_some());
        }
    }
    assert_eq!(last, 429);
    assert_eq!(
        sign_in(&server, server.token()).await.status,
        303,
        "a right one is not slowed down"
    );
    // Over TLS the browser says so itself, and the cookie stays off plain connections.
    let by_tls = Request::new("POST", "/console/sign-in")
        .header("Host", "ops.example.com")
        .header("Origin", "https://ops.example.com")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded(&[("token", server.token())]));
    let by_tls = by_tls.send(server.admin()).await;
    assert!(
        by_tls
            .header("set-cookie")
            .is_some_and(|cookie| cookie.ends_with("; Secure")),
        "{by_tls:?}"
    );
    let oversize = form(
        &server,
        "/console/sign-in",
        &[("token", &"x".repeat(10_000))],
    );
    assert_eq!(oversize.send(server.admin()).await.status, 413);
    for path in [
        "/console",
        "/console/tenants",
        "/console/audit",
        "/console/tenants/acme/settings",
    ] {
        for cookie in [
            "",
            "enroll_console=",
            "enroll_console=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ] {
            let answer = Request::new("GET", path)
                .header("Cookie", cookie)
                .send(server.admin())
                .await;
            assert_eq!(
                (answer.status, answer.header("location")),
                (303, Some("/console/sign-in")),
                "{path}"
            );
        }
        // The admin token itself opens the API, and never the console.
        let bearer = format!("Bearer {}", server.token());
        let answer = Request::new("GET", path)
            .header("Authorization", bearer)
            .send(server.admin())
            .await;
        assert_eq!(answer.status, 303, "{path}");
    }
    assert_eq!(
        Request::new("GET", "/console/sign-in")
            .send(server.public())
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    let me = SignedIn::by(&server, server.token()).await;
    let token = me.form_token().await;
    let path = "/console/tenants/acme/state";
    let fields = [("form", token.as_str()), ("to", "suspend")];
    let good = || {
        Request::new("POST", path)
            .header("Host", server.admin().to_string())
            .header("Cookie", &me.cookie)
            .header("Content-Type", "application/x-www-form-urlencoded")
    };
    let own = format!("http://{}", server.admin());
    let foreign: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("no origin at all", vec![]),
        ("null", vec![("Origin", "null")]),
        ("another port", vec![("Origin", "http://127.0.0.1:1")]),
        ("another host", vec![("Origin", "https://evil.example")]),
        (
            "cross-site",
            vec![("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        ),
        (
            "same-site",
            vec![("Origin", &own), ("Sec-Fetch-Site", "same-site")],
        ),
        (
            "fetched without origin",
            vec![("Sec-Fetch-Site", "same-origin")],
        ),
    ];
    for (what, headers) in foreign {
        let request = headers
            .iter()
            .fold(good(), |request, (name, value)| request.header(name, value));
        let answer = request.body(encoded(&fields)).send(server.admin()).await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    // From the right page, but without the session's own token.
    for form_token in ["", "0", &token[1..], &"0".repeat(64)] {
        let fields = [("form", form_token), ("to", "suspend")];
        let answer = good()
            .header("Origin", &own)
            .body(encoded(&fields))
            .send(server.admin())
            .await;
        assert_eq!(answer.status, 403, "{form_token}: {answer:?}");
    }
    let other = SignedIn::by(&server, server.token()).await;
    let answer = good()
        .header("Origin", &own)
        .body(encoded(&[("form", &other.form_token().await), fields[1]]));
    assert_eq!(
        answer.send(server.admin()).await.status,
        403,
        "another session's token"
    );
    let json = Request::new("POST", path)
        .header("Host", server.admin().to_string())
        .header("Cookie", &me.cookie)
        .header("Origin", &own)
        .json(&json!({"form": token, "to": "suspend"}));
    assert_eq!(json.send(server.admin()).await.status, 415);
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    assert_eq!(shown["data"]["attributes"]["state"], "active");
    let answer = good()
        .header("Origin", &own)
        .body(encoded(&fields))
        .send(server.admin())
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    assert_eq!(shown["data"]["attributes"]["state"], "suspended");
}

/// Where a form goes, what it says, and the status that a tenant's administrator gets.
type Sent<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16);

#[tokio::test]
async fn each_role_sees_and_does_what_it_may_and_no_more() {
    let server = Server::start(ServerOptions::new()).await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Own, json!({})).await;
    }
    register(&server, "acme", ada("ada")).await.expect(200);
    issue_invite(&server, "acme", json!({"code": "SPRING"})).await;
    let user = users(&server, "acme").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (_, auditor) = administrator(&server, json!({"name": "auditor", "role": "auditor"})).await;
    let (_, of_acme) = administrator(
        &server,
        json!({"name": "of acme", "role": "tenant", "tenant": "acme"}),
    )
    .await;
    let auditor = SignedIn::by(&server, &auditor).await;
    let of_acme = SignedIn::by(&server, &of_acme).await;

    let pages = [
        "",
        "/settings",
        "/settings?section=limits",
        "/versions",
        "/versions/1",
        "/invites",
        "/users",
        "/applications",
    ];
    for page in pages {
        let path = format!("/console/tenants/acme{page}");
        let shown = auditor.get(&path).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
        // The only form that changes anything is the one that signs out.
        assert_eq!(shown.text().matches("method=\"post\"").count(), 1, "{path}");
        assert_eq!(of_acme.get(&path).await.status, 200, "{path}");
        assert_eq!(
            of_acme.get(&path.replace("acme", "beta")).await.status,
            404,
            "{path}"
        );
    }
    let limits = of_acme
        .get("/console/tenants/acme/settings?section=limits")
        .await;
    assert!(
        !limits.text().contains("id=\"save\""),
        "limits are the platform's"
    );
    let home = of_acme.get("/console").await;
    assert_eq!(
        (home.status, home.header("location")),
        (303, Some("/console/tenants/acme"))
    );
    let list = of_acme.get("/console/tenants").await;
    assert!(
        list.text().contains("acme") && !list.text().contains("beta"),
        "{list:?}"
    );
    let found = of_acme.get("/console/tenants?key=beta").await;
    assert!(!found.text().contains("/console/tenants/beta"), "{found:?}");
    assert_eq!(of_acme.get("/console/audit?tenant=beta").await.status, 404);

    let user_path = format!("/console/tenants/acme/users/{user}");
    let sessions = format!("{user_path}/end-sessions");
    let chosen = format!("user-{user}");
    let delete = format!("{user_path}/delete");
    let restore = format!("/console/tenants/acme/deleted-users/{user}/restore");
    let erase = format!("/console/tenants/acme/deleted-users/{user}/erase");
    let forms: Vec<Sent<'_>> = vec![
        ("/console/tenants", vec![("key", "gamma")], 403),
        ("/console/tenants/acme", vec![("name", "Acme")], 303),
        ("/console/tenants/acme/state", vec![("to", "suspend")], 403),
        (
            "/console/tenants/acme/settings",
            vec![
                ("section", "limits"),
                ("version", "1"),
                ("limits.hash_weight", "100"),
            ],
            403,
        ),
        ("/console/tenants/acme/versions/1", vec![], 303),
        (
            "/console/tenants/acme/invites",
            vec![("count", "1"), ("max_uses", "1")],
            200,
        ),
        (
            "/console/tenants/acme/revoke-invite",
            vec![("code", "SPRING")],
            303,
        ),
        (&user_path, vec![("status", "normal")], 303),
        (&sessions, vec![], 303),
        (
            "/console/tenants/acme/applications",
            vec![("decision", "approve"), (&chosen, "1")],
            303,
        ),
        (&delete, vec![], 303),
        (&restore, vec![], 303),
        (&delete, vec![], 303),
        (&erase, vec![], 303),
        (&erase, vec![], 404),
    ];
    for (path, fields, of_tenant) in &forms {
        let refused = auditor.post(path, fields).await;
        assert_eq!(refused.status, 403, "{path}: {refused:?}");
        let elsewhere = path.replace("acme", "beta");
        if elsewhere != *path {
            let refused = of_acme.post(&elsewhere, fields).await;
            assert_eq!(refused.status, 404, "{elsewhere}");
        }
        let done = of_acme.post(path, fields).await;
        assert_eq!(done.status, *of_tenant, "{path}: {done:?}");
    }
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    assert_eq!(shown["data"]["attributes"]["name"], "Acme");
    assert_eq!(
        shown["data"]["attributes"]["settings"]["limits"]["hash_weight"],
        1
    );
}

#[tokio::test]
async fn forms_say_what_is_wrong_where_it_is_wrong_and_keep_what_was_typed() {
    let server = Server::start(ServerOptions::new()).await;
    let me = SignedIn::by(&server, server.token()).await;
    let taken = me
        .post(
            "/console/tenants",
            &[("key", "acme"), ("name", "Acme <Ltd>")],
        )
        .await;
    assert_eq!(
        taken.header("location"),
        Some("/console/tenants/acme?done=created")
    );
    let again = me
        .post("/console/tenants", &[("key", "acme"), ("name", "Second")])
        .await;
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.text().contains("value=\"Second\""), "{again:?}");
    let bad = me
        .post(
            "/console/tenants",
            &[("key", "NO KEY!"), ("database", "nowhere")],
        )
        .await;
    assert_eq!(bad.status, 422);
    assert!(bad.text().contains("id=\"key-fault\""), "{bad:?}");
    let nowhere = me
        .post(
            "/console/tenants",
            &[("key", "gamma"), ("database", "nowhere")],
        )
        .await;
    assert!(
        nowhere.text().contains("id=\"placement-fault\""),
        "{nowhere:?}"
    );

    let settings = "/console/tenants/acme/settings";
    let section = [
        ("section", "names"),
        ("version", "1"),
        ("username.min_length", "9"),
        ("username.max_length", "many"),
        ("username.reserved", "root\r\nadmin"),
        ("password.min_length", "3"),
        ("password.require", "digit\nrunes"),
    ];
    let answer = me.post(settings, &section).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer
            .text()
            .contains("id=\"username.max_length-fault\"><span>A whole number."),
        "{answer:?}"
    );
    assert!(
        answer.text().contains(">\nroot\nadmin</textarea>"),
        "{answer:?}"
    );
    let mut numbers = section;
    numbers[3].1 = "15";
    let answer = me.post(settings, &numbers).await;
    assert_eq!(answer.status, 422);
    for field in ["password.min_length", "password.require"] {
        assert!(
            answer.text().contains(&format!("id=\"{field}-fault\"")),
            "{field}: {answer:?}"
        );
    }
    numbers[5].1 = "12";
    numbers[6].1 = "digit";
    let saved = me.post(settings, &numbers).await;
    assert_eq!(
        saved.header("location"),
        Some("/console/tenants/acme/settings?section=names&done=saved")
    );
    let stale = me.post(settings, &numbers).await;
    assert_eq!(stale.status, 409, "another version was seen: {stale:?}");
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    let shown = &shown["data"]["attributes"]["settings"];
    assert_eq!(
        shown["password"],
        json!({"min_length": 12, "max_length": null, "require": ["digit"]})
    );
    assert_eq!(shown["username"]["reserved"], json!(["root", "admin"]));

    // A secret is written, never read; its mask keeps it.
    let account = r#"{"provider": "turnstile", "secret": "needle-1234"}"#;
    let wechat = [
        ("section", "wechat"),
        ("version", "2"),
        ("captcha", account),
        ("captcha_rules.on_register", "1"),
    ];
    assert_eq!(me.post(settings, &wechat).await.status, 303);
    let page = me
        .get("/console/tenants/acme/settings?section=wechat")
        .await;
    assert!(
        page.text().contains("********") && !page.text().contains("needle"),
        "{page:?}"
    );
    let masked = r#"{"provider": "turnstile", "secret": "********"}"#;
    let kept = [("section", "wechat"), ("version", "3"), ("captcha", masked)];
    assert_eq!(me.post(settings, &kept).await.status, 303);
    let broken = [
        ("section", "wechat"),
        ("version", "4"),
        ("captcha", "{"),
        ("wechat.mini_program", "[]"),
    ];
    let broken = me.post(settings, &broken).await;
    assert!(
        broken
            .text()
            .contains("id=\"captcha-fault\"><span>This is not JSON."),
        "{broken:?}"
    );
    let difference = me.get("/console/tenants/acme/versions/4?against=1").await;
    assert!(
        difference.text().contains("password.min_length"),
        "{difference:?}"
    );
    let back = me.post("/console/tenants/acme/versions/1", &[]).await;
    assert_eq!(
        back.header("location"),
        Some("/console/tenants/acme/versions?done=restored")
    );
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    assert_eq!(
        shown["data"]["attributes"]["settings"]["password"]["min_length"],
        8
    );

    let invites = "/console/tenants/acme/invites";
    let bad = me
        .post(
            invites,
            &[
                ("count", "0"),
                ("max_uses", "x"),
                ("days", "-1"),
                ("code", "a!"),
                ("note", "n"),
            ],
        )
        .await;
    assert_eq!(bad.status, 422);
    for field in ["count", "max_uses", "days", "code"] {
        assert!(
            bad.text().contains(&format!("id=\"{field}-fault\"")),
            "{field}: {bad:?}"
        );
    }
    let made = me
        .post(
            invites,
            &[
                ("count", "3"),
                ("max_uses", "2"),
                ("note", "=1+1"),
                ("days", "7"),
            ],
        )
        .await;
    assert_eq!(
        made.text().matches("class=\"made-code\"").count(),
        3,
        "{made:?}"
    );
    let file = me.get("/console/tenants/acme/invites.csv").await;
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename=\"invites-acme.csv\"")
    );
    assert_eq!(file.text().lines().count(), 4, "{file:?}");
    assert!(file.text().contains("\"'=1+1\""), "{file:?}");

    let wrong = me
        .post(
            "/console/tenants/acme/state",
            &[("to", "delete"), ("key", "acm")],
        )
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("id=\"confirm-fault\""), "{wrong:?}");
    let gone = me
        .post(
            "/console/tenants/acme/state",
            &[("to", "delete"), ("key", "acme")],
        )
        .await;
    assert_eq!(
        gone.header("location"),
        Some("/console/tenants?done=deleted")
    );
    assert_eq!(me.get("/console/tenants/acme").await.status, 404);
}

#[tokio::test]
async fn the_console_speaks_the_chosen_language_and_is_never_framed_or_kept() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    let me = SignedIn::by(&server, server.token()).await;
    let switched = me.get("/console/tenants?lang=zh-CN").await;
    assert!(
        switched.text().contains("<html lang=\"zh-CN\">"),
        "{switched:?}"
    );
    let cookie = switched.header("set-cookie").expect("a cookie");
    assert!(
        cookie.starts_with("enroll_language=zh-CN; Path=/console;"),
        "{cookie}"
    );
    let later = Request::new("GET", "/console/audit")
        .header("Cookie", format!("{}; enroll_language=zh-CN", me.cookie))
        .header("Accept-Language", "en");
    assert!(later.send(server.admin()).await.text().contains("审计日志"));
    for path in [
        "/console",
        "/console/tenants",
        "/console/audit",
        "/console/tenants/acme",
        "/console/tenants/acme/settings",
        "/console/tenants/acme/versions",
        "/console/tenants/acme/invites",
        "/console/tenants/acme/users",
        "/console/tenants/acme/applications",
        "/console/tenants/nobody",
        "/console/sign-in",
    ] {
        let page = me.get(path).await;
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(page.header(name), Some(value), "{path}: {name}");
        }
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'"),
            "{policy}"
        );
        for part in [
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        assert!(
            !page.text().contains(" style=") && !page.text().contains("<style"),
            "{path}"
        );
    }
}
