//! `enroll migrate` over every database, and schemas older or newer than the program (docs/threats.md rows 117 and
//! 118).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use migration::{MigratorTrait, PlatformMigrator, TenantMigrator};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Request, admin, register};
use crate::harness::command::{Outcome, enroll};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{Ground, SHARED, ada, no_limits};
use crate::harness::load::Load;
use crate::harness::members::{Member, Site};
use crate::harness::process::Process;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{
    Placement, create_tenant, invite, issue_invite, resume_tenant, suspend_tenant, users,
};
use crate::harness::wait::until;

on_all_databases!(
    one_database_that_refuses_is_told_and_stops_nobody,
    a_plan_changes_nothing,
    a_server_refuses_a_shared_database_that_is_behind,
    a_server_goes_on_with_the_schema_of_the_next_version,
    a_run_that_was_killed_is_gone_on_with,
);

/// A key made anew would open nothing of what is sealed.
#[tokio::test]
async fn a_lost_master_key_is_asked_for_and_not_made_anew() {
    let mut server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, no_limits()).await;
    server.sigkill();
    let key = server.data_dir().join("master.key");
    let kept = fs::read(&key).expect("the key");
    fs::remove_file(&key).expect("it goes");
    for arguments in [&["migrate"][..], &["migrate", "--tenants-may-refuse"]] {
        let (status, _, said) = server.command(arguments).await;
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("bring that one back"), "{said}");
        assert!(!key.exists(), "no key was made");
    }
    fs::write(&key, kept).expect("it is brought back");
    let (status, _, said) = server.command(&["migrate"]).await;
    assert!(status.success(), "{said}");
}

/// Changes that a database of an older version has.
const OLD: u32 = 9;

async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("a database")
}

fn url_of(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// The file of a tenant's own, by the tenant's document.
fn own_file(server: &Server, tenant: &Value) -> PathBuf {
    let id = tenant["id"].as_str().expect("an id");
    let file = server.data_dir().join("tenants").join(format!("{id}.db"));
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    file
}

/// Writes an SQLite file of an older version, with a row in it.
async fn write_old(file: &Path) {
    let old = open(&url_of(file)).await;
    // As the program has them.
    old.execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .expect("a journal");
    TenantMigrator::up(&old, Some(OLD)).await.expect("changes");
    old.execute_unprepared(&format!(
        "INSERT INTO counters VALUES (1, 'kept', 0, 7, {})",
        i64::MAX
    ))
    .await
    .expect("a row");
    old.close().await.expect("closed");
}

/// Takes everything out of a database.
async fn empty(database: &TestDatabase) {
    let connection = database.connect().await;
    let name = database.url().rsplit('/').next().expect("a name");
    let statements = match database.backend() {
        Backend::Sqlite => panic!("its file is what there is to delete"),
        Backend::Postgres => "DROP SCHEMA public CASCADE; CREATE SCHEMA public".to_owned(),
        Backend::Mysql => format!("DROP DATABASE {name}; CREATE DATABASE {name}"),
    };
    connection
        .execute_unprepared(&statements)
        .await
        .expect("done");
}

/// What `enroll migrate status --json` says, by name.
async fn standing(server: &Server) -> BTreeMap<String, Value> {
    let (_, stdout, stderr) = server.command(&["migrate", "status", "--json"]).await;
    let lines = stdout.lines().map(|line| {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line} {stderr}"));
        let name = line["name"].as_str().unwrap_or("platform").to_owned();
        (name, line)
    });
    lines.collect()
}

fn in_state(standing: &BTreeMap<String, Value>, state: &str) -> usize {
    let those = standing.values().filter(|line| line["state"] == state);
    those.count()
}

/// Ends a load of which no call may have failed.
async fn end_well(load: Load) {
    let calls = load.end().await;
    let failed: Vec<_> = calls
        .iter()
        .filter(|call| !call.is_acknowledged())
        .collect();
    assert!(failed.is_empty(), "of {}: {failed:?}", calls.len());
}

/// Numbers that look random and are the same in every run (xorshift64*), so that a failure can be looked at again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}

const TENANTS: usize = 200;
const KILLS: usize = 20;

