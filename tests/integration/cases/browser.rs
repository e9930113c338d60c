//! The pages in a real browser: what people see and can do, and what strangers cannot (docs/threats.md, rows 106 to
//! 109).
//!
//! With `ENROLL_TEST_SCREENSHOTS` set to a folder, the pictures of docs/screenshots are taken anew.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::browser::{Browser, SIZES, keep_picture};
use crate::harness::client::{admin, register};
use crate::harness::ground::ada;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant, issue_invite, users};
use crate::harness::wait::until;

const PASSWORD: &str = "correct horse battery";

/// The page of a tenant that is named by its host, as browsers reach it.
fn page_of(server: &Server, tenant: &str) -> String {
    format!(
        "http://{tenant}.localhost:{}/register",
        server.public().port()
    )
}

/// The pages of which a picture on a phone is kept as well.
const ON_A_PHONE: [&str; 5] = ["overview", "register", "register-zh", "invites", "settings"];

/// Looks at the present page in every size and in light and dark: nothing is wider than the window, and axe-core finds
/// no barrier. A picture is kept where pictures are asked for, in one of the looks.
async fn look_at(browser: &Browser, name: &str, barriers: &mut Vec<String>) {
    for (size, width, height) in SIZES {
        for dark in [false, true] {
            browser.look(width, height, dark).await;
            let wide = browser
                .run(
                    "return document.documentElement.scrollWidth > arguments[0]",
                    json!([width]),
                )
                .await;
            let look = format!("{name} on a {size}{}", if dark { ", dark" } else { "" });
            if wide == true {
                barriers.push(format!("{look} is wider than its window"));
            }
            let found = browser.barriers().await;
            barriers.extend(found.into_iter().map(|fault| format!("{look}: {fault}")));
            match (size, dark) {
                ("desk", false) => keep_picture(browser, &format!("{name}-desk")).await,
                ("phone", true) if ON_A_PHONE.contains(&name) => {
                    keep_picture(browser, &format!("{name}-phone-dark")).await;
                }
                _ => {}
            }
        }
    }
    browser.look(1280, 900, false).await;
}

#[tokio::test]
async fn people_register_by_the_hosted_page_with_and_without_scripts() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::start(ServerOptions::new()).await;
    let settings = json!({
        "registration": {"invite_required": true, "approval": true},
        "page": {"title": "The Comet Club", "welcome": "We watch the sky together.\nBring a coat.", "accent": "#7c3aed"},
    });
    create_tenant(&server, "acme", Placement::Own, settings).await;
    create_tenant(&server, "plain", Placement::Own, json!({})).await;
    let code = issue_invite(&server, "acme", json!({"max_uses": 2})).await;
    let mut barriers = Vec::new();

    browser
        .open(&format!("{}?code={code}", page_of(&server, "acme")))
        .await;
    browser.reads("h1", "Create an account").await;
    assert_eq!(browser.value("#code").await, code);
    look_at(&browser, "register", &mut barriers).await;
    // The keyboard alone: from field to field, Enter sends.
    browser.tab_to("#username").await;
    browser.press("caroline").await;
    browser.tab_to("#password").await;
    browser.press("short").await;
    browser.press_enter().await;
    assert_eq!(browser.value("#username").await, "caroline");
    assert_eq!(browser.value("#password").await, "");
    assert!(
        browser.text("[role=alert]").await.contains("marked"),
        "{}",
        browser.source().await
    );
    let focus = browser
        .run("return document.activeElement.id", json!([]))
        .await;
    assert_eq!(
        focus, "register_reason",
        "the focus stands on the first fault"
    );
    look_at(&browser, "register-faults", &mut barriers).await;
    browser.press("Comets, eight of them so far").await;
    browser.fill("#password", PASSWORD).await;
    browser.tab_to("button[type=submit]").await;
    browser.press_enter().await;
    browser.reads("h1", "Almost there").await;
    look_at(&browser, "register-done", &mut barriers).await;

    browser.scripts(false).await;
    browser
        .open(&format!("{}?lang=zh-CN", page_of(&server, "acme")))
        .await;
    browser.reads("h1", "注册账号").await;
    browser.fill("#username", "卡罗琳").await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#register_reason", "彗星").await;
    browser.fill("#code", &code).await;
    browser.click("button[type=submit]").await;
    browser.reads("h1", "已提交，等待审核").await;
    browser.scripts(true).await;
    look_at(&browser, "register-zh", &mut barriers).await;

    browser.open(&page_of(&server, "plain")).await;
    browser.fill("#username", "ada").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.reads("h1", "Welcome").await;
    look_at(&browser, "register-welcome", &mut barriers).await;
    browser.open(&page_of(&server, "nobody")).await;
    look_at(&browser, "register-nowhere", &mut barriers).await;

    assert_eq!(barriers, [""; 0]);
    let names: Vec<Value> = users(&server, "acme")
        .await
        .into_iter()
        .map(|mut user| user["attributes"]["username"].take())
        .collect();
    assert_eq!(names, ["caroline", "卡罗琳"]);
    assert_eq!(complaints(&browser).await, [""; 0]);
    browser.end().await;
}

