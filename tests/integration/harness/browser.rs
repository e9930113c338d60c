//! A real browser: Chromium, driven through its WebDriver server (W3C WebDriver, and what Chromium adds to it).
//!
//! `scripts/browser` fetches both and names them in the environment. A missing one is a failure, except after
//! `scripts/test --quick`, which says at its end what it left out.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

use super::client::Request;
use super::wait::until;

/// How long the driver may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a page may take until it is there, and how often a test looks.
const PAGE_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// One browser at a time: each takes a core.
static TURN: Mutex<()> = Mutex::const_new(());

/// By what name WebDriver hands out an element (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The sizes on which every page is looked at: a phone and a desk.
pub(crate) const SIZES: [(&str, u32, u32); 2] = [("phone", 360, 780), ("desk", 1280, 900)];

/// A running browser with one window. Dropping it ends it.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    axe: String,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    let quick = std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1");
    assert!(
        value.is_some() || quick,
        "{name} is not set: run the tests by scripts/test"
    );
    value
}

impl Browser {
    /// Starts a browser with a profile of its own, in English; `None` when `--quick` left browsers out.
    pub(crate) async fn start() -> Option<Self> {
        let (chromium, driver) = (
            variable("ENROLL_TEST_CHROMIUM")?,
            variable("ENROLL_TEST_CHROMEDRIVER")?,
        );
        let axe = variable("ENROLL_TEST_AXE")?;
        let axe = std::fs::read_to_string(axe).expect("axe-core");
        let turn = TURN.lock().await;
        let profile = TempDir::with_prefix("enroll-browser-").expect("a temporary folder");
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .env(
                "LD_LIBRARY_PATH",
                variable("ENROLL_TEST_BROWSER_LIBS").unwrap_or_default(),
            )
            .env(
                "FONTCONFIG_FILE",
                variable("ENROLL_TEST_FONTS").unwrap_or_default(),
            )
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the WebDriver server starts");
        let stdout = driver.stdout.take().expect("a pipe");
        let port = tokio::time::timeout(START_LIMIT, listening_port(stdout)).await;
        let port = port.expect("the WebDriver server listens soon");
        let mut browser = Self {
            driver,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            session: String::new(),
            axe,
            _profile: profile,
            _turn: turn,
        };
        let folder = browser._profile.path().join("profile");
        let arguments = [
            "--headless=new",
            // Chromium's sandbox needs what containers and root do not have; the pages are our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--accept-lang=en",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", folder.display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "unhandledPromptBehavior": "dismiss and notify",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
        }}});
        let made = browser.call("POST", "/session", Some(capabilities)).await;
        let session = made["sessionId"].as_str().expect("a session");
        browser.session = format!("/session/{session}");
        Some(browser)
    }

    /// One command to the driver; an error of its is the test's.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.try_call(method, path, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Value> {
        let mut request = Request::new(method, path);
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send(self.address).await;
        let mut document: Value =
            serde_json::from_slice(&answer.body).expect("the driver speaks JSON");
        if answer.status == 200 {
            Ok(document["value"].take())
        } else {
            Err(document["value"].take())
        }
    }

    async fn command(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let path = format!("{}{path}", self.session);
        self.call(method, &path, body).await
    }

    /// A command of Chromium's own (DevTools protocol).
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.command("POST", "/goog/cdp/execute", Some(body)).await
    }

    /// Goes to an address and waits until the page is loaded.
    pub(crate) async fn open(&self, address: &str) {
        self.command("POST", "/url", Some(json!({"url": address})))
            .await;
    }

    /// The present address.
    pub(crate) async fn address(&self) -> String {
        let address = self.command("GET", "/url", None).await;
        address.as_str().expect("an address").to_owned()
    }

    /// The elements that a CSS selector finds.
    async fn find_all(&self, selector: &str) -> Vec<String> {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.command("POST", "/elements", Some(body)).await;
        let list = found.as_array().expect("a list").iter();
        list.map(|element| element[ELEMENT].as_str().expect("an element").to_owned())
            .collect()
    }

    /// The first element that a CSS selector finds, waited for.
    async fn find(&self, selector: &str) -> String {
        let end = Instant::now() + PAGE_LIMIT;
        loop {
            if let Some(element) = self.find_all(selector).await.into_iter().next() {
                return element;
            }
            assert!(
                Instant::now() < end,
                "no {selector} at {}:\n{}",
                self.address().await,
                self.source().await
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many elements a CSS selector finds.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        self.find_all(selector).await.len()
    }

    /// Waits until so many elements are there: a click returns before the page that follows is, and a page is shown before
    /// its end is read.
    pub(crate) async fn has(&self, selector: &str, wanted: usize) {
        let mut last = 0;
        let end = Instant::now() + PAGE_LIMIT;
        while Instant::now() < end {
            last = self.count(selector).await;
            if last == wanted {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!(
            "{last} and not {wanted} of {selector} at {}:\n{}",
            self.address().await,
            self.source().await
        );
    }

    /// The text that a person sees in an element. One that a script replaces as it is read is read again.
    pub(crate) async fn text(&self, selector: &str) -> String {
        for _ in 0..4 {
            let element = self.find(selector).await;
            let path = format!("{}/element/{element}/text", self.session);
            match self.try_call("GET", &path, None).await {
                Err(error) if error["error"] == "stale element reference" => {}
                Err(error) => panic!("{selector}: {error}"),
                Ok(text) => return text.as_str().expect("a text").to_owned(),
            }
        }
        panic!("{selector} is replaced faster than it can be read")
    }

    /// Waits until an element has this text: a click returns before the page that follows is there.
    pub(crate) async fn reads(&self, selector: &str, wanted: &str) {
        let mut last = Err(Value::Null);
        let end = Instant::now() + PAGE_LIMIT;
        while Instant::now() < end {
            last = self.try_text(selector).await;
            if last.as_ref().is_ok_and(|text| text == wanted) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!(
            "{selector} reads {last:?} and not {wanted:?} at {}:\n{}",
            self.address().await,
            self.source().await
        );
    }

    async fn try_text(&self, selector: &str) -> Result<String, Value> {
        let body = json!({"using": "css selector", "value": selector});
        let path = format!("{}/element", self.session);
        let found = self.try_call("POST", &path, Some(body)).await?;
        let element = found[ELEMENT].as_str().unwrap_or_default();
        let path = format!("{path}/{element}/text");
        let text = self.try_call("GET", &path, None).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The present value of a field.
    pub(crate) async fn value(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        let value = self
            .command("GET", &format!("/element/{element}/property/value"), None)
            .await;
        value.as_str().expect("a value").to_owned()
    }

    /// Clicks an element and waits until a page that follows is loaded.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.command(
            "POST",
            &format!("/element/{element}/click"),
            Some(json!({})),
        )
        .await;
    }

    /// Puts a text into a field, in place of what is there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}");
        self.command("POST", &format!("{path}/clear"), Some(json!({})))
            .await;
        self.command(
            "POST",
            &format!("{path}/value"),
            Some(json!({"text": text})),
        )
        .await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.command("POST", "/actions", Some(body)).await;
    }

    /// Presses Enter, and waits until the page that follows is loaded.
    pub(crate) async fn press_enter(&self) {
        self.run("window.pageBeforeEnter = true", json!([])).await;
        self.press(ENTER).await;
        let script =
            "return window.pageBeforeEnter === undefined && document.readyState === 'complete'";
        let path = format!("{}/execute/sync", self.session);
        until("another page after Enter", async || {
            // Between two pages there is none to ask.
            let body = json!({"script": script, "args": []});
            let asked = self.try_call("POST", &path, Some(body)).await;
            (asked == Ok(json!(true))).then_some(())
        })
        .await;
    }

    /// Goes on with the Tab key until the focus is on an element that the selector names, as somebody without a mouse
    /// does.
    pub(crate) async fn tab_to(&self, selector: &str) {
        let script = "return document.activeElement !== null && document.activeElement.matches(arguments[0])";
        for _ in 0..80 {
            self.press(TAB).await;
            if self.run(script, json!([selector])).await == true {
                return;
            }
        }
        panic!(
            "the keyboard does not reach {selector} at {}",
            self.address().await
        );
    }

    /// Runs a script in the page, as a test alone can: the page's policy does not bind the driver.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Value {
        let body = json!({"script": script, "args": arguments});
        self.command("POST", "/execute/sync", Some(body)).await
    }

    /// The page as it stands.
    pub(crate) async fn source(&self) -> String {
        let source = self.command("GET", "/source", None).await;
        source.as_str().unwrap_or_default().to_owned()
    }

    /// The size of the window, and whether it is dark.
    pub(crate) async fn look(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Switches scripts of pages on or off.
    pub(crate) async fn scripts(&self, on: bool) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": !on}),
        )
        .await;
    }

    /// Everything the browser complained of since the last time it was asked: refused by a policy, not found, thrown.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let lines = self
            .command("POST", "/se/log", Some(json!({"type": "browser"})))
            .await;
        let lines = lines.as_array().expect("a list").iter();
        lines
            .filter_map(|line| line["message"].as_str().map(str::to_owned))
            .collect()
    }

    /// What axe-core finds wrong with the page for people who see, hear or move differently; one line a fault.
    pub(crate) async fn barriers(&self) -> Vec<String> {
        self.run(&self.axe, json!([])).await;
        let script = "const done = arguments[arguments.length - 1]; \
            axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations), \
            (error) => done([{id: String(error), impact: 'critical', nodes: []}]));";
        let body = json!({"script": script, "args": []});
        let found = self.command("POST", "/execute/async", Some(body)).await;
        let address = self.address().await;
        let found = found.as_array().expect("a list").iter();
        found
            .map(|fault| {
                let places: Vec<String> = fault["nodes"]
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default()
                    .iter()
                    .take(3)
                    .map(|node| format!("{} {}", node["html"], node["failureSummary"]))
                    .collect();
                format!(
                    "{address}: {} ({}): {}",
                    fault["id"].as_str().unwrap_or_default(),
                    fault["impact"].as_str().unwrap_or_default(),
                    places.join(" | ")
                )
            })
            .collect()
    }

    /// A small picture of the whole page, as PNG in Base64.
    pub(crate) async fn picture(&self) -> String {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip =
            json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 0.7});
        let parameters = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.devtools("Page.captureScreenshot", parameters).await;
        picture["data"].as_str().expect("a picture").to_owned()
    }

    /// The cookies of the present page.
    pub(crate) async fn cookies(&self) -> Value {
        self.command("GET", "/cookie", None).await
    }

    /// Ends the browser in order.
    pub(crate) async fn end(mut self) {
        // Whatever is left of it ends with the driver.
        let _ = self.try_call("DELETE", &self.session, None).await;
        let _ = self.driver.kill().await;
    }
}

/// Keeps a picture of the page as a file of this name, where `ENROLL_TEST_SCREENSHOTS` names a folder for it.
pub(crate) async fn keep_picture(browser: &Browser, name: &str) {
    use base64::Engine as _;
    let Some(folder) = std::env::var_os("ENROLL_TEST_SCREENSHOTS") else {
        return;
    };
    let picture = browser.picture().await;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(picture)
        .expect("Base64");
    let file = std::path::Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(&file, bytes).expect("a picture can be kept");
}

/// The Tab key (WebDriver, section 17.4.2).
const TAB: &str = "\u{e004}";
/// The Enter key.
const ENTER: &str = "\u{e007}";

impl Drop for Browser {
    /// A failing test leaves no browser behind: the driver ends its browser when it is asked to, and not when it is
    /// killed.
    fn drop(&mut self) {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(self.address) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let head = format!(
            "DELETE {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.session, self.address
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read(&mut [0; 512]);
    }
}

/// Reads the driver's output until it tells its port; the rest of it is read and thrown away, so that it never waits
/// for us.
async fn listening_port(stdout: tokio::process::ChildStdout) -> u16 {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let port = line
            .split_once("started successfully on port ")
            .and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port;
        }
    }
    panic!("the WebDriver server ended before it listened");
}
