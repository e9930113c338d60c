//! Invite codes by the thousands, exports of them, and whom each brought (docs/api.md, "Batches of invites").

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::{Answer, Request, admin, register, volley};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant, issue_invite};

on_all_databases!(
    a_batch_is_streamed_and_the_same_call_makes_no_code_twice,
    two_calls_for_one_batch_at_once_get_the_same_codes,
    codes_that_were_answered_exist_when_the_client_leaves,
    an_export_holds_every_invite_that_its_filters_let_pass,
    an_invite_tells_whom_it_brought,
);

async fn start(backend: Backend) -> (Server, TestDatabase) {
    let shared = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().database("main", &shared)).await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Shared("main"), no_limits()).await;
    }
    (server, shared)
}

fn batch(server: &Server, name: &str, attributes: Value) -> Request {
    let body = json!({"data": {"type": "invite-batches", "attributes": attributes}});
    Request::new(
        "PUT",
        &format!("/admin/v1/tenants/acme/invite-batches/{name}"),
    )
    .header("Authorization", format!("Bearer {}", server.token()))
    .json(&body)
}

async fn put(server: &Server, name: &str, attributes: Value) -> Answer {
    batch(server, name, attributes).send(server.admin()).await
}

async fn export(server: &Server, query: &str, accept: &str) -> Answer {
    let path = format!("/admin/v1/tenants/acme/invites{query}");
    let request = Request::new("GET", &path)
        .header("Authorization", format!("Bearer {}", server.token()))
        .header("Accept", accept);
    request.send(server.admin()).await
}

/// The documents of an NDJSON answer.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    assert!(text.is_empty() || text.ends_with('\n'), "a line is cut off");
    let read = |line| serde_json::from_str(line).expect("a document");
    text.lines().map(read).collect()
}

fn codes(invites: &[Value]) -> Vec<String> {
    let code = |invite: &Value| {
        invite["attributes"]["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    };
    invites.iter().map(code).collect()
}

async fn audited_counts(server: &Server) -> Vec<Value> {
    let path = "/admin/v1/audit?filter[action]=invite.issue";
    let list = admin(server, "GET", path, None).await.expect(200);
    let lines = list["data"].as_array().expect("a list");
    lines
        .iter()
        .map(|line| line["attributes"]["after"]["count"].clone())
        .collect()
}

async fn a_batch_is_streamed_and_the_same_call_makes_no_code_twice(backend: Backend) {
    let (server, _shared) = start(backend).await;
    let wanted = |count: i64| {
        json!({"count": count, "max_uses": 3, "note": "spring fair", "group_id": 10,
               "expires_at": "2999-01-01T00:00:00Z"})
    };
    let first = lines(&put(&server, "spring", wanted(1203)).await);
    assert_eq!(codes(&first).iter().collect::<BTreeSet<_>>().len(), 1203);
    let shown = &first[1202]["attributes"];
    assert_eq!(
        [
            &shown["batch"],
            &shown["max_uses"],
            &shown["uses"],
            &shown["note"],
            &shown["state"],
            &shown["group_id"]
        ],
        [
            &json!("spring"),
            &json!(3),
            &json!(0),
            &json!("spring fair"),
            &json!("usable"),
            &json!(10)
        ]
    );
    let one = tenants::invite(&server, "acme", &codes(&first)[700]).await;
    assert_eq!(one, first[700]["attributes"]);

    let again = lines(&put(&server, "spring", wanted(1203)).await);
    assert_eq!(again, first, "the same codes in the same order");
    let more = lines(&put(&server, "spring", wanted(1300)).await);
    assert_eq!((more.len(), &more[..1203]), (1300, &first[..]));
    let fewer = lines(&put(&server, "spring", wanted(2)).await);
    assert_eq!(fewer, first[..2]);
    assert_eq!(
        audited_counts(&server).await,
        [1203, 97],
        "only what was made"
    );

    for (name, other) in [
        ("max_uses", json!(4)),
        ("note", json!("fair")),
        ("group_id", json!(1)),
        ("expires_at", Value::Null),
    ] {
        let mut wanted = wanted(1300);
        wanted[name] = other;
        let answer = put(&server, "spring", wanted).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (409, "invite_batch_differs"),
            "{name}"
        );
    }
    for (attributes, at) in [
        (json!({}), "count"),
        (json!({"count": 0}), "count"),
        (json!({"count": 100_001}), "count"),
        (json!({"count": "9"}), "count"),
        (json!({"count": 1, "max_uses": 0}), "max_uses"),
        (json!({"count": 1, "note": "x".repeat(256)}), "note"),
        (json!({"count": 1, "group_id": 77}), "group_id"),
        (json!({"count": 1, "code": "CHOSEN"}), "code"),
    ] {
        let refused = put(&server, "other", attributes.clone()).await.expect(422);
        let pointer = &refused["errors"][0]["source"]["pointer"];
        assert_eq!(pointer, &format!("/data/attributes/{at}"), "{attributes}");
    }
    for name in ["-x", "a%20b", "%C3%A4", &"x".repeat(65)] {
        assert_eq!(
            put(&server, name, json!({"count": 1})).await.status,
            404,
            "{name}"
        );
    }
    let longest = lines(
        &put(
            &server,
            "long-note",
            json!({"count": 1, "note": "语".repeat(255)}),
        )
        .await,
    );
    assert_eq!(longest[0]["attributes"]["note"], "语".repeat(255));

    // A batch is its tenant's own.
    let body = json!({"data": {"type": "invite-batches", "attributes": {"count": 1}}});
    let beta = Request::new("PUT", "/admin/v1/tenants/beta/invite-batches/spring")
        .header("Authorization", format!("Bearer {}", server.token()))
        .json(&body);
    let beta = lines(&beta.send(server.admin()).await);
    assert!(!codes(&first).contains(&codes(&beta)[0]));
    register(
        &server,
        "acme",
        json!({"username": "ada", "password": "correct horse battery", "code": codes(&first)[0]}),
    )
    .await
    .expect(200);
    assert_eq!(
        tenants::invite(&server, "acme", &codes(&first)[0]).await["uses"],
        1
    );
}

async fn two_calls_for_one_batch_at_once_get_the_same_codes(backend: Backend) {
    let (server, _shared) = start(backend).await;
    let calls: Vec<Request> = (0..4)
        .map(|_| batch(&server, "race", json!({"count": 1100})))
        .collect();
    let answers = volley(server.admin(), &calls).await;
    let first = codes(&lines(&answers[0]));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 1100);
    for answer in &answers[1..] {
        assert_eq!(codes(&lines(answer)), first);
    }
    let all = lines(&export(&server, "", "application/x-ndjson").await);
    assert_eq!(all.len(), 1100);
}

