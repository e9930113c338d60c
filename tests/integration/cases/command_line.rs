//! The command line: the real program, as an administrator calls it.

use entity::platform::administrator;
use futures_util::future::join_all;
use sea_orm::{Database, EntityTrait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

use crate::harness::client::{Request, admin, register};
use crate::harness::command::{Operator, enroll, run};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant};

on_all_databases!(
    migrating_twice_is_migrating_once,
    migrators_that_start_at_once_wait_for_each_other,
    serve_refuses_a_schema_that_is_behind,
);

#[tokio::test]
async fn tenants_are_managed_from_the_command_line() {
    let operator = Operator::start().await;
    let line = [
        "tenant",
        "create",
        "acme",
        "--name",
        "Acme Ltd",
        "--host",
        "join.acme.example",
        "--set",
        "registration.open=false",
        "--set",
        "locale=en",
    ];
    let shown = operator.run(&line).await.well();
    for part in [
        "acme",
        "Acme Ltd",
        "join.acme.example",
        "active",
        "own sqlite",
        "\"locale\": \"en\"",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let made = operator
        .run(&["tenant", "create", "beta", "--json"])
        .await
        .json();
    assert_eq!(made["data"]["attributes"]["key"], "beta");
    assert_eq!(made["data"]["attributes"]["name"], "beta");

    let table = operator.run(&["tenant", "list"]).await.well();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.contains("active"))
        .collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(
        table.contains("Key") && table.contains("Placement"),
        "{table}"
    );
    let list = operator.run(&["--json", "tenant", "list"]).await;
    assert_eq!(
        list.code, 2,
        "--json belongs to the command that shows: {list:?}"
    );
    let list = operator.run(&["tenant", "list", "--json"]).await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2));

    // A change is in force at once; what weakens the tenant is said on standard error.
    assert_eq!(operator.registers("acme", "ada").await, 401);
    let set = [
        "tenant",
        "set",
        "acme",
        "registration.open=true",
        "limits.per_address=null",
    ];
    let set = operator.run(&set).await;
    assert!(
        set.stderr.contains("warning: limits.per_address"),
        "{set:?}"
    );
    assert!(set.well().contains("\"per_address\": null"));
    assert_eq!(operator.registers("acme", "ada").await, 200);
    let patch = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(patch.path(), r#"{"registration": {"approval": true}}"#).expect("a patch");
    let patch = patch.path().to_str().expect("UTF-8");
    let line = [
        "tenant",
        "set",
        "acme",
        "--file",
        patch,
        "--if-version",
        "2",
        "--no-hosts",
        "--json",
    ];
    let changed = operator.run(&line).await.json();
    let attributes = &changed["data"]["attributes"];
    assert_eq!(attributes["settings"]["registration"]["approval"], true);
    assert_eq!(
        (&attributes["settings_version"], &attributes["hosts"]),
        (&json!(3), &json!([]))
    );
    let refusal = operator.run(&line).await.failed(1);
    assert!(
        refusal.contains("409 settings_version_conflict"),
        "{refusal}"
    );

    operator.run(&["tenant", "suspend", "acme"]).await.well();
    assert_eq!(operator.registers("acme", "grace").await, 404);
    let suspended = operator
        .run(&["tenant", "list", "--state", "suspended", "--json"])
        .await
        .json();
    assert_eq!(suspended["data"][0]["attributes"]["key"], "acme");
    assert_eq!(suspended["data"].as_array().map(Vec::len), Some(1));
    let shown = operator.run(&["tenant", "resume", "acme"]).await.well();
    assert!(shown.contains("active"), "{shown}");
    assert!(
        operator
            .run(&["tenant", "show", "acme"])
            .await
            .well()
            .contains("Settings version")
    );

    // Who looks at the tenant's pressure does not wake it.
    let line = ["tenant", "pressure", "beta"];
    let asleep = operator.run(&line).await.well();
    assert_eq!(asleep, "beta is not live at this server\n");
    assert_eq!(operator.registers("beta", "heidi").await, 200);
    let awake = operator.run(&line).await.well();
    assert!(awake.starts_with("nothing limits beta\n"), "{awake}");
    assert!(awake.contains("limits.database_in_flight"), "{awake}");
    let document = operator
        .run(&[&line[..], &["--json"]].concat())
        .await
        .json();
    assert_eq!(document["data"]["attributes"]["live"], true);

    // To delete, somebody must confirm.
    let unsure = operator.run(&["tenant", "delete", "acme"]).await.failed(2);
    assert!(unsure.contains("--yes"), "{unsure}");
    assert_eq!(operator.run(&["tenant", "show", "acme"]).await.code, 0);
    let deleted = operator
        .run(&["tenant", "delete", "acme", "--yes"])
        .await
        .failed(0);
    assert!(deleted.contains("tenant acme is deleted"), "{deleted}");
    assert_eq!(operator.registers("acme", "grace").await, 404);
    let gone = operator.run(&["tenant", "show", "acme"]).await.failed(1);
    assert!(gone.contains("404 model_not_found"), "{gone}");
}

