//! Repeating a call whose answer was lost (docs/contract.md section 15, docs/threats.md rows 16 and 33).

use serde_json::{Value, json};

use crate::harness::client::{Request, volley};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, ada, no_limits};
use crate::harness::server::Server;
use crate::harness::tenants::{create_tenant, invite, issue_invite, users};

on_all_databases!(
    a_repeated_call_gives_the_same_account_and_fresh_tokens,
    a_key_stands_for_one_body_at_one_tenant,
    a_repeated_call_waits_for_the_first_and_outlives_a_restart,
    the_account_of_a_repeated_call_may_await_approval,
);

fn call(tenant: &str, key: &str, attributes: Value) -> Request {
    Request::register(tenant, attributes).header("Idempotency-Key", key)
}

async fn a_repeated_call_gives_the_same_account_and_fresh_tokens(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        issue_invite(&server, tenant, json!({"code": "ONCE", "max_uses": 5})).await;
        let mut attributes = ada("ada");
        attributes["code"] = "ONCE".into();
        let request = call(
            tenant,
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
            attributes.clone(),
        );
        let first = request.send(server.public()).await.expect(200);
        let again = request.send(server.public()).await.expect(200);
        assert_eq!(first["data"]["id"], again["data"]["id"]);
        assert_eq!(first["included"], again["included"]);
        for token in ["access_token", "refresh_token"] {
            let [one, other] =
                [&first, &again].map(|document| &document["data"]["attributes"][token]);
            assert!(one.is_string() && other.is_string());
            assert_ne!(one, other, "{token}");
        }
        // A quoted key is the same key: the quotes belong to the field's syntax.
        let quoted = call(
            tenant,
            "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
            attributes,
        );
        assert_eq!(
            quoted.send(server.public()).await.expect(200)["data"]["id"],
            first["data"]["id"]
        );
        assert_eq!(invite(&server, tenant, "ONCE").await["uses"], 1);
        assert_eq!(users(&server, tenant).await.len(), 1);
        // Without the key it is a call like any other.
        let plain = Request::register(tenant, ada("ada"))
            .send(server.public())
            .await;
        assert_eq!(
            plain.error()["source"]["pointer"],
            "/data/attributes/username"
        );
    }
}

async fn a_key_stands_for_one_body_at_one_tenant(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let mut answers = Vec::new();
    for (tenant, placement) in ground.placements() {
        create_tenant(&server, tenant, placement, no_limits()).await;
        // A refused call uses no key up.
        let refused = call(
            tenant,
            "key",
            json!({"username": "ada", "password": "short"}),
        );
        refused.send(server.public()).await.expect(422);
        answers.push(
            call(tenant, "key", ada("ada"))
                .send(server.public())
                .await
                .expect(200),
        );
        for other in [
            ada("bob"),
            json!({"username": "ada", "password": "another password"}),
            json!({"username": "ada", "password": "correct horse battery", "code": "NONE"}),
        ] {
            let answer = call(tenant, "key", other).send(server.public()).await;
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (422, "idempotency_key_reused")
            );
        }
        for malformed in [
            String::new(),
            "\u{e9}".to_owned(),
            "k".repeat(256),
            "\"\"".to_owned(),
        ] {
            let answer = call(tenant, &malformed, ada("eve"))
                .send(server.public())
                .await;
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (400, "idempotency_key_invalid"),
                "{malformed:?}"
            );
        }
        let twice = call(tenant, "one", ada("eve")).header("Idempotency-Key", "two");
        assert_eq!(
            twice.send(server.public()).await.error_code(),
            "idempotency_key_invalid"
        );
        assert_eq!(users(&server, tenant).await.len(), 1);
    }
    let [own, shared] = [&answers[0], &answers[1]];
    assert_ne!(
        own["data"]["id"], shared["data"]["id"],
        "two tenants, two accounts"
    );
    assert_ne!(
        own["data"]["attributes"]["access_token"],
        shared["data"]["attributes"]["access_token"]
    );
}

async fn a_repeated_call_waits_for_the_first_and_outlives_a_restart(backend: Backend) {
    let ground = Ground::create(backend).await;
    let slow = ground.options().failpoints("hash=1*sleep(1500)->off");
    let mut server = Server::start(slow).await;
    create_tenant(&server, "own", ground.own_placement(), no_limits()).await;
    let request = call("own", "key", ada("ada"));
    let mut answers = volley(server.public(), &[request.clone(), request.clone()]).await;
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers[1].status, 409);
    assert_eq!(answers[1].error_code(), "idempotency_in_progress");
    let id = answers[0].expect(200)["data"]["id"].take();

    server.sigkill();
    let next = Server::start(server.twin()).await;
    assert_eq!(
        request.send(next.public()).await.expect(200)["data"]["id"],
        id
    );
    assert_eq!(users(&next, "own").await.len(), 1);
}

async fn the_account_of_a_repeated_call_may_await_approval(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    for (tenant, placement) in ground.placements() {
        let settings = json!({"registration": {"approval": true}});
        create_tenant(&server, tenant, placement, settings).await;
        let mut attributes = ada("ada");
        attributes["register_reason"] = "I like lamps".into();
        for _ in 0..2 {
            let answer = call(tenant, "key", attributes.clone())
                .send(server.public())
                .await;
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (401, "register_validate")
            );
        }
        let users = users(&server, tenant).await;
        assert_eq!(users.len(), 1);
        assert_eq!(users[0]["attributes"]["status"], "pending");
    }
}
