//! `enroll doctor`: what is wrong, and what to do (docs/operations.md, "When something is wrong").

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::command::{Outcome, enroll};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::simulator::Simulator;
use crate::harness::tenants::{Placement, create_tenant};

on_all_databases!(
    a_sound_platform_has_no_error_with_and_without_its_server,
    a_schema_that_is_behind_is_told_and_stays_so,
    a_database_that_is_down_is_a_finding,
);

/// The findings of a JSON report of this level, as one text.
fn findings(outcome: &Outcome, level: &str) -> String {
    let document: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let findings = document["findings"].as_array().expect("a list").iter();
    findings
        .filter(|finding| finding["level"] == level)
        .map(|finding| {
            if level != "fine" {
                assert!(
                    finding["fix"].as_str().is_some_and(|fix| !fix.is_empty()),
                    "{finding}"
                );
            }
            format!(
                "{}: {}\n",
                finding["check"].as_str().expect("a check"),
                finding["text"].as_str().expect("a text")
            )
        })
        .collect()
}

async fn examine(environment: &[(&str, &str)]) -> Outcome {
    enroll(&["doctor", "--json"], environment, "").await
}

async fn a_sound_platform_has_no_error_with_and_without_its_server(backend: Backend) {
    let simulator = Simulator::start().await;
    let (platform, shared, own) = (
        TestDatabase::create(backend).await,
        TestDatabase::create(backend).await,
        TestDatabase::create(backend).await,
    );
    let options = simulator
        .serve(
            ServerOptions::new()
                .unset("hashing.allow_weak")
                .real_hashing(),
        )
        .platform(&platform)
        .database("main", &shared);
    let mut server = Server::start(options).await;
    create_tenant(&server, "file", Placement::Own, json!({})).await;
    let captcha =
        json!({"captcha": {"provider": "turnstile", "secret": "simulated-turnstile-secret"}});
    create_tenant(&server, "shared", Placement::Shared("main"), captcha).await;
    if backend != Backend::Sqlite {
        create_tenant(&server, "own", Placement::OwnAt(own.url()), json!({})).await;
    }
    let (_, text, _) = server.command(&["doctor", "--json"]).await;
    let running = Outcome {
        code: 0,
        stdout: text,
        stderr: String::new(),
    };
    assert_eq!(findings(&running, "error"), "");
    // A busy machine answers slowly, which is a warning.
    let fine = findings(&running, "fine") + &findings(&running, "warning");
    for part in [
        "settings: all settings can stand",
        "databases: platform database",
        "databases: shared database main",
        "keys: the master key opens",
        "providers: Turnstile, which 1 tenants use, answers",
        "providers: 1 CAPTCHA accounts are right",
        "machine: passwords are hashed by the fast engine",
    ] {
        assert!(fine.contains(part), "{part} is missing in {fine}");
    }
    if backend != Backend::Sqlite {
        assert!(
            fine.contains("1 of 1 databases of tenants' own answer"),
            "{fine}"
        );
        assert!(fine.contains("clock: this machine's clock"), "{fine}");
        assert!(fine.contains("one process wants up to"), "{fine}");
    }
    let user = platform
        .url()
        .split_once("://")
        .and_then(|(_, rest)| Some(rest.split_once('@')?.0));
    for secret in user
        .into_iter()
        .chain(["simulated-turnstile-secret", server.token()])
    {
        assert!(!running.stdout.contains(secret), "{running:?}");
    }

    // As people read it, and with the server stopped.
    server.sigkill();
    let (status, lines, _) = server.command(&["doctor"]).await;
    assert!(matches!(status.code(), Some(0 | 3)), "{lines}");
    assert!(
        lines.contains("none answers at") && lines.contains("0 errors"),
        "{lines}"
    );
}

async fn a_schema_that_is_behind_is_told_and_stays_so(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let folder = TempDir::new().expect("a folder");
    let environment = [
        ("ENROLL__DATA__DIR", environment_dir(&folder)),
        ("ENROLL__PLATFORM__URL", database.url()),
        ("ENROLL__DATABASES__MAIN__URL", database.url()),
    ];
    // The databases of servers exist and are empty; the file of SQLite does not, and is not made.
    for _ in 0..2 {
        let examined = examine(&environment).await;
        assert_eq!(examined.code, 1, "{examined:?}");
        let errors = findings(&examined, "error");
        let expected = if backend == Backend::Sqlite {
            "there is no file"
        } else {
            "its schema is behind"
        };
        assert!(errors.contains(expected), "{errors}");
        assert!(errors.contains("keys: master key"), "{errors}");
    }
    let made = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(made, 0, "the doctor makes nothing");
    enroll(&["migrate"], &environment, "").await.well();
    let examined = examine(&environment).await;
    assert_eq!(findings(&examined, "error"), "");
    assert!(
        findings(&examined, "warning").contains("there is no administrator"),
        "{examined:?}"
    );
}

fn environment_dir(folder: &TempDir) -> &str {
    folder.path().to_str().expect("UTF-8")
}