async fn codes_that_were_answered_exist_when_the_client_leaves(backend: Backend) {
    let (server, _shared) = start(backend).await;
    const COUNT: i64 = 6000;
    let call = batch(&server, "cut", json!({"count": COUNT}));
    let mut stream = TcpStream::connect(server.admin())
        .await
        .expect("a connection");
    stream
        .write_all(&call.bytes(server.admin()))
        .await
        .expect("sent");
    let mut seen = Vec::new();
    while seen.len() < 300_000 {
        let read = stream.read_buf(&mut seen).await.expect("read");
        assert!(
            read > 0,
            "the answer ended: {}",
            String::from_utf8_lossy(&seen)
        );
    }
    drop(stream);
    let text = String::from_utf8_lossy(&seen);
    // A line that a boundary of chunks cuts in two is left out.
    let whole = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answered = codes(
        &whole
            .filter(|line| line["type"] == "invites")
            .collect::<Vec<_>>(),
    );
    assert!(answered.len() > 500, "{}", answered.len());
    for code in [&answered[0], &answered[answered.len() - 1]] {
        assert_eq!(
            tenants::invite(&server, "acme", code).await["state"],
            "usable"
        );
    }
    let whole = codes(&lines(&put(&server, "cut", json!({"count": COUNT})).await));
    assert_eq!(whole.len(), 6000);
    let known: BTreeSet<&String> = whole.iter().collect();
    assert!(
        answered.iter().all(|code| known.contains(code)),
        "an answered code is gone"
    );
    let all = lines(&export(&server, "?filter[batch]=cut", "application/x-ndjson").await);
    assert_eq!(all.len(), 6000, "none was made twice");
}

