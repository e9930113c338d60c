//! Logins by name or phone number and password (`docs/contract.md`, section 10.1; `docs/threats.md`, rows 91 to 96, 110).

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, metric, volley};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::no_limits;
use crate::harness::members::{Member, Site, set_user};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

on_all_databases!(
    a_user_logs_in_by_every_spelling_of_the_name_and_by_phone,
    nobody_learns_whether_a_name_exists,
    the_last_try_locks_the_name_for_its_address,
    guesses_side_by_side_are_judged_as_often_as_the_limit_says,
    an_owner_enters_while_many_addresses_guess,
    an_outdated_hash_is_renewed_once,
    a_hash_by_bcrypt_opens_and_is_renewed,
    the_standing_is_told_after_the_right_password_alone,
    no_way_to_a_token_leads_past_the_gate,
);

const PASSWORD: &str = "correct horse battery";

/// A server with tenants in a shared database.
struct Stage {
    server: Server,
    /// The tenants' ids.
    ids: Vec<String>,
}

/// Both dialects.
const DIALECTS: [&str; 2] = ["standard", "discuzq"];

impl Stage {
    /// A tenant for each dialect, named by it, without limits but those of logins.
    async fn set(database: &TestDatabase, login: Value) -> Self {
        let options = ServerOptions::new()
            .patient()
            .set("server.trusted_proxies", json!(["127.0.0.0/8"]))
            .database("shared", database);
        let options = match database.backend() {
            Backend::Sqlite => options,
            Backend::Postgres | Backend::Mysql => options.platform(database),
        };
        let server = Server::start(options).await;
        let mut ids = Vec::new();
        for dialect in DIALECTS {
            let mut settings = no_limits();
            settings["dialect"] = json!(dialect);
            // Windows begin at multiples of their length: a day's end is seldom met by a test.
            settings["login"] = json!({"lock_seconds": 86_400});
            for (name, value) in login.as_object().into_iter().flatten() {
                settings["login"][name] = value.clone();
            }
            let shared = Placement::Shared("shared");
            let tenant = create_tenant(&server, dialect, shared, settings).await;
            ids.push(tenant["id"].as_str().expect("an id").to_owned());
        }
        Self { server, ids }
    }

    fn sites(&self) -> [Site<'static>; 2] {
        DIALECTS.map(|key| Site::of(&self.server, key))
    }

    /// Works on the rows of the tenant with this number.
    async fn execute(&self, database: &TestDatabase, tenant: usize, statement: &str) {
        let connection = database.connect_as(&self.ids[tenant]).await;
        let done = connection.execute_unprepared(statement).await;
        assert_eq!(
            done.expect("it can be done").rows_affected(),
            1,
            "{statement}"
        );
    }
}

/// Everything of an answer that a client sees, but for the time.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
    // They come out of a hash map, in no order.
    headers.sort();
    (answer.status, headers, answer.text().to_owned())
}

fn from(request: Request, address: &str) -> Request {
    request.header("X-Forwarded-For", address)
}

async fn hashes(server: &Server) -> f64 {
    metric(server, "enroll_hashes_total", "").await
}

async fn stored_hash(connection: &DatabaseConnection, id: &str) -> String {
    let query = format!("SELECT password_hash FROM users WHERE id = {id}");
    let statement = sea_orm::Statement::from_string(connection.get_database_backend(), query);
    let row = connection.query_one_raw(statement).await.expect("a query");
    row.expect("a row").try_get_by_index(0).expect("a text")
}

fn assert_failed(answer: &Answer, dialect: &str, left: u32) {
    let text = format!("登录失败，您还可以尝试{left}次");
    let error = json!({"status": "403", "code": "login_failed", "detail": [text]});
    assert_eq!(answer.status, 403, "{dialect}");
    assert_eq!(answer.json(), json!({"errors": [error]}), "{dialect}");
}