#[tokio::test]
async fn a_run_over_two_hundred_tenants_is_killed_twenty_times_and_then_finished() {
    let folder = TempDir::new().expect("a folder");
    let old = folder.path().join("old.db");
    write_old(&old).await;
    let server = Server::start(ServerOptions::new().patient()).await;
    let mut files = Vec::new();
    for number in 0..TENANTS {
        let key = format!("t{number}");
        let tenant = create_tenant(&server, &key, Placement::Own, json!({})).await;
        files.push(own_file(&server, &tenant));
    }
    let put_old = |files: &[PathBuf]| {
        for file in files {
            fs::copy(&old, file).expect("a copy");
        }
    };
    put_old(&files);
    // One that nobody ever called costs nothing; one is called all along.
    let unused = create_tenant(&server, "unused", Placement::Own, json!({})).await;
    create_tenant(&server, "busy", Placement::Own, no_limits()).await;
    let load = Load::start(server.public(), "busy", "k", None);
    load.acknowledged(1).await;

    let mut dice = Dice(0x5eed_1176);
    let settings = server.settings_file();
    let line = ["--config", settings.to_str().expect("UTF-8"), "migrate"];
    let (mut kills, mut half_way, mut longest) = (0, 0, 900);
    while kills < KILLS {
        let mut run = Process::spawn(&line, &BTreeMap::new());
        tokio::time::sleep(Duration::from_millis(50 + dice.below(longest))).await;
        if run.exit_status().is_some() {
            // It was quicker than this point: again from the beginning, and sooner.
            longest = (longest / 2).max(20);
            put_old(&files);
            continue;
        }
        run.sigkill();
        kills += 1;
        let standing = standing(&server).await;
        assert_eq!(standing.len(), 1 + TENANTS + 2, "every database is told");
        let behind = in_state(&standing, "behind");
        assert_eq!(in_state(&standing, "unreachable"), 0, "{standing:?}");
        for line in standing.values().filter(|line| line["state"] == "behind") {
            // All of a file's changes are made, or none.
            let missing = line["missing"].as_array().expect("a list").len();
            assert_eq!(missing, TenantMigrator::migrations().len() - OLD as usize);
        }
        half_way += usize::from((1..TENANTS).contains(&behind));
        println!("kill {kills}: {behind} of {TENANTS} behind");
        if behind == 0 {
            put_old(&files);
        }
    }
    assert!(half_way >= 3, "only {half_way} kills came in the middle");

    let (status, _, told) = server.command(&["migrate"]).await;
    assert_eq!(status.code(), Some(0), "{told}");
    assert!(told.contains("1 not made yet, 0 failed"), "{told}");
    end_well(load).await;
    assert!(!own_file(&server, &unused).exists());

    let wanted = {
        let fresh = open("sqlite::memory:").await;
        TenantMigrator::up(&fresh, None).await.expect("changes");
        shape(&fresh).await
    };
    for file in &files {
        let done = open(&url_of(file)).await;
        assert_eq!(texts(&done, "PRAGMA integrity_check").await, ["ok"]);
        assert_eq!(shape(&done).await, wanted);
        let kept = "SELECT CAST(used AS TEXT) FROM counters WHERE subject = 'kept'";
        assert_eq!(texts(&done, kept).await, ["7"]);
        done.close().await.expect("closed");
    }
    let timed = async |what: &str| {
        let begun = Instant::now();
        let (status, _, told) = server.command(&["migrate"]).await;
        println!("{what} in {:?}", begun.elapsed());
        assert_eq!(status.code(), Some(0), "{told}");
        told
    };
    let told = timed("passed by").await;
    assert!(
        told.contains("203 databases: 0 changed, 202 were current"),
        "{told}"
    );
    put_old(&files);
    let told = timed("changed").await;
    assert!(
        told.contains("203 databases: 200 changed, 2 were current"),
        "{told}"
    );
    register(&server, "t17", ada("ada")).await.expect(200);
}

/// The first column of a question's answer.
async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let question = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(question).await.expect("an answer");
    rows.iter()
        .map(|row| row.try_get_by_index(0).expect("a text"))
        .collect()
}

/// The tables and indexes of an SQLite database, as stated.
async fn shape(connection: &DatabaseConnection) -> BTreeSet<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
    texts(connection, sql).await.into_iter().collect()
}

