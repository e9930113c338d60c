//! A server beside the simulated vendors, and tenants whose users come by phone and WeChat.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use super::client::{Answer, Request};
use super::database::Backend;
use super::ground::{Ground, SHARED};
use super::server::{Server, ServerOptions};
use super::simulator::{OFFICIAL_ACCOUNT, OPEN_PLATFORM, Simulator, accounts, merge};
use super::tenants::{Placement, create_tenant};

/// The server, its databases and the vendors.
pub(crate) struct Home {
    pub(crate) server: Server,
    pub(crate) simulator: Simulator,
    ground: Ground,
}

impl Home {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |options| options).await
    }

    pub(crate) async fn start_with(
        backend: Backend,
        change: impl FnOnce(ServerOptions) -> ServerOptions,
    ) -> Self {
        let ground = Ground::create(backend).await;
        let simulator = Simulator::start().await;
        let options = change(simulator.serve(ground.options()));
        Self {
            server: Server::start(options).await,
            simulator,
            ground,
        }
    }

    /// A tenant with accounts everywhere, and these settings besides.
    pub(crate) async fn tenant(&self, key: &'static str, more: Value) -> Tenant<'_> {
        let mut settings = accounts();
        if more.get("sms").is_some() {
            // Another provider's account has other members.
            settings["sms"] = Value::Null;
        }
        merge(&mut settings, more);
        let dialect = settings["dialect"].as_str().unwrap_or("standard");
        let dialect = dialect.to_owned();
        let document = create_tenant(&self.server, key, Placement::Shared(SHARED), settings).await;
        Tenant {
            id: document["id"].as_str().expect("an id").to_owned(),
            home: self,
            key,
            dialect,
        }
    }

    /// A tenant of each dialect.
    pub(crate) async fn both_dialects(&self, more: Value) -> [Tenant<'_>; 2] {
        let mut original = more.clone();
        merge(&mut original, json!({"dialect": "discuzq"}));
        [
            self.tenant("modern", more).await,
            self.tenant("classic", original).await,
        ]
    }
}

/// A tenant and its users' calls.
pub(crate) struct Tenant<'a> {
    pub(crate) home: &'a Home,
    pub(crate) key: &'static str,
    dialect: String,
    id: String,
}

/// How a login by WeChat's page goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    OfficialAccount,
    OpenPlatform,
}