async fn a_database_that_is_down_is_a_finding(backend: Backend) {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::create(backend).await;
    let (scheme, _) = database.url().split_once("://").expect("a URL");
    let damaged = folder.path().join("damaged.db");
    fs::write(
        &damaged,
        "no database at all, but long enough to look at".repeat(100),
    )
    .expect("a file");
    let nowhere = match backend {
        Backend::Sqlite => format!("sqlite://{}", damaged.display()),
        Backend::Postgres | Backend::Mysql => format!("{scheme}://u:needle-4711@127.0.0.1:1/gone"),
    };
    let migrated = [
        ("ENROLL__DATA__DIR", environment_dir(&folder)),
        ("ENROLL__PLATFORM__URL", database.url()),
        ("ENROLL__DATABASES__MAIN__URL", database.url()),
    ];
    enroll(&["migrate"], &migrated, "").await.well();
    let environment = [
        ("ENROLL__DATA__DIR", environment_dir(&folder)),
        ("ENROLL__PLATFORM__URL", nowhere.as_str()),
        ("ENROLL__DATABASES__MAIN__URL", database.url()),
    ];
    let begun = std::time::Instant::now();
    let examined = examine(&environment).await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it does not wait for ever"
    );
    assert_eq!(examined.code, 1, "{examined:?}");
    let errors = findings(&examined, "error");
    assert!(errors.contains("databases: platform database"), "{errors}");
    assert!(
        findings(&examined, "fine").contains("databases: shared database main"),
        "{examined:?}"
    );
    assert!(!format!("{examined:?}").contains("needle"), "{examined:?}");
}

#[tokio::test]
async fn whatever_is_wrong_is_told_with_its_fix_and_no_secret() {
    const SECRET: &str = "hush-4711";
    let mut server = Server::start(ServerOptions::new()).await;
    let captcha = json!({"captcha": {"provider": "turnstile", "secret": SECRET}});
    create_tenant(&server, "acme", Placement::Own, captcha).await;
    let data = server.data_dir().to_str().expect("UTF-8").to_owned();
    let address = server.admin().to_string();
    let simulator = Simulator::start().await;
    let base = [
        ("ENROLL__DATA__DIR", data.as_str()),
        ("ENROLL__SERVER__ADMIN_LISTEN", address.as_str()),
        ("ENROLL__PROVIDER__TURNSTILE_URL", "http://127.0.0.1:1/"),
        ("ENROLL__HASHING__THREADS", "1000"),
        ("ENROLL__HASHING__MEMORY_KIB", "1048576"),
        ("ENROLL__SERVER__MAX_CONNECTIONS", "1000000"),
    ];
    let sound = examine(&base).await;
    assert!(
        findings(&sound, "fine").contains("server: runs at"),
        "{sound:?}"
    );
    let errors = findings(&sound, "error");
    assert!(
        errors.contains("providers: Turnstile, which 1 tenants use, does not answer"),
        "{errors}"
    );
    let warnings = findings(&sound, "warning");
    for part in [
        "1000 hashing threads on the",
        "files and connections may be open",
        "MiB of memory may be needed",
    ] {
        assert!(warnings.contains(part), "{part} is missing in {warnings}");
    }

    // A wrong account, a key that opens nothing, files that others read.
    let vendor = simulator.url("/turnstile/v0/siteverify");
    let other_key = "0123456789abcdef".repeat(4);
    let refused = [
        &base[..2],
        &[("ENROLL__PROVIDER__TURNSTILE_URL", vendor.as_str())],
    ]
    .concat();
    let examined = examine(&refused).await;
    let errors = findings(&examined, "error");
    assert!(
        errors.contains("tenant acme: its CAPTCHA account is refused (invalid-input-secret)"),
        "{errors}"
    );
    assert!(!format!("{examined:?}").contains(SECRET), "{examined:?}");

    let closed = [
        &base[..2],
        &[("ENROLL__SECRETS__MASTER_KEY", other_key.as_str())],
    ]
    .concat();
    let examined = examine(&closed).await;
    let errors = findings(&examined, "error");
    for part in [
        "keys: signing keys do not open with this master key: 1 (acme)",
        "keys: secrets in settings do not open with this master key: 1 (acme: captcha.secret)",
    ] {
        assert!(errors.contains(part), "{part} is missing in {errors}");
    }
    assert!(
        !format!("{examined:?}").contains(&other_key),
        "{examined:?}"
    );

    server.sigkill();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours")
    };
    open(Path::new(&data), 0o755);
    open(&Path::new(&data).join("master.key"), 0o644);
    open(&Path::new(&data).join("platform.db"), 0o644);
    let warnings = findings(&examine(&base).await, "warning");
    for part in [
        "master.key can be read by others",
        "platform.db can be read by others",
    ] {
        assert!(warnings.contains(part), "{part} is missing in {warnings}");
    }

    // Settings that cannot stand are findings, one each, and the rest waits for them.
    let bad = [
        ("ENROLL__HASHING__MEMORY_KIB", "8"),
        ("ENROLL__SERVER__WORKERS", "many"),
    ];
    let examined = examine(&bad).await;
    assert_eq!(examined.code, 1, "{examined:?}");
    let errors = findings(&examined, "error");
    assert!(
        errors.contains("hashing.memory_kib") && errors.contains("server.workers"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2, "{errors}");
}