async fn a_run_that_was_killed_is_gone_on_with(backend: Backend) {
    const DATABASES: usize = 4;
    let folder = TempDir::new().expect("a folder");
    let mut dice = Dice(0x5eed_0117);
    let (mut kills, mut longest) = (0, 900);
    let mut rounds = 0;
    while kills < 12 {
        // Empty databases have every change before them. On MySQL each statement of a change is kept by itself.
        rounds += 1;
        assert!(rounds < 40, "only {kills} kills in {rounds} rounds");
        let platform = TestDatabase::create(backend).await;
        let mut environment = BTreeMap::from([
            (
                "ENROLL__DATA__DIR".to_owned(),
                folder.path().to_str().expect("UTF-8").to_owned(),
            ),
            (
                "ENROLL__PLATFORM__URL".to_owned(),
                platform.url().to_owned(),
            ),
        ]);
        let mut databases = Vec::new();
        for number in 0..DATABASES {
            let database = TestDatabase::create(backend).await;
            environment.insert(
                format!("ENROLL__DATABASES__D{number}__URL"),
                database.url().to_owned(),
            );
            databases.push(database);
        }
        for _ in 0..6 {
            let mut run = Process::spawn(&["migrate"], &environment);
            tokio::time::sleep(Duration::from_millis(30 + dice.below(longest))).await;
            if run.exit_status().is_some() {
                longest = (longest / 2).max(50);
                break;
            }
            run.sigkill();
            kills += 1;
        }
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let done = enroll(&["migrate"], &environment, "").await;
        assert_eq!(done.code, 0, "{done:?}");
        let told = enroll(&["migrate", "status"], &environment, "")
            .await
            .well();
        assert_eq!(told.matches("current").count(), 1 + DATABASES, "{told}");
    }
}

/// The moment between a change and its record, where MySQL has committed the one and not the other.
#[tokio::test]
async fn a_change_that_was_made_and_not_recorded_is_made_again() {
    if Backend::Mysql.is_left_out() {
        println!("left out by --quick");
        return;
    }
    let database = TestDatabase::create(Backend::Mysql).await;
    let connection = database.connect().await;
    for change in PlatformMigrator::migrations() {
        PlatformMigrator::up(&connection, Some(1))
            .await
            .expect("a change");
        forget(&connection, "platform_migrations", change.name()).await;
        PlatformMigrator::up(&connection, Some(1))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", change.name()));
    }
    for change in TenantMigrator::migrations() {
        TenantMigrator::up(&connection, Some(1))
            .await
            .expect("a change");
        forget(&connection, "tenant_migrations", change.name()).await;
        TenantMigrator::up(&connection, Some(1))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", change.name()));
    }
    let rows = "SELECT CAST(COUNT(*) AS CHAR) FROM platform_revision";
    assert_eq!(
        texts(&connection, rows).await,
        ["1"],
        "the first row is there once"
    );
}

async fn forget(connection: &DatabaseConnection, table: &str, change: &str) {
    let sql = format!("DELETE FROM {table} WHERE version = '{change}'");
    let done = connection
        .execute_unprepared(&sql)
        .await
        .expect("a deletion");
    assert_eq!(done.rows_affected(), 1);
}

