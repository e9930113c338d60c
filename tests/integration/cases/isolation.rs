//! Nothing of one tenant is seen, used or changed at another (docs/threats.md rows 3, 11, 15 and 18).

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin};
use crate::harness::database::Backend;
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::server::Server;
use crate::harness::tenants::{Placement, create_tenant, invite, issue_invite, users};

on_all_databases!(
    an_invite_of_another_tenant_is_an_unknown_one,
    a_code_unknown_here_works_where_it_was_issued_since,
    a_name_is_taken_at_one_tenant_only,
    a_member_of_another_tenant_invites_nobody,
    rows_of_a_shared_database_tell_their_tenant,
);

/// Two tenants in the same shared database.
async fn neighbours(ground: &Ground, server: &Server) -> [String; 2] {
    let mut ids = Vec::new();
    for key in ["acme", "bolt"] {
        let tenant = create_tenant(server, key, Placement::Shared(SHARED), no_limits()).await;
        ids.push(tenant["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ground.placements().len(), 2);
    ids.try_into().expect("two of them")
}

async fn register_with_code(server: &Server, tenant: &str, username: &str, code: &str) -> Answer {
    let mut attributes = ada(username);
    attributes["code"] = code.into();
    Request::register(tenant, attributes)
        .send(server.public())
        .await
}

async fn an_invite_of_another_tenant_is_an_unknown_one(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    neighbours(&ground, &server).await;
    create_tenant(&server, "own", ground.own_placement(), no_limits()).await;
    issue_invite(&server, "acme", json!({"code": "LANTERN", "max_uses": 2})).await;
    register_with_code(&server, "acme", "ada", "LANTERN")
        .await
        .expect(200);
    for tenant in ["bolt", "own"] {
        let foreign = register_with_code(&server, tenant, "bob", "LANTERN").await;
        let unknown = register_with_code(&server, tenant, "bob", "NOBODYS").await;
        assert_eq!(
            (foreign.status, foreign.json()),
            (422, unknown.json()),
            "at {tenant}"
        );
        let shown = admin(
            &server,
            "GET",
            &format!("/admin/v1/tenants/{tenant}/invites/LANTERN"),
            None,
        )
        .await;
        assert_eq!(shown.status, 404, "at {tenant}");
        assert!(users(&server, tenant).await.is_empty(), "at {tenant}");
    }
    assert_eq!(invite(&server, "acme", "LANTERN").await["uses"], 1);
}

async fn a_code_unknown_here_works_where_it_was_issued_since(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    neighbours(&ground, &server).await;
    for tenant in ["acme", "bolt"] {
        let early = register_with_code(&server, tenant, "ada", "LANTERN").await;
        assert_eq!(early.error_code(), "invite_invalid");
    }
    issue_invite(&server, "bolt", json!({"code": "LANTERN"})).await;
    register_with_code(&server, "bolt", "ada", "LANTERN")
        .await
        .expect(200);
    let still = register_with_code(&server, "acme", "ada", "LANTERN").await;
    assert_eq!(still.error_code(), "invite_invalid");
    assert_eq!(invite(&server, "bolt", "LANTERN").await["uses"], 1);
}

async fn a_name_is_taken_at_one_tenant_only(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    neighbours(&ground, &server).await;
    let mut ids = Vec::new();
    for tenant in ["acme", "bolt"] {
        let made = Request::register(tenant, ada("Ada"))
            .send(server.public())
            .await
            .expect(200);
        ids.push(made["data"]["id"].clone());
        let again = Request::register(tenant, ada("ada"))
            .send(server.public())
            .await;
        assert_eq!(
            again.error()["source"]["pointer"],
            "/data/attributes/username"
        );
    }
    assert_ne!(ids[0], ids[1]);
    Request::register("acme", ada("needle"))
        .send(server.public())
        .await
        .expect(200);
    let seen: Vec<Value> = users(&server, "bolt").await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["id"], ids[1]);
    assert!(!json!(seen).to_string().contains("needle"));
}

async fn a_member_of_another_tenant_invites_nobody(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let mut settings = no_limits();
    settings["dialect"] = "discuzq".into();
    for key in ["acme", "bolt"] {
        create_tenant(&server, key, Placement::Shared(SHARED), settings.clone()).await;
    }
    let member = Request::register("acme", ada("ada"))
        .send(server.public())
        .await
        .expect(200);
    let number = member["data"]["id"].as_str().expect("a number");
    register_with_code(&server, "acme", "bob", number)
        .await
        .expect(200);
    let foreign = register_with_code(&server, "bolt", "bob", number).await;
    let unknown = register_with_code(&server, "bolt", "bob", "4503599627370496").await;
    assert_eq!((foreign.status, foreign.json()), (422, unknown.json()));
}

async fn rows_of_a_shared_database_tell_their_tenant(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    let tenants = neighbours(&ground, &server).await;
    for (key, names) in [("acme", &["ada", "amy"][..]), ("bolt", &["bob"])] {
        issue_invite(&server, key, json!({"code": "LANTERN", "max_uses": 9})).await;
        for (number, name) in names.iter().enumerate() {
            let mut attributes = ada(name);
            attributes["code"] = "LANTERN".into();
            let request = Request::register(key, attributes)
                .header("Idempotency-Key", format!("key {number}"));
            request.send(server.public()).await.expect(200);
        }
    }
    let connection = ground.shared().connect().await;
    let expected = [
        ("users", 2, 1),
        ("invite_codes", 1, 1),
        ("sessions", 2, 1),
        ("saved_answers", 2, 1),
    ];
    for (table, of_acme, of_bolt) in expected {
        for (tenant, count) in tenants.iter().zip([of_acme, of_bolt]) {
            if backend == Backend::Postgres {
                // The server's own role, which owns the tables, sees nothing before it has named a tenant.
                name_tenant(&connection, "").await;
                assert_eq!(count_rows(&connection, table, "").await, 0, "{table}");
                name_tenant(&connection, tenant).await;
                assert_eq!(
                    count_rows(&connection, table, "").await,
                    count,
                    "{table} of {tenant}"
                );
            }
            let own = format!("WHERE tenant_id = {tenant}");
            assert_eq!(
                count_rows(&connection, table, &own).await,
                count,
                "{table} of {tenant}"
            );
        }
    }
    if backend == Backend::Postgres {
        let [acme, bolt] = &tenants;
        name_tenant(&connection, acme).await;
        for theft in [
            format!(
                "INSERT INTO invite_codes SELECT {bolt}, id, 'STOLEN', 1, 0, NULL, NULL, '', '', 0 FROM invite_codes"
            ),
            format!("UPDATE users SET tenant_id = {bolt}"),
        ] {
            connection
                .execute_unprepared(&theft)
                .await
                .expect_err("a row for another tenant");
        }
        let vain = connection
            .execute_unprepared(&format!("DELETE FROM users WHERE tenant_id = {bolt}"))
            .await;
        assert_eq!(vain.expect("nothing to delete").rows_affected(), 0);
    }
}

async fn name_tenant(connection: &DatabaseConnection, tenant: &str) {
    connection
        .execute_unprepared(&format!(
            "SELECT set_config('enroll.tenant_id', '{tenant}', false)"
        ))
        .await
        .expect("the tenant can be named");
}

async fn count_rows(connection: &DatabaseConnection, table: &str, filter: &str) -> i64 {
    let query = Statement::from_string(
        connection.get_database_backend(),
        format!("SELECT COUNT(*) AS number FROM {table} {filter}"),
    );
    let row = connection.query_one_raw(query).await.expect("an answer");
    row.expect("a row").try_get("", "number").expect("a number")
}