/// What the browser complained of, statuses other than 200 excepted: those are meant.
async fn complaints(browser: &Browser) -> Vec<String> {
    let mut lines = browser.complaints().await;
    lines.retain(|line| !line.contains("the server responded with a status of"));
    lines
}

/// The console as a browser reaches it.
fn console(server: &Server, path: &str) -> String {
    format!("http://{}/console{path}", server.admin())
}

async fn sign_in(browser: &Browser, server: &Server) {
    browser.open(&console(server, "")).await;
    browser.reads("h1", "Sign in").await;
    browser.fill("#token", server.token()).await;
    browser.click("button[type=submit]").await;
    browser.reads("h1", "Overview").await;
}

/// The way of an operator and a newcomer, with the keyboard alone until the newcomer is approved.
#[tokio::test]
async fn an_operator_makes_a_tenant_invites_somebody_approves_her_and_sees_the_chart_move() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::start(ServerOptions::new()).await;
    let mut barriers = Vec::new();
    browser.open(&console(&server, "")).await;
    look_at(&browser, "sign-in", &mut barriers).await;
    browser.press(server.token()).await;
    browser.press_enter().await;
    browser.reads("h1", "Overview").await;
    browser.reads("#registered", "0").await;

    browser.tab_to("a[href='/console/tenants']").await;
    browser.press_enter().await;
    browser.tab_to("#key").await;
    browser.press("comets").await;
    browser.tab_to("#name").await;
    browser.press("The Comet Club").await;
    browser.press_enter().await;
    browser.reads("h1", "The Comet Club").await;
    browser
        .reads("[role=status]", "The tenant is made and serves.")
        .await;
    look_at(&browser, "tenant", &mut barriers).await;

    browser
        .tab_to("a[href='/console/tenants/comets/settings']")
        .await;
    browser.press_enter().await;
    browser.tab_to("[id='registration.approval']").await;
    browser.press(" ").await;
    browser.tab_to("[id='registration.invite_required']").await;
    browser.press(" ").await;
    browser.tab_to("#save").await;
    browser.press_enter().await;
    browser
        .reads("[role=status]", "Saved. The change is in force.")
        .await;
    look_at(&browser, "settings", &mut barriers).await;

    browser
        .tab_to("a[href='/console/tenants/comets/invites']")
        .await;
    browser.press_enter().await;
    browser.tab_to("#note").await;
    browser.press("for Caroline").await;
    browser.press_enter().await;
    look_at(&browser, "invite-made", &mut barriers).await;
    let code = browser.text(".made-code").await;
    assert_eq!(code.len(), 32, "{code}");

    browser
        .open(&format!("{}?code={code}", page_of(&server, "comets")))
        .await;
    browser.tab_to("#username").await;
    browser.press("caroline").await;
    browser.tab_to("#password").await;
    browser.press(PASSWORD).await;
    browser.tab_to("#register_reason").await;
    browser.press("Comets, eight of them so far").await;
    browser.tab_to("button[type=submit]").await;
    browser.press_enter().await;
    browser.reads("h1", "Almost there").await;

    browser
        .open(&console(&server, "/tenants/comets/applications"))
        .await;
    look_at(&browser, "approval", &mut barriers).await;
    assert!(
        browser
            .text("tbody")
            .await
            .contains("Comets, eight of them so far")
    );
    browser.tab_to("tbody input[type=checkbox]").await;
    browser.press(" ").await;
    browser.tab_to("#approve").await;
    browser.press_enter().await;
    browser.reads("[role=status]", "Decided.").await;
    browser.has("tbody tr", 0).await;
    let caroline = users(&server, "comets").await;
    assert_eq!(caroline[0]["attributes"]["status"], "normal");

    // The overview stays fresh by itself: nothing is pressed from here on.
    browser.open(&console(&server, "")).await;
    browser.reads("#registered", "1").await;
    let line = async || {
        let script =
            "return document.querySelector('#registrations polyline').getAttribute('points')";
        browser.run(script, json!([])).await
    };
    let before = line().await;
    change_settings(
        &server,
        "comets",
        json!({"registration": {"invite_required": false, "approval": false}}),
    )
    .await;
    register(&server, "comets", ada("maria")).await.expect(200);
    register(&server, "comets", ada("maria")).await.expect(422);
    until("the figures moved", async || {
        let moved =
            browser.text("#registered").await == "2" && browser.text("#refused").await == "1";
        moved.then_some(())
    })
    .await;
    assert_ne!(line().await, before);
    look_at(&browser, "overview", &mut barriers).await;
    assert_eq!(barriers, [""; 0]);
    assert_eq!(complaints(&browser).await, [""; 0]);
    browser.end().await;
}

