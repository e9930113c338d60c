//! Where the table's rows are played: a server, the simulated vendors, and a tenant of its own for each row and dialect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{Call, Row, Step};
use crate::harness::client::{Answer, MEDIA_TYPE, Request};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::no_limits;
use crate::harness::process::Process;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement};

const LIMIT: Duration = Duration::from_secs(20);
/// The mini program's app at the simulated WeChat.
pub(super) const MINI_PROGRAM: &str = "wx0000000000000003";

/// The server ends before its database goes.
pub(super) struct Stage {
    server: Server,
    _vendors: Process,
    vendors: SocketAddr,
    database: TestDatabase,
}

impl Stage {
    pub(super) async fn start(backend: Backend) -> Self {
        let database = TestDatabase::create(backend).await;
        let mut vendors = Process::spawn(&["simulate", "--listen", "127.0.0.1:0"], []);
        let event = vendors
            .wait_until(LIMIT, |process| {
                let text = process.stdout();
                text.ends_with('\n')
                    .then(|| serde_json::from_str::<Value>(&text).expect("one line of JSON"))
            })
            .await;
        let url = event["simulator"].as_str().expect("a URL");
        let address = url.strip_prefix("http://").expect("an http URL");
        let mut options = ServerOptions::new().patient().database("shared", &database);
        for service in [
            "wechat_api_url",
            "wechat_open_url",
            "tencent_sms_url",
            "tencent_captcha_url",
        ] {
            options = options.set(&format!("provider.{service}"), url);
        }
        Self {
            server: Server::start(options).await,
            vendors: address.parse().expect("an address"),
            _vendors: vendors,
            database,
        }
    }

    pub(super) fn log(&self) -> String {
        self.server.log()
    }

    /// Plays a row at a tenant of its own and returns the answer to its call.
    pub(super) async fn play(&self, number: usize, row: &Row, dialect: &str) -> Answer {
        let key = format!("row-{number}-{dialect}");
        let mut settings = no_limits();
        settings["dialect"] = json!(dialect);
        for (name, value) in row.settings.as_object().expect("an object of settings") {
            settings[name] = value.clone();
        }
        let tenant =
            tenants::create_tenant(&self.server, &key, Placement::Shared("shared"), settings).await;
        let play = Play {
            stage: self,
            label: format!("{} in {dialect}", row.case),
            id: tenant["id"].as_str().expect("an id").to_owned(),
            known: Mutex::new(BTreeMap::from([("tenant".to_owned(), key.clone())])),
            key,
        };
        for step in &row.before {
            play.step(step).await;
        }
        play.send(&row.call).await
    }

    async fn control(&self, path: &str, document: &Value) -> Value {
        let request = Request::new("POST", &format!("/control{path}")).body(document.to_string());
        request.send(self.vendors).await.expect(200)
    }
}

/// One row at one tenant.
struct Play<'a> {
    stage: &'a Stage,
    label: String,
    key: String,
    id: String,
    /// What answers brought, by name.
    known: Mutex<BTreeMap<String, String>>,
}

impl Play<'_> {
    async fn step(&self, step: &Step) {
        match step {
            Step::Call(status, call) => {
                let answer = self.send(call).await;
                assert_eq!(answer.status, *status, "{}: {}", self.label, answer.text());
                self.learn_from(&answer);
            }
            Step::Done(call) => {
                let answer = self.send(call).await;
                let text = String::from_utf8_lossy(&answer.body);
                assert!(answer.status < 300, "{}: {text}", self.label);
                self.learn_from(&answer);
            }
            Step::MiniProgram(options) => {
                let mut wanted = json!({"app_id": MINI_PROGRAM, "user": "ada"});
                for (name, value) in options.as_object().expect("an object of options") {
                    wanted[name] = value.clone();
                }
                let made = self.stage.control("/wechat/js_code", &wanted).await;
                for name in ["js_code", "iv", "encryptedData"] {
                    self.learn(name, &made[name]);
                }
            }
            Step::Oauth(person) => self.agree(person).await,
            Step::SmsCode(phone) => {
                let target = format!("/control/sms?phone=%2B86{phone}");
                let answer = Request::new("GET", &target).send(self.stage.vendors).await;
                let messages = answer.expect(200);
                self.learn("sms_code", &messages["messages"][0]["code"]);
            }
            Step::Standing(status) => self.set_standing(*status).await,
        }
    }

    /// From our redirect by way of WeChat's page back to the site.
    async fn agree(&self, person: &str) {
        let begun = self.send(&Call::new("GET", "/api/oauth/wechat")).await;
        assert_eq!(begun.status, 302, "{}: {}", self.label, begun.text());
        let page = begun.header("location").expect("an address");
        let page = page.split_once('#').map_or(page, |(page, _)| page);
        let path = page.find("/connect").expect("a page of WeChat's");
        let agreed = Request::new("GET", &format!("{}&auto={person}", &page[path..]))
            .send(self.stage.vendors)
            .await;
        assert_eq!(agreed.status, 302, "{}: {}", self.label, agreed.text());
        let back = agreed.header("location").expect("an address");
        let query = back.split_once('?').expect("a query").1;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            self.learn(name, &json!(value));
        }
    }

    async fn set_standing(&self, status: i32) {
        let database = &self.stage.database;
        let connection = database.connect().await;
        if database.backend() == Backend::Postgres {
            let name = format!(
                "SELECT set_config('enroll.tenant_id', '{}', false)",
                self.id
            );
            connection
                .execute_unprepared(&name)
                .await
                .expect("the tenant is named");
        }
        let update = format!(
            "UPDATE users SET status = {status} WHERE tenant_id = {}",
            self.id
        );
        let done = connection.execute_unprepared(&update).await;
        assert!(done.expect("the statement runs").rows_affected() > 0);
    }

    async fn send(&self, call: &Call) -> Answer {
        let mut request = Request::new(call.method, &self.filled(&call.target));
        let has = |name: &str| call.headers.iter().any(|(known, _)| *known == name);
        if !has("X-Tenant-Id") && !has("Host") {
            request = request.header("X-Tenant-Id", &self.key);
        }
        if call.body.is_some() && !has("Content-Type") {
            request = request.header("Content-Type", MEDIA_TYPE);
        }
        for (name, value) in &call.headers {
            request = request.header(name, self.filled(value));
        }
        if let Some(body) = &call.body {
            request = request.body(self.filled(body));
        }
        request.send(self.stage.server.public()).await
    }

    /// The text with what is known in place of its names.
    fn filled(&self, text: &str) -> String {
        let known = self.known.lock().expect("no step panicked");
        known.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    fn learn(&self, name: &str, value: &Value) {
        let value = value
            .as_str()
            .unwrap_or_else(|| panic!("{}: no {name}", self.label));
        let mut known = self.known.lock().expect("no step panicked");
        known.insert(name.to_owned(), value.to_owned());
    }

    fn learn_from(&self, answer: &Answer) {
        if answer.body.is_empty() {
            return;
        }
        let document = answer.json();
        let attributes = &document["data"]["attributes"];
        let error = &document["errors"][0];
        for (name, value) in [
            ("id", &document["data"]["id"]),
            ("access", &attributes["access_token"]),
            ("session_token", &attributes["session_token"]),
            ("proof", &error["token"]),
            ("proof", &error["meta"]["token"]),
        ] {
            if value.is_string() {
                self.learn(name, value);
            }
        }
        if attributes["refresh_token"].is_string() {
            let last = self.filled("{refresh}");
            self.learn("last_refresh", &json!(last));
            self.learn("refresh", &attributes["refresh_token"]);
        }
    }
}
