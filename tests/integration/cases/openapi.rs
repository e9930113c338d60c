//! The description of the API (docs/api.md, "Description"): as it was looked at, and of every route that there is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::client::Request;
use crate::harness::openapi::{document, operations};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

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
    create_tenant(&server, "acme", Placement::Own, serde_json::json!({})).await;
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
