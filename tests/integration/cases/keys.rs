//! Keys that sign access tokens: replaced while tokens of the old one live on, revoked at once (docs/api.md, "Signing
//! keys"; docs/threats.md, row 105).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::command::Operator;
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant};
use crate::harness::wait::until;

on_all_databases!(
    a_new_key_is_published_signs_in_its_time_and_what_the_old_one_signed_counts,
    a_revoked_key_ends_its_tokens_at_every_process,
    a_retired_key_counts_no_more,
);

async fn start(backend: Backend) -> (Server, TestDatabase) {
    let platform = TestDatabase::create(backend).await;
    let options = ServerOptions::new().set("tenants.sync_ms", 100);
    let server = Server::start(options.platform(&platform)).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    (server, platform)
}

async fn keys(server: &Server) -> Vec<Value> {
    let answer = admin(server, "GET", "/admin/v1/tenants/acme/keys", None).await;
    let text = answer.text();
    // "d" would be the private half (RFC 8037).
    assert!(
        !text.contains("\"d\"") && !text.contains("sealed"),
        "{text}"
    );
    answer.expect(200)["data"].as_array().expect("keys").clone()
}

async fn rotate(server: &Server, attributes: Value) -> Answer {
    let body = json!({"data": {"type": "keys", "attributes": attributes}});
    admin(server, "POST", "/admin/v1/tenants/acme/keys", Some(body)).await
}

async fn rotated(server: &Server, attributes: Value) -> String {
    let made = rotate(server, attributes).await.expect(201);
    made["data"]["id"].as_str().expect("an id").to_owned()
}

async fn revoke(server: &Server, kid: &str) -> Answer {
    let path = format!("/admin/v1/tenants/acme/keys/{kid}");
    admin(server, "DELETE", &path, None).await
}

/// The names of the published keys.
async fn published(server: &Server) -> Vec<String> {
    let set = Request::new("GET", "/t/acme/.well-known/jwks.json");
    let set = set.send(server.public()).await.expect(200);
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a name").to_owned())
        .collect()
}

/// A new user's access and refresh tokens.
async fn joins(server: &Server, name: &str) -> (String, String) {
    let document = register(server, "acme", ada(name)).await.expect(200);
    let token = |which: &str| {
        document["data"]["attributes"][which]
            .as_str()
            .expect("a token")
            .to_owned()
    };
    (token("access_token"), token("refresh_token"))
}

fn header(token: &str) -> Value {
    let head = token.split('.').next().expect("a header");
    let head = URL_SAFE_NO_PAD.decode(head).expect("base64url");
    serde_json::from_slice(&head).expect("JSON")
}

async fn status_with(server: &Server, token: &str) -> u16 {
    let me = Request::new("GET", "/t/acme/api/users/me");
    let me = me.header("Authorization", format!("Bearer {token}"));
    me.send(server.public()).await.status
}

fn column(keys: &[Value], name: &str) -> Vec<Value> {
    keys.iter()
        .map(|key| key["attributes"][name].clone())
        .collect()
}

async fn a_new_key_is_published_signs_in_its_time_and_what_the_old_one_signed_counts(
    backend: Backend,
) {
    let (server, _platform) = start(backend).await;
    let first = published(&server).await;
    let (old_token, _) = joins(&server, "ada").await;
    assert_eq!(header(&old_token)["kid"], first[0].as_str());

    let wanted = json!({"algorithm": "ES256", "signs_in_seconds": 3});
    let second = rotated(&server, wanted).await;
    assert_eq!(published(&server).await, [second.clone(), first[0].clone()]);
    let listed = keys(&server).await;
    assert_eq!(column(&listed, "state"), ["coming", "signing"]);
    assert_eq!(column(&listed, "algorithm"), ["ES256", "EdDSA"]);
    assert_eq!(listed[0]["attributes"]["retires_at"], Value::Null);
    assert_ne!(listed[1]["attributes"]["retires_at"], Value::Null);
    let (still_old, _) = joins(&server, "bob").await;
    assert_eq!(header(&still_old)["kid"], first[0].as_str());

    let mut number = 0;
    let new_token = until("the new key signs", async || {
        number += 1;
        let (token, _) = joins(&server, &format!("carol{number}")).await;
        (header(&token)["kid"] == second.as_str()).then_some(token)
    })
    .await;
    assert_eq!(header(&new_token)["alg"], "ES256");
    for token in [&old_token, &still_old, &new_token] {
        assert_eq!(status_with(&server, token).await, 200);
    }
    assert_eq!(
        column(&keys(&server).await, "state"),
        ["signing", "verifying"]
    );
    let audit = admin(
        &server,
        "GET",
        "/admin/v1/audit?filter[action]=key.rotate",
        None,
    )
    .await;
    let lines = audit.expect(200);
    assert_eq!(lines["data"].as_array().map(Vec::len), Some(1), "{lines}");
    assert_eq!(lines["data"][0]["attributes"]["subject"], second.as_str());
}