async fn one_database_that_refuses_is_told_and_stops_nobody(backend: Backend) {
    let bad = TestDatabase::create(backend).await;
    let good = TestDatabase::create(backend).await;
    let server = Server::start(ServerOptions::new().patient()).await;
    let mut places = Vec::new();
    for (key, database) in [("bad", &bad), ("good", &good)] {
        let placement = match backend {
            Backend::Sqlite => Placement::Own,
            Backend::Postgres | Backend::Mysql => Placement::OwnAt(database.url()),
        };
        let tenant = create_tenant(&server, key, placement, json!({})).await;
        let url = match backend {
            Backend::Sqlite => url_of(&own_file(&server, &tenant)),
            Backend::Postgres | Backend::Mysql => {
                empty(database).await;
                database.url().to_owned()
            }
        };
        let old = open(&url).await;
        TenantMigrator::up(&old, Some(OLD)).await.expect("changes");
        old.close().await.expect("closed");
        places.push(url);
    }
    create_tenant(&server, "busy", Placement::Own, no_limits()).await;
    let load = Load::start(server.public(), "busy", "b", None);
    load.acknowledged(1).await;
    // What a change wants to make is there already, and is something else.
    let broken = open(&places[0]).await;
    broken
        .execute_unprepared("ALTER TABLE union_ids RENAME TO set_aside")
        .await
        .expect("set aside");

    let (status, _, told) = server.command(&["migrate"]).await;
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(
        told.contains("tenant bad failed: ") && told.contains("1 failed"),
        "{told}"
    );
    assert!(told.contains("1 databases failed (tenant bad)"), "{told}");
    assert!(!told.contains(bad.url()), "{told}");
    // Before a server of many tenants starts, one of them counts as little as it will when it is called.
    let (status, _, told) = server.command(&["migrate", "--tenants-may-refuse"]).await;
    assert_eq!(status.code(), Some(0), "{told}");
    assert!(
        told.contains("tenant bad failed: ") && told.contains("1 failed"),
        "{told}"
    );
    // A shared database is no tenant's own.
    let settings = server.settings_file();
    let line = [
        "--config",
        settings.to_str().expect("UTF-8"),
        "migrate",
        "--tenants-may-refuse",
    ];
    let gone = (
        "ENROLL__DATABASES__GONE__URL",
        "postgres://a:b@127.0.0.1:1/c",
    );
    let refused = enroll(&line, &[gone], "").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("2 databases failed"), "{refused:?}");
    let standing = standing(&server).await;
    assert_eq!(standing["bad"]["state"], "behind");
    assert_eq!(standing["good"]["state"], "current");
    assert_eq!(standing["busy"]["state"], "current");
    let refused = register(&server, "bad", ada("ada")).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (503, "unavailable")
    );
    register(&server, "good", ada("ada")).await.expect(200);

    broken
        .execute_unprepared("ALTER TABLE set_aside RENAME TO union_ids")
        .await
        .expect("put back");
    broken.close().await.expect("closed");
    let (status, _, told) = server.command(&["migrate"]).await;
    assert_eq!(status.code(), Some(0), "{told}");
    until("the tenant is served again", async || {
        let answer = register(&server, "bad", ada("bea")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    end_well(load).await;
}

#[tokio::test]
async fn two_runs_at_once_share_the_work_and_both_end_well() {
    let folder = TempDir::new().expect("a folder");
    let old = folder.path().join("old.db");
    write_old(&old).await;
    let server = Server::start(ServerOptions::new().patient()).await;
    for number in 0..40 {
        let key = format!("t{number}");
        let tenant = create_tenant(&server, &key, Placement::Own, json!({})).await;
        fs::copy(&old, own_file(&server, &tenant)).expect("a copy");
    }
    let line = ["migrate", "--at-once", "8"];
    let runs = futures_util::future::join_all((0..3).map(|_| server.command(&line))).await;
    for (status, _, told) in runs {
        assert_eq!(status.code(), Some(0), "{told}");
    }
    assert_eq!(in_state(&standing(&server).await, "current"), 41);
}

/// What lies in a folder, by path, as numbers that differ if anything does.
fn contents(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            // What SQLite keeps beside a file that is open.
            let name = path.to_str().expect("UTF-8");
            if path.is_dir() {
                folders.push(path);
            } else if !name.ends_with("-wal") && !name.ends_with("-shm") {
                let bytes = fs::read(&path).expect("a file");
                let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
                found.insert(path, digest);
            }
        }
    }
    found
}

async fn a_plan_changes_nothing(backend: Backend) {
    let platform = TestDatabase::create(backend).await;
    let shared = TestDatabase::create(backend).await;
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let environment = [
        ("ENROLL__DATA__DIR", data.to_str().expect("UTF-8")),
        ("ENROLL__PLATFORM__URL", platform.url()),
        ("ENROLL__DATABASES__MAIN__URL", shared.url()),
    ];
    let run = async |line: &[&str]| -> Outcome { enroll(line, &environment, "").await };
    // On nothing at all.
    let planned = run(&["migrate", "--dry-run"]).await;
    assert!(
        planned
            .stderr
            .contains("changes in 2 databases would be made; none was"),
        "{planned:?}"
    );
    let planned = planned.well();
    for name in names::<PlatformMigrator>()
        .iter()
        .chain(&names::<TenantMigrator>())
    {
        assert!(planned.contains(name), "{name} is missing in {planned}");
    }
    let told = run(&["migrate", "status"]).await;
    assert_eq!(
        (told.code, told.stdout.matches("behind, empty").count()),
        (1, 2),
        "{told:?}"
    );
    assert!(
        told.stderr
            .contains("2 databases are behind, 0 cannot be reached"),
        "{told:?}"
    );
    assert!(!data.exists(), "not even the folder is made");
    if let Some(file) = platform.file() {
        assert!(!file.exists());
    }

    run(&["migrate"]).await.well();
    let old = folder.path().join("old.db");
    write_old(&old).await;
    let server = Server::start(
        ServerOptions::new()
            .platform(&platform)
            .database("main", &shared),
    )
    .await;
    for key in ["old", "damaged", "unused"] {
        let tenant = create_tenant(&server, key, Placement::Own, json!({})).await;
        match key {
            "old" => drop(fs::copy(&old, own_file(&server, &tenant)).expect("a copy")),
            "damaged" => {
                fs::write(own_file(&server, &tenant), "no database".repeat(500)).expect("a file")
            }
            _ => {}
        }
    }
    let before = contents(server.data_dir());
    let (status, planned, told) = server.command(&["migrate", "--dry-run"]).await;
    assert_eq!(status.code(), Some(1), "one cannot be looked at: {told}");
    let missing = names::<TenantMigrator>().split_off(OLD as usize).join(", ");
    assert_eq!(planned, format!("tenant old (sqlite): {missing}\n"));
    assert!(told.contains("tenant damaged (sqlite) failed: "), "{told}");
    let standing = standing(&server).await;
    let state = |name: &str| standing[name]["state"].as_str().expect("a word");
    let states = ["platform", "main", "old", "damaged", "unused"].map(state);
    assert_eq!(
        states,
        ["current", "current", "behind", "unreachable", "not_made"]
    );
    assert_eq!(
        standing["old"]["missing"].as_array().expect("a list").len(),
        names::<TenantMigrator>().len() - OLD as usize
    );
    assert_eq!(
        standing["old"]["version"],
        names::<TenantMigrator>()[OLD as usize - 1]
    );
    assert_eq!(contents(server.data_dir()), before);
}