#[tokio::test]
async fn every_page_of_the_console_is_for_everybody_and_needs_no_script() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(
        &server,
        "comets",
        Placement::Own,
        json!({"locale": "en", "password": {"min_length": 6}}),
    )
    .await;
    create_tenant(&server, "meteors", Placement::Own, json!({})).await;
    for name in ["caroline", "maria", "卡罗琳"] {
        register(&server, "comets", ada(name)).await.expect(200);
    }
    for number in 0..3 {
        issue_invite(
            &server,
            "comets",
            json!({"note": format!("spring {number}"), "max_uses": 5}),
        )
        .await;
    }
    change_settings(
        &server,
        "comets",
        json!({"registration": {"approval": true}}),
    )
    .await;
    let waiting = json!({"username": "vera", "password": PASSWORD, "register_reason": "galaxies rotate too fast"});
    register(&server, "comets", waiting).await.expect(401);
    let everybody = users(&server, "comets").await;
    let [user, gone] = [0, 1].map(|index| everybody[index]["id"].as_str().expect("an id"));
    let gone = format!("/admin/v1/tenants/comets/users/{gone}");
    admin(&server, "DELETE", &gone, None).await.expect(200);

    let mut barriers = Vec::new();
    sign_in(&browser, &server).await;
    let user = format!("/tenants/comets/users/{user}");
    let pages = [
        ("tenants", "/tenants"),
        ("audit", "/audit"),
        ("glance", "/tenants/comets"),
        ("settings-page", "/tenants/comets/settings?section=page"),
        ("settings-names", "/tenants/comets/settings?section=names"),
        (
            "settings-general",
            "/tenants/comets/settings?section=general",
        ),
        ("settings-login", "/tenants/comets/settings?section=login"),
        ("settings-limits", "/tenants/comets/settings?section=limits"),
        ("settings-sms", "/tenants/comets/settings?section=sms"),
        ("settings-wechat", "/tenants/comets/settings?section=wechat"),
        ("versions", "/tenants/comets/versions"),
        ("version", "/tenants/comets/versions/1?against=2"),
        ("invites", "/tenants/comets/invites"),
        ("applications", "/tenants/comets/applications"),
        ("users", "/tenants/comets/users"),
        ("user", &user),
        ("deleted-users", "/tenants/comets/deleted-users"),
        ("usage", "/tenants/comets/usage"),
        ("keys", "/tenants/comets/keys"),
        ("nobody", "/tenants/nobody"),
    ];
    for (name, path) in pages {
        browser.open(&console(&server, path)).await;
        look_at(&browser, name, &mut barriers).await;
    }
    browser
        .open(&console(&server, "/tenants/comets/invites?lang=zh-CN"))
        .await;
    browser.reads("h1", "邀请码").await;
    look_at(&browser, "invites-zh", &mut barriers).await;
    browser.open(&console(&server, "?lang=zh-CN")).await;
    look_at(&browser, "overview-zh", &mut barriers).await;
    browser.open(&console(&server, "/tenants?lang=en")).await;
    assert_eq!(barriers, [""; 0]);

    // Faults stand at their fields, and without scripts everything is done as well.
    browser.scripts(false).await;
    browser
        .open(&console(&server, "/tenants/comets/settings?section=names"))
        .await;
    browser.fill("[id='password.min_length']", "3").await;
    browser.click("#save").await;
    assert!(
        browser
            .text("[id='password.min_length-fault']")
            .await
            .contains("between 6 and 128")
    );
    browser.fill("[id='password.min_length']", "9").await;
    browser.click("#save").await;
    browser
        .reads("[role=status]", "Saved. The change is in force.")
        .await;
    browser.open(&console(&server, "/tenants")).await;
    browser.fill("#key", "planets").await;
    browser.click("#create").await;
    browser.reads("h1", "planets").await;
    browser.click("button[value=suspend]").await;
    browser
        .reads("[role=status]", "The tenant is suspended.")
        .await;
    browser.fill("#confirm", "planets").await;
    browser.click("button.danger").await;
    browser
        .reads("[role=status]", "The tenant is deleted.")
        .await;
    browser.open(&console(&server, &user)).await;
    browser.click("form[action$='/delete'] button").await;
    browser
        .reads(
            "[role=status]",
            "The user is deleted and can be restored here.",
        )
        .await;
    browser.has("tbody tr", 2).await;
    browser.click("form[action$='/restore'] button").await;
    browser
        .reads(
            "[role=status]",
            "The user is back, as before; the sessions stay ended.",
        )
        .await;
    browser
        .open(&console(&server, "/tenants/comets/keys"))
        .await;
    browser.click("form .button.primary").await;
    browser.has("tbody tr", 2).await;
    browser.click(".side-foot button").await;
    browser.reads("h1", "Sign in").await;
    browser.scripts(true).await;
    assert_eq!(complaints(&browser).await, [""; 0]);
    browser.end().await;
}

