//! `enroll backup` and `enroll restore` (docs/operations.md, "Backup and restore"; docs/threats.md row 35).

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::register;
use crate::harness::command::{Outcome, enroll, run};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::load::{Call, Load};
use crate::harness::members::{Member, Site};
use crate::harness::process::Process;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, invite, issue_invite, users};

on_all_databases!(whoever_was_answered_before_the_backup_logs_in_after_the_restore);

/// The password of every user here.
const PASSWORD: &str = "correct horse battery";
const SINGLE_USE: usize = 15;

/// What happened at a tenant before its backup began, and meanwhile.
struct Before {
    tenant: &'static str,
    /// Registrations that were answered before.
    answered: Vec<Call>,
    /// Codes that were spent before, each for one account.
    spent: Vec<String>,
    load: Load,
}

async fn fill(server: &Server, tenant: &'static str, placement: Placement<'_>) -> Before {
    create_tenant(server, tenant, placement, no_limits()).await;
    issue_invite(
        server,
        tenant,
        json!({"code": "LOAD", "max_uses": 1_000_000}),
    )
    .await;
    let mut spent = Vec::new();
    for number in 0..SINGLE_USE {
        let code = issue_invite(server, tenant, json!({})).await;
        let mut attributes = ada(&format!("once{number}"));
        attributes["code"] = code.clone().into();
        register(server, tenant, attributes).await.expect(200);
        spent.push(code);
    }
    let load = Load::start(server.public(), tenant, "a", Some("LOAD"));
    load.acknowledged(40).await;
    let calls = load.end().await;
    let answered = calls.into_iter().filter(Call::is_acknowledged).collect();
    let load = Load::start(server.public(), tenant, "b", Some("LOAD"));
    load.acknowledged(5).await;
    Before {
        tenant,
        answered,
        spent,
        load,
    }
}

