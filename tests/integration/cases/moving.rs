//! Users move with their hashes: `enroll export` and `enroll import` (docs/moving-users.md; docs/threats.md, rows 18, 110,
//! 112 and 127).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Request, admin, register};
use crate::harness::command::{Operator, Outcome};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::process::Process;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant, issue_invite};
use crate::harness::wait::until;

on_all_databases!(
    users_move_with_all_that_is_theirs,
    rows_that_cannot_stand_are_told_with_their_lines_and_reasons,
    an_import_that_was_killed_goes_on_and_doubles_nobody,
    a_name_that_is_registered_during_an_import_is_one_users,
);

/// A known password with its hash, of the original jBCrypt's test vectors.
const PASSWORD: &str = "abcdefghijklmnopqrstuvwxyz";
const HASH: &str = "$2y$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC";

struct Ground {
    operator: Operator,
    folder: TempDir,
    _shared: TestDatabase,
}

impl Ground {
    async fn start(backend: Backend, tenants: &[&str]) -> Self {
        Self::start_with(backend, tenants, |options| options).await
    }

    async fn start_with(
        backend: Backend,
        tenants: &[&str],
        change: impl FnOnce(ServerOptions) -> ServerOptions,
    ) -> Self {
        let shared = TestDatabase::create(backend).await;
        let options = ServerOptions::new().patient().database("main", &shared);
        let server = Server::start(change(options)).await;
        for tenant in tenants {
            create_tenant(&server, tenant, Placement::Shared("main"), no_limits()).await;
        }
        Self {
            operator: Operator::at(server),
            folder: TempDir::new().expect("a folder"),
            _shared: shared,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, rows: &[Value]) -> String {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(self.path(name), text).expect("a file");
        self.text_path(name)
    }

    fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    async fn run(&self, command: &str, tenant: &str, file: &str, more: &[&str]) -> Outcome {
        let path = self.text_path(file);
        let line = [&[command, "--tenant", tenant, path.as_str()], more].concat();
        self.operator.run(&line).await
    }

    async fn logs_in(&self, tenant: &str, name: &str, password: &str) -> u16 {
        let body = json!({"data": {"attributes": {"username": name, "password": password}}});
        let request = Request::new("POST", "/api/login")
            .header("X-Tenant-Id", tenant)
            .json(&body);
        request.send(self.operator.server.public()).await.status
    }
}

async fn users_move_with_all_that_is_theirs(backend: Backend) {
    let ground = Ground::start(backend, &["acme", "beta", "gamma"]).await;
    let server = &ground.operator.server;
    let invite =
        json!({"code": "SPRING", "max_uses": 3, "note": "fair, \"spring\"", "group_id": 10});
    issue_invite(server, "acme", invite).await;
    let mut by_invite = ada("ada");
    by_invite["code"] = json!("SPRING");
    register(server, "acme", by_invite).await.expect(200);
    let rows = [
        json!({"type": "invites", "code": "OLD-1", "uses": 1, "created_at": "2020-01-02T03:04:05Z", "issued_by": "7"}),
        json!({
            "id": 7, "username": "Grace", "password_hash": HASH, "status": "banned", "group_id": 1,
            "phone": "13800138000", "register_reason": "a, b\n\"c\"", "refuse_message": "no", "invite_code": "old-1",
            "avatar_url": "https://pictures.example/7", "register_ip": "192.0.2.1", "last_login_ip": "2001:DB8::1",
            "created_at": "2020-01-02T03:04:05Z", "login_at": "2021-01-02T03:04:05+08:00", "invited_by": "9",
            "wechat": [
                {"app_id": "wx1", "open_id": "o1", "union_id": "u1", "nickname": "格蕾丝", "sex": 2},
                {"app_id": "wx2", "open_id": "o2", "union_id": "u1"},
            ],
        }),
        json!({"username": "张三", "password_hash": HASH}),
        json!({"username": "no password"}),
    ];
    ground.write("in.ndjson", &rows);
    let made = ground.run("import", "acme", "in.ndjson", &[]).await.well();
    assert_eq!(made, "4 made, 0 there already, 0 refused\n");
    let again = ground
        .run("import", "acme", "in.ndjson", &["--json"])
        .await
        .json();
    assert_eq!((&again["made"], &again["present"]), (&json!(0), &json!(4)));

    let told = ground.run("export", "acme", "out.ndjson", &[]).await.well();
    assert_eq!(told, "4 users and 2 invite codes\n");
    let mode = fs::metadata(ground.path("out.ndjson"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds hashes");
    assert!(!ground.path("out.ndjson.part").exists());
    let exported = ground.read("out.ndjson");
    let rows: BTreeMap<String, Value> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a row"))
        .map(|row| {
            (
                row["username"]
                    .as_str()
                    .or(row["code"].as_str())
                    .expect("a name")
                    .to_owned(),
                row,
            )
        })
        .collect();
    let grace = &rows["Grace"];
    for (field, value) in [
        ("id", json!("7")),
        ("password_hash", json!(HASH)),
        ("status", json!("banned")),
        ("phone", json!("+8613800138000")),
        ("invite_code", json!("OLD-1")),
        ("register_reason", json!("a, b\n\"c\"")),
        ("last_login_ip", json!("2001:db8::1")),
        ("login_at", json!("2021-01-01T19:04:05Z")),
    ] {
        assert_eq!(grace[field], value, "{field}");
    }
    assert_eq!(grace["wechat"].as_array().map(Vec::len), Some(2));
    assert_eq!(rows["ada"]["invite_code"], "SPRING");
    assert_eq!(rows["SPRING"]["uses"], 1);
    assert_eq!(rows["OLD-1"]["issued_by"], "7");

    // What a tenant gets is what the other had, to the byte; the same numbers in the same database are no matter.
    let told = ground.run("import", "beta", "out.ndjson", &[]).await.well();
    assert_eq!(told, "6 made, 0 there already, 0 refused\n");
    ground
        .run("export", "beta", "back.ndjson", &[])
        .await
        .well();
    assert_eq!(ground.read("back.ndjson"), exported);
    for tenant in ["acme", "beta"] {
        assert_eq!(
            ground.logs_in(tenant, "ada", "correct horse battery").await,
            200
        );
        assert_eq!(ground.logs_in(tenant, "张三", PASSWORD).await, 200);
        assert_eq!(ground.logs_in(tenant, "张三", "wrong password").await, 403);
        assert_ne!(
            ground.logs_in(tenant, "Grace", PASSWORD).await,
            200,
            "she is banned"
        );
        assert_ne!(ground.logs_in(tenant, "nopassword", "").await, 200);
    }
    assert_eq!(
        ground
            .logs_in("gamma", "ada", "correct horse battery")
            .await,
        403
    );
    // A code that moved brings as many accounts as it had uses left.
    for (name, status) in [("one", 200), ("two", 200), ("three", 401)] {
        let mut attributes = ada(name);
        attributes["code"] = json!("SPRING");
        let answer = register(server, "beta", attributes).await;
        let is_fine = answer.status == status || (status == 401 && answer.status >= 400);
        assert!(is_fine, "{name}: {answer:?}");
    }

    // As CSV, which has no codes: those who name one stay behind.
    ground.run("export", "acme", "out.csv", &[]).await.well();
    assert!(
        ground
            .read("out.csv")
            .starts_with("id,username,password_hash,")
    );
    let half = ground.run("import", "gamma", "out.csv", &[]).await;
    assert_eq!(
        (half.code, half.stdout.as_str()),
        (1, "2 made, 0 there already, 2 refused\n"),
        "{half:?}"
    );
    let report = ground.read("out.csv.refused.ndjson");
    assert!(
        report.contains("the tenant has no such code") && !report.contains("$2y$"),
        "{report}"
    );
    assert_eq!(ground.logs_in("gamma", "张三", PASSWORD).await, 200);

    let audit = async |action: &str| {
        let path = format!("/admin/v1/audit?filter[action]={action}&filter[tenant]=acme");
        admin(server, "GET", &path, None).await.expect(200)
    };
    let exports = audit("user.export").await;
    assert_eq!(
        exports["data"].as_array().map(Vec::len),
        Some(2),
        "{exports}"
    );
    let imports = audit("user.import").await;
    assert_eq!(
        imports["data"].as_array().map(Vec::len),
        Some(1),
        "what changed nothing is no effect: {imports}"
    );
    assert_eq!(
        imports["data"][0]["attributes"]["after"],
        json!({"made": 3})
    );
    let codes = audit("invite.import").await;
    assert_eq!(codes["data"][0]["attributes"]["after"], json!({"made": 1}));
    assert!(!exports.to_string().contains("$2y$") && !imports.to_string().contains("$2y$"));
    assert!(!server.log().contains("$2y$06$"), "{}", server.log());
}

async fn rows_that_cannot_stand_are_told_with_their_lines_and_reasons(backend: Backend) {
    let ground = Ground::start(backend, &["acme"]).await;
    let server = &ground.operator.server;
    let before = [
        json!({"id": "5", "username": "taken", "phone": "13800138000", "created_at": "2020-01-01T00:00:00Z",
               "wechat": [{"app_id": "wx1", "open_id": "o1", "union_id": "u1"}]}),
    ];
    ground.write("before.ndjson", &before);
    ground
        .run("import", "acme", "before.ndjson", &[])
        .await
        .well();
    let odd = |more: Value| {
        let mut row = json!({"username": "odd"});
        row.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("fields").clone());
        row
    };
    let cases: Vec<(Value, &str)> = vec![
        (json!({"username": "good", "password_hash": HASH}), ""),
        (json!({"username": ""}), "username: is missing"),
        (
            json!({"username": "x".repeat(16)}),
            "username: has more than 15 characters",
        ),
        (
            json!({"username": "a\u{200b}b"}),
            "username: holds a character",
        ),
        (json!({"username": 7}), "username: must be a text"),
        (json!({"username": "Taken"}), ""),
        (
            json!({"username": "taken", "created_at": "2021-01-01T00:00:00Z"}),
            "username: another user has this name",
        ),
        (
            json!({"username": "taken", "id": 6}),
            "username: another user has this name",
        ),
        (json!({"username": "tаken"}), "username: is a name"),
        (
            json!({"username": "takеn", "id": "5"}),
            "username: is a name",
        ),
        (odd(json!({"id": "5"})), "id: another user has this number"),
        (odd(json!({"id": "0"})), "id: must be the number of a user"),
        (
            odd(json!({"phone": "+8613800138000"})),
            "phone: another user has this number",
        ),
        (
            odd(json!({"phone": "call me"})),
            "phone: must be a phone number",
        ),
        (
            odd(json!({"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"})),
            "password_hash: must be",
        ),
        (
            odd(json!({"password_hash": HASH.replace("$06$", "$15$")})),
            "password_hash: must be",
        ),
        (
            odd(
                json!({"password_hash": "$argon2id$v=19$m=4194304,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}),
            ),
            "password_hash: must be",
        ),
        (odd(json!({"status": "nice"})), "status: must be"),
        (
            odd(json!({"group_id": 99})),
            "group_id: the tenant's settings name no such group",
        ),
        (
            odd(json!({"register_reason": "x".repeat(51)})),
            "register_reason: must be",
        ),
        (
            odd(json!({"register_ip": "here"})),
            "register_ip: must be an IP address",
        ),
        (
            odd(json!({"created_at": "yesterday"})),
            "created_at: must be a date",
        ),
        (
            odd(json!({"invite_code": "NOWHERE"})),
            "invite_code: the tenant has no such code",
        ),
        (
            odd(json!({"wechat": [{"app_id": "wx1", "open_id": "o1"}]})),
            "wechat: another user has",
        ),
        (
            odd(json!({"wechat": [{"app_id": "wx9", "open_id": "o9", "union_id": "u1"}]})),
            "wechat: another user has",
        ),
        (
            odd(json!({"wechat": [{"app_id": "wx9"}]})),
            "wechat: must be a list",
        ),
        (
            odd(json!({"password": "in clear"})),
            "password: there is no such field",
        ),
        (
            odd(json!({"type": "cats"})),
            "type: must be users or invites",
        ),
        (
            json!({"type": "invites", "code": "no code!"}),
            "code: must be",
        ),
        (
            json!({"type": "invites", "code": "ABCD", "max_uses": 1, "uses": 2}),
            "uses: must be 0 to max_uses",
        ),
        (
            json!({"username": "both", "status": "nice", "phone": "x"}),
            "phone: must be a phone number",
        ),
        (json!({"username": "twin", "phone": "13900139000"}), ""),
        (
            json!({"username": "other", "phone": "13900139000"}),
            "phone: another user has this number",
        ),
        (json!(["no", "object"]), ": is no JSON object"),
    ];
    let rows: Vec<Value> = cases.iter().map(|(row, _)| row.clone()).collect();
    ground.write("rows.ndjson", &rows);
    let refused = cases
        .iter()
        .filter(|(_, reason)| !reason.is_empty())
        .count();
    for (more, would, present) in [
        (&["--dry-run"][..], "would be ", 1),
        (&[], "", 1),
        (&[], "", 3),
    ] {
        let done = ground.run("import", "acme", "rows.ndjson", more).await;
        let made = cases.len() - refused - present;
        let told = format!("{made} {would}made, {present} there already, {refused} refused\n");
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (1, told.as_str()),
            "{done:?}"
        );
        assert!(
            done.stderr.contains("rows.ndjson.refused.ndjson tells why"),
            "{done:?}"
        );
        let report = ground.read("rows.ndjson.refused.ndjson");
        assert!(
            !report.contains("$2y$")
                && !report.contains("5f4dcc3b")
                && !report.contains("in clear"),
            "{report}"
        );
        let mut told: BTreeMap<u64, String> = BTreeMap::new();
        for line in report.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            let reasons = line["reasons"].as_array().expect("reasons").iter();
            let reasons = reasons.map(|reason| {
                format!(
                    "{}: {}; ",
                    reason["field"].as_str().expect("a field"),
                    reason["detail"].as_str().expect("why")
                )
            });
            told.insert(line["line"].as_u64().expect("a line"), reasons.collect());
        }
        for (line, (row, reason)) in (1..).zip(&cases) {
            match told.get(&line) {
                Some(text) => assert!(!reason.is_empty() && text.contains(reason), "{row}: {text}"),
                None => assert!(reason.is_empty(), "{row} is not refused"),
            }
        }
        let both = told
            .values()
            .find(|text| text.contains("phone: must be a phone number; "));
        assert!(both.is_some(), "every fault of a row is told");
        assert_eq!(
            tenants::users(server, "acme").await.len(),
            if more.is_empty() { 3 } else { 1 }
        );
    }

    // Wrong files and wrong requests.
    fs::write(ground.path("bad.csv"), "username,colour\nada,red\n").expect("a file");
    let wrong = ground.run("import", "acme", "bad.csv", &[]).await.failed(2);
    assert!(
        wrong.contains("bad.csv: line 1: the header names a column"),
        "{wrong}"
    );
    assert_eq!(
        ground
            .run("import", "acme", "nowhere.ndjson", &[])
            .await
            .code,
        1
    );
    assert_eq!(
        ground
            .run("import", "nobody", "rows.ndjson", &[])
            .await
            .code,
        1
    );
    assert_eq!(
        ground.run("export", "nobody", "x.ndjson", &[]).await.code,
        1
    );
    assert!(!ground.path("x.ndjson").exists() && !ground.path("x.ndjson.part").exists());
    let import = async |attributes: Value| {
        let body = json!({"data": {"type": "user-imports", "attributes": attributes}});
        let path = "/admin/v1/tenants/acme/users/import";
        admin(server, "POST", path, Some(body)).await.status
    };
    for wrong in [
        json!({}),
        json!({"rows": []}),
        json!({"rows": {}}),
        json!({"rows": vec![json!({"username": "x"}); 1001]}),
        json!({"rows": [{"username": "fresh"}], "dry_run": "yes"}),
        json!({"rows": [{"username": "fresh"}], "overwrite": true}),
    ] {
        assert_eq!(import(wrong.clone()).await, 422, "{wrong}");
    }
    assert_eq!(tenants::users(server, "acme").await.len(), 3);
}

async fn a_name_that_is_registered_during_an_import_is_one_users(backend: Backend) {
    // Between the look at what is there and the rows themselves.
    let slow = |options: ServerOptions| options.failpoints("import_batch=1*sleep(1500)");
    let ground = Ground::start_with(backend, &["acme"], slow).await;
    let server = &ground.operator.server;
    let row = |name: &str| json!({"username": name, "created_at": "2020-01-01T00:00:00Z"});
    let rows = [row("before"), row("contested"), row("after")];
    let body = json!({"data": {"type": "user-imports", "attributes": {"rows": rows}}});
    let import = Request::new("POST", "/admin/v1/tenants/acme/users/import")
        .header("Authorization", format!("Bearer {}", server.token()))
        .json(&body);
    let import = import.begin(server.admin()).await.expect("a connection");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let registered = register(server, "acme", ada("Contested")).await;
    let imported = import.answer().await.expect("an answer").expect(200);
    // On SQLite writers stand in line, and the import came first; elsewhere the quicker one has the name.
    let refused = imported["meta"]["refused"].as_array().expect("a list");
    match registered.status {
        200 => {
            assert_eq!(
                (&imported["meta"]["made"], refused.len()),
                (&json!(2), 1),
                "{imported}"
            );
            assert_eq!(refused[0]["row"], 1);
            assert_eq!(
                refused[0]["reasons"][0]["detail"],
                "another user has this name"
            );
        }
        status => {
            assert!((400..500).contains(&status), "{registered:?}");
            assert_eq!(
                (&imported["meta"]["made"], refused.len()),
                (&json!(3), 0),
                "{imported}"
            );
        }
    }
    let users = tenants::users(server, "acme").await;
    let mut names: Vec<&str> = users
        .iter()
        .filter_map(|user| user["attributes"]["canonical_name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["after", "before", "contested"]);
}

async fn an_import_that_was_killed_goes_on_and_doubles_nobody(backend: Backend) {
    const USERS: usize = 2600;
    // Slow enough to be killed in the middle.
    let slow = |options: ServerOptions| options.failpoints("import_batch=sleep(1000)");
    let mut ground = Ground::start_with(backend, &["acme"], slow).await;
    let rows: Vec<Value> = (1..=USERS)
        .map(|number| {
            let mut row = json!({"username": format!("user{number}"), "password_hash": HASH,
                                 "created_at": "2020-01-01T00:00:00Z"});
            // Of both kinds: those that keep a number, and those that get one.
            if number % 2 == 0 {
                row["id"] = json!(number);
            }
            row
        })
        .collect();
    let file = ground.write("many.ndjson", &rows);
    let environment = BTreeMap::from([
        ("ENROLL_ADMIN_URL".to_owned(), ground.operator.url.clone()),
        (
            "ENROLL_ADMIN_TOKEN".to_owned(),
            ground.operator.server.token().to_owned(),
        ),
    ]);
    let mut import = Process::spawn(&["import", "--tenant", "acme", &file], &environment);
    let there = async |server: &Server| tenants::users(server, "acme").await.len();
    until("some are there", async || {
        let path = "/admin/v1/tenants/acme/users?page[size]=1";
        let page = admin(&ground.operator.server, "GET", path, None).await;
        (page.expect(200)["data"] != json!([])).then_some(())
    })
    .await;
    import.sigkill();
    // The server, too, and with what it was at.
    ground.operator.server.sigkill();
    let next = Server::start(ground.operator.server.twin().failpoints("")).await;
    let at_first = there(&next).await;
    assert!(at_first < USERS, "it was killed too late: {at_first}");
    ground.operator = Operator::at(next);

    let told = ground
        .run("import", "acme", "many.ndjson", &[])
        .await
        .well();
    assert_eq!(
        told,
        format!(
            "{} made, {at_first} there already, 0 refused\n",
            USERS - at_first
        )
    );
    let users = tenants::users(&ground.operator.server, "acme").await;
    let names: BTreeMap<&str, &str> = users
        .iter()
        .map(|user| {
            let name = user["attributes"]["username"].as_str().expect("a name");
            (name, user["id"].as_str().expect("an id"))
        })
        .collect();
    assert_eq!((users.len(), names.len()), (USERS, USERS));
    assert_eq!(names["user1234"], "1234");
    assert_eq!(ground.logs_in("acme", "user1777", PASSWORD).await, 200);
}