/// What scripts hide in. Each of them sets `window.owned`, or opens a dialog, if it runs.
const PAYLOADS: [&str; 40] = [
    "<script>window.owned=1</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    r"<script>\u0061lert(1)</script>",
    "<img src=x onerror=window.owned=1>",
    "<img/src=x/onerror=alert(1)>",
    "<img src=\"x\" onerror=\"alert(1)\">",
    "<svg onload=window.owned=1>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe srcdoc='<script>parent.owned=1</script>'>",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "javascript:alert(1)",
    "<details open ontoggle=window.owned=1>",
    "<input autofocus onfocus=window.owned=1>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>",
    "<video><source onerror=window.owned=1>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<style>@import'//evil.example/x.css'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<form action=javascript:alert(1)><button>",
    "<math><mtext><script>alert(1)</script>",
    "\"><script>window.owned=1</script>",
    "'><img src=x onerror=window.owned=1>",
    "\" onmouseover=\"window.owned=1\" x=\"",
    "' autofocus onfocus='alert(1)",
    "</title><script>window.owned=1</script>",
    "</textarea><script>window.owned=1</script>",
    "--><script>window.owned=1</script>",
    "]]><script>window.owned=1</script>",
    "{{constructor.constructor('window.owned=1')()}}",
];

/// Stores payloads wherever a text can be stored; how many were taken by each place.
async fn store_everywhere(server: &Server) -> Vec<(&'static str, usize)> {
    let call = async |method: &str, path: &str, kind: &str, attributes: Value| {
        let body = json!({"data": {"type": kind, "attributes": attributes}});
        admin(server, method, path, Some(body)).await.status < 300
    };
    let mut stored: Vec<(&'static str, usize)> = [
        "name", "title", "welcome", "closed", "group", "reserved", "note", "user", "reason",
        "message",
    ]
    .map(|place| (place, 0))
    .into();
    let mut count = |place: &str, done: bool| {
        let known = stored.iter_mut().find(|(name, _)| *name == place);
        known.expect("a place").1 += usize::from(done);
    };
    let tenant = "/admin/v1/tenants/target";
    create_tenant(server, "target", Placement::Own, json!({
        "username": {"characters": "any", "max_length": 64, "allow_mixed_script": true, "allow_confusable": true},
        "limits": {"per_address": null, "per_username": null},
    }))
    .await;
    for (number, payload) in PAYLOADS.into_iter().enumerate() {
        let settings = async |settings: Value| {
            call("PATCH", tenant, "tenants", json!({"settings": settings})).await
        };
        let short: String = payload.chars().take(64).collect();
        count(
            "name",
            call("PATCH", tenant, "tenants", json!({"name": payload})).await,
        );
        count(
            "title",
            settings(json!({"page": {"title": short.trim()}})).await,
        );
        count(
            "welcome",
            settings(json!({"page": {"welcome": payload}})).await,
        );
        count(
            "closed",
            settings(json!({"site": {"close_message": payload}})).await,
        );
        let group = |id: u32, name: &str| json!({"id": id, "name": name.trim()});
        count(
            "group",
            settings(json!({"groups": [group(10, &short), group(1, &short)]})).await,
        );
        count(
            "reserved",
            settings(json!({"username": {"reserved": [short]}})).await,
        );
        count(
            "note",
            call(
                "POST",
                &format!("{tenant}/invites"),
                "invites",
                json!({"note": payload}),
            )
            .await,
        );
        let name = format!("{number}{}", short.chars().take(60).collect::<String>());
        let asked = json!({"username": name, "password": PASSWORD, "register_reason": payload});
        let status = register(server, "target", asked).await.status;
        count("user", status == 200);
        if status != 200 {
            let asked = json!({"username": format!("plain{number}"), "password": PASSWORD, "register_reason": payload});
            count(
                "reason",
                register(server, "target", asked).await.status == 200,
            );
        } else {
            count("reason", true);
        }
    }
    for (user, payload) in users(server, "target").await.iter().zip(PAYLOADS) {
        let path = format!("{tenant}/users/{}", user["id"].as_str().expect("an id"));
        let change = json!({"status": "pending", "refuse_message": payload});
        count("message", call("PATCH", &path, "users", change).await);
    }
    stored
}