/// Ends the load and holds the restored tenant against it.
async fn hold_against(server: &Server, before: Before) {
    let tenant = before.tenant;
    let site = Site::of(server, tenant);
    let meanwhile = before.load.end().await;
    assert!(before.answered.len() >= 40);
    for call in &before.answered {
        Member::of(&site.login(&call.username, PASSWORD).await);
    }
    for (number, code) in before.spent.iter().enumerate() {
        Member::of(&site.login(&format!("once{number}"), PASSWORD).await);
        assert_eq!(invite(server, tenant, code).await["uses"], 1, "{code}");
        let mut again = ada(&format!("again{number}"));
        again["code"] = code.clone().into();
        register(server, tenant, again).await.expect(422);
    }
    // The copy is one moment: a use was spent if and only if its account is there.
    let names: HashSet<String> = users(server, tenant)
        .await
        .iter()
        .map(|user| {
            user["attributes"]["username"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    let all = before.answered.iter().chain(&meanwhile);
    let invited = all.filter(|call| call.invited && names.contains(&call.username));
    assert_eq!(
        invite(server, tenant, "LOAD").await["uses"],
        invited.count(),
        "in {tenant}"
    );
    let kept = meanwhile
        .iter()
        .filter(|call| names.contains(&call.username))
        .count();
    println!(
        "{tenant}: {} before, {kept} of {} meanwhile",
        before.answered.len(),
        meanwhile.len()
    );
    // And it goes on.
    register(server, tenant, ada("after")).await.expect(200);
}

async fn whoever_was_answered_before_the_backup_logs_in_after_the_restore(backend: Backend) {
    let ground = Ground::create(backend).await;
    let new_database = TestDatabase::create(backend).await;
    let server = Server::start(ground.options().patient()).await;
    let mut befores = vec![fill(&server, "shared", Placement::Shared(SHARED)).await];
    if backend == Backend::Sqlite {
        befores.push(fill(&server, "own", Placement::Own).await);
        create_tenant(&server, "unused", Placement::Own, json!({})).await;
    }
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let copy = folder.path().join("copy");
    let options = server.twin().set("data.dir", data.to_str().expect("UTF-8"));
    let options = options.database(SHARED, &new_database);
    let options = match backend {
        Backend::Sqlite => {
            let told = server
                .command(&["backup", copy.to_str().expect("UTF-8")])
                .await;
            assert_eq!(told.0.code(), Some(0), "{}", told.2);
            assert!(told.2.contains("the master key is NOT in it"), "{}", told.2);
            let restored = restore(
                &copy,
                &data,
                &[("ENROLL__DATABASES__SHARED__URL", new_database.url())],
            )
            .await;
            assert!(
                restored
                    .stderr
                    .contains("put the platform's master key in its place"),
                "{restored:?}"
            );
            restored.well();
            options
        }
        Backend::Postgres | Backend::Mysql => {
            dump_and_load(ground.shared(), &new_database, &copy);
            fs::create_dir_all(&data).expect("a folder");
            options.platform(&new_database)
        }
    };
    // The key is kept apart, and brought back by hand.
    fs::copy(
        server.data_dir().join("master.key"),
        data.join("master.key"),
    )
    .expect("the key");
    let restored = Server::start(options).await;
    for before in befores {
        hold_against(&restored, before).await;
    }
    if backend == Backend::Sqlite {
        register(&restored, "unused", ada("first"))
            .await
            .expect(200);
    }
}

async fn restore(copy: &Path, data: &Path, more: &[(&str, &str)]) -> Outcome {
    let environment = [
        &[("ENROLL__DATA__DIR", data.to_str().expect("UTF-8"))],
        more,
    ]
    .concat();
    enroll(
        &["restore", copy.to_str().expect("UTF-8")],
        &environment,
        "",
    )
    .await
}

/// What docs/operations.md tells for databases on servers: the scripts.
fn dump_and_load(from: &TestDatabase, to: &TestDatabase, file: &Path) {
    let name = match from.backend() {
        Backend::Sqlite => panic!("SQLite needs no script"),
        Backend::Postgres => "backup-postgres",
        Backend::Mysql => "backup-mysql",
    };
    let script = |more: &[&str], database: &TestDatabase, file: &Path| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("scripts").join(name));
        command.args(more).arg(file);
        // The server's own role does not see all rows; it shall own what comes back.
        command.envs(database.client_variables(more.is_empty()));
        let done = command.output().expect("the script runs");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!told.contains("password="), "{told}");
        (done.status.success(), told)
    };
    let (done, told) = script(&[], from, file);
    assert!(done, "{told}");
    let mode = fs::metadata(file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What is cut short is told, and nothing of it is loaded.
    let part = file.with_extension("part");
    let sums = |path: &Path| PathBuf::from(format!("{}.sha256", path.display()));
    fs::copy(file, &part).expect("a copy");
    let sum = fs::read_to_string(sums(file)).expect("the digest");
    let name_of = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned()
    };
    fs::write(sums(&part), sum.replace(&name_of(file), &name_of(&part))).expect("its digest");
    cut(&part, |length| length - 40);
    let (done, told) = script(&["--restore"], to, &part);
    assert!(!done && told.contains("is cut short or altered"), "{told}");
    fs::remove_file(sums(&part)).expect("removed");
    let (done, told) = script(&["--restore"], to, &part);
    assert!(!done && told.contains("cannot be read"), "{told}");
    let (done, told) = script(&["--restore"], to, file);
    assert!(done, "{told}");
    // Never over a file that is there, never into a database with tables.
    let (done, told) = script(&[], from, file);
    assert!(!done && told.contains("is there already"), "{told}");
    let (done, told) = script(&["--restore"], from, file);
    assert!(!done && told.contains("is not empty"), "{told}");
}

/// A server with three tenants on SQLite, two of them called, and a backup of it.
struct Copied {
    folder: TempDir,
    server: Server,
}

