//! One tenant as its users call it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::{Answer, Request, admin};
use super::ground::ada;
use super::server::Server;

/// A tenant at one server.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) key: &'a str,
}

/// A user and the tokens of one session.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Member {
    /// Reads a token document.
    pub(crate) fn of(answer: &Answer) -> Self {
        let document = answer.expect(200);
        let text = |value: &Value| {
            let text = value.as_str();
            text.unwrap_or_else(|| panic!("no tokens in {document}"))
                .to_owned()
        };
        let data = &document["data"];
        assert_eq!(data["type"], "token");
        Self {
            id: text(&data["id"]),
            access: text(&data["attributes"]["access_token"]),
            refresh: text(&data["attributes"]["refresh_token"]),
        }
    }
}

impl<'a> Site<'a> {
    pub(crate) fn of(server: &Server, key: &'a str) -> Self {
        let to = server.public();
        Self { to, key }
    }

    /// A call, in Chinese, of whoever has the token.
    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>) -> Request {
        let request = Request::new(method, path)
            .header("X-Tenant-Id", self.key)
            .header("Accept-Language", "zh-CN");
        match token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.request("GET", path, token).send(self.to).await
    }

    /// A call with attributes.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        attributes: Value,
    ) -> Answer {
        let body = json!({"data": {"attributes": attributes}});
        let request = self.request(method, path, token).json(&body);
        request.send(self.to).await
    }

    /// A login that can still be changed.
    pub(crate) fn login_request(&self, name: &str, password: &str) -> Request {
        let attributes = json!({"username": name, "password": password});
        let body = json!({"data": {"attributes": attributes}});
        self.request("POST", "/api/login", None).json(&body)
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        self.login_request(name, password).send(self.to).await
    }

    /// A refresh that can still be changed.
    pub(crate) fn refresh_request(&self, token: &str) -> Request {
        let body = json!({"data": {"attributes": {"refresh_token": token}}});
        self.request("POST", "/api/refresh-token", None).json(&body)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.refresh_request(token).send(self.to).await
    }

    /// The status of the caller's own profile: 200 while the token lives.
    pub(crate) async fn me(&self, token: &str) -> u16 {
        self.get("/api/users/me", Some(token)).await.status
    }

    /// A new user with the usual password.
    pub(crate) async fn register(&self, name: &str) -> Member {
        Member::of(&self.send("POST", "/api/register", None, ada(name)).await)
    }

    /// A new user in the group that moderates.
    pub(crate) async fn moderator(&self, server: &Server, name: &str) -> Member {
        let member = self.register(name).await;
        let changed = set_user(server, self.key, &member.id, json!({"group_id": 1})).await;
        assert_eq!(changed.expect(200)["data"]["attributes"]["group_id"], 1);
        member
    }
}

/// Changes a user through the admin API.
pub(crate) async fn set_user(server: &Server, key: &str, id: &str, attributes: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{key}/users/{id}");
    let body = json!({"data": {"type": "users", "attributes": attributes}});
    admin(server, "PATCH", &path, Some(body)).await
}