#[tokio::test]
async fn a_refusal_is_shown_with_every_reason_and_a_wrong_call_is_told_apart() {
    let operator = Operator::start().await;
    let line = [
        "tenant",
        "create",
        "a b",
        "--host",
        "x:80",
        "--set",
        "password.min_length=1",
    ];
    let refusal = operator.run(&line).await.failed(1);
    for part in [
        "the server refused",
        "422 validation_error at /data/attributes/key",
        "at /data/attributes/hosts",
    ] {
        assert!(refusal.contains(part), "{part} is missing in {refusal}");
    }
    let line = [
        "tenant",
        "create",
        "acme",
        "--set",
        "password.min_length=1",
        "--set",
        "bogus.x=1",
    ];
    let refusal = operator.run(&line).await.failed(1);
    for part in [
        "/data/attributes/settings/password/min_length",
        "/data/attributes/settings/bogus",
    ] {
        assert!(refusal.contains(part), "{part} is missing in {refusal}");
    }
    for (line, reason) in [
        (&["tenant", "show", "nobody"][..], "404 model_not_found"),
        (
            &["tenant", "create", "acme", "--database", "nowhere"],
            "/data/attributes/placement",
        ),
        (&["tenant", "suspend", "nobody"], "404"),
        (&["invite", "list", "nobody"], "404"),
        (&["invite", "issue", "nobody"], "404"),
    ] {
        let refusal = operator.run(line).await.failed(1);
        assert!(refusal.contains(reason), "{line:?}: {refusal}");
    }
    for line in [
        &[][..],
        &["bogus"],
        &["tenant"],
        &["tenant", "create"],
        &["tenant", "set", "acme"],
        &["tenant", "set", "acme", "limits"],
        &["tenant", "show", ".."],
        &["tenant", "list", "--state", "asleep"],
        &["invite", "issue", "acme", "--code", "A", "--count", "2"],
        &["invite", "issue", "acme", "--expires-at", "tomorrow"],
        &["serve", "--bogus"],
    ] {
        let wrong = operator.run(line).await;
        assert_eq!(wrong.code, 2, "{line:?}: {wrong:?}");
        assert!(!wrong.stderr.is_empty(), "{line:?}");
    }
    for line in [
        &["--help"][..],
        &["--version"],
        &["tenant", "--help"],
        &["invite", "issue", "--help"],
    ] {
        assert!(!operator.run(line).await.well().is_empty(), "{line:?}");
    }

    let nobody = enroll(
        &["tenant", "list"],
        &[
            ("ENROLL_ADMIN_URL", "http://127.0.0.1:1"),
            ("ENROLL_ADMIN_TOKEN", "x"),
        ],
        "",
    );
    let nobody = nobody.await.failed(1);
    assert!(nobody.contains("refused"), "the cause is named: {nobody}");
    let public = format!("http://{}", operator.server.public());
    let elsewhere = [
        ("ENROLL_ADMIN_URL", public.as_str()),
        ("ENROLL_ADMIN_TOKEN", "x"),
    ];
    let wrong_port = enroll(&["tenant", "list"], &elsewhere, "").await.failed(1);
    assert!(wrong_port.contains("404 route_not_found"), "{wrong_port}");
}