fn names<M: MigratorTrait>() -> Vec<String> {
    let changes = M::migrations();
    changes
        .iter()
        .map(|change| change.name().to_owned())
        .collect()
}

async fn a_server_refuses_a_shared_database_that_is_behind(backend: Backend) {
    let ground = Ground::create(backend).await;
    let server = Server::start(ground.options()).await;
    create_tenant(&server, "acme", Placement::Shared(SHARED), json!({})).await;
    register(&server, "acme", ada("ada")).await.expect(200);
    let ready = async || Request::new("GET", "/readyz").send(server.admin()).await;
    until("ready", async || {
        (ready().await.status == 200).then_some(())
    })
    .await;

    // A version that has one more change: what that looks like to this one.
    let last = names::<TenantMigrator>().pop().expect("a change");
    let connection = ground.shared().connect().await;
    forget(&connection, "tenant_migrations", &last).await;
    let settings = server.settings_file();
    let line = ["--config", settings.to_str().expect("UTF-8"), "serve"];
    let refused = enroll(&line, &[], "").await.failed(1);
    assert!(
        refused.contains("database shared is behind this version: run `enroll migrate` first"),
        "{refused}"
    );
    // Who serves already goes on.
    register(&server, "acme", ada("bea")).await.expect(200);
}

/// The tables of a database.
async fn tables(connection: &DatabaseConnection, backend: Backend) -> Vec<String> {
    let sql = match backend {
        Backend::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        }
        Backend::Postgres => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        Backend::Mysql => {
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
    };
    texts(connection, sql).await
}