async fn a_revoked_key_ends_its_tokens_at_every_process(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let shared = TestDatabase::create(backend).await;
    let options = ServerOptions::new()
        .set("tenants.sync_ms", 100)
        .platform(&platform)
        .database("main", &shared);
    let first = Server::start(options).await;
    // Two processes of one tenant speak for one address.
    let mut settings = no_limits();
    settings["tokens"] = json!({"issuer": "https://id.example"});
    create_tenant(&first, "acme", Placement::Shared("main"), settings).await;
    let second = Server::start(first.twin()).await;
    let (token, refresh) = joins(&first, "ada").await;
    // Twice, so that the signature is remembered as checked.
    for server in [&first, &second, &first, &second] {
        assert_eq!(status_with(server, &token).await, 200);
    }
    let stolen = published(&first).await.remove(0);
    let last = revoke(&first, &stolen).await;
    assert_eq!((last.status, last.error_code().as_str()), (409, "last_key"));
    let new = rotated(&first, json!({"signs_in_seconds": 86_400})).await;
    assert_eq!(revoke(&first, &stolen).await.status, 204);

    assert_eq!(
        status_with(&first, &token).await,
        401,
        "at once where it was revoked"
    );
    until("the other process refuses it too", async || {
        (status_with(&second, &token).await == 401).then_some(())
    })
    .await;
    // The key to come took over, and sessions live on.
    assert_eq!(column(&keys(&first).await, "state"), ["signing"]);
    for server in [&first, &second] {
        assert_eq!(published(server).await, std::slice::from_ref(&new));
    }
    let body = json!({"data": {"attributes": {"refresh_token": refresh}}});
    let renewed = Request::new("POST", "/t/acme/api/refresh-token").json(&body);
    let renewed = renewed.send(second.public()).await.expect(200);
    let renewed = renewed["data"]["attributes"]["access_token"]
        .as_str()
        .expect("a token");
    assert_eq!(header(renewed)["kid"], new.as_str());
    for server in [&first, &second] {
        assert_eq!(status_with(server, renewed).await, 200);
    }
    let gone = revoke(&first, &stolen).await;
    assert_eq!(
        (gone.status, gone.error_code().as_str()),
        (404, "model_not_found")
    );
}

async fn a_retired_key_counts_no_more(backend: Backend) {
    let (server, platform) = start(backend).await;
    let first = published(&server).await.remove(0);
    let (token, _) = joins(&server, "ada").await;
    let second = rotated(&server, json!({"signs_in_seconds": 0})).await;
    let (new_token, _) = joins(&server, "bob").await;
    assert_eq!(header(&new_token)["kid"], second.as_str());
    assert_eq!(status_with(&server, &token).await, 200);
    // As if the old one's last token were over: a moment from now.
    let connection = platform.connect().await;
    let soon = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        + Duration::from_secs(2);
    let retire = format!(
        "UPDATE signing_keys SET retires_at = {} WHERE kid = '{first}'",
        soon.as_millis()
    );
    connection
        .execute_unprepared(&retire)
        .await
        .expect("an update");
    change_settings(&server, "acme", json!({"locale": "en"})).await;
    assert_eq!(
        published(&server).await.len(),
        2,
        "it counts until its time"
    );
    until("the key retires", async || {
        (published(&server).await == std::slice::from_ref(&second)).then_some(())
    })
    .await;
    assert_eq!(status_with(&server, &token).await, 401);
    assert_eq!(status_with(&server, &new_token).await, 200);
    assert_eq!(
        column(&keys(&server).await, "state"),
        ["signing", "retired"]
    );
}