async fn an_export_holds_every_invite_that_its_filters_let_pass(backend: Backend) {
    let (server, _shared) = start(backend).await;
    let made = codes(&lines(
        &put(&server, "b1", json!({"count": 1001, "note": "=1+1"})).await,
    ));
    let chosen = json!({"code": "-SPENT", "note": "say \"no\", twice"});
    let spent = issue_invite(&server, "acme", chosen).await;
    let twice = issue_invite(&server, "acme", json!({"code": "TWICE", "max_uses": 2})).await;
    let revoked = issue_invite(&server, "acme", json!({"code": "REVOKED"})).await;
    issue_invite(&server, "beta", json!({"code": "FOREIGN"})).await;
    for (name, code) in [("ada", &spent), ("bob", &twice)] {
        let mut who = ada(name);
        who["code"] = json!(code);
        register(&server, "acme", who).await.expect(200);
    }
    let path = format!("/admin/v1/tenants/acme/invites/{revoked}");
    assert_eq!(admin(&server, "DELETE", &path, None).await.status, 204);

    let mut usable = made.clone();
    usable.push(twice.clone());
    let mut all = usable.clone();
    all.extend([spent.clone(), revoked.clone()]);
    for (query, wanted) in [
        ("", all),
        ("?filter[state]=usable", usable),
        ("?filter[state]=unused", made.clone()),
        ("?filter[state]=spent", vec![spent.clone()]),
        ("?filter[state]=revoked", vec![revoked]),
        ("?filter[state]=expired", vec![]),
        ("?filter[batch]=b1", made.clone()),
        ("?filter[note]=%3D1%2B1&filter[state]=unused", made),
        ("?filter[note]=%3D1", vec![]),
        ("?filter[batch]=b2", vec![]),
    ] {
        let found = lines(&export(&server, query, "application/x-ndjson").await);
        let found: BTreeSet<String> = codes(&found).into_iter().collect();
        assert_eq!(found, wanted.into_iter().collect(), "{query}");
    }
    // The pages of the list have the same filters.
    let page = admin(
        &server,
        "GET",
        "/admin/v1/tenants/acme/invites?filter[state]=unused&page[size]=400",
        None,
    );
    let page = page.await.expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(400));
    let next = page["links"]["next"].as_str().expect("a next page");
    let page = admin(&server, "GET", next, None).await.expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(400));

    let csv = export(&server, "?filter[state]=spent", "text/html, text/csv;q=0.5").await;
    assert_eq!(
        csv.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let text = csv.text();
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert_eq!(
        rows[0],
        "id,batch,code,state,max_uses,uses,group_id,expires_at,revoked_at,created_at,note"
    );
    assert!(rows[1].contains(",,\"'-SPENT\",spent,1,1,,,,20"), "{text}");
    assert!(rows[1].ends_with(",\"say \"\"no\"\", twice\""), "{text}");
    let csv = export(&server, "?filter[batch]=b1", "text/csv").await;
    let text = csv.text();
    let rows: Vec<&str> = text.split_terminator("\r\n").skip(1).collect();
    assert!(rows.len() == 1001 && rows.iter().all(|row| row.ends_with(",\"'=1+1\"")));

    for wrong in ["filter[state]=asleep", "filter[batch]=-", "filter[code]=A"] {
        let answer = export(&server, &format!("?{wrong}"), "text/csv").await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (422, "validation_error"),
            "{wrong}"
        );
    }
}

async fn an_invite_tells_whom_it_brought(backend: Backend) {
    let (server, _shared) = start(backend).await;
    let code = issue_invite(&server, "acme", json!({"code": "PARTY", "max_uses": 5})).await;
    issue_invite(&server, "acme", json!({"code": "NOBODY"})).await;
    issue_invite(&server, "beta", json!({"code": "PARTY"})).await;
    for name in ["ada", "bob", "cid"] {
        let mut who = ada(name);
        who["code"] = json!(code);
        register(&server, "acme", who).await.expect(200);
    }
    register(&server, "acme", ada("dan")).await.expect(200);
    let brought = async |path: &str| {
        let path = format!("/admin/v1/tenants/{path}");
        admin(&server, "GET", &path, None).await
    };
    let page = brought("acme/invites/party/registrations?page[size]=2")
        .await
        .expect(200);
    let name = |user: &Value| user["attributes"]["username"].as_str().map(str::to_owned);
    let names = |page: &Value| -> Vec<_> {
        page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(name)
            .collect()
    };
    assert_eq!(names(&page), ["ada", "bob"]);
    let first = &page["data"][0];
    let users = tenants::users(&server, "acme").await;
    assert_eq!(
        (&first["type"], &first["id"]),
        (&json!("registrations"), &users[0]["id"])
    );
    assert_eq!(first["attributes"]["status"], "normal");
    assert_eq!(
        first["attributes"]["created_at"],
        users[0]["attributes"]["created_at"]
    );
    let next = page["links"]["next"].as_str().expect("a next page");
    let rest = admin(&server, "GET", next, None).await.expect(200);
    assert_eq!(
        (names(&rest), &rest["links"]["next"]),
        (vec!["cid".to_owned()], &Value::Null)
    );
    assert_eq!(
        tenants::invite(&server, "acme", &code).await["uses"],
        3,
        "the count of them"
    );
    for nobody in [
        "acme/invites/NOBODY/registrations",
        "beta/invites/PARTY/registrations",
    ] {
        assert_eq!(
            brought(nobody).await.expect(200)["data"],
            json!([]),
            "{nobody}"
        );
    }
    for unknown in [
        "acme/invites/UNKNOWN/registrations",
        "none/invites/PARTY/registrations",
    ] {
        assert_eq!(brought(unknown).await.status, 404, "{unknown}");
    }
}
