//! The description of the API (docs/api.md, "Description"): as it was looked at, and of every route that there is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::client::{Request, admin, register};
use crate::harness::ground::{ada, no_limits};
use crate::harness::openapi::{document, operations};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};

/// With this in the environment the documents in `docs/openapi/` are written anew instead of compared.
const WRITE: &str = "ENROLL_WRITE_OPENAPI";

#[tokio::test]
async fn the_descriptions_are_those_in_the_documents() {
    let server = Server::start(ServerOptions::new()).await;
    for (name, listener) in [("public", server.public()), ("operators", server.admin())] {
        let mut found = document(listener).await;
        // A release changes nothing else.
        found["info"]["version"] = "".into();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/openapi/{name}.json"));
        let text = serde_json::to_string_pretty(&found).expect("JSON") + "\n";
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &text).expect("the document is written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == kept,
            "{} differs from what the server says: look at the change, then run this test with {WRITE}=1",
            path.display()
        );
    }
}

#[tokio::test]
async fn every_described_path_takes_the_described_methods_and_no_other() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    for listener in [server.public(), server.admin()] {
        let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for operation in operations(&document(listener).await) {
            methods
                .entry(operation.path)
                .or_default()
                .push(operation.method);
        }
        for (path, mut described) in methods {
            let filled = path.replace(['{', '}'], "");
            let answer = Request::new("TRACE", &filled).header("X-Tenant-Id", "acme");
            let answer = answer.send(listener).await;
            assert_eq!(answer.status, 405, "{path}");
            let allowed = answer.header("allow").expect("the methods").split(", ");
            let mut allowed: Vec<&str> = allowed.filter(|method| *method != "HEAD").collect();
            allowed.sort_unstable();
            described.sort_unstable();
            assert_eq!(described, allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn every_error_that_the_documents_name_is_in_the_catalogue() {
    let server = Server::start(ServerOptions::new()).await;
    let codes = |document: &Value| -> Vec<String> {
        let errors = document["x-errors"].as_array().expect("a catalogue");
        let code = |error: &Value| error["code"].as_str().expect("a code").to_owned();
        errors.iter().map(code).collect()
    };
    let operators = codes(&document(server.admin()).await);
    let public = codes(&document(server.public()).await);
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::fs::read_to_string(path).expect("a document")
    };
    // Rows of a table of errors: the status, then the codes in backquotes.
    let api = read("docs/api.md");
    let table = api
        .split("### Errors")
        .nth(1)
        .expect("the errors of the admin API");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    let mut seen = 0;
    for row in rows {
        let cell = row.split('|').nth(1).expect("a cell");
        for code in cell.split('`').skip(1).step_by(2) {
            assert!(
                operators.iter().any(|known| known == code),
                "{code} of docs/api.md"
            );
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen} codes of the admin API");
    let contract = read("docs/contract.md");
    let table = contract
        .split("### 4.2")
        .nth(1)
        .and_then(|rest| rest.split("### 4.3").next());
    let rows = table
        .expect("section 4.2")
        .lines()
        .filter(|line| line.starts_with("| `"));
    let mut seen = 0;
    for row in rows {
        let cell = row.split('|').nth(1).expect("a cell");
        for code in cell.split('`').skip(1).step_by(2) {
            assert!(
                public.iter().any(|known| known == code),
                "{code} of docs/contract.md"
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} codes of the contract");
}

/// Longest run of schemathesis; it takes half a minute where nothing else runs.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// Calls everything that a listener describes, with what is good and what is not, and finds nothing.
async fn nothing_is_found(
    name: &str,
    listener: SocketAddr,
    header: &str,
    known: &[(&str, &str)],
    more: &[&str],
) {
    let Some(program) = std::env::var("ENROLL_TEST_SCHEMATHESIS").ok() else {
        let quick = std::env::var("ENROLL_TEST_QUICK").is_ok_and(|value| value == "1");
        assert!(
            quick,
            "ENROLL_TEST_SCHEMATHESIS is not set: run the tests by scripts/test"
        );
        return;
    };
    let folder = TempDir::with_prefix("enroll-schemathesis-").expect("a temporary folder");
    let settings =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/schemathesis/{name}.toml"));
    let settings = std::fs::read_to_string(settings).expect("its settings");
    let settings = known
        .iter()
        .fold(settings, |text, (name, value)| text.replace(name, value));
    let file = folder.path().join("schemathesis.toml");
    std::fs::write(&file, settings).expect("its settings are written");
    let mut words = program.lines();
    let mut command = Command::new(words.next().expect("a program"));
    command
        .args(words)
        .arg("--config-file")
        .arg(&file)
        .args(["run", &format!("http://{listener}/openapi.json")])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--checks",
            "all",
        ])
        .args([
            "--max-examples",
            "20",
            "--seed",
            "7",
            "--continue-on-failure",
            "--no-color",
        ])
        .args(["--header", header, "--request-timeout", "20"])
        .args(more)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let run = tokio::time::timeout(LONGEST_RUN, command.output()).await;
    let output = run.expect("it ends in time").expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text
        .find("= SUMMARY =")
        .and_then(|at| text.get(at..))
        .unwrap_or(&text);
    println!("schemathesis, {name}: {summary}");
    assert!(
        output.status.success() && summary.contains(" passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A server with a tenant `acme` whose moderator is there; gives the number and an access token of it.
async fn start_with_moderator() -> (Server, String, String) {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    issue_invite(
        &server,
        "acme",
        json!({"code": "SPRING-2027", "max_uses": 1000}),
    )
    .await;
    let joined = register(&server, "acme", ada("ada")).await.expect(200);
    let id = joined["data"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/admin/v1/tenants/acme/users/{id}");
    let moderator = json!({"data": {"type": "users", "attributes": {"group_id": 1}}});
    admin(&server, "PATCH", &path, Some(moderator))
        .await
        .expect(200);
    let token = joined["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    (server, id, token)
}

#[tokio::test]
async fn schemathesis_finds_nothing_at_the_public_listener() {
    let (server, user, token) = start_with_moderator().await;
    let body = json!({"data": {"attributes": ada("ada")}});
    let login = Request::new("POST", "/t/acme/api/login").json(&body);
    let login = login.send(server.public()).await.expect(200);
    let other = login["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token");
    let known = [("{user}", user.as_str()), ("{other}", other)];
    let header = format!("Authorization: Bearer {token}");
    nothing_is_found(
        "public",
        server.public(),
        &header,
        &known,
        &["--header", "X-Tenant-Id: acme"],
    )
    .await;
}

#[tokio::test]
async fn schemathesis_finds_nothing_at_the_operators_listener() {
    let (server, user, _) = start_with_moderator().await;
    create_tenant(&server, "doomed", Placement::Own, json!({})).await;
    issue_invite(&server, "acme", json!({"code": "AUTUMN-2027"})).await;
    let header = format!("Authorization: Bearer {}", server.token());
    // After ten wrong tokens a minute the rest are answered 429 and not looked at. What no token and wrong ones open is
    // asked of every operation by `roles::each_role_does_what_the_description_says_and_no_more`.
    let more = ["--exclude-checks", "ignored_auth"];
    nothing_is_found(
        "operators",
        server.admin(),
        &header,
        &[("{user}", &user)],
        &more,
    )
    .await;
}

#[tokio::test]
async fn people_read_the_description_without_a_script() {
    let server = Server::start(ServerOptions::new()).await;
    for listener in [server.public(), server.admin()] {
        let page = Request::new("GET", "/docs").send(listener).await;
        assert_eq!(page.status, 200);
        let text = page.text();
        let document = document(listener).await;
        for operation in operations(&document) {
            assert!(
                text.contains(&format!("id=\"{}\"", operation.id)),
                "{}",
                operation.id
            );
            assert!(text.contains(&operation.path), "{}", operation.path);
        }
        for error in document["x-errors"].as_array().expect("a catalogue") {
            let code = error["code"].as_str().expect("a code");
            assert!(text.contains(&format!("<code>{code}</code>")), "{code}");
        }
        for name in document["components"]["schemas"]
            .as_object()
            .expect("shapes")
            .keys()
        {
            assert!(text.contains(&format!("id=\"shape-{name}\"")), "{name}");
        }
        assert!(!text.contains("<script") && !text.contains("style="));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        // No link leads away from this listener.
        for link in text.split("href=\"").skip(1) {
            assert!(link.starts_with('/') || link.starts_with('#'), "{link:.60}");
        }
    }
}