fn assert_locked(answer: &Answer, dialect: &str) {
    let wait: u64 = answer
        .header("retry-after")
        .unwrap_or_else(|| panic!("no Retry-After: {answer:?}"))
        .parse()
        .expect("seconds");
    assert!((1..=86_400).contains(&wait));
    let code = "login_failures_times_toplimit";
    if dialect == "discuzq" {
        let error = json!({"status": "402", "code": code});
        assert_eq!(
            (answer.status, answer.json()),
            (402, json!({"errors": [error]}))
        );
    } else {
        assert_eq!((answer.status, answer.error_code().as_str()), (429, code));
    }
}

async fn a_user_logs_in_by_every_spelling_of_the_name_and_by_phone(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        let ada = site.register("Ada李").await;
        let number = format!(
            "UPDATE users SET phone = '+8613800138000' WHERE id = {}",
            ada.id
        );
        stage.execute(&database, tenant, &number).await;
        let names = ["Ada李", "ada李", "ADA李", " aDa 李", "ａｄａ李"];
        let numbers = ["13800138000", "+8613800138000"];
        for name in names.into_iter().chain(numbers) {
            let answer = site.login(name, PASSWORD).await;
            let again = Member::of(&answer);
            assert_eq!(again.id, ada.id, "{name:?}");
            assert_eq!(site.me(&again.access).await, 200, "{name:?}");
            let document = answer.json();
            let user = json!({"type": "users", "id": ada.id});
            assert_eq!(document["data"]["relationships"]["users"]["data"], user);
            let included = &document["included"];
            assert_eq!(included.as_array().map(Vec::len), Some(1), "{document}");
            assert_eq!(included[0]["id"], ada.id.as_str());
            assert_eq!(included[0]["attributes"]["username"], "Ada李");
        }
        // A part of the name is no spelling of it.
        assert_eq!(site.login("ada", PASSWORD).await.status, 403);

        let missing = site.send("POST", "/api/login", None, json!({})).await;
        let pointers: Vec<Value> = missing
            .errors()
            .iter()
            .map(|error| error["source"]["pointer"].clone())
            .collect();
        assert_eq!(missing.status, 422);
        assert_eq!(
            pointers,
            ["/data/attributes/username", "/data/attributes/password"]
        );
    }
}

/// Rows 91 and 92. The time of an answer is nearly all a hash's; so each way to fail must cost exactly one.
async fn nobody_learns_whether_a_name_exists(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        site.register("known").await;
        let banned = site.register("banned").await;
        set_user(
            &stage.server,
            site.key,
            &banned.id,
            json!({"status": "banned"}),
        )
        .await;
        let bare = site.register("bare").await;
        let no_password = format!(
            "UPDATE users SET password_hash = NULL WHERE id = {}",
            bare.id
        );
        stage.execute(&database, tenant, &no_password).await;
        let mut answers = Vec::new();
        for name in [
            "known",
            "unknown",
            "bare",
            "banned",
            "13800138000",
            "no name\u{7}",
        ] {
            let before = hashes(&stage.server).await;
            let answer = site.login(name, "some other password").await;
            assert_failed(&answer, site.key, 4);
            assert!(
                (hashes(&stage.server).await - before - 1.0).abs() < 0.1,
                "{name}"
            );
            answers.push(seen(&answer));
        }
        for answer in &answers {
            assert_eq!(*answer, answers[0]);
        }
        // A count that a name and a phone number shared would tell whose number it is.
        let number = "UPDATE users SET phone = '+8613800138001' WHERE username = 'known'";
        let known = format!("{number} AND tenant_id = {}", stage.ids[tenant]);
        stage.execute(&database, tenant, &known).await;
        for (spelling, left) in [("13800138001", 4), ("+86 138-0013-8001", 3)] {
            assert_failed(&site.login(spelling, "wrong").await, site.key, left);
        }
        // An account without a password opens to none.
        assert_eq!(site.login("bare", "x").await.status, 403);
    }
}

