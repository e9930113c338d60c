//! `enroll import discuzq`: an original site's users move with their hashes, WeChat accounts and codes
//! (docs/moving-users.md, "From Discuz! Q"). The site is a MariaDB database with the tables that every version has.

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Request, admin};
use crate::harness::command::{Operator, Outcome, enroll};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant};

/// A known password with its hash, of the original jBCrypt's test vectors.
const PASSWORD: &str = "abcdefghijklmnopqrstuvwxyz";
const HASH: &str = "$2y$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC";

/// The columns that a move reads, and a few that it leaves.
const TABLES: [&str; 5] = [
    "CREATE TABLE pre_users (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, username VARCHAR(100) NOT NULL UNIQUE,
        password VARCHAR(100) NOT NULL, pay_password VARCHAR(100) NOT NULL DEFAULT '', mobile VARCHAR(20) NOT NULL DEFAULT '',
        last_login_ip VARCHAR(45) NOT NULL DEFAULT '', register_ip VARCHAR(45) NOT NULL DEFAULT '',
        register_reason VARCHAR(50) NOT NULL DEFAULT '', thread_count INT UNSIGNED NOT NULL DEFAULT 0,
        status TINYINT NOT NULL DEFAULT 0, avatar VARCHAR(255) NOT NULL DEFAULT '', login_at DATETIME NULL,
        created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL) DEFAULT CHARSET utf8mb4",
    "CREATE TABLE pre_group_user (group_id BIGINT UNSIGNED NOT NULL, user_id BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (group_id, user_id))",
    "CREATE TABLE pre_user_wechats (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NULL,
        mp_openid VARCHAR(30) NOT NULL DEFAULT '', dev_openid VARCHAR(30) NOT NULL DEFAULT '',
        min_openid VARCHAR(30) NOT NULL DEFAULT '', nickname VARCHAR(50) NOT NULL DEFAULT '', sex TINYINT NOT NULL DEFAULT 0,
        province VARCHAR(100) NOT NULL DEFAULT '', city VARCHAR(100) NOT NULL DEFAULT '',
        country VARCHAR(100) NOT NULL DEFAULT '', headimgurl VARCHAR(255) NOT NULL DEFAULT '',
        unionid VARCHAR(30) NOT NULL DEFAULT '') DEFAULT CHARSET utf8mb4",
    "CREATE TABLE pre_invites (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, group_id INT UNSIGNED NOT NULL,
        type TINYINT UNSIGNED NOT NULL DEFAULT 1, code CHAR(32) NOT NULL DEFAULT '', dateline INT UNSIGNED NOT NULL DEFAULT 0,
        endtime INT UNSIGNED NOT NULL DEFAULT 0, user_id INT UNSIGNED NOT NULL, to_user_id INT UNSIGNED NOT NULL DEFAULT 0,
        status TINYINT UNSIGNED NOT NULL DEFAULT 1, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL)",
    "CREATE TABLE pre_user_distributions (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, pid BIGINT UNSIGNED NULL,
        user_id BIGINT UNSIGNED NULL, level TINYINT NOT NULL DEFAULT 1)",
];

fn rows() -> Vec<String> {
    let [used, free, ended] = ["a", "b", "c"].map(|letter| letter.repeat(32));
    let at = "'2020-06-01 08:00:00', '2020-06-02 08:00:00'";
    vec![
        format!(
            "INSERT INTO pre_users (id, username, password, mobile, register_ip, last_login_ip, register_reason, status, avatar,
                login_at, created_at, updated_at) VALUES
             (1, 'admin', '{HASH}', '', '127.0.0.1', '127.0.0.1', '', 0, 'public/avatar/1.png', '2021-01-01 00:00:00', {at}),
             (2, '张三', '{HASH}', '13800138000', '192.0.2.7', '192.0.2.8', ' 想加入 ', 0, 'https://pictures.example/2', NULL, {at}),
             (5, 'by_wechat', '', '', '', '', '', 0, '', NULL, {at}),
             (6, 'banned', '{HASH}', '', '', '', '', 1, '', NULL, {at}),
             (7, 'waiting', '{HASH}', '', '', '', '', 2, '', NULL, {at}),
             (8, 'details', '{HASH}', '', '', '', '', 10, '', NULL, {at}),
             (9, 'a name that is far too long for us', '{HASH}', '', '', '', '', 0, '', NULL, {at}),
             (10, 'unpaid', '{HASH}', '', '', '', '', 0, '', NULL, {at}),
             (11, 'twice', '{HASH}', '13800138000', '', '', '', 0, '', NULL, {at}),
             (12, 'old hash', 'e10adc3949ba59abbe56e057f20f883e', '', '', '', '', 0, '', NULL, {at})"
        ),
        "INSERT INTO pre_group_user (group_id, user_id) VALUES (1, 1), (10, 1), (10, 2), (10, 5), (10, 6), (10, 7), (10, 8),
             (10, 9), (6, 10), (10, 11), (10, 12)"
            .to_owned(),
        "INSERT INTO pre_user_wechats (user_id, mp_openid, dev_openid, min_openid, nickname, sex, headimgurl, unionid) VALUES
             (5, 'mp-5', '', 'min-5', '微信用户😀', 1, 'https://wx.example/5', 'union-5'), (2, '', '', '', '', 0, '', ''),
             (NULL, 'mp-nobody', '', '', 'nobody', 0, '', '')"
            .to_owned(),
        format!(
            "INSERT INTO pre_invites (id, group_id, type, code, endtime, user_id, to_user_id, status, created_at, updated_at)
             VALUES (1, 10, 2, '{used}', 1600000000, 1, 2, 2, {at}), (2, 10, 2, '{free}', 4000000000, 1, 0, 1, {at}),
                (3, 1, 2, '{ended}', 0, 1, 0, 0, {at}), (4, 10, 2, '', 0, 1, 0, 1, {at})"
        ),
        "INSERT INTO pre_user_distributions (pid, user_id) VALUES (1, 2), (NULL, 1)".to_owned(),
    ]
}