impl Copied {
    async fn make() -> Self {
        let server = Server::start(ServerOptions::new().patient()).await;
        for key in ["one", "two", "unused"] {
            create_tenant(&server, key, Placement::Own, json!({})).await;
        }
        for key in ["one", "two"] {
            register(&server, key, ada("ada")).await.expect(200);
        }
        let folder = TempDir::new().expect("a folder");
        let made = Self { folder, server };
        made.backup(&[]).await.well();
        made
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> &str {
        self.server.data_dir().to_str().expect("UTF-8")
    }

    /// Makes one at `copy`.
    async fn backup(&self, more: &[&str]) -> Outcome {
        let copy = self.at("copy");
        let line = [&["backup", copy.to_str().expect("UTF-8")], more].concat();
        enroll(&line, &[("ENROLL__DATA__DIR", self.data())], "").await
    }

    /// Another copy of the backup, to be spoilt.
    fn again(&self, name: &str) -> PathBuf {
        let to = self.at(name);
        let done = Command::new("cp")
            .arg("-r")
            .arg(self.at("copy"))
            .arg(&to)
            .status();
        assert!(done.expect("cp").success());
        to
    }

    fn tenant_file(&self, folder: &Path) -> PathBuf {
        let mut files: Vec<PathBuf> = fs::read_dir(folder.join("tenants"))
            .expect("the files")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files.remove(0)
    }
}

fn manifest(copy: &Path) -> Value {
    let text = fs::read_to_string(copy.join("manifest.json")).expect("the manifest");
    serde_json::from_str(&text).expect("JSON")
}

/// Writes a manifest and its digest, as somebody who means harm could.
fn forge(copy: &Path, change: impl Fn(&mut Value)) {
    let mut manifest = manifest(copy);
    change(&mut manifest);
    fs::write(copy.join("manifest.json"), manifest.to_string()).expect("the manifest");
    let sum = Command::new("sha256sum")
        .arg("manifest.json")
        .current_dir(copy)
        .output();
    fs::write(
        copy.join("manifest.json.sha256"),
        sum.expect("sha256sum").stdout,
    )
    .expect("the digest");
}

fn cut(path: &Path, length: impl Fn(usize) -> usize) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, &bytes[..length(bytes.len())]).expect("a shorter one");
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("another one");
}

#[tokio::test]
async fn a_backup_is_whole_named_and_for_its_owner_alone() {
    let copied = Copied::make().await;
    let copy = copied.at("copy");
    assert!(!copied.at("copy.partial").exists());
    let manifest = manifest(&copy);
    assert_eq!(
        (
            &manifest["format"],
            manifest["elsewhere"].as_array().map(Vec::len)
        ),
        (&json!(1), Some(0))
    );
    let files = manifest["files"].as_array().expect("files");
    assert_eq!(
        files.len(),
        3,
        "the platform and who was called: {manifest}"
    );
    for entry in files {
        let path = copy.join(entry["path"].as_str().expect("a path"));
        let data = fs::metadata(&path).expect("the file");
        assert_eq!(data.permissions().mode() & 0o777, 0o600);
        assert_eq!(json!(data.len()), entry["bytes"]);
        let sum = Command::new("sha256sum")
            .arg(&path)
            .output()
            .expect("sha256sum");
        let told = entry["sha256"].as_str().expect("a digest");
        assert!(
            String::from_utf8_lossy(&sum.stdout).starts_with(told),
            "{entry}"
        );
        assert!(
            entry["schema"]
                .as_str()
                .expect("a change")
                .starts_with("m2026")
        );
    }
    for folder in [copy.clone(), copy.join("tenants")] {
        assert_eq!(
            fs::metadata(folder).expect("a folder").permissions().mode() & 0o777,
            0o700
        );
    }
    let left: Vec<_> = fs::read_dir(copy.join("tenants")).expect("files").collect();
    assert_eq!(left.len(), 2, "no journals beside them: {left:?}");
    let sums = Command::new("sha256sum")
        .args(["-c", "manifest.json.sha256"])
        .current_dir(&copy)
        .output();
    assert!(sums.expect("sha256sum").status.success());
    assert!(!copy.join("master.key").exists());
    let refused = copied.backup(&[]).await.failed(2);
    assert!(refused.contains("is there already"), "{refused}");

    // With the key, and back with it: nothing else is needed.
    fs::remove_dir_all(&copy).expect("removed");
    let with_key = copied.backup(&["--with-master-key"]).await;
    assert!(
        with_key.stderr.contains("the master key IS in it"),
        "{with_key:?}"
    );
    with_key.well();
    let data = copied.at("data");
    let checked = enroll(
        &["restore", "--check", copy.to_str().expect("UTF-8")],
        &[],
        "",
    )
    .await;
    assert!(checked.well().contains("4 files are as they were written"));
    let restored = restore(&copy, &data, &[]).await;
    assert_eq!(restored.stderr, "", "nothing is left to do");
    assert!(restored.well().contains("4 files"));
    assert_eq!(
        fs::metadata(&data).expect("a folder").permissions().mode() & 0o777,
        0o700
    );
    let options = copied
        .server
        .twin()
        .set("data.dir", data.to_str().expect("UTF-8"));
    let server = Server::start(options).await;
    for key in ["one", "two"] {
        Member::of(&Site::of(&server, key).login("ada", PASSWORD).await);
    }
    register(&server, "unused", ada("ada")).await.expect(200);
}