async fn the_last_try_locks_the_name_for_its_address(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for site in stage.sites() {
        site.register("ada").await;
        site.register("bob").await;
        for name in ["ada", "nobody"] {
            for left in [4, 3, 2, 1] {
                assert_failed(&site.login(name, "wrong").await, site.key, left);
            }
            assert_locked(&site.login(name, "wrong").await, site.key);
            let before = hashes(&stage.server).await;
            for spelling in [name.to_owned(), name.to_uppercase()] {
                assert_locked(&site.login(&spelling, PASSWORD).await, site.key);
            }
            assert!((hashes(&stage.server).await - before).abs() < 0.1);
        }
        // The right password ends the count.
        for _ in 0..2 {
            for left in [4, 3, 2, 1] {
                assert_failed(&site.login("bob", "wrong").await, site.key, left);
            }
            assert_eq!(site.login("Bob", PASSWORD).await.status, 200);
        }
        // Another address has its own count.
        let elsewhere = from(site.login_request("ada", "wrong"), "203.0.113.9");
        assert_failed(&elsewhere.send(site.to).await, site.key, 4);
    }
}

/// Row 93, at two processes.
async fn guesses_side_by_side_are_judged_as_often_as_the_limit_says(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    let twin = Server::start(stage.server.twin()).await;
    let here = Site::of(&stage.server, "standard");
    let there = Site::of(&twin, "standard");
    here.register("ada").await;
    here.register("bob").await;
    let guesses = |name: &str, right: Option<usize>| {
        let password = |at| if Some(at) == right { PASSWORD } else { "wrong" };
        let requests = (0..12).map(|at| here.login_request(name, password(at)));
        requests.collect::<Vec<_>>()
    };
    let judged = async || hashes(&stage.server).await + hashes(&twin).await;

    let before = judged().await;
    let (wrong, also_wrong) = (guesses("ada", None), guesses("ada", None));
    let (one, other) = tokio::join!(volley(here.to, &wrong), volley(there.to, &also_wrong));
    assert!(
        (judged().await - before - 5.0).abs() < 0.1,
        "five are judged"
    );
    let failed = one.iter().chain(&other);
    let failed = failed.filter(|answer| answer.status == 403).count();
    assert_eq!(failed, 4, "the fifth is told of the lock");
    assert_locked(&there.login("ada", PASSWORD).await, "standard");

    // With the right one among them: it is judged or not, and ends the count if it is.
    let before = judged().await;
    let (wrong, right) = (guesses("bob", None), guesses("bob", Some(11)));
    let (one, other) = tokio::join!(volley(here.to, &wrong), volley(there.to, &right));
    let entered = one.iter().chain(&other);
    let entered = entered.filter(|answer| answer.status == 200).count();
    let most = if entered == 0 { 5.0 } else { 10.0 };
    assert!(entered <= 1 && judged().await - before <= most + 0.1);
}

/// Row 94.
async fn an_owner_enters_while_many_addresses_guess(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({"tries_per_name": 12})).await;
    for site in stage.sites() {
        let home = "198.51.100.7";
        let body = json!({"data": {"attributes": {"username": "ada", "password": PASSWORD}}});
        let request = site.request("POST", "/api/register", None).json(&body);
        Member::of(&from(request, home).send(site.to).await);
        let guess = async |address: String, password: &str| {
            let request = from(site.login_request("ada", password), &address);
            request.send(site.to).await
        };
        let mut failed = 0;
        for network in 0..20 {
            let answer = guess(format!("203.0.113.{network}"), "wrong").await;
            failed += u32::from(answer.status == 403);
        }
        assert_eq!(
            failed, 12,
            "many addresses guess no more than the name allows"
        );
        // A stranger's address is locked even for the right password, and the owner's is not.
        assert_locked(&guess("203.0.113.200".to_owned(), PASSWORD).await, site.key);
        assert_eq!(guess(home.to_owned(), PASSWORD).await.status, 200);
    }
}

/// Row 110.
async fn an_outdated_hash_is_renewed_once(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    let site = Site::of(&stage.server, "standard");
    let ada = site.register("ada").await;
    let connection = database.connect_as(&stage.ids[0]).await;
    let first = stored_hash(&connection, &ada.id).await;
    assert!(
        first.starts_with("$argon2id$v=19$m=256,t=1,p=1$"),
        "{first}"
    );

    let later = Server::start(stage.server.twin().set("hashing.iterations", 2)).await;
    let site = Site::of(&later, "standard");
    assert_eq!(site.login("ada", "wrong").await.status, 403);
    assert_eq!(
        stored_hash(&connection, &ada.id).await,
        first,
        "not by a guess"
    );
    assert_eq!(site.login("ada", PASSWORD).await.status, 200);
    let renewed = stored_hash(&connection, &ada.id).await;
    assert!(
        renewed.starts_with("$argon2id$v=19$m=256,t=2,p=1$"),
        "{renewed}"
    );
    assert_eq!(site.login("ada", PASSWORD).await.status, 200);
    assert_eq!(stored_hash(&connection, &ada.id).await, renewed);
}