/// Changes a database as the next version may: a column that may be empty and one that is filled by itself in each
/// table, an index on each, a table of its own.
async fn change_as_the_next_version(url: &str, backend: Backend) {
    let connection = open(url).await;
    let all = tables(&connection, backend).await;
    assert!(all.len() > 5, "{all:?}");
    for table in all.iter().filter(|table| !table.ends_with("_migrations")) {
        for statement in [
            format!("ALTER TABLE {table} ADD COLUMN next_note VARCHAR(20) NULL"),
            format!("ALTER TABLE {table} ADD COLUMN next_count INTEGER NOT NULL DEFAULT 7"),
            format!("CREATE INDEX ix_next_{table} ON {table} (next_count)"),
        ] {
            let done = connection.execute_unprepared(&statement).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
    connection
        .execute_unprepared("CREATE TABLE next_things (id BIGINT PRIMARY KEY)")
        .await
        .expect("a table");
    for table in all.iter().filter(|table| table.ends_with("_migrations")) {
        let sql = format!(
            "INSERT INTO {table} (version, applied_at) VALUES ('m29990101_000001_next', 1)"
        );
        connection.execute_unprepared(&sql).await.expect("a record");
    }
    connection.close().await.expect("closed");
}

/// Every kind of call that reads or writes rows, as a new user and as an administrator.
async fn use_everything(server: &Server, tenant: &str, prefix: &str) {
    let site = Site::of(server, tenant);
    let code = issue_invite(server, tenant, json!({"max_uses": 2})).await;
    let name = format!("{prefix}ada");
    let mut attributes = ada(&name);
    attributes["code"] = code.clone().into();
    let answer = Request::register(tenant, attributes.clone())
        .header("Idempotency-Key", format!("{prefix}-{tenant}"))
        .send(server.public())
        .await;
    Member::of(&answer);
    assert_eq!(invite(server, tenant, &code).await["uses"], 1);
    attributes["username"] = name.to_uppercase().into();
    register(server, tenant, attributes).await.expect(422);
    let member = Member::of(&site.login(&name, "correct horse battery").await);
    assert_eq!(site.me(&member.access).await, 200);
    let member = Member::of(&site.refresh(&member.refresh).await);
    let left = site
        .request("POST", "/api/logout", Some(&member.access))
        .send(server.public())
        .await;
    assert_eq!(left.status, 204, "{left:?}");
    assert_ne!(site.me(&member.access).await, 200, "logged out");
    assert!(
        users(server, tenant)
            .await
            .iter()
            .any(|user| user["id"] == member.id.as_str())
    );
    let path = format!("/admin/v1/tenants/{tenant}");
    let body = json!({"data": {"type": "tenants", "attributes": {"name": prefix, "settings": {"locale": "en"}}}});
    admin(server, "PATCH", &path, Some(body)).await.expect(200);
    let ban = json!({"data": {"type": "users", "attributes": {"status": "banned"}}});
    admin(
        server,
        "PATCH",
        &format!("{path}/users/{}", member.id),
        Some(ban),
    )
    .await
    .expect(200);
    let keys = json!({"data": {"type": "keys", "attributes": {}}});
    admin(server, "POST", &format!("{path}/keys"), Some(keys))
        .await
        .expect(201);
    let readings = [
        "settings",
        "keys",
        "invites",
        "applications",
        "usage",
        "users/export",
    ];
    for reading in readings {
        let answer = admin(server, "GET", &format!("{path}/{reading}"), None).await;
        assert_eq!(answer.status, 200, "{reading}: {answer:?}");
    }
    suspend_tenant(server, tenant).await;
    resume_tenant(server, tenant).await;
    let answer = admin(server, "GET", "/admin/v1/audit", None).await;
    assert_eq!(answer.status, 200);
}

/// What a rolling upgrade brings about: the new version has migrated, servers of this one serve, stop and start.
async fn a_server_goes_on_with_the_schema_of_the_next_version(backend: Backend) {
    let ground = Ground::create(backend).await;
    let mut server = Server::start(ground.options()).await;
    let mut urls = BTreeSet::from([ground.shared().url().to_owned()]);
    if backend == Backend::Sqlite {
        urls.insert(url_of(&server.data_dir().join("platform.db")));
    }
    for (tenant, placement) in ground.placements() {
        let made = create_tenant(&server, tenant, placement, no_limits()).await;
        register(&server, tenant, ada("first")).await.expect(200);
        if tenant == "own" {
            urls.insert(match backend {
                Backend::Sqlite => url_of(&own_file(&server, &made)),
                Backend::Postgres | Backend::Mysql => ground.own().url().to_owned(),
            });
        }
    }
    // Old servers serve while the new version changes the schema under them.
    let loads = ground
        .placements()
        .map(|(tenant, _)| Load::start(server.public(), tenant, "n", None));
    for load in &loads {
        load.acknowledged(5).await;
    }
    for url in &urls {
        change_as_the_next_version(url, backend).await;
    }
    let after = loads[0].count() + 10;
    loads[0].acknowledged(after).await;
    for load in loads {
        end_well(load).await;
    }
    for (tenant, _) in ground.placements() {
        use_everything(&server, tenant, "live").await;
    }
    let standing = standing(&server).await;
    assert_eq!(in_state(&standing, "ahead"), standing.len(), "{standing:?}");
    assert_eq!(standing["own"]["unknown"], json!(["m29990101_000001_next"]));
    // A roll-back: this version starts on it, and its own `migrate` leaves it alone.
    server.sigterm();
    server.wait_exit(Duration::from_secs(30)).await;
    let (status, _, told) = server.command(&["migrate"]).await;
    assert_eq!(status.code(), Some(0), "{told}");
    let server = Server::start(server.twin()).await;
    for (tenant, _) in ground.placements() {
        let site = Site::of(&server, tenant);
        Member::of(&site.login("first", "correct horse battery").await);
        use_everything(&server, tenant, "again").await;
    }
    create_tenant(&server, "late", Placement::Shared(SHARED), no_limits()).await;
    use_everything(&server, "late", "new").await;
}

/// A database that a newer version changed, and that lacks a change of this one: this one must not guess the order.
#[tokio::test]
async fn a_schema_that_parted_ways_is_left_alone() {
    let server = Server::start(ServerOptions::new()).await;
    let tenant = create_tenant(&server, "acme", Placement::Own, json!({})).await;
    let file = own_file(&server, &tenant);
    write_old(&file).await;
    let old = open(&url_of(&file)).await;
    old.execute_unprepared("INSERT INTO tenant_migrations VALUES ('m29990101_000001_next', 1)")
        .await
        .expect("a record");
    old.close().await.expect("closed");
    let (status, _, told) = server.command(&["migrate"]).await;
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(
        told.contains("tenant acme failed: ") && told.contains("m29990101_000001_next"),
        "{told}"
    );
}

/// A column: whether it may be empty or fills itself, when it comes to a table that has rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    kind: String,
    is_required: bool,
    fills_itself: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    columns: BTreeMap<String, Column>,
    /// The columns of each unique index.
    unique: BTreeMap<String, BTreeSet<String>>,
}

async fn read_tables(connection: &DatabaseConnection) -> BTreeMap<String, Table> {
    let mut read = BTreeMap::new();
    for name in tables(connection, Backend::Sqlite).await {
        let mut table = Table::default();
        let sql = format!(
            "SELECT name || '/' || type || '/' || \"notnull\" || '/' || (dflt_value IS NOT NULL) FROM pragma_table_info('{name}')"
        );
        for column in texts(connection, &sql).await {
            let parts: Vec<&str> = column.split('/').collect();
            let column = Column {
                kind: parts[1].to_owned(),
                is_required: parts[2] == "1",
                fills_itself: parts[3] == "1",
            };
            table.columns.insert(parts[0].to_owned(), column);
        }
        let sql = format!("SELECT name FROM pragma_index_list('{name}') WHERE \"unique\"");
        for index in texts(connection, &sql).await {
            let columns = texts(
                connection,
                &format!("SELECT name FROM pragma_index_info('{index}')"),
            )
            .await;
            table.unique.insert(index, columns.into_iter().collect());
        }
        read.insert(name, table);
    }
    read
}

/// What of a change would break a server that knows only the schema before it.
fn contractions(before: &BTreeMap<String, Table>, after: &BTreeMap<String, Table>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, old) in before {
        let Some(new) = after.get(name) else {
            found.push(format!("table {name} is gone"));
            continue;
        };
        for (column, old) in &old.columns {
            match new.columns.get(column) {
                None => found.push(format!("column {name}.{column} is gone")),
                Some(new) if new.kind != old.kind => {
                    found.push(format!("column {name}.{column} has another type"))
                }
                Some(new) if new.is_required && !old.is_required => {
                    found.push(format!("column {name}.{column} may not be empty any more"));
                }
                Some(_) => {}
            }
        }
        let added = |column: &str| !old.columns.contains_key(column);
        for (column, new) in new.columns.iter().filter(|(column, _)| added(column)) {
            if new.is_required && !new.fills_itself {
                found.push(format!("column {name}.{column} must be filled"));
            }
        }
        for (index, columns) in &new.unique {
            let old_columns_alone = !columns.iter().any(|column| added(column));
            if !old.unique.contains_key(index) && old_columns_alone {
                found.push(format!("index {index} forbids rows that were allowed"));
            }
        }
    }
    found
}

