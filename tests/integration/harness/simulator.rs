//! The simulated vendors (`docs/simulator.md`) as a process of their own, and what a server needs to use them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::client::{Answer, Request};
use super::process::Process;
use super::server::ServerOptions;
use super::wait::until;

const START_LIMIT: Duration = Duration::from_secs(20);

/// The app ids of the three WeChat apps that [`accounts`] gives a tenant.
pub(crate) const OFFICIAL_ACCOUNT: &str = "wx0000000000000001";
pub(crate) const OPEN_PLATFORM: &str = "wx0000000000000002";
pub(crate) const MINI_PROGRAM: &str = "wx0000000000000003";

/// The site of the tenants that have [`accounts`].
pub(crate) const SITE: &str = "https://site.example";

/// A running `enroll simulate`. Dropping it kills it.
pub(crate) struct Simulator {
    process: Process,
    address: SocketAddr,
}

impl Simulator {
    pub(crate) async fn start() -> Self {
        let mut process = Process::spawn(&["simulate", "--listen", "127.0.0.1:0"], []);
        let event = process
            .wait_until(START_LIMIT, |process| {
                let text = process.stdout();
                text.ends_with('\n')
                    .then(|| serde_json::from_str::<Value>(&text).expect("one line of JSON"))
            })
            .await;
        let url = event["simulator"].as_str().expect("a URL");
        let address = url.strip_prefix("http://").expect("an http URL");
        let address = address.parse().expect("an address");
        Self { process, address }
    }

    /// Points every provider of a server here. A breaker that opens would spoil what the next case sees, so none does;
    /// whoever is about breakers sets `provider.breaker_failures` after this.
    pub(crate) fn serve(&self, options: ServerOptions) -> ServerOptions {
        let base = format!("http://{}", self.address);
        let names = [
            ("wechat_api_url", ""),
            ("wechat_open_url", ""),
            ("tencent_sms_url", ""),
            ("tencent_captcha_url", ""),
            ("aliyun_sms_url", ""),
            ("turnstile_url", "/turnstile/v0/siteverify"),
            ("hcaptcha_url", "/hcaptcha/siteverify"),
            ("sms_gateways.main.url", "/sms/gateway"),
        ];
        let options = options
            .set("provider.breaker_failures", 1000)
            .set("provider.in_flight", 200);
        names.into_iter().fold(options, |options, (name, path)| {
            options.set(&format!("provider.{name}"), format!("{base}{path}"))
        })
    }

    /// The address of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it: nobody listens there any more.
    pub(crate) async fn stop(&self) {
        self.process.sigterm();
        until("the simulator is gone", async || {
            TcpStream::connect(self.address)
                .await
                .is_err()
                .then_some(())
        })
        .await;
    }

    async fn control(&self, method: &str, path: &str, document: &Value) -> Value {
        let request = Request::new(method, &format!("/control{path}")).body(document.to_string());
        request.send(self.address).await.expect(200)
    }

    /// Sets how the vendors behave from now on; what is left out is good again.
    pub(crate) async fn mode(&self, modes: Value) {
        self.control("PUT", "/mode", &modes).await;
    }

    /// Makes a person whom WeChat knows at all apps of one owner.
    pub(crate) async fn person_with_union_id(&self, name: &str) {
        let person = json!({"name": name, "unionid": true});
        self.control("POST", "/wechat/users", &person).await;
    }

    /// Makes a person with this nickname.
    pub(crate) async fn person(&self, name: &str, nickname: &str) {
        let person = json!({"name": name, "nickname": nickname});
        self.control("POST", "/wechat/users", &person).await;
    }

    /// A code as if this person had agreed on the app's page.
    pub(crate) async fn code(&self, app: &str, person: &str) -> String {
        let asked = json!({"app_id": app, "user": person});
        text(&self.control("POST", "/wechat/code", &asked).await["code"])
    }

    /// What the mini program of this person sends: `js_code`, `iv` and `encryptedData`. `more` are the simulator's options.
    pub(crate) async fn triple(&self, person: &str, more: Value) -> Value {
        let mut asked = json!({"app_id": MINI_PROGRAM, "user": person});
        merge(&mut asked, more);
        let made = self.control("POST", "/wechat/js_code", &asked).await;
        json!({
            "js_code": made["js_code"],
            "iv": made["iv"],
            "encryptedData": made["encryptedData"],
        })
    }

    /// The open id of a person at an app.
    pub(crate) async fn open_id(&self, app: &str, person: &str) -> String {
        let asked = json!({"app_id": app, "user": person});
        text(&self.control("POST", "/wechat/js_code", &asked).await["openid"])
    }

    /// The codes sent to a number in the form +86…, the newest first.
    pub(crate) async fn codes(&self, phone: &str) -> Vec<String> {
        let target = format!("/control/sms?phone={}", phone.replace('+', "%2B"));
        let document = self.get(&target).await.expect(200);
        let messages = document["messages"].as_array().expect("messages");
        messages
            .iter()
            .map(|message| text(&message["code"]))
            .collect()
    }

    /// How often something was called, by the simulator's own name for it.
    pub(crate) async fn calls(&self, name: &str) -> u64 {
        let calls = self.get("/control/calls").await.expect(200);
        let calls = calls.get("calls").unwrap_or(&calls);
        calls[name].as_u64().unwrap_or(0)
    }

    async fn get(&self, target: &str) -> Answer {
        Request::new("GET", target).send(self.address).await
    }
}

/// The settings that give a tenant the simulator's accounts at WeChat and at the SMS gateway, no limit of calls, and a site.
pub(crate) fn accounts() -> Value {
    let app = |app_id: &str| json!({"app_id": app_id, "app_secret": "simulated-secret"});
    let mut settings = super::ground::no_limits();
    merge(
        &mut settings,
        json!({
            "wechat": {
                "official_account": app(OFFICIAL_ACCOUNT),
                "open_platform": app(OPEN_PLATFORM),
                "mini_program": app(MINI_PROGRAM),
            },
            "sms": {
                "provider": "gateway", "name": "main",
                "key_id": "simulated-gateway-key", "key": "simulated-gateway-secret",
            },
            "sms_rules": {
                "interval_seconds": 1, "per_phone_per_day": 1000, "per_address_per_day": 10_000,
            },
            "cors": {"origins": [SITE]},
        }),
    );
    settings
}

/// An account at Tencent's captcha.
pub(crate) fn tencent_captcha() -> Value {
    json!({
        "provider": "tencent",
        "secret_id": "AKIDsimulated0000000000000000000000",
        "secret_key": "simulated-tencent-secret-key",
        "captcha_app_id": 190_000_000,
        "app_secret_key": "simulated-captcha-secret",
    })
}

/// Lays one object over another, member by member.
pub(crate) fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text but {value}"))
        .to_owned()
}