async fn build(site: &DatabaseConnection) {
    for statement in TABLES.into_iter().map(str::to_owned).chain(rows()) {
        let done = site.execute_unprepared(&statement).await;
        done.unwrap_or_else(|error| panic!("{error} in {statement}"));
    }
}

struct Ground {
    operator: Operator,
    folder: TempDir,
    site: TestDatabase,
}

impl Ground {
    async fn start() -> Self {
        let site = TestDatabase::create(Backend::Mysql).await;
        build(&site.connect().await).await;
        let server = Server::start(ServerOptions::new()).await;
        let settings = json!({
            "dialect": "discuzq",
            "wechat": {"official_account": {"app_id": "wx-mp", "app_secret": "hush-4711"}},
        });
        create_tenant(&server, "acme", Placement::Own, settings).await;
        Self {
            operator: Operator::at(server),
            folder: TempDir::new().expect("a folder"),
            site,
        }
    }

    async fn import(&self, url: &[(&str, &str)], more: &[&str]) -> Outcome {
        let report = self.folder.path().join("refused.ndjson");
        let report = report.to_str().expect("UTF-8");
        let line = [
            &["import", "discuzq", "--tenant", "acme", "--report", report],
            more,
        ]
        .concat();
        let base = [
            ("ENROLL_ADMIN_URL", self.operator.url.as_str()),
            ("ENROLL_ADMIN_TOKEN", self.operator.server.token()),
        ];
        enroll(&line, &[&base[..], url].concat(), "").await
    }

    async fn row(&self, username: &str) -> Value {
        let path = "/admin/v1/tenants/acme/users/export";
        let mut all = admin(&self.operator.server, "GET", path, None)
            .await
            .expect(200);
        let mut all = all["data"].take();
        let all = all.as_array_mut().expect("a list");
        let found = all
            .iter_mut()
            .find(|user| user["attributes"]["username"] == username);
        found.unwrap_or_else(|| panic!("no {username}")).take()
    }

    async fn logs_in(&self, name: &str) -> u16 {
        let body = json!({"data": {"attributes": {"username": name, "password": PASSWORD}}});
        let request = Request::new("POST", "/api/login")
            .header("X-Tenant-Id", "acme")
            .json(&body);
        request.send(self.operator.server.public()).await.status
    }
}