/// The one change that took something away; no server of before it was ever released.
const BEFORE_ANY_RELEASE: (&str, &str) = (
    "m20261122_000003_create_sessions",
    "table refresh_tokens is gone",
);

async fn all_contractions<M: MigratorTrait>() -> Vec<(String, String)> {
    let connection = open("sqlite::memory:").await;
    let mut found = Vec::new();
    let mut before = BTreeMap::new();
    for name in names::<M>() {
        M::up(&connection, Some(1)).await.expect("a change");
        let after = read_tables(&connection).await;
        let these = contractions(&before, &after);
        found.extend(these.into_iter().map(|what| (name.clone(), what)));
        before = after;
    }
    found
}

#[tokio::test]
async fn every_change_of_a_schema_only_expands_it() {
    assert_eq!(all_contractions::<PlatformMigrator>().await, []);
    let known = (
        BEFORE_ANY_RELEASE.0.to_owned(),
        BEFORE_ANY_RELEASE.1.to_owned(),
    );
    assert_eq!(all_contractions::<TenantMigrator>().await, [known]);
    // What SQLite does not show: statements for one of the other databases, and calls that MySQL could not make twice.
    let mut read = 0;
    for folder in ["platform", "tenant"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migration/src")
            .join(folder);
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("source");
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let is_known = path
                .to_str()
                .is_some_and(|path| path.contains(BEFORE_ANY_RELEASE.0));
            assert_eq!(forbidden(&code, is_known), [""; 0], "{}", path.display());
            read += 1;
        }
    }
    assert!(read > 15, "only {read} files were read");
}

