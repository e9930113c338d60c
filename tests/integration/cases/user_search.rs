//! Administrators find tenants and users, look at them and log users out (docs/api.md, "Tenants" and "Users").

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, suspend_tenant};

on_all_databases!(
    users_are_found_by_the_beginning_of_a_name_and_by_standing,
    tenants_are_found_by_the_beginning_of_key_or_name_and_by_state,
    an_administrator_ends_the_sessions_of_one_user,
);

async fn start(backend: Backend) -> (Server, TestDatabase) {
    let shared = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().database("main", &shared)).await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Shared("main"), no_limits()).await;
    }
    (server, shared)
}

async fn users(server: &Server, path: &str) -> Answer {
    let path = format!("/admin/v1/tenants/acme/users{path}");
    admin(server, "GET", &path, None).await
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["data"].as_array().expect("a list").iter();
    items
        .filter_map(|user| user["attributes"]["username"].as_str())
        .collect()
}

async fn users_are_found_by_the_beginning_of_a_name_and_by_standing(backend: Backend) {
    let (server, _shared) = start(backend).await;
    for name in ["Anna", "anton", "bert", "an_d", "张三", "张四"] {
        register(&server, "acme", ada(name)).await.expect(200);
    }
    register(&server, "beta", ada("anna")).await.expect(200);
    for (begins, found) in [
        ("an", vec!["an_d", "Anna", "anton"]),
        ("AN", vec!["an_d", "Anna", "anton"]),
        ("%EF%BC%A1nn", vec!["Anna"]),
        ("an_", vec!["an_d"]),
        ("an%25", vec![]),
        ("%E5%BC%A0", vec!["张三", "张四"]),
        ("b", vec!["bert"]),
        ("z", vec![]),
        ("%27%20OR%201%3D1--", vec![]),
    ] {
        let list = users(&server, &format!("?filter[username]={begins}"))
            .await
            .expect(200);
        assert_eq!(names(&list), found, "{begins}");
    }
    let page = users(&server, "?filter[username]=an&page[size]=2")
        .await
        .expect(200);
    assert_eq!(names(&page), ["an_d", "Anna"]);
    let next = page["links"]["next"]
        .as_str()
        .expect("a next page")
        .to_owned();
    let rest = admin(&server, "GET", &next, None).await.expect(200);
    assert_eq!(
        (names(&rest), &rest["links"]["next"]),
        (vec!["anton"], &Value::Null)
    );

    let anna = page["data"][1]["id"].as_str().expect("an id");
    let body = json!({"data": {"type": "users", "attributes": {"status": "banned"}}});
    let path = format!("/admin/v1/tenants/acme/users/{anna}");
    admin(&server, "PATCH", &path, Some(body)).await.expect(200);
    let banned = users(&server, "?filter[status]=banned").await.expect(200);
    assert_eq!(names(&banned), ["Anna"]);
    let both = users(&server, "?filter[status]=normal&filter[username]=an")
        .await
        .expect(200);
    assert_eq!(names(&both), ["an_d", "anton"]);
    let gone = users(&server, "?filter[username]=an&page[after]=1").await;
    assert_eq!(
        (gone.status, gone.error_code().as_str()),
        (422, "validation_error")
    );
    assert!(
        gone.text().contains("begin with the first page"),
        "{gone:?}"
    );
    assert_eq!(users(&server, "?filter[status]=nice").await.status, 422);
    assert_eq!(users(&server, "?filter[name]=an").await.status, 422);

    let shown = users(&server, &format!("/{anna}")).await.expect(200);
    assert_eq!(shown["data"]["attributes"]["status"], "banned");
    for nobody in ["/1", "/x", "/0"] {
        assert_eq!(users(&server, nobody).await.status, 404, "{nobody}");
    }
    let elsewhere = format!("/admin/v1/tenants/beta/users/{anna}");
    assert_eq!(admin(&server, "GET", &elsewhere, None).await.status, 404);
}