#[tokio::test]
async fn invites_are_managed_from_the_command_line() {
    let operator = Operator::start().await;
    operator.run(&["tenant", "create", "acme"]).await.well();
    let line = [
        "invite",
        "issue",
        "acme",
        "--code",
        "spring-fair",
        "--max-uses",
        "2",
        "--note",
        "fair",
        "--expires-at",
        "2999-01-01T00:00:00Z",
    ];
    let shown = operator.run(&line).await.well();
    for part in ["SPRING-FAIR", "usable", "0/2", "2999-01-01", "fair"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let taken = operator.run(&line).await.failed(1);
    assert!(taken.contains("409 invite_code_taken"), "{taken}");
    let one = operator
        .run(&["invite", "issue", "acme", "--json"])
        .await
        .json();
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));

    let batch = operator
        .run(&["invite", "issue", "acme", "--count", "1200", "--json"])
        .await;
    assert_eq!(batch.stderr, "", "progress is for terminals");
    let codes = |document: &Value| -> BTreeSet<String> {
        let list = document["data"].as_array().expect("a list");
        let code = |invite: &Value| {
            invite["attributes"]["code"]
                .as_str()
                .expect("a code")
                .to_owned()
        };
        list.iter().map(code).collect()
    };
    let batch = codes(&batch.json());
    assert_eq!(batch.len(), 1200);
    let listed = codes(
        &operator
            .run(&["invite", "list", "acme", "--json"])
            .await
            .json(),
    );
    assert!(
        listed.len() == 1202 && batch.is_subset(&listed),
        "{}",
        listed.len()
    );

    let line = [
        "invite", "issue", "acme", "--count", "700", "--batch", "b", "--format", "csv",
    ];
    let csv = operator.run(&line).await.well();
    assert_eq!(csv.lines().count(), 701, "{csv}");
    assert_eq!(operator.run(&line).await.well(), csv, "no code twice");
    let other = operator
        .run(&[
            "invite",
            "issue",
            "acme",
            "--count",
            "700",
            "--batch",
            "b",
            "--max-uses",
            "2",
        ])
        .await
        .failed(1);
    assert!(other.contains("409 invite_batch_differs"), "{other}");
    let unused = operator
        .run(&[
            "invite", "export", "acme", "--batch", "b", "--state", "unused",
        ])
        .await
        .well();
    assert_eq!(unused.lines().count(), 700);
    let first: Value = serde_json::from_str(unused.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["attributes"]["batch"], "b");
    let user = register(
        &operator.server,
        "acme",
        json!({"username": "ada", "password": "correct horse battery", "code": "SPRING-FAIR"}),
    );
    user.await.expect(200);
    let line = ["invite", "registrations", "acme", "spring-fair"];
    let brought = operator.run(&line).await.well();
    assert!(
        brought.contains("ada") && brought.contains("normal"),
        "{brought}"
    );

    let revoked = operator
        .run(&["invite", "revoke", "acme", "spring-fair"])
        .await
        .failed(0);
    assert!(revoked.contains("is revoked"), "{revoked}");
    assert_eq!(
        tenants::invite(&operator.server, "acme", "SPRING-FAIR").await["state"],
        "revoked"
    );
    let unknown = operator
        .run(&["invite", "revoke", "acme", "NO-SUCH-CODE"])
        .await
        .failed(1);
    assert!(unknown.contains("404"), "{unknown}");
}

