//! `enroll demo`: what it writes, what it prints, and that every line that it prints works.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::client::Request;
use crate::harness::process::Process;

const LIMIT: Duration = Duration::from_secs(30);

/// A demo that serves.
struct Demo {
    process: Process,
    /// `demo.json`.
    told: Value,
}

impl Demo {
    async fn start(folder: &Path) -> Self {
        let folder_text = folder.to_str().expect("UTF-8");
        let line = [
            "demo",
            "--data-dir",
            folder_text,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ];
        let mut process = Process::spawn(&line, &environment());
        process.wait_until(LIMIT, printed).await;
        Self {
            process,
            told: read_json(&folder.join("demo.json")),
        }
    }

    fn text(&self, name: &str) -> String {
        let value = self.told[name].as_str();
        value
            .unwrap_or_else(|| panic!("no {name} in {}", self.told))
            .to_owned()
    }

    fn public(&self) -> SocketAddr {
        address(&self.text("public_url"))
    }

    /// Presses Ctrl-C and waits for the end.
    async fn interrupt(mut self) -> String {
        interrupt(&self.process);
        let status = self.process.wait_exit(LIMIT).await;
        assert_eq!(status.code(), Some(0), "{}", self.process.stderr());
        self.process.stdout()
    }
}

/// The cheap hash of tests: the demo reads settings as any server does.
fn environment() -> BTreeMap<String, String> {
    [
        ("ENROLL__HASHING__MEMORY_KIB", "256"),
        ("ENROLL__HASHING__ITERATIONS", "1"),
        ("ENROLL__HASHING__ALLOW_WEAK", "true"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn interrupt(process: &Process) {
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", process.pid())])
        .status();
    assert!(sent.expect("a shell").success());
}

fn printed(process: &Process) -> Option<()> {
    process.stdout().contains("Ctrl-C ends it.\n").then_some(())
}

fn read_json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("demo.json");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The socket behind `http://address[/path]`. A name under `localhost` is this machine (RFC 6761, section 6.3).
fn address(url: &str) -> SocketAddr {
    let (authority, _) = split(url);
    let (host, port) = authority.rsplit_once(':').expect("a port");
    let host = if host.ends_with(".localhost") {
        "127.0.0.1"
    } else {
        host
    };
    format!("{host}:{port}").parse().expect("an address")
}

/// The authority and the path of a URL.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("a URL");
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// A command that the demo tells its visitor to type: as printed, and as a shell would read it.
#[derive(Debug)]
struct Line {
    text: String,
    words: Vec<String>,
}

/// The commands in the demo's output: what is indented by two spaces, up to a line break that no quote and no backslash
/// takes along. `export` sets variables for the lines after it.
fn lines(output: &str) -> (Vec<Line>, BTreeMap<String, String>) {
    let mut variables = BTreeMap::new();
    let mut found = Vec::new();
    let mut rest = output;
    while let Some(at) = rest.find("\n  ").map(|at| at + 3) {
        let from = &rest[at..];
        let (words, length) = read_words(from, &variables);
        if !from.starts_with([' ', '-']) {
            match words.first().map(String::as_str) {
                Some("export") => variables.extend(words[1..].iter().map(|word| {
                    let (name, value) = word.split_once('=').expect("an assignment");
                    (name.to_owned(), value.to_owned())
                })),
                _ => found.push(Line {
                    text: from[..length].to_owned(),
                    words,
                }),
            }
        }
        rest = &from[length..];
    }
    (found, variables)
}

/// The words of one shell command and its length: quotes, `$NAME`, and a backslash before a line break.
fn read_words(text: &str, variables: &BTreeMap<String, String>) -> (Vec<String>, usize) {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut characters = text.char_indices().peekable();
    let mut length = text.len();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None, '\n') => {
                length = at;
                break;
            }
            (None, ' ') => words.extend(word.take()),
            (None, '\\') => {
                assert_eq!(characters.next().map(|(_, next)| next), Some('\n'));
                words.extend(word.take());
            }
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '$') => {
                let mut name = String::new();
                while let Some((_, next)) =
                    characters.next_if(|(_, next)| next.is_ascii_alphanumeric() || *next == '_')
                {
                    name.push(next);
                }
                let value = variables
                    .get(&name)
                    .unwrap_or_else(|| panic!("{name} is not exported"));
                word.get_or_insert_default().push_str(value);
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    (words, length)
}

/// Does what a line of curl would do: URL, `-H`, `-d`, `-s`; anything else fails the test.
async fn replay(words: &[String]) -> (u16, String) {
    let (mut url, mut data, mut headers) = (None, None, Vec::new());
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-s" => {}
            "-H" => headers.push(
                rest.next()
                    .expect("a header")
                    .split_once(": ")
                    .expect("a colon"),
            ),
            "-d" => data = Some(rest.next().expect("data")),
            _ if url.is_none() && word.starts_with("http://") => url = Some(word),
            other => panic!("curl is told {other}, which this test does not know"),
        }
    }
    let url = url.expect("a URL");
    let (authority, path) = split(url);
    let mut request =
        Request::new(if data.is_some() { "POST" } else { "GET" }, path).header("Host", authority);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(data) = data {
        request = request.body(data.as_str());
    }
    let answer = request.send(address(url)).await;
    (answer.status, answer.text().to_owned())
}