#[tokio::test]
async fn an_original_site_moves_with_its_users_wechat_accounts_and_codes() {
    if Backend::Mysql.is_left_out() {
        println!("left out by --quick");
        return;
    }
    let ground = Ground::start().await;
    let server = &ground.operator.server;
    let url = [("ENROLL_SOURCE_URL", ground.site.url())];
    let right = [
        "--prefix",
        "pre_",
        "--group",
        "6=10",
        "--mini-program",
        "wx-min",
    ];

    // Nothing begins on what cannot be right.
    for (environment, more, reason) in [
        (
            &url[..],
            &["--prefix", "pre_"][..],
            "give --mini-program, or --skip-wechat",
        ),
        (&url, &["--prefix", "no_such_"], "no tables of Discuz! Q"),
        (&url, &["--prefix", "x'; DROP"], "the prefix must have"),
        (&[], &[], "no site: set ENROLL_SOURCE_URL"),
        (
            &[],
            &["--url", ground.site.url()],
            "a password is never an argument",
        ),
        (
            &[],
            &["--url", "postgres://reader@h/site"],
            "must be a mysql://",
        ),
        (
            &[("ENROLL_SOURCE_URL", "http://needle")],
            &[],
            "the site's URL must start",
        ),
    ] {
        let refused = ground.import(environment, more).await.failed(2);
        assert!(refused.contains(reason), "{more:?}: {refused}");
        assert!(
            !refused.contains("needle") && !refused.contains(ground.site.url()),
            "{refused}"
        );
    }
    let down = [(
        "ENROLL_SOURCE_URL",
        "mysql://u:needle-4711@127.0.0.1:1/site",
    )];
    let down = ground.import(&down, &right).await.failed(1);
    assert!(
        down.contains("the site's database") && !down.contains("needle"),
        "{down}"
    );

    // A dry run tells counts and refused rows, and makes nothing.
    let dry = ground
        .import(&url, &[&right[..], &["--dry-run"]].concat())
        .await;
    assert_eq!(
        (dry.code, dry.stdout.as_str()),
        (1, "10 would be made, 0 there already, 4 refused\n"),
        "{dry:?}"
    );
    assert!(
        dry.stderr
            .contains("the site has 10 users, 4 invite codes and 2 WeChat accounts"),
        "{dry:?}"
    );
    assert!(tenants::users(server, "acme").await.is_empty());

    let done = ground.import(&url, &right).await;
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (1, "10 made, 0 there already, 4 refused\n"),
        "{done:?}"
    );
    let report =
        std::fs::read_to_string(ground.folder.path().join("refused.ndjson")).expect("a report");
    let reasons: Vec<(String, u64, String)> = report
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"))
        .map(|line| {
            let reason = &line["reasons"][0];
            let text = format!(
                "{}: {}",
                reason["field"].as_str().expect("a field"),
                reason["detail"].as_str().expect("why")
            );
            (
                line["table"].as_str().expect("a table").to_owned(),
                line["row"].as_u64().expect("a row"),
                text,
            )
        })
        .collect();
    for (table, row, reason) in [
        ("invites", 4, "code: is missing"),
        ("users", 9, "username: has more than 15 characters"),
        ("users", 11, "phone: another user has this number"),
        ("users", 12, "password_hash: must be"),
    ] {
        let told = reasons
            .iter()
            .find(|(place, number, _)| place == table && *number == row);
        assert!(
            told.is_some_and(|(_, _, text)| text.contains(reason)),
            "{table} {row}: {reasons:?}"
        );
    }
    assert!(
        !report.contains("$2y$") && !report.contains("e10adc39"),
        "{report}"
    );

    // Numbers, standings, groups, times and codes are what they were.
    let zhang = ground.row("张三").await;
    assert_eq!(zhang["id"], "2");
    for (field, value) in [
        ("phone", json!("+8613800138000")),
        ("password_hash", json!(HASH)),
        ("register_reason", json!("想加入")),
        ("avatar_url", json!("https://pictures.example/2")),
        ("created_at", json!("2020-06-01T00:00:00Z")),
        ("invite_code", json!("A".repeat(32))),
        ("invited_by", json!("1")),
        ("register_ip", json!("192.0.2.7")),
    ] {
        assert_eq!(zhang["attributes"][field], value, "{field}");
    }
    let admin_row = ground.row("admin").await;
    assert_eq!(admin_row["attributes"]["group_id"], 1);
    assert_eq!(admin_row["attributes"]["avatar_url"], Value::Null);
    for (name, status) in [
        ("banned", "banned"),
        ("waiting", "pending"),
        ("details", "pending"),
        ("unpaid", "normal"),
    ] {
        assert_eq!(
            ground.row(name).await["attributes"]["status"],
            status,
            "{name}"
        );
    }
    assert_eq!(ground.row("unpaid").await["attributes"]["group_id"], 10);
    let wechat = ground.row("by_wechat").await;
    assert_eq!(wechat["attributes"]["password_hash"], Value::Null);
    let accounts = &wechat["attributes"]["wechat"];
    let names = |number: usize| (&accounts[number]["app_id"], &accounts[number]["open_id"]);
    assert_eq!(names(0), (&json!("wx-mp"), &json!("mp-5")));
    assert_eq!(names(1), (&json!("wx-min"), &json!("min-5")));
    assert_eq!(
        (&accounts[0]["union_id"], &accounts[0]["nickname"]),
        (&json!("union-5"), &json!("微信用户😀"))
    );
    for (code, state) in [("A", "spent"), ("B", "usable"), ("C", "revoked")] {
        assert_eq!(
            tenants::invite(server, "acme", &code.repeat(32)).await["state"],
            state,
            "{code}"
        );
    }

    // Passwords work at once, and are hashed anew.
    assert_eq!(ground.logs_in("admin").await, 200);
    let renewed = ground.row("admin").await["attributes"]["password_hash"].take();
    assert!(
        renewed
            .as_str()
            .is_some_and(|hash| hash.starts_with("$argon2id$")),
        "{renewed}"
    );

    // Once more changes nothing, nor does it take a renewed hash back.
    let again = ground.import(&url, &right).await;
    assert_eq!(
        again.stdout, "0 made, 10 there already, 4 refused\n",
        "{again:?}"
    );
    assert_eq!(
        ground.row("admin").await["attributes"]["password_hash"],
        renewed
    );
    let site = ground.site.connect().await;
    let untouched = site.query_all_raw(sea_orm::Statement::from_string(
        sea_orm::DbBackend::MySql,
        "SELECT id FROM pre_users",
    ));
    assert_eq!(
        untouched.await.expect("the site").len(),
        10,
        "the site is only read"
    );
}