#[tokio::test]
async fn a_token_comes_from_the_environment_a_file_or_standard_input_and_never_as_an_argument() {
    let operator = Operator::start().await;
    let token = operator.server.token();
    let url = [("ENROLL_ADMIN_URL", operator.url.as_str())];
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{token}\n")).expect("a token");
    let path = file.path().to_str().expect("UTF-8");
    enroll(&["tenant", "list", "--token-file", path], &url, "")
        .await
        .well();
    enroll(
        &["tenant", "list", "--token-stdin"],
        &url,
        &format!("{token}\n"),
    )
    .await
    .well();
    enroll(
        &[
            "tenant",
            "list",
            "--token-stdin",
            "--admin-url",
            &operator.url,
        ],
        &[],
        token,
    )
    .await
    .well();

    let none = enroll(&["tenant", "list"], &url, "").await.failed(2);
    assert!(none.contains("ENROLL_ADMIN_TOKEN"), "it says how: {none}");
    assert_eq!(
        enroll(&["tenant", "list", "--token-stdin"], &url, "")
            .await
            .code,
        2
    );
    assert_eq!(
        enroll(&["tenant", "list", "--token-file", "/nowhere"], &url, "")
            .await
            .code,
        1
    );
    let wrong = enroll(&["tenant", "list", "--token-stdin"], &url, "needle-4711")
        .await
        .failed(1);
    assert!(
        wrong.contains("401 not_authenticated") && !wrong.contains("needle"),
        "{wrong}"
    );

    let assigned = format!("--token={token}");
    let login = format!("http://admin:{token}@{}", operator.server.admin());
    for line in [
        &["tenant", "list", "--token", token][..],
        &["tenant", "list", &assigned],
        &["tenant", "list", "--admin-token", token],
        &["tenant", "list", "--admin-url", &login],
        &["admin", "token", "create", "--name", "x", "--token", token],
        &["serve", "--master-key", token],
    ] {
        let refused = enroll(line, &url, "").await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            !refused.stderr.contains(token),
            "the secret is repeated: {refused:?}"
        );
    }
    // No help text offers one, at any depth.
    for line in [
        &["tenant", "list", "--help"][..],
        &["invite", "issue", "--help"],
        &["serve", "--help"],
        &["admin", "token", "create", "--help"],
        &["demo", "--help"],
        &["migrate", "--help"],
    ] {
        let help = enroll(line, &[], "").await.well();
        for secret in [
            "--token ",
            "--token=",
            "--password",
            "--master-key",
            "--url",
        ] {
            assert!(!help.contains(secret), "{line:?} offers {secret}: {help}");
        }
    }

    // The URL of a tenant's own database is a secret as well.
    let url_of_own = "postgres://u:needle-4711@127.0.0.1:1/x";
    let line = ["tenant", "create", "acme", "--own-url-stdin"];
    let refusal = operator.run_with(&line, url_of_own).await.failed(1);
    assert!(
        refusal.contains("/data/attributes/placement") && !refusal.contains("needle"),
        "{refusal}"
    );
    let refusal = operator.run_with(&line, "http://needle").await.failed(2);
    assert!(!refusal.contains("needle"), "{refusal}");
}

