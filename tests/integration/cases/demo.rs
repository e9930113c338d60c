//! `enroll demo`: what it writes, what it prints, and that every line that it prints works.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use enroll::simulate::accounts::{GATEWAY, TENCENT, TENCENT_CAPTCHA_SECRET, WECHAT_SECRET};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::Request;
use crate::harness::demo::{Demo, LIMIT, commands, environment, interrupt, printed, type_in};
use crate::harness::process::Process;

/// Checks what a command printed. What only sets up the shell prints nothing.
fn check_answer(command: &str, printed: &str) {
    let document = || -> Value {
        serde_json::from_str(printed)
            .unwrap_or_else(|error| panic!("{error} in {printed} after {command}"))
    };
    let has = |part: &str| command.contains(part);
    let sets_up = ["export ", "LOGIN=", "REFRESH=", "CODE=", "enroll() "];
    if sets_up.iter().any(|start| command.starts_with(start)) {
        assert_eq!(printed, "", "{command}");
    } else if ["/register", "/refresh-token", "/sms/verify"]
        .iter()
        .any(|route| has(route))
    {
        let document = document();
        assert_eq!(document["data"]["type"], "token", "{command}: {document}");
        assert!(document["data"]["attributes"]["access_token"].is_string());
    } else if has("/sms/send") {
        assert_eq!(document()["data"]["attributes"]["interval"], 60);
    } else if has("/admin/v1/tenants") {
        let document = document();
        let tenants = document["data"].as_array().expect("tenants").iter();
        let keys: Vec<&Value> = tenants.map(|tenant| &tenant["attributes"]["key"]).collect();
        assert_eq!(keys, ["demo", "acme"]);
    } else if has("jwks.json") {
        assert_eq!(document()["keys"].as_array().map(Vec::len), Some(1));
    } else if has("/readyz") {
        assert_eq!(document()["status"], "ok");
    } else if has("/metrics") {
        assert!(printed.contains("\nenroll_live_actors "), "{printed}");
    } else if has(" tenant set ") {
        assert!(printed.contains("\"approval\": true"), "{printed}");
    } else if has(" invite issue ") {
        assert!(printed.contains("0/5"), "{printed}");
    } else {
        panic!("what is {command}?");
    }
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
            "front_end",
            "invite_code",
            "public_url",
            "simulator_url",
            "tenants",
            "wechat_apps"
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
    let invite = invite.send(demo.address("admin_url")).await.expect(200);
    assert_eq!(invite["data"]["attributes"]["state"], "usable");
    // The one place where the token is said is the terminal of whoever started it, never the log.
    assert!(!demo.process.stderr().contains(&demo.text("admin_token")));
    demo.interrupt().await;
}

#[tokio::test]
async fn every_line_that_the_demo_prints_works() {
    let folder = TempDir::new().expect("a folder");
    let demo = Demo::start(folder.path()).await;
    let commands = demo.commands();
    assert_eq!(commands.len(), 19, "{commands:#?}");
    for (command, printed) in commands.iter().zip(type_in(&commands).await) {
        check_answer(command, &printed);
    }
    // What the lines did is there: five users, the approval, the use of the invite.
    let admin = async |path: &str| {
        Request::new("GET", path)
            .header(
                "Authorization",
                format!("Bearer {}", demo.text("admin_token")),
            )
            .send(demo.address("admin_url"))
            .await
            .expect(200)
    };
    for (tenant, users) in [("demo", 4), ("acme", 1)] {
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

/// Each tenant has accounts at the simulated vendors, and no secret of them is shown.
#[tokio::test]
async fn the_demos_tenants_have_accounts_at_the_simulated_vendors() {
    let folder = TempDir::new().expect("a folder");
    let demo = Demo::start(folder.path()).await;
    for (tenant, sms) in [("demo", "tencent"), ("acme", "gateway")] {
        let shown = Request::new("GET", &format!("/admin/v1/tenants/{tenant}"))
            .header(
                "Authorization",
                format!("Bearer {}", demo.text("admin_token")),
            )
            .send(demo.address("admin_url"))
            .await
            .expect(200);
        let settings = &shown["data"]["attributes"]["settings"];
        assert_eq!(settings["dialect"], "standard");
        assert_eq!(settings["sms"]["provider"], sms);
        assert_eq!(settings["captcha_rules"]["on_register"], false);
        assert_eq!(settings["cors"]["origins"], json!([demo.text("front_end")]));
        for (app, id) in demo.told["wechat_apps"].as_object().expect("apps") {
            assert_eq!(&settings["wechat"][app]["app_id"], id);
            assert_eq!(settings["wechat"][app]["app_secret"], "********");
        }
        for secret in [
            WECHAT_SECRET,
            TENCENT.secret,
            TENCENT_CAPTCHA_SECRET,
            GATEWAY.secret,
        ] {
            assert!(!shown.to_string().contains(secret), "{shown}");
        }
    }
    // The simulator ends with the demo.
    let simulator = demo.address("simulator_url");
    let control = Request::new("GET", "/control").send(simulator).await;
    control.expect(200);
    demo.interrupt().await;
    let gone = std::net::TcpStream::connect(simulator);
    assert!(gone.is_err(), "the simulator serves on");
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
fn the_reader_of_printed_commands_takes_what_is_indented() {
    let output = "text\n\n  curl -s 'a b' \\\n    -d '{\"x\":\n    1}'\n\n  export A=1\n  enroll \"$A\"\n\nend";
    assert_eq!(
        commands(output),
        [
            "curl -s 'a b' \\\n  -d '{\"x\":\n  1}'",
            "export A=1",
            "enroll \"$A\""
        ]
    );
}