/// Something that befalls a backup.
type Spoil<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_before_anything_is_written() {
    let copied = Copied::make().await;
    let data = copied.at("data");
    let spoilt: [(&str, &str, Spoil<'_>); 15] = [
        ("a cut manifest", "is cut short or altered", &|copy| {
            cut(&copy.join("manifest.json"), |length| length - 9)
        }),
        ("an empty manifest", "is cut short or altered", &|copy| {
            cut(&copy.join("manifest.json"), |_| 0)
        }),
        (
            "a byte of the manifest",
            "is cut short or altered",
            &|copy| flip(&copy.join("manifest.json")),
        ),
        ("a byte of its digest", "is cut short or altered", &|copy| {
            cut(&copy.join("manifest.json.sha256"), |_| 30)
        }),
        ("no manifest", "manifest.json", &|copy| {
            fs::remove_file(copy.join("manifest.json")).expect("removed")
        }),
        ("no digest", "manifest.json.sha256", &|copy| {
            fs::remove_file(copy.join("manifest.json.sha256")).expect("removed")
        }),
        (
            "a cut platform",
            "platform.db is cut short or altered",
            &|copy| cut(&copy.join("platform.db"), |length| length / 2),
        ),
        (
            "a byte of the platform",
            "platform.db is cut short or altered",
            &|copy| flip(&copy.join("platform.db")),
        ),
        ("a byte of a tenant", "is cut short or altered", &|copy| {
            flip(&copied.tenant_file(copy))
        }),
        ("a missing tenant", "No such file", &|copy| {
            fs::remove_file(copied.tenant_file(copy)).expect("removed")
        }),
        ("another layout", "another layout", &|copy| {
            forge(copy, |manifest| manifest["format"] = 2.into())
        }),
        ("no layout", "another layout", &|copy| {
            forge(copy, |manifest| *manifest = json!([]))
        }),
        ("a field too few", "missing field", &|copy| {
            forge(copy, |manifest| *manifest = json!({"format": 1}))
        }),
        ("a way out", "no backup has such a file", &|copy| {
            forge(copy, |manifest| {
                manifest["files"][0]["path"] = "../elsewhere.db".into()
            });
        }),
        ("one file twice", "stands there twice", &|copy| {
            forge(copy, |manifest| {
                manifest["files"][1] = manifest["files"][2].clone()
            });
        }),
    ];
    for (number, (what, told, spoil)) in spoilt.iter().enumerate() {
        let copy = copied.again(&format!("spoilt{number}"));
        spoil(&copy);
        let refused = restore(&copy, &data, &[]).await;
        assert!(
            refused.code != 0 && refused.stderr.contains(told),
            "{what}: {refused:?}"
        );
        assert!(!data.exists(), "{what}: nothing was written");
    }
    let nowhere = restore(&copied.at("nowhere"), &data, &[]).await;
    assert!(
        nowhere.code != 0 && nowhere.stderr.contains("nowhere"),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn nothing_is_restored_over_anything() {
    let copied = Copied::make().await;
    let copy = copied.at("copy");
    let refused = restore(&copy, copied.server.data_dir(), &[])
        .await
        .failed(2);
    assert!(
        refused.contains("a server, or another restore, is at work there"),
        "{refused}"
    );
    let data = copied.at("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("notes.txt"), "mine").expect("a file");
    let refused = restore(&copy, &data, &[]).await.failed(2);
    assert!(refused.contains("is not empty"), "{refused}");
    assert_eq!(fs::read_dir(&data).expect("the folder").count(), 1);
    fs::remove_file(data.join("notes.txt")).expect("removed");
    // A file of the settings elsewhere counts too.
    let elsewhere = copied.at("elsewhere.db");
    fs::write(&elsewhere, "mine").expect("a file");
    let url = format!("sqlite://{}", elsewhere.display());
    let refused = restore(&copy, &data, &[("ENROLL__PLATFORM__URL", &url)])
        .await
        .failed(2);
    assert!(
        refused.contains("elsewhere.db is there already"),
        "{refused}"
    );
    let url = "postgres://u:needle@127.0.0.1:1/x";
    let refused = restore(&copy, &data, &[("ENROLL__PLATFORM__URL", url)])
        .await
        .failed(2);
    assert!(
        refused.contains("platform.url is no SQLite file") && !refused.contains("needle"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&elsewhere).expect("the file"), "mine");
    // Another platform's key is told of, for nothing would work.
    let other = "0123456789abcdef".repeat(4);
    let restored = restore(&copy, &data, &[("ENROLL__SECRETS__MASTER_KEY", &other)]).await;
    assert!(
        restored
            .stderr
            .contains("the master key here is not the one of this backup"),
        "{restored:?}"
    );
    restored.well();
}

#[tokio::test]
async fn a_restore_that_was_killed_keeps_servers_away_and_is_run_again() {
    let server = Server::start(ServerOptions::new().patient()).await;
    for number in 0..40 {
        let key = format!("t{number}");
        create_tenant(&server, &key, Placement::Own, json!({})).await;
        register(&server, &key, ada("ada")).await.expect(200);
    }
    let folder = TempDir::new().expect("a folder");
    let (copy, other) = (folder.path().join("copy"), folder.path().join("other"));
    for copy in [&copy, &other] {
        let line = ["backup", copy.to_str().expect("UTF-8"), "--with-master-key"];
        let (status, _, told) = server.command(&line).await;
        assert_eq!(status.code(), Some(0), "{told}");
    }
    let data = folder.path().join("data");
    let path = data.to_str().expect("UTF-8").to_owned();
    let environment = BTreeMap::from([("ENROLL__DATA__DIR".to_owned(), path.clone())]);
    let line = ["restore", copy.to_str().expect("UTF-8")];
    for files in [0, 5, 20] {
        let mut run = Process::spawn(&line, &environment);
        run.wait_until(Duration::from_secs(30), |_| {
            let there = fs::read_dir(data.join("tenants")).map_or(0, Iterator::count);
            (data.join(".restoring").exists() && there >= files).then_some(())
        })
        .await;
        run.sigkill();
        assert!(data.join(".restoring").exists(), "killed in the middle");
        for command in ["serve", "migrate"] {
            let refused = enroll(&[command], &[("ENROLL__DATA__DIR", &path)], "")
                .await
                .failed(1);
            assert!(
                refused.contains("a restore into it has not ended"),
                "{command}: {refused}"
            );
        }
    }
    let line = ["backup", "never-made"];
    let refused = enroll(&line, &[("ENROLL__DATA__DIR", &path)], "")
        .await
        .failed(1);
    assert!(
        refused.contains("a restore into it has not ended"),
        "{refused}"
    );
    let refused = restore(&other, &data, &[]).await.failed(2);
    assert!(
        refused.contains("another backup was being restored here"),
        "{refused}"
    );
    restore(&copy, &data, &[]).await.well();
    let options = server.twin().set("data.dir", path);
    let restored = Server::start(options).await;
    for number in 0..40 {
        let key = format!("t{number}");
        Member::of(&Site::of(&restored, &key).login("ada", PASSWORD).await);
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_whole_is_none() {
    let copied = Copied::make().await;
    let copy = copied.at("copy");
    fs::remove_dir_all(&copy).expect("removed");
    let nothing_left = || {
        let left: Vec<_> = fs::read_dir(copied.folder.path())
            .expect("the folder")
            .collect();
        assert!(left.is_empty(), "{left:?}");
    };
    // A disk without room, as a limit on the size of a file: what is written beyond it fails.
    let script = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
    let line = [
        "-c",
        script,
        env!("CARGO_BIN_EXE_enroll"),
        "backup",
        copy.to_str().expect("UTF-8"),
    ];
    let full = run("bash", &line, &[("ENROLL__DATA__DIR", copied.data())], "").await;
    assert_eq!(full.code, 1, "{full:?}");
    assert!(full.stderr.contains("the platform database: "), "{full:?}");
    nothing_left();
    // A tenant whose file is damaged is named; without it there is a backup.
    let damaged = copied.tenant_file(copied.server.data_dir());
    let id = damaged
        .file_stem()
        .and_then(|id| id.to_str())
        .expect("an id")
        .to_owned();
    let mut copied = copied;
    // So that no journal is left to mend it from.
    copied.server.sigterm();
    copied.server.wait_exit(Duration::from_secs(30)).await;
    let whole = fs::read(&damaged).expect("the file");
    fs::write(&damaged, "no database at all".repeat(999)).expect("a file");
    let failed = copied.backup(&[]).await.failed(1);
    assert!(
        failed.contains("no backup was made: tenant ") && failed.contains("--without"),
        "{failed}"
    );
    assert!(!copied.at("copy").exists() && !copied.at("copy.partial").exists());
    let key = if failed.contains("tenant one") {
        "one"
    } else {
        "two"
    };
    copied.backup(&["--without", key]).await.well();
    let manifest = manifest(&copied.at("copy"));
    assert_eq!(manifest["left_out"], json!([format!("tenant {key}")]));
    assert!(!manifest["files"].to_string().contains(&id));
    fs::write(&damaged, whole).expect("as before");

    // Killed, it leaves what is no backup, and says what to do with it.
    fs::remove_dir_all(copied.at("copy")).expect("removed");
    let environment = BTreeMap::from([
        ("ENROLL__DATA__DIR".to_owned(), copied.data().to_owned()),
        (
            "FAILPOINTS".to_owned(),
            "backup_copied=sleep(60000)".to_owned(),
        ),
    ]);
    let copy = copied.at("copy");
    let mut run = Process::spawn(&["backup", copy.to_str().expect("UTF-8")], &environment);
    let partial = copied.at("copy.partial");
    run.wait_until(Duration::from_secs(30), |_| {
        partial.join("platform.db").exists().then_some(())
    })
    .await;
    run.sigkill();
    assert!(!copy.exists());
    let refused = copied.backup(&[]).await.failed(2);
    assert!(refused.contains("copy.partial is there"), "{refused}");
    assert_ne!(restore(&partial, &copied.at("data"), &[]).await.code, 0);
    fs::remove_dir_all(&partial).expect("removed");
    copied.backup(&[]).await.well();
}