#[tokio::test]
async fn an_administrators_token_is_shown_once_and_kept_as_a_hash() {
    let server = Server::start(ServerOptions::new()).await;
    let create_as = async |name: &str, more: &[&str]| {
        let arguments = [&["admin", "token", "create", "--name", name], more].concat();
        let (status, stdout, stderr) = server.command(&arguments).await;
        (status.code(), stdout.trim().to_owned(), stderr)
    };
    let create = async |name: &str| create_as(name, &[]).await;
    let (code, token, stderr) = create("Ada").await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let secret = token
        .strip_prefix("enroll_admin_")
        .expect("a prefix that scanners know");
    assert!(secret.len() >= 43, "256 bits in base64: {}", secret.len());
    let (_, other, _) = create("Grace").await;
    assert_ne!(token, other);
    // It works at the running server at once.
    let list =
        Request::new("GET", "/admin/v1/tenants").header("Authorization", format!("Bearer {token}"));
    list.send(server.admin()).await.expect(200);

    let platform = server.data_dir().join("platform.db");
    let bytes = std::fs::read(&platform).expect("the database");
    let log = std::fs::read(platform.with_extension("db-wal")).unwrap_or_default();
    for text in [&token, &other, secret] {
        let stored = [&bytes, &log].iter().any(|file| {
            file.windows(text.len())
                .any(|window| window == text.as_bytes())
        });
        assert!(!stored, "the token is in the database");
    }
    for bad in ["Ada", "", "a\nb", &"x".repeat(101)] {
        let (code, stdout, stderr) = create(bad).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{bad:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
    let rows = Database::connect(format!("sqlite://{}", platform.display())).await;
    let rows = administrator::Entity::find()
        .all(&rows.expect("the database"))
        .await
        .expect("rows");
    let mut names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Grace", "test"]);

    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    for (name, more, status) in [
        ("reads", &["--role", "auditor"] as &[&str], 403),
        ("ours", &["--role", "tenant", "--tenant", "acme"], 200),
    ] {
        let (code, token, stderr) = create_as(name, more).await;
        assert_eq!(code, Some(0), "{stderr}");
        let body = json!({"data": {"type": "tenants", "attributes": {"name": name}}});
        let change = Request::new("PATCH", "/admin/v1/tenants/acme")
            .header("Authorization", format!("Bearer {token}"))
            .json(&body);
        assert_eq!(change.send(server.admin()).await.status, status, "{name}");
    }
    for more in [
        &["--role", "tenant"] as &[&str],
        &["--role", "tenant", "--tenant", "nobody"],
        &["--role", "auditor", "--tenant", "acme"],
        &["--role", "root"],
    ] {
        let (code, stdout, stderr) = create_as("Eve", more).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{more:?}: {stderr}");
    }
    // There is no administrator until somebody makes one.
    let fresh = TempDir::new().expect("a folder");
    let environment = [("ENROLL__DATA__DIR", fresh.path().to_str().expect("UTF-8"))];
    enroll(&["migrate"], &environment, "").await.well();
    let rows = Database::connect(format!(
        "sqlite://{}",
        fresh.path().join("platform.db").display()
    ))
    .await;
    let rows = administrator::Entity::find()
        .all(&rows.expect("the database"))
        .await
        .expect("rows");
    assert!(rows.is_empty(), "{rows:?}");
}

fn mode(path: &Path) -> u32 {
    let metadata =
        std::fs::metadata(path).unwrap_or_else(|error| panic!("{error}: {}", path.display()));
    metadata.permissions().mode() & 0o777
}

#[tokio::test]
async fn what_holds_secrets_is_for_its_owner_alone_whatever_the_umask() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let environment = [("ENROLL__DATA__DIR", data.to_str().expect("UTF-8"))];
    let script = "umask 000; exec \"$0\" \"$@\"";
    run(
        "sh",
        &["-c", script, env!("CARGO_BIN_EXE_enroll"), "migrate"],
        &environment,
        "",
    )
    .await
    .well();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    let key = std::fs::read_to_string(data.join("master.key")).expect("the key");
    assert!(
        key.len() == 64 && key.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{}",
        key.len()
    );
    // A second run keeps the key that seals what is there already.
    enroll(&["migrate"], &environment, "").await.well();
    assert_eq!(
        std::fs::read_to_string(data.join("master.key")).expect("the key"),
        key
    );
}

async fn migrating_twice_is_migrating_once(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let shared = TestDatabase::create(backend).await;
    let folder = TempDir::new().expect("a folder");
    let environment = [
        ("ENROLL__DATA__DIR", folder.path().to_str().expect("UTF-8")),
        ("ENROLL__PLATFORM__URL", platform.url()),
        ("ENROLL__DATABASES__MAIN__URL", shared.url()),
    ];
    for _ in 0..2 {
        let done = enroll(&["migrate"], &environment, "").await;
        assert!(done.stderr.contains("every schema is current"), "{done:?}");
        assert_eq!(done.well(), "");
    }
    let server = Server::start(
        ServerOptions::new()
            .platform(&platform)
            .database("main", &shared),
    )
    .await;
    tenants::create_tenant(
        &server,
        "acme",
        tenants::Placement::Shared("main"),
        json!({}),
    )
    .await;
    // With rows in it, it changes nothing.
    assert_eq!(server.command(&["migrate"]).await.0.code(), Some(0));
    admin(&server, "GET", "/admin/v1/tenants/acme", None)
        .await
        .expect(200);
}

async fn migrators_that_start_at_once_wait_for_each_other(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let shared = TestDatabase::create(backend).await;
    let folder = TempDir::new().expect("a folder");
    let environment = [
        ("ENROLL__DATA__DIR", folder.path().to_str().expect("UTF-8")),
        ("ENROLL__PLATFORM__URL", platform.url()),
        ("ENROLL__DATABASES__MAIN__URL", shared.url()),
    ];
    // Replicas of a new version start together, and each begins with this.
    let all = join_all((0..4).map(|_| enroll(&["migrate"], &environment, ""))).await;
    for one in all {
        assert_eq!(one.well(), "");
    }
    let key = std::fs::read_to_string(folder.path().join("master.key")).expect("the key");
    assert_eq!(key.len(), 64, "one of them made the key");
}

async fn serve_refuses_a_schema_that_is_behind(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let folder = TempDir::new().expect("a folder");
    let key = "0123456789abcdef".repeat(4);
    let environment = [
        ("ENROLL__DATA__DIR", folder.path().to_str().expect("UTF-8")),
        ("ENROLL__PLATFORM__URL", platform.url()),
        ("ENROLL__SECRETS__MASTER_KEY", key.as_str()),
        ("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0"),
        ("ENROLL__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    let refused = enroll(&["serve"], &environment, "").await.failed(1);
    assert!(
        refused.contains("enroll migrate"),
        "it says what to do: {refused}"
    );
    assert!(!refused.contains(&key), "{refused}");
}

#[tokio::test]
async fn serve_refuses_a_missing_or_bad_master_key() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let base = [
        ("ENROLL__DATA__DIR", data),
        ("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0"),
        ("ENROLL__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    let missing = enroll(&["serve"], &base, "").await.failed(1);
    assert!(
        missing.contains("master.key") && missing.contains("enroll migrate"),
        "{missing}"
    );
    enroll(&["migrate"], &base, "").await.well();
    let file = folder.path().join("master.key");
    for bad in [
        "",
        "secret",
        "needle-4711",
        &"g".repeat(64),
        &"ab".repeat(31),
    ] {
        std::fs::write(&file, bad).expect("a key");
        let refused = enroll(&["serve"], &base, "").await.failed(1);
        assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        assert!(
            bad.is_empty() || !refused.contains(bad),
            "the key is repeated: {refused}"
        );
    }
    for bad in ["needle-4711", "0".repeat(64).as_str()] {
        let variables = [&base[..], &[("ENROLL__SECRETS__MASTER_KEY", bad)]].concat();
        let refused = enroll(&["serve"], &variables, "").await.failed(1);
        assert!(
            refused.contains("secrets.master_key") && !refused.contains(bad),
            "{refused}"
        );
    }
    // A key that does not open what is stored starts, for it may belong to other tenants; a tenant's own fault shows
    // when it is asked for, never as another tenant's.
}

#[tokio::test]
async fn nothing_starts_on_bad_settings_and_every_fault_is_told_at_once() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("enroll.toml");
    let text = "[server]\nworkers = \"many\"\nbogus = 1\nmax_body_bytes = 1\n[telemetry]\nlog_format = \"xml\"\n\
                log_level = \"loud\"\nmax_tenant_series = 10001\n\
                otlp_endpoint = \"http://u:needle-4712@h:4318\"\ntrace_ppm = 1000001\n[hashing]\nmemory_kib = 8\n[cellar]\nwine = 1\n\
                [platform]\nurl = \"redis://u:needle-4711@h/0\"\n";
    std::fs::write(&file, text).expect("settings");
    let path = file.to_str().expect("UTF-8");
    let variables = [
        ("ENROLL__TENANTS__MAX_LIVE", "0"),
        ("ENROLL__NOWHERE__KEY", "1"),
    ];
    for command in [
        &["serve"][..],
        &["migrate"],
        &["admin", "token", "create", "--name", "x"],
    ] {
        let line = [&["--config", path], command].concat();
        let refused = enroll(&line, &variables, "").await.failed(1);
        for key in [
            "server.workers",
            "server.bogus",
            "server.max_body_bytes",
            "telemetry.log_format",
            "telemetry.log_level",
            "telemetry.max_tenant_series",
            "telemetry.otlp_endpoint",
            "telemetry.trace_ppm",
            "hashing.memory_kib",
            "cellar",
            "platform.url",
            "ENROLL__TENANTS__MAX_LIVE",
            "ENROLL__NOWHERE__KEY",
        ] {
            assert!(refused.contains(key), "{key} is missing in {refused}");
        }
        assert!(!refused.contains("needle"), "{refused}");
    }
    let listed = std::fs::read_dir(folder.path())
        .expect("the folder")
        .count();
    assert_eq!(listed, 1, "nothing was made");
    let missing = enroll(&["--config", "/nowhere.toml", "serve"], &[], "")
        .await
        .failed(1);
    assert!(missing.contains("/nowhere.toml"), "{missing}");
    let missing = enroll(&["serve"], &[("ENROLL_CONFIG", "/nowhere.toml")], "")
        .await
        .failed(1);
    assert!(missing.contains("/nowhere.toml"), "{missing}");
}

#[tokio::test]
async fn serve_says_which_address_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let folder = TempDir::new().expect("a folder");
    let environment = [
        ("ENROLL__DATA__DIR", folder.path().to_str().expect("UTF-8")),
        ("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0"),
        ("ENROLL__SERVER__ADMIN_LISTEN", address.as_str()),
    ];
    enroll(&["migrate"], &environment, "").await.well();
    let refused = enroll(&["serve"], &environment, "").await.failed(1);
    assert!(refused.contains(&address), "{refused}");
}

#[tokio::test]
async fn a_secret_setting_is_never_an_argument() {
    const SECRET: &str = "hush-4711";
    let operator = Operator::start().await;
    let app_id = "wechat.mini_program.app_id=wx1";
    let of_app = |how: &str| format!("wechat.mini_program.app_secret={how}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{SECRET}\n")).expect("a secret");
    let path = file.path().to_str().expect("UTF-8");

    let clear = of_app(SECRET);
    let as_object =
        format!(r#"wechat={{"mini_program":{{"app_id":"wx1","app_secret":"{SECRET}"}}}}"#);
    for line in [
        &["tenant", "create", "acme", "--set", app_id, "--set", &clear][..],
        &["tenant", "create", "acme", "--set", &as_object],
        &["tenant", "set", "acme", app_id, &clear],
    ] {
        let refused = operator.run(line).await.failed(2);
        assert!(refused.contains("never an argument"), "{refused}");
        assert!(!refused.contains(SECRET), "{refused}");
    }
    let (piped, from_file) = (of_app("@-"), of_app(&format!("@{path}")));
    let line = ["tenant", "set", "acme", app_id, &piped, "--token-stdin"];
    let taken = operator.run_with(&line, operator.server.token()).await;
    assert!(taken.failed(2).contains("only once"));

    let line = ["tenant", "create", "acme", "--set", app_id, "--set", &piped];
    let made = operator
        .run_with(&line, &format!("{SECRET}\n"))
        .await
        .well();
    assert!(
        made.contains("********") && !made.contains(SECRET),
        "{made}"
    );
    let line = ["tenant", "set", "acme", "locale=en", &from_file];
    let changed = operator.run(&line).await.well();
    assert!(
        changed.contains("********") && !changed.contains(SECRET),
        "{changed}"
    );
}