async fn tenants_are_found_by_the_beginning_of_key_or_name_and_by_state(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().platform(&platform)).await;
    for (key, name) in [
        ("zeta", "Alpha"),
        ("a-b", "Beta"),
        ("ab", "Alpha"),
        ("aa", "alpha"),
        ("a9", "Älpha"),
        ("abc", "Alphabet"),
    ] {
        let attributes = json!({"key": key, "name": name});
        let body = json!({"data": {"type": "tenants", "attributes": attributes}});
        admin(&server, "POST", "/admin/v1/tenants", Some(body))
            .await
            .expect(201);
    }
    suspend_tenant(&server, "ab").await;
    let walk = async |query: &str, size: usize| {
        let mut keys = Vec::new();
        let mut next = Some(format!("/admin/v1/tenants?{query}&page[size]={size}"));
        while let Some(path) = next {
            let page = admin(&server, "GET", &path, None).await.expect(200);
            let tenants = page["data"].as_array().expect("a page");
            assert!(tenants.len() <= size);
            keys.extend(tenants.iter().map(|tenant| {
                tenant["attributes"]["key"]
                    .as_str()
                    .expect("a key")
                    .to_owned()
            }));
            next = page["links"]["next"].as_str().map(str::to_owned);
        }
        keys
    };
    for (query, found) in [
        ("", vec!["zeta", "a-b", "ab", "aa", "a9", "abc"]),
        ("filter[key]=a", vec!["a-b", "a9", "aa", "ab", "abc"]),
        ("filter[key]=A", vec!["a-b", "a9", "aa", "ab", "abc"]),
        ("filter[key]=ab", vec!["ab", "abc"]),
        ("filter[key]=a%25", vec![]),
        ("filter[key]=", vec!["a-b", "a9", "aa", "ab", "abc", "zeta"]),
        ("filter[name]=Alpha", vec!["zeta", "ab", "abc"]),
        ("filter[name]=alpha", vec!["aa"]),
        ("filter[name]=%C3%84", vec!["a9"]),
        ("filter[name]=%27%20OR%201%3D1--", vec![]),
        ("filter[state]=suspended", vec!["ab"]),
        (
            "filter[name]=Alpha&filter[state]=active",
            vec!["zeta", "abc"],
        ),
        ("filter[name]=Alpha&filter[key]=ab", vec!["ab", "abc"]),
    ] {
        for size in [1, 2, 500] {
            assert_eq!(walk(query, size).await, found, "{query}, {size} a page");
        }
    }
    for wrong in [
        "filter[key]=a&page[after]=1",
        "filter[state]=asleep",
        "filter[host]=a",
    ] {
        let answer = admin(&server, "GET", &format!("/admin/v1/tenants?{wrong}"), None).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (422, "validation_error"),
            "{wrong}"
        );
    }
}

async fn an_administrator_ends_the_sessions_of_one_user(backend: Backend) {
    let (server, _shared) = start(backend).await;
    let mut tokens = Vec::new();
    for name in ["anna", "bert"] {
        let made = register(&server, "acme", ada(name)).await.expect(200);
        let token = made["data"]["attributes"]["access_token"].as_str();
        tokens.push(token.expect("a token").to_owned());
    }
    let me = async |token: &str| {
        let request = Request::new("GET", "/api/users/me")
            .header("X-Tenant-Id", "acme")
            .header("Authorization", format!("Bearer {token}"));
        request.send(server.public()).await.status
    };
    assert_eq!((me(&tokens[0]).await, me(&tokens[1]).await), (200, 200));
    let list = users(&server, "?filter[username]=anna").await.expect(200);
    let anna = list["data"][0]["id"].as_str().expect("an id");
    let end = async |tenant: &str, user: &str| {
        let path = format!("/admin/v1/tenants/{tenant}/users/{user}/end-sessions");
        admin(&server, "POST", &path, None).await
    };
    assert_eq!(end("beta", anna).await.status, 404, "she is not theirs");
    assert_eq!(me(&tokens[0]).await, 200);
    assert_eq!(
        end("acme", anna).await.expect(200),
        json!({"meta": {"ended": 1}})
    );
    assert_eq!((me(&tokens[0]).await, me(&tokens[1]).await), (401, 200));
    assert_eq!(
        end("acme", anna).await.expect(200),
        json!({"meta": {"ended": 0}})
    );
    assert_eq!(end("acme", "1").await.status, 404);
    let audit = admin(
        &server,
        "GET",
        "/admin/v1/audit?filter[action]=user.end_sessions",
        None,
    )
    .await;
    let audit = audit.expect(200);
    assert_eq!(audit["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(audit["data"][0]["attributes"]["subject"], anna);
}