fn forbidden(code: &str, may_drop_a_table: bool) -> Vec<&'static str> {
    let words = [
        "drop_column",
        "rename",
        "drop_index",
        "drop_foreign_key",
        "truncate",
        "DROP ",
        "RENAME ",
        "DELETE ",
        "TRUNCATE ",
        // The helper of `table.rs` can make it again on MySQL.
        "manager.create_index",
        ".create_foreign_key",
    ];
    let code: String = code
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" .", ".");
    let mut found: Vec<_> = words
        .into_iter()
        .filter(|word| code.contains(word))
        .collect();
    if code.contains("drop_table") && !may_drop_a_table {
        found.push("drop_table");
    }
    found
}

#[tokio::test]
async fn the_check_of_changes_sees_each_way_to_contract() {
    let connection = open("sqlite::memory:").await;
    connection
        .execute_unprepared(
            "CREATE TABLE a (id INTEGER NOT NULL, b TEXT, c TEXT); CREATE TABLE d (id INTEGER)",
        )
        .await
        .expect("tables");
    let before = read_tables(&connection).await;
    for (change, told) in [
        ("DROP TABLE d", "table d is gone"),
        ("ALTER TABLE a DROP COLUMN b", "column a.b is gone"),
        ("ALTER TABLE a RENAME COLUMN b TO e", "column a.b is gone"),
        (
            "CREATE UNIQUE INDEX u ON a (b, c)",
            "index u forbids rows that were allowed",
        ),
        (
            "DROP TABLE a; CREATE TABLE a (id INTEGER NOT NULL, b TEXT NOT NULL, c TEXT)",
            "column a.b may not be empty any more",
        ),
        (
            "DROP TABLE a; CREATE TABLE a (id INTEGER NOT NULL, b INTEGER, c TEXT)",
            "column a.b has another type",
        ),
        (
            "DROP TABLE a; CREATE TABLE a (id INTEGER NOT NULL, b TEXT, c TEXT, f TEXT NOT NULL)",
            "column a.f must be filled",
        ),
    ] {
        let other = open("sqlite::memory:").await;
        for statement in shape(&connection).await {
            other.execute_unprepared(&statement).await.expect("a copy");
        }
        other.execute_unprepared(change).await.expect("a change");
        assert_eq!(
            contractions(&before, &read_tables(&other).await),
            [told],
            "{change}"
        );
    }
    for expansion in [
        "ALTER TABLE a ADD COLUMN f TEXT",
        "ALTER TABLE a ADD COLUMN f INTEGER NOT NULL DEFAULT 1; CREATE UNIQUE INDEX u ON a (b, f); CREATE INDEX i ON a (c)",
        "CREATE TABLE g (id INTEGER NOT NULL UNIQUE)",
    ] {
        connection
            .execute_unprepared(expansion)
            .await
            .expect("a change");
        assert_eq!(
            contractions(&before, &read_tables(&connection).await),
            [""; 0],
            "{expansion}"
        );
        connection
            .execute_unprepared("DROP TABLE a; CREATE TABLE a (id INTEGER NOT NULL, b TEXT, c TEXT); DROP TABLE IF EXISTS g")
            .await
            .expect("as before");
    }
    assert_eq!(
        forbidden("manager\n    .drop_table(x)", false),
        ["drop_table"]
    );
    assert_eq!(
        forbidden("manager\n    .create_index(x)", false),
        ["manager.create_index"]
    );
    assert_eq!(
        forbidden("\"ALTER TABLE a DROP COLUMN b\"", true),
        ["DROP "]
    );
}
