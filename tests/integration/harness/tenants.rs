//! Tenants, invite codes and users, through the admin API of a running server.

use serde_json::{Value, json};

use super::client::admin;
use super::server::Server;

/// Where a tenant's data lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placement<'a> {
    /// An SQLite file of its own in the server's data folder.
    Own,
    /// A database of its own, by URL.
    OwnAt(&'a str),
    /// A database that the server's settings name, shared with others.
    Shared(&'a str),
}

impl Placement<'_> {
    fn document(self) -> Value {
        match self {
            Self::Own => json!({"kind": "own"}),
            Self::OwnAt(url) => json!({"kind": "own", "url": url}),
            Self::Shared(database) => json!({"kind": "shared", "database": database}),
        }
    }
}

/// Creates a tenant and returns its document.
pub(crate) async fn create_tenant(
    server: &Server,
    key: &str,
    placement: Placement<'_>,
    settings: Value,
) -> Value {
    let attributes = json!({"key": key, "placement": placement.document(), "settings": settings});
    let body = json!({"data": {"type": "tenants", "attributes": attributes}});
    admin(server, "POST", "/admin/v1/tenants", Some(body))
        .await
        .expect(201)["data"]
        .take()
}

/// Patches a tenant's settings.
pub(crate) async fn change_settings(server: &Server, tenant: &str, settings: Value) {
    let body = json!({"data": {"type": "tenants", "attributes": {"settings": settings}}});
    let path = format!("/admin/v1/tenants/{tenant}");
    admin(server, "PATCH", &path, Some(body)).await.expect(200);
}

/// Suspends a tenant: it answers as if it did not exist.
pub(crate) async fn suspend_tenant(server: &Server, key: &str) {
    let answer = admin(
        server,
        "POST",
        &format!("/admin/v1/tenants/{key}/suspend"),
        None,
    )
    .await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// Ends a suspension.
pub(crate) async fn resume_tenant(server: &Server, key: &str) {
    let answer = admin(
        server,
        "POST",
        &format!("/admin/v1/tenants/{key}/resume"),
        None,
    )
    .await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// Issues one invite code with these attributes (`code`, `max_uses`, `expires_at`, all optional) and returns it.
pub(crate) async fn issue_invite(server: &Server, tenant: &str, attributes: Value) -> String {
    let body = json!({"data": {"type": "invites", "attributes": attributes}});
    let document = admin(
        server,
        "POST",
        &format!("/admin/v1/tenants/{tenant}/invites"),
        Some(body),
    )
    .await
    .expect(201);
    let code = &document["data"]["attributes"]["code"];
    code.as_str()
        .unwrap_or_else(|| panic!("no code in {document}"))
        .to_owned()
}

/// The attributes of an invite code: `code`, `max_uses`, `uses`, `state`.
pub(crate) async fn invite(server: &Server, tenant: &str, code: &str) -> Value {
    let path = format!("/admin/v1/tenants/{tenant}/invites/{code}");
    admin(server, "GET", &path, None).await.expect(200)["data"]["attributes"].take()
}

/// All users of a tenant, from all pages: objects with `id` and `attributes`.
pub(crate) async fn users(server: &Server, tenant: &str) -> Vec<Value> {
    let mut users = Vec::new();
    let mut next = Some(format!("/admin/v1/tenants/{tenant}/users"));
    while let Some(path) = next {
        let page = admin(server, "GET", &path, None).await.expect(200);
        let list = page["data"]
            .as_array()
            .unwrap_or_else(|| panic!("no list of users in {page}"));
        users.extend(list.iter().cloned());
        next = page["links"]["next"].as_str().map(path_of);
    }
    users
}

/// The path and query of a link, which may be absolute.
fn path_of(link: &str) -> String {
    match link.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .map_or_else(|| "/".to_owned(), |start| rest[start..].to_owned()),
        None => link.to_owned(),
    }
}
