//! The audit leaves as a whole (docs/api.md, "Audit"; docs/threats.md, row 142).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin};
use crate::harness::command::enroll;
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};

on_all_databases!(the_audit_is_exported_whole_in_either_order_and_to_whom_it_belongs);

async fn ask(server: &Server, token: &str, query: &str, accept: &str) -> Answer {
    let request = Request::new("GET", &format!("/admin/v1/audit{query}"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Accept", accept);
    request.send(server.admin()).await
}

async fn lines(server: &Server, token: &str, query: &str) -> Vec<Value> {
    let answer = ask(server, token, query, "application/x-ndjson").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    assert!(text.is_empty() || text.ends_with('\n'), "a line is cut off");
    let read = |line| serde_json::from_str(line).expect("a document");
    text.lines().map(read).collect()
}

/// The list, page after page.
async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let mut path = format!("/admin/v1/audit{query}");
    let mut found = Vec::new();
    loop {
        let page = admin(server, "GET", &path, None).await.expect(200);
        found.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["links"]["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => return found,
        }
    }
}

async fn the_audit_is_exported_whole_in_either_order_and_to_whom_it_belongs(backend: Backend) {
    // More than two parts of an export.
    const INVITES: usize = 60;
    let platform = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().platform(&platform)).await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Own, json!({})).await;
    }
    for number in 0..INVITES {
        issue_invite(&server, "acme", json!({"code": format!("SPRING-{number}")})).await;
    }
    let root = server.token();
    let all = lines(&server, root, "").await;
    // The two tenants; and whoever made the token.
    assert!(all.len() >= INVITES + 2, "{}", all.len());
    assert_eq!(all, listed(&server, "?page[size]=7").await);
    let mut newest = all.clone();
    newest.reverse();
    assert_eq!(lines(&server, root, "?sort=-at").await, newest);
    assert_eq!(listed(&server, "?page[size]=7&sort=-at").await, newest);
    assert_eq!(lines(&server, root, "?sort=at").await, all);
    assert_eq!(newest[0]["attributes"]["action"], "invite.issue");
    let url = format!("http://{}", server.admin());
    let environment = [
        ("ENROLL_ADMIN_URL", url.as_str()),
        ("ENROLL_ADMIN_TOKEN", root),
    ];
    let arguments = ["audit", "export", "--newest-first", "--tenant", "acme"];
    let written = enroll(&arguments, &environment, "").await.well();
    let asked = "?sort=-at&filter[tenant]=acme";
    let sent = ask(&server, root, asked, "application/x-ndjson").await;
    assert_eq!(written, sent.text());

    let issued = lines(
        &server,
        root,
        "?filter[action]=invite.issue&filter[tenant]=acme",
    )
    .await;
    assert_eq!(issued.len(), INVITES);
    assert!(
        lines(&server, root, "?filter[until]=2020-01-01T00:00:00Z")
            .await
            .is_empty()
    );
    let csv = ask(&server, root, "?filter[action]=tenant.create", "text/csv").await;
    let header = "id,at,administrator,action,tenant_id,subject,before,after\r\n";
    assert!(csv.text().starts_with(header), "{}", csv.text());
    assert_eq!(csv.text().matches(",tenant.create,").count(), 2);

    // A tenant's administrator gets what is the tenant's, and is refused before anything is written.
    let attributes = json!({"name": "of beta", "role": "tenant", "tenant": "beta"});
    let body = json!({"data": {"type": "administrators", "attributes": attributes}});
    let made = admin(&server, "POST", "/admin/v1/administrators", Some(body))
        .await
        .expect(201);
    let token = made["data"]["attributes"]["token"]
        .as_str()
        .expect("a token");
    let of_beta = lines(&server, token, "?sort=-at").await;
    let subjects: Vec<_> = of_beta
        .iter()
        .map(|line| &line["attributes"]["subject"])
        .collect();
    assert!(subjects.contains(&&json!("beta")), "{of_beta:?}");
    let acme = &issued[0]["attributes"]["tenant_id"];
    assert!(
        of_beta
            .iter()
            .all(|line| &line["attributes"]["tenant_id"] != acme)
    );
    let ndjson = "application/x-ndjson";
    assert_eq!(
        ask(&server, token, "?filter[tenant]=acme", ndjson)
            .await
            .status,
        404
    );
    for wrong in ["?sort=id", "?filter[since]=now", "?order=newest"] {
        assert_eq!(
            ask(&server, root, wrong, ndjson).await.status,
            422,
            "{wrong}"
        );
    }
    assert_eq!(
        ask(&server, "enroll_admin_none", "", ndjson).await.status,
        401
    );
}