#[tokio::test]
async fn no_call_fails_while_keys_are_rotated() {
    let (server, _platform) = start(Backend::Sqlite).await;
    let (token, _) = joins(&server, "ada").await;
    let rotations = async {
        for algorithm in ["ES256", "RS256", "EdDSA"] {
            for notice in [0, 1] {
                rotated(
                    &server,
                    json!({"algorithm": algorithm, "signs_in_seconds": notice}),
                )
                .await;
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        }
    };
    let mut signed_by = std::collections::HashSet::new();
    let calls = async {
        let mut number = 0;
        loop {
            number += 1;
            let (new, _) = joins(&server, &format!("user{number}")).await;
            assert_eq!(status_with(&server, &new).await, 200);
            assert_eq!(status_with(&server, &token).await, 200);
            signed_by.insert(header(&new)["kid"].to_string());
        }
    };
    tokio::select! {
        () = rotations => {}
        () = calls => {}
    }
    // Those with a notice of a second were overtaken by the next, but for the last.
    assert!(signed_by.len() >= 3, "{signed_by:?}");
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_and_their_number_is_bounded() {
    let (server, _platform) = start(Backend::Sqlite).await;
    for (attribute, value) in [
        ("algorithm", json!("HS256")),
        ("algorithm", json!("none")),
        ("algorithm", json!(1)),
        ("signs_in_seconds", json!(-1)),
        ("signs_in_seconds", json!(86_401)),
        ("signs_in_seconds", json!("0")),
        ("private_key", json!("x")),
    ] {
        let mut attributes = json!({});
        attributes[attribute] = value;
        let answer = rotate(&server, attributes).await;
        assert_eq!(answer.status, 422, "{attribute}");
        let pointer = answer.error()["source"]["pointer"].take();
        assert_eq!(pointer, format!("/data/attributes/{attribute}"));
    }
    for kid in ["nobody", "%00", "..%2Fkeys", &"x".repeat(300)] {
        assert_eq!(revoke(&server, kid).await.status, 404, "{kid}");
    }
    for _ in 1..8 {
        rotated(&server, json!({})).await;
    }
    let more = rotate(&server, json!({})).await;
    assert_eq!(
        (more.status, more.error_code().as_str()),
        (409, "too_many_keys")
    );
    assert_eq!(keys(&server).await.len(), 8);
}

#[tokio::test]
async fn keys_are_listed_rotated_and_revoked_on_the_command_line() {
    let (server, _platform) = start(Backend::Sqlite).await;
    let operator = Operator::at(server);
    let first = operator
        .run(&["key", "list", "acme", "--json"])
        .await
        .json();
    let first = first["data"][0]["id"].as_str().expect("an id");
    let line = [
        "key",
        "rotate",
        "acme",
        "--algorithm",
        "ES256",
        "--signs-in",
        "0",
    ];
    let made = operator.run(&line).await.well();
    assert!(made.contains("ES256") && made.contains("signing"), "{made}");
    let table = operator.run(&["key", "list", "acme"]).await.well();
    assert!(
        table.contains(first) && table.contains("verifying"),
        "{table}"
    );
    operator.run(&["key", "revoke", "acme", first]).await.well();
    let left = operator
        .run(&["key", "list", "acme", "--json"])
        .await
        .json();
    let new = left["data"][0]["id"].as_str().expect("an id");
    let refused = operator
        .run(&["key", "revoke", "acme", new])
        .await
        .failed(1);
    assert!(refused.contains("last_key"), "{refused}");
}