/// A known password with its hash, of the original jBCrypt's test vectors.
const IMPORTED: (&str, &str) = (
    "abcdefghijklmnopqrstuvwxyz",
    "$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
);

async fn a_hash_by_bcrypt_opens_and_is_renewed(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    let (password, hash) = IMPORTED;
    let store = async |tenant: usize, name: &str, hash: &str| {
        let update = format!(
            "UPDATE users SET password_hash = '{hash}' WHERE username = '{name}' AND tenant_id = {}",
            stage.ids[tenant]
        );
        stage.execute(&database, tenant, &update).await;
    };
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        let connection = database.connect_as(&stage.ids[tenant]).await;
        for version in ["$2y", "$2a", "$2b"] {
            let name = version.trim_start_matches('$').to_owned() + "name";
            let user = site.register(&name).await;
            let imported = format!("{version}{hash}");
            store(tenant, &name, &imported).await;
            assert_failed(&site.login(&name, PASSWORD).await, site.key, 4);
            assert_eq!(
                stored_hash(&connection, &user.id).await,
                imported,
                "not by a guess"
            );
            assert_eq!(site.login(&name, password).await.status, 200);
            let renewed = stored_hash(&connection, &user.id).await;
            assert!(
                renewed.starts_with("$argon2id$v=19$m=256,t=1,p=1$"),
                "{renewed}"
            );
            assert_eq!(site.login(&name, password).await.status, 200);
            assert_eq!(stored_hash(&connection, &user.id).await, renewed);
        }
        // What no password can be held against fails as a wrong password does, and the log says so.
        site.register("odd").await;
        for odd in [
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$2y$31$rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstCx",
        ] {
            store(tenant, "odd", odd).await;
            let failed = site.login("odd", "password").await;
            assert_eq!(
                failed.status,
                site.login("nobody", "password").await.status,
                "{failed:?}"
            );
        }
    }
    let log = stage
        .server
        .logged(&["a stored password hash is of no known form"])
        .await;
    assert!(!log.contains("5f4dcc3b"), "{log}");
}

const STANDINGS: [(&str, &str); 4] = [
    ("banned", "ban_user"),
    ("pending", "register_validate"),
    ("rejected", "validate_reject"),
    ("ignored", "validate_ignore"),
];

async fn the_standing_is_told_after_the_right_password_alone(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for site in stage.sites() {
        for (status, code) in STANDINGS {
            let user = site.register(status).await;
            let set = set_user(&stage.server, site.key, &user.id, json!({"status": status})).await;
            assert_eq!(set.expect(200)["data"]["attributes"]["status"], status);
            assert_failed(&site.login(status, "wrong").await, site.key, 4);
            assert_refused(&site.login(status, PASSWORD).await, code);
        }
    }
}

/// Row 96: whoever is banned gets no token by any route that hands some out, even if a session was left.
async fn no_way_to_a_token_leads_past_the_gate(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        let ada = site.register("ada").await;
        // Behind the server's back, so that the session stays.
        let ban = format!("UPDATE users SET status = 1 WHERE id = {}", ada.id);
        stage.execute(&database, tenant, &ban).await;
        let ways = [
            site.login_request("ada", PASSWORD),
            site.refresh_request(&ada.refresh),
        ];
        for way in ways {
            assert_refused(&way.send(site.to).await, "ban_user");
        }
        let me = site.get("/api/users/me", Some(&ada.access)).await;
        assert_refused(&me, "ban_user");
    }
}

fn assert_refused(answer: &Answer, code: &str) {
    let error = &answer.json()["errors"][0];
    assert_eq!(
        (answer.status, &error["code"]),
        (401, &json!(code)),
        "{error}"
    );
    assert!(!answer.text().contains("token\""), "{answer:?}");
}