/// Checks the body that a line of curl brought.
fn check_answer(line: &Line, body: &str) {
    let document = || -> Value {
        serde_json::from_str(body)
            .unwrap_or_else(|error| panic!("{error} in {body} after {}", line.text))
    };
    let has = |part: &str| line.words.iter().any(|word| word.contains(part));
    if has("/api/register") {
        let document = document();
        assert_eq!(
            document["data"]["type"], "token",
            "{}: {document}",
            line.text
        );
        assert!(document["data"]["attributes"]["access_token"].is_string());
    } else if has("/admin/v1/tenants") {
        let document = document();
        let key = |tenant: &Value| tenant["attributes"]["key"].clone();
        let keys: Vec<Value> = document["data"]
            .as_array()
            .expect("tenants")
            .iter()
            .map(key)
            .collect();
        assert_eq!(keys, ["demo", "acme"]);
    } else if has("jwks.json") {
        assert_eq!(document()["keys"].as_array().map(Vec::len), Some(1));
    } else if has("/readyz") {
        assert_eq!(document()["status"], "ok");
    } else if has("/metrics") {
        assert!(body.contains("\nenroll_live_actors "), "{body}");
    } else {
        panic!("what is {}?", line.text);
    }
}

/// Runs the lines that call `enroll` itself, with the variables that were exported.
async fn run_enroll(line: &Line, variables: &BTreeMap<String, String>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_enroll"))
        .args(&line.words[1..])
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("it ends")
        .expect("it runs");
    assert!(output.status.success(), "{}: {output:?}", line.text);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn demo_json_tells_all_and_only_its_owner_may_read_it() {
    let folder = TempDir::new().expect("a folder");
    // A folder that is not there yet is made.
    let data = folder.path().join("made/here");
    let demo = Demo::start(&data).await;
    let names: Vec<&str> = demo
        .told
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "admin_token",
            "admin_url",
            "invite_code",
            "public_url",
            "tenants"
        ]
    );
    assert_eq!(demo.told["tenants"], json!(["demo", "acme"]));
    assert!(demo.text("admin_token").starts_with("enroll_admin_"));
    for (file, mode) in [("demo.json", 0o600), ("master.key", 0o600), (".", 0o700)] {
        let found = std::fs::metadata(data.join(file))
            .expect(file)
            .permissions()
            .mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
    let bearer = format!("Bearer {}", demo.text("admin_token"));
    let path = format!(
        "/admin/v1/tenants/demo/invites/{}",
        demo.text("invite_code")
    );
    let invite = Request::new("GET", &path).header("Authorization", bearer);
    let invite = invite
        .send(address(&demo.text("admin_url")))
        .await
        .expect(200);
    assert_eq!(invite["data"]["attributes"]["state"], "usable");
    // The one place where the token is said is the terminal of whoever started it, never the log.
    assert!(!demo.process.stderr().contains(&demo.text("admin_token")));
    demo.interrupt().await;
}

#[tokio::test]
async fn every_line_that_the_demo_prints_works() {
    let folder = TempDir::new().expect("a folder");
    let demo = Demo::start(folder.path()).await;
    let (lines, variables) = lines(&demo.process.stdout());
    assert_eq!(variables["ENROLL_ADMIN_TOKEN"], demo.text("admin_token"));
    assert_eq!(variables["ENROLL_ADMIN_URL"], demo.text("admin_url"));
    let curls = lines.iter().filter(|line| line.words[0] == "curl").count();
    assert_eq!((curls, lines.len()), (8, 10), "{lines:?}");
    for line in &lines {
        match line.words[0].as_str() {
            "curl" => {
                let (status, body) = replay(&line.words).await;
                assert_eq!(status, 200, "{}: {body}", line.text);
                check_answer(line, &body);
            }
            env!("CARGO_BIN_EXE_enroll") => {
                let shown = run_enroll(line, &variables).await;
                assert!(
                    shown.contains("acme") || shown.contains("0/5"),
                    "{}: {shown}",
                    line.text
                );
            }
            other => panic!("the demo tells to run {other}"),
        }
    }
    // What the lines did is there: four users, the approval, the use of the invite.
    let admin = async |path: &str| {
        Request::new("GET", path)
            .header(
                "Authorization",
                format!("Bearer {}", demo.text("admin_token")),
            )
            .send(address(&demo.text("admin_url")))
            .await
            .expect(200)
    };
    for (tenant, users) in [("demo", 3), ("acme", 1)] {
        let list = admin(&format!("/admin/v1/tenants/{tenant}/users")).await;
        assert_eq!(
            list["data"].as_array().map(Vec::len),
            Some(users),
            "{tenant}"
        );
    }
    let acme = admin("/admin/v1/tenants/acme").await;
    assert_eq!(
        acme["data"]["attributes"]["settings"]["registration"]["approval"],
        true
    );
    let invite = admin(&format!(
        "/admin/v1/tenants/demo/invites/{}",
        demo.text("invite_code")
    ))
    .await;
    assert_eq!(invite["data"]["attributes"]["uses"], 1);
    demo.interrupt().await;
}