/// Sees that nothing of what was stored has run on the present page, and that none of it is there as markup.
async fn assert_inert(browser: &Browser, place: &str) {
    assert_eq!(
        browser
            .run("return window.owned === undefined", json!([]))
            .await,
        true,
        "{place}"
    );
    let script = "return [...document.querySelectorAll('*')].filter((element) =>         element.getAttributeNames().some((name) => name.startsWith('on') || name === 'style' || name === 'srcdoc') ||         ['IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'BASE', 'MARQUEE', 'VIDEO', 'AUDIO'].includes(element.tagName) ||         (element.tagName === 'SCRIPT' && !element.src.startsWith(location.origin + '/assets/')) ||         (element.href && String(element.href.baseVal ?? element.href).startsWith('javascript:')))         .map((element) => element.outerHTML.slice(0, 200))";
    assert_eq!(browser.run(script, json!([])).await, json!([]), "{place}");
    assert_eq!(complaints(browser).await, [""; 0], "{place}");
}

#[tokio::test]
async fn nothing_that_is_stored_runs_on_any_page() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::start(ServerOptions::new()).await;
    for (place, times) in store_everywhere(&server).await {
        // Some places take no text that is so long, or that holds such signs; most take most.
        assert!(
            times >= 25,
            "{place} took {times} payloads only: the test sees too little"
        );
    }
    for user in users(&server, "target").await.iter().rev().take(3) {
        let path = format!(
            "/admin/v1/tenants/target/users/{}",
            user["id"].as_str().expect("an id")
        );
        admin(&server, "DELETE", &path, None).await.expect(200);
    }
    sign_in(&browser, &server).await;
    let mut paths: BTreeSet<String> = [
        "",
        "/tenants",
        "/audit",
        "/tenants/target",
        "/tenants/target/versions",
        "/tenants/target/versions/5?against=1",
        "/tenants/target/invites",
        "/tenants/target/users",
        "/tenants/target/deleted-users",
        "/tenants/target/applications",
        "/tenants/target/usage",
    ]
    .map(str::to_owned)
    .into();
    for section in [
        "registration",
        "page",
        "names",
        "general",
        "login",
        "limits",
        "sms",
        "wechat",
    ] {
        paths.insert(format!("/tenants/target/settings?section={section}"));
    }
    for user in users(&server, "target").await.iter().take(8) {
        paths.insert(format!(
            "/tenants/target/users/{}",
            user["id"].as_str().expect("an id")
        ));
    }
    for path in &paths {
        browser.open(&console(&server, path)).await;
        assert_inert(&browser, path).await;
    }
    // Later pages of the audit, and what an address itself brings.
    browser.open(&console(&server, "/audit")).await;
    while browser.count("main > p a.button").await > 0 {
        browser.click("main > p a.button").await;
        assert_inert(&browser, "audit").await;
    }
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    for payload in PAYLOADS {
        let payload = encode(payload);
        for path in [
            format!("/tenants?key={payload}&done={payload}&state={payload}"),
            format!("/tenants/target/users?name={payload}&status={payload}"),
            format!("/audit?administrator={payload}&action={payload}"),
        ] {
            browser.open(&console(&server, &path)).await;
            assert_inert(&browser, &path).await;
        }
        browser
            .open(&format!(
                "{}?code={payload}&return_to={payload}&lang={payload}",
                page_of(&server, "target")
            ))
            .await;
        assert_inert(&browser, "the hosted page").await;
    }
    // The hosted page keeps what was typed; the worst of it, sent as a form.
    for payload in [PAYLOADS[0], PAYLOADS[31], PAYLOADS[33], PAYLOADS[36]] {
        browser.open(&page_of(&server, "target")).await;
        browser.fill("#username", payload).await;
        browser.fill("#code", payload).await;
        browser.click("button[type=submit]").await;
        browser.text("[role=alert]").await;
        assert_eq!(browser.value("#username").await, payload);
        assert_inert(&browser, payload).await;
    }
    browser.end().await;
}

