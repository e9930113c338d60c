//! The pages in a real browser: what people see and can do, and what strangers cannot (docs/threats.md, rows 106 to 109).
//!
//! With `ENROLL_TEST_SCREENSHOTS` set to a folder, the pictures of docs/screenshots are taken anew.

use serde_json::{Value, json};

use crate::harness::browser::{Browser, SIZES};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite, users};

const PASSWORD: &str = "correct horse battery";

/// The page of a tenant that is named by its host, as browsers reach it.
fn page_of(server: &Server, tenant: &str) -> String {
    format!(
        "http://{tenant}.localhost:{}/register",
        server.public().port()
    )
}

/// Looks at the present page in every size and in light and dark: nothing is wider than the window, and axe-core finds no
/// barrier. A picture is kept where pictures are asked for, in one of the looks.
async fn look_at(browser: &Browser, name: &str, barriers: &mut Vec<String>) {
    for (size, width, height) in SIZES {
        for dark in [false, true] {
            browser.look(width, height, dark).await;
            let wide = browser
                .run(
                    "return document.documentElement.scrollWidth > window.innerWidth",
                    json!([]),
                )
                .await;
            let look = format!("{name} on a {size}{}", if dark { ", dark" } else { "" });
            if wide == true {
                barriers.push(format!("{look} is wider than its window"));
            }
            let found = browser.barriers().await;
            barriers.extend(found.into_iter().map(|fault| format!("{look}: {fault}")));
            if (size == "phone") == dark {
                keep_picture(
                    browser,
                    &format!("{name}-{size}{}", if dark { "-dark" } else { "" }),
                )
                .await;
            }
        }
    }
    browser.look(1280, 900, false).await;
}

async fn keep_picture(browser: &Browser, name: &str) {
    use base64::Engine as _;
    let Some(folder) = std::env::var_os("ENROLL_TEST_SCREENSHOTS") else {
        return;
    };
    let picture = browser.picture().await;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(picture)
        .expect("Base64");
    let file = std::path::Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(&file, bytes).expect("a picture can be kept");
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
    assert_eq!(browser.text("h1").await, "Create an account");
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
    assert_eq!(browser.text("h1").await, "Almost there");
    look_at(&browser, "register-done", &mut barriers).await;

    browser.scripts(false).await;
    browser
        .open(&format!("{}?lang=zh-CN", page_of(&server, "acme")))
        .await;
    assert_eq!(browser.text("h1").await, "注册账号");
    browser.fill("#username", "卡罗琳").await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#register_reason", "彗星").await;
    browser.fill("#code", &code).await;
    browser.click("button[type=submit]").await;
    assert_eq!(browser.text("h1").await, "已提交，等待审核");
    browser.scripts(true).await;
    look_at(&browser, "register-zh", &mut barriers).await;

    browser.open(&page_of(&server, "plain")).await;
    browser.fill("#username", "ada").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button[type=submit]").await;
    assert_eq!(browser.text("h1").await, "Welcome");
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
    let complaints = browser.complaints().await;
    let refused = |line: &&String| !line.contains("the server responded with a status of");
    let complaints: Vec<_> = complaints.iter().filter(refused).collect();
    assert_eq!(complaints, Vec::<&String>::new());
    browser.end().await;
}