/// The lines that the test above replays, typed into a real shell with a real curl, where there is one.
#[tokio::test]
async fn a_real_curl_does_what_the_demo_prints() {
    let version = std::process::Command::new("curl").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("there is no curl here; the same lines are replayed by another test");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let demo = Demo::start(folder.path()).await;
    let (lines, variables) = lines(&demo.process.stdout());
    for line in lines.iter().filter(|line| line.words[0] == "curl") {
        let output = Command::new("sh")
            .args(["-c", &line.text])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&variables)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, output)
            .await
            .expect("curl ends")
            .expect("a shell");
        assert!(output.status.success(), "{}: {output:?}", line.text);
        check_answer(line, &String::from_utf8(output.stdout).expect("UTF-8"));
    }
    demo.interrupt().await;
}

#[tokio::test]
async fn a_second_demo_in_the_same_folder_goes_on_where_the_first_ended() {
    let folder = TempDir::new().expect("a folder");
    let ada = |password: &str| {
        let attributes = json!({"username": "ada", "password": password});
        Request::register("demo", attributes)
    };
    let first = Demo::start(folder.path()).await;
    ada("lovelace-1843").send(first.public()).await.expect(200);
    let first_told = first.told.clone();
    first.interrupt().await;
    let second = Demo::start(folder.path()).await;
    assert_ne!(
        second.told["admin_token"], first_told["admin_token"],
        "every start has a token of its own"
    );
    assert_eq!(second.told["tenants"], first_told["tenants"]);
    let taken = ada("lovelace-1844").send(second.public()).await;
    assert_eq!(
        (taken.status, taken.error_code().as_str()),
        (422, "validation_error")
    );
    let code = first_told["invite_code"].as_str().expect("a code");
    let attributes = json!({"username": "grace", "password": "hopper-cobol-59", "code": code});
    Request::register("demo", attributes)
        .send(second.public())
        .await
        .expect(200);
    second.interrupt().await;
}

/// The folders of demos below a folder for temporary files.
fn demo_folders(below: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(below).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("enroll-demo-"))
        })
        .collect()
}

#[tokio::test]
async fn a_temporary_folder_goes_with_its_demo() {
    let temporary = TempDir::new().expect("a folder");
    let mut environment = environment();
    let place = temporary.path().to_str().expect("UTF-8").to_owned();
    environment.insert("TMPDIR".to_owned(), place);
    let line = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let mut process = Process::spawn(&line, &environment);
    process.wait_until(LIMIT, printed).await;
    let folders = demo_folders(temporary.path());
    assert_eq!(folders.len(), 1, "{folders:?}");
    assert!(
        process
            .stdout()
            .contains(folders[0].to_str().expect("UTF-8")),
        "it says where"
    );
    assert!(folders[0].join("demo.json").exists());
    interrupt(&process);
    assert_eq!(process.wait_exit(LIMIT).await.code(), Some(0));
    assert_eq!(demo_folders(temporary.path()), Vec::<PathBuf>::new());

    // A demo that cannot start leaves nothing behind either.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let line = [
        "demo",
        "--listen",
        &address,
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let mut process = Process::spawn(&line, &environment);
    assert_eq!(process.wait_exit(LIMIT).await.code(), Some(1));
    assert!(process.stderr().contains(&address), "{}", process.stderr());
    assert_eq!(demo_folders(temporary.path()), Vec::<PathBuf>::new());
}

#[test]
fn the_reader_of_printed_lines_reads_as_a_shell_does() {
    let output = "text\n\n  curl -s 'a b' \\\n    -d '{\"x\":\n    1}'\n\n  export A=1 B='2 3'\n  enroll \"$A-x\" $B\n";
    let (lines, variables) = lines(output);
    let words: Vec<&[String]> = lines.iter().map(|line| line.words.as_slice()).collect();
    assert_eq!(
        words,
        [
            &["curl", "-s", "a b", "-d", "{\"x\":\n    1}"][..],
            &["enroll", "1-x", "2 3"]
        ]
    );
    assert_eq!(variables["B"], "2 3");
    assert_eq!(lines[0].text, "curl -s 'a b' \\\n    -d '{\"x\":\n    1}'");
}