/// A web server of somebody else's: one page, whatever is asked for.
async fn strangers_site(page: impl Fn(SocketAddr) -> String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let page = page(address);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_strangers_page_neither_acts_in_an_operators_name_nor_frames_the_console() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    sign_in(&browser, &server).await;
    let token = browser.value("input[name=form]").await;
    let cookie = browser.cookies().await;
    let cookie = cookie
        .as_array()
        .expect("a list")
        .iter()
        .find(|cookie| cookie["name"] == "enroll_console");
    let cookie = cookie.expect("the session's cookie");
    assert_eq!(
        (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
        (&json!(true), &json!("Strict"), &json!("/console"))
    );
    assert_eq!(
        browser.run("return document.cookie", json!([])).await,
        "",
        "no script reads it"
    );

    let console_address = console(&server, "");
    let target = console(&server, "/tenants/acme/state");
    let hosted = page_of(&server, "acme");
    // Even somebody who has learnt the token of the session's forms gets nowhere.
    let site = strangers_site(|_| {
        format!(
            "<!DOCTYPE html><title>Stranger</title><h1>Look</h1>
             <form id=form method=post action='{target}'><input name=form value='{token}'><input name=to value=suspend></form>
             <form id=page method=post action='{hosted}'><input name=username value=mallory><input name=password value='{PASSWORD}'>
             <input name=key value=0123456789abcdef0123456789abcdef></form>
             <iframe id=console src='{console_address}'></iframe><iframe id=hosted src='{hosted}'></iframe>"
        )
    })
    .await;
    // One host is another site; the other differs by its port alone, so that its forms bring the cookie along.
    for host in ["localhost", "127.0.0.1"] {
        let stranger = format!("http://{host}:{}/", site.port());
        browser.complaints().await;
        browser.open(&stranger).await;
        let fetched = browser
            .run(
                "const body = new URLSearchParams({form: arguments[1], to: 'suspend'}); \
                 return fetch(arguments[0], {method: 'POST', body, credentials: 'include', mode: 'cors'}) \
                 .then((answer) => String(answer.status), () => 'refused')",
                json!([target, token]),
            )
            .await;
        assert_eq!(fetched, "refused", "{host}");
        let blind = browser
            .run(
                "const body = new URLSearchParams({form: arguments[1], to: 'suspend'}); \
                 return fetch(arguments[0], {method: 'POST', body, credentials: 'include', mode: 'no-cors'}) \
                 .then((answer) => answer.type, () => 'failed')",
                json!([target, token]),
            )
            .await;
        assert!(blind == "opaque" || blind == "failed", "{blind}");
        // What is in the frames is the browser's own page of refusal.
        let framed = browser.complaints().await;
        let refused = framed
            .iter()
            .filter(|line| line.contains("frame-ancestors") || line.contains("X-Frame-Options"));
        assert_eq!(refused.count(), 2, "{framed:?}");
        for form in ["form", "page"] {
            browser.open(&stranger).await;
            let submit = format!("document.getElementById('{form}').submit()");
            browser.run(&submit, json!([])).await;
            until("the answer", async || {
                (!browser.address().await.starts_with(&stranger)).then_some(())
            })
            .await;
            until("the page", async || {
                let text = browser.text("h1").await;
                (text != "Look").then_some(text)
            })
            .await;
        }
    }
    let shown = admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
    assert_eq!(shown["data"]["attributes"]["state"], "active");
    assert_eq!(users(&server, "acme").await.len(), 0);
    // The operator's own form still works.
    browser.open(&console(&server, "/tenants/acme")).await;
    browser.click("button[value=suspend]").await;
    browser
        .reads("[role=status]", "The tenant is suspended.")
        .await;
    browser.end().await;
}