impl Tenant<'_> {
    pub(crate) fn is_discuzq(&self) -> bool {
        self.dialect == "discuzq"
    }

    /// A request for this tenant.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).header("X-Tenant-Id", self.key)
    }

    /// A call with attributes, not sent yet.
    pub(crate) fn call(&self, path: &str, attributes: &Value) -> Request {
        let document = json!({"data": {"attributes": attributes}});
        self.request("POST", path).json(&document)
    }

    pub(crate) async fn post(&self, path: &str, attributes: Value) -> Answer {
        self.call(path, &attributes)
            .send(self.home.server.public())
            .await
    }

    /// The same by a user who is logged in.
    pub(crate) async fn post_as(&self, token: &str, path: &str, attributes: Value) -> Answer {
        self.call(path, &attributes)
            .header("Authorization", format!("Bearer {token}"))
            .send(self.home.server.public())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path)
            .send(self.home.server.public())
            .await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.request("GET", path)
            .header("Authorization", format!("Bearer {token}"))
            .send(self.home.server.public())
            .await
    }

    /// A registration by name and password, with these attributes besides.
    pub(crate) fn registration(&self, name: &str, more: Value) -> Request {
        let mut attributes = json!({"username": name, "password": PASSWORD});
        merge(&mut attributes, more);
        self.call("/api/register", &attributes)
    }

    pub(crate) async fn register(&self, name: &str, more: Value) -> Answer {
        let request = self.registration(name, more);
        request.send(self.home.server.public()).await
    }

    pub(crate) async fn log_in(&self, name: &str) -> Answer {
        let attributes = json!({"username": name, "password": PASSWORD});
        self.post("/api/login", attributes).await
    }

    /// The way to WeChat's page and back, up to the last request, which is not sent: `person` has agreed.
    pub(crate) async fn way_back(&self, page: Page, person: &str, more: &str) -> String {
        let (path, app) = match page {
            Page::OfficialAccount => ("/api/oauth/wechat", OFFICIAL_ACCOUNT),
            Page::OpenPlatform => ("/api/oauth/wechat/pc", OPEN_PLATFORM),
        };
        let begun = self.get(path).await;
        assert_eq!(begun.status, 302, "{begun:?}");
        let location = begun.header("location").expect("a location").to_owned();
        let state = parameter(&location, "state");
        let redirect = parameter(&location, "redirect_uri");
        let session = redirect
            .rsplit("sessionId%3D")
            .next()
            .expect("a session id");
        let code = self.home.simulator.code(app, person).await;
        format!("{path}/user?sessionId={session}&code={code}&state={state}{more}")
    }

    /// A login through WeChat's page; `more` stands at the end of the query.
    pub(crate) async fn wechat(&self, page: Page, person: &str, more: &str) -> Answer {
        let path = self.way_back(page, person, more).await;
        self.get(&path).await
    }

    /// The `token` of a person whom nobody here knows.
    pub(crate) async fn wechat_token(&self, person: &str) -> String {
        let answer = self.wechat(Page::OfficialAccount, person, "").await;
        self.unbound(&answer, "no_bind_user")
    }

    /// Has a code sent, and reads it.
    pub(crate) async fn sms_code(&self, phone: &str, purpose: &str) -> String {
        let asked = self.call("/api/sms/send", &json!({"mobile": phone, "type": purpose}));
        self.send_code(asked, phone).await
    }

    /// Has a code sent for a user who is logged in, and reads it.
    pub(crate) async fn sms_code_as(&self, token: &str, phone: &str, purpose: &str) -> String {
        let asked = self.call("/api/sms/send", &json!({"mobile": phone, "type": purpose}));
        let asked = asked.header("Authorization", format!("Bearer {token}"));
        self.send_code(asked, phone).await
    }

    /// Sends it until the pause of one second after the message before is over.
    async fn send_code(&self, asked: Request, phone: &str) -> String {
        let mut sent = asked.send(self.home.server.public()).await;
        for _ in 0..5 {
            if sent.status != 429 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            sent = asked.send(self.home.server.public()).await;
        }
        assert!(matches!(sent.status, 200 | 201), "{sent:?}");
        self.newest_code(phone).await
    }

    /// The code that came last to a phone.
    pub(crate) async fn newest_code(&self, phone: &str) -> String {
        let codes = self.home.simulator.codes(&format!("+86{phone}")).await;
        codes.first().expect("a code").clone()
    }

    /// The same as [`Self::verify`] by a user who is logged in.
    pub(crate) async fn verify_as(&self, token: &str, phone: &str, purpose: &str) -> Answer {
        let code = self.sms_code_as(token, phone, purpose).await;
        let attributes = json!({"mobile": phone, "type": purpose, "code": code});
        self.post_as(token, "/api/sms/verify", attributes).await
    }

    /// Has a code sent and checks it; `more` lies over the attributes.
    pub(crate) async fn verify(&self, phone: &str, purpose: &str, more: Value) -> Answer {
        let code = self.sms_code(phone, purpose).await;
        let mut attributes = json!({"mobile": phone, "type": purpose, "code": code});
        merge(&mut attributes, more);
        self.post("/api/sms/verify", attributes).await
    }

    /// The `mobileToken` of a number that nobody here has.
    pub(crate) async fn mobile_token(&self, phone: &str) -> String {
        let answer = self.verify(phone, "login", json!({})).await;
        self.unbound(&answer, "no_bind_user")
    }

    /// Asserts the answer to a proven identity without an account; gives its token.
    pub(crate) fn unbound(&self, answer: &Answer, code: &str) -> String {
        let error = answer.expect(400)["errors"][0].clone();
        assert_eq!(error["code"], code, "{error}");
        let shown = if self.is_discuzq() {
            assert_eq!(error["status"], 400, "{error}");
            &error
        } else {
            assert_eq!(error["status"], "400", "{error}");
            &error["meta"]
        };
        shown["token"].as_str().expect("a token").to_owned()
    }

    /// Changes rows of the tenant's in its database: `SET` and `WHERE` of a statement.
    pub(crate) async fn change(&self, table: &str, set: &str, which: &str) {
        let id = &self.id;
        let statement = format!("UPDATE {table} SET {set} WHERE tenant_id = {id} AND {which}");
        let done = self.connect().await.execute_unprepared(&statement).await;
        done.expect("the statement runs");
    }

    /// Removes all rows of the tenant's from a table.
    pub(crate) async fn clear(&self, table: &str) {
        let statement = format!("DELETE FROM {table} WHERE tenant_id = {}", self.id);
        let done = self.connect().await.execute_unprepared(&statement).await;
        done.expect("the statement runs");
    }

    /// How many rows of the tenant's a table has, of those for which `which` holds.
    pub(crate) async fn count(&self, table: &str, which: &str) -> i64 {
        self.number("count(*)", table, which).await
    }

    /// The number that an expression over the tenant's rows gives.
    pub(crate) async fn number(&self, what: &str, table: &str, which: &str) -> i64 {
        let id = &self.id;
        let query = format!("SELECT {what} FROM {table} WHERE tenant_id = {id} AND {which}");
        let connection = self.connect().await;
        let statement = Statement::from_string(connection.get_database_backend(), query);
        let row = connection.query_one_raw(statement).await;
        let row = row.expect("the query runs").expect("a row");
        row.try_get_by_index(0).expect("a number")
    }

    async fn connect(&self) -> DatabaseConnection {
        let shared = self.home.ground.shared();
        let connection = shared.connect().await;
        if shared.backend() == Backend::Postgres {
            let named = format!(
                "SELECT set_config('enroll.tenant_id', '{}', false)",
                self.id
            );
            let done = connection.execute_unprepared(&named).await;
            done.expect("the tenant is named");
        }
        connection
    }
}

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The value of a parameter, as it stands in the address.
fn parameter(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').expect("a query");
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name} in {address}"))
        .to_owned()
}

/// The access token of an answer that hands tokens out.
pub(crate) fn access_token(answer: &Answer) -> String {
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    let document = answer.json();
    assert_eq!(document["data"]["type"], "token", "{document}");
    let token = &document["data"]["attributes"]["access_token"];
    token.as_str().expect("an access token").to_owned()
}

/// The user of an answer that hands tokens out.
pub(crate) fn user_id(answer: &Answer) -> String {
    access_token(answer);
    let document = answer.json();
    document["data"]["id"].as_str().expect("an id").to_owned()
}

/// Asserts a refusal in the `standard` dialect: status, code, and pointer if one is given.
pub(crate) fn assert_error(answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    let error = answer.expect(status)["errors"][0].clone();
    assert_eq!(error["code"], code, "{error}");
    if let Some(field) = field {
        let pointer = format!("/data/attributes/{field}");
        assert_eq!(error["source"]["pointer"], pointer, "{error}");
    }
}
