//! Tokens and secrets: what leaves the server is signed by the tenant's own key, what stays is a hash, and no log holds
//! either (`docs/contract.md`, section 3; `docs/threats.md`, rows 88, 103, 112 and 113).

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argon2::{Argon2, PasswordVerifier};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::harness::client::{Answer, MEDIA_TYPE, Request, admin, register};
use crate::harness::collector::{Collector, Manner};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::process::Process;
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

on_all_databases!(
    an_access_token_verifies_with_the_tenants_own_key_alone,
    only_hashes_of_passwords_and_refresh_tokens_are_stored,
);

const PASSWORD: &str = "wX7_q9!-lamp";

/// The documents of a tenant and of its new user.
struct NewUser {
    id: String,
    access_token: String,
    refresh_token: String,
    expires_in: i64,
}

async fn new_user(server: &Server, tenant: &str, name: &str, password: &str) -> NewUser {
    let answer = register(
        server,
        tenant,
        json!({"username": name, "password": password}),
    )
    .await;
    let document = answer.expect(200);
    let data = &document["data"];
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("no text in {data}"))
            .to_owned()
    };
    NewUser {
        id: text(&data["id"]),
        access_token: text(&data["attributes"]["access_token"]),
        refresh_token: text(&data["attributes"]["refresh_token"]),
        expires_in: data["attributes"]["expires_in"].as_i64().expect("seconds"),
    }
}

/// The public keys of a tenant, and the only one of them.
async fn key_of(server: &Server, tenant: &str) -> Value {
    let by_header = Request::new("GET", "/.well-known/jwks.json").header("X-Tenant-Id", tenant);
    let by_header = by_header.send(server.public()).await;
    let by_path = Request::new("GET", &format!("/t/{tenant}/.well-known/jwks.json"));
    let by_path = by_path.send(server.public()).await;
    assert_eq!(
        by_header.header("content-type"),
        Some("application/jwk-set+json")
    );
    let set = by_header.expect(200);
    assert_eq!(by_path.expect(200), set);
    let keys = set["keys"]
        .as_array()
        .unwrap_or_else(|| panic!("no keys in {set}"));
    assert_eq!(keys.len(), 1, "{set}");
    keys[0].clone()
}

fn part(token: &str, index: usize) -> Vec<u8> {
    let part = token.split('.').nth(index).expect("three parts");
    URL_SAFE_NO_PAD
        .decode(part)
        .expect("base64url without padding")
}

fn json_part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&part(token, index)).expect("JSON")
}

/// Whether this key signed this token, checked without any of the server's own code.
fn is_signed_by(token: &str, key: &Value) -> bool {
    let point = URL_SAFE_NO_PAD
        .decode(key["x"].as_str().expect("a point"))
        .expect("base64url");
    let (message, _) = token.rsplit_once('.').expect("a signature");
    UnparsedPublicKey::new(&ED25519, point)
        .verify(message.as_bytes(), &part(token, 2))
        .is_ok()
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}

async fn an_access_token_verifies_with_the_tenants_own_key_alone(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let options = ServerOptions::new()
        .patient()
        .platform(&database)
        .database("shared", &database);
    let mut server = Server::start(options).await;
    let shared = Placement::Shared("shared");
    let issuer =
        json!({"tokens": {"issuer": "https://join.bravo.example", "access_seconds": 3600}});
    let mut ids = BTreeMap::new();
    for (key, settings) in [("alpha", json!({})), ("bravo", issuer)] {
        let tenant = create_tenant(&server, key, shared, settings).await;
        ids.insert(key, tenant["id"].clone());
    }
    let (alpha_key, bravo_key) = (
        key_of(&server, "alpha").await,
        key_of(&server, "bravo").await,
    );
    for key in [&alpha_key, &bravo_key] {
        let public = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key["kid"], "x": key["x"],
        });
        assert_eq!(*key, public, "nothing but the public half");
        assert_eq!(key["kid"].as_str().map(str::len), Some(22));
    }
    assert_ne!(alpha_key["x"], bravo_key["x"]);
    assert_ne!(alpha_key["kid"], bravo_key["kid"]);

    let own_address = format!("http://localhost:{}/t/alpha", server.public().port());
    let mut jtis = HashSet::new();
    let mut refresh_tokens = HashSet::new();
    for (tenant, issuer, life, own, other) in [
        (
            "alpha",
            own_address.as_str(),
            2_592_000,
            &alpha_key,
            &bravo_key,
        ),
        (
            "bravo",
            "https://join.bravo.example",
            3600,
            &bravo_key,
            &alpha_key,
        ),
    ] {
        for number in 0..3 {
            let begun = now();
            let user = new_user(&server, tenant, &format!("user-{number}"), PASSWORD).await;
            let token = &user.access_token;
            assert!(is_signed_by(token, own), "{token} of {tenant}");
            assert!(!is_signed_by(token, other), "{token} of {tenant}");
            assert_eq!(
                json_part(token, 0),
                json!({"typ": "at+jwt", "alg": "EdDSA", "kid": own["kid"]})
            );

            let claims = json_part(token, 1);
            let issued = claims["iat"].as_i64().expect("a date");
            assert!((begun..=now()).contains(&issued), "{claims}");
            let jti = claims["jti"].as_str().expect("a name").to_owned();
            assert!(
                jti.len() == 32 && jti.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{jti}"
            );
            assert_eq!(
                claims,
                json!({
                    "iss": issuer, "aud": tenant, "sub": user.id, "tid": ids[tenant], "jti": jti,
                    "sid": claims["sid"], "gen": 1, "iat": issued, "nbf": issued, "exp": issued + life,
                })
            );
            let session = claims["sid"].as_str().expect("a session").to_owned();
            assert_eq!(user.expires_in, life);
            assert!(jtis.insert(jti), "a name is given once");
            let bits = URL_SAFE_NO_PAD
                .decode(&user.refresh_token)
                .expect("base64url");
            assert_eq!(bits.len(), 64, "the session, 256 random bits and a tag");
            let mut named = String::new();
            for byte in &bits[..16] {
                write!(named, "{byte:02x}").expect("a String takes all");
            }
            assert_eq!(session, named, "both tokens are of one session");
            assert!(refresh_tokens.insert(user.refresh_token));
        }
    }

    // The keys outlive the process, and so do the tokens.
    let user = new_user(&server, "bravo", "early", PASSWORD).await;
    server.sigkill();
    let again = Server::start(server.twin()).await;
    assert_eq!(key_of(&again, "bravo").await, bravo_key);
    let attributes = json!({"username": "later", "password": PASSWORD});
    let with_token = Request::register("bravo", attributes)
        .header("Authorization", format!("Bearer {}", user.access_token));
    assert_eq!(with_token.send(again.public()).await.status, 200);
}

async fn only_hashes_of_passwords_and_refresh_tokens_are_stored(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let own_database = TestDatabase::create(backend).await;
    let options = ServerOptions::new()
        .patient()
        .platform(&database)
        .database("shared", &database)
        .database("own", &own_database);
    let server = Server::start(options).await;
    let mut ids = Vec::new();
    // SQLite of a tenant's own is a file in the data folder, not an address.
    let own = match backend {
        Backend::Sqlite => Placement::Shared("own"),
        Backend::Postgres | Backend::Mysql => Placement::OwnAt(own_database.url()),
    };
    for (key, placement) in [("alpha", Placement::Shared("shared")), ("bravo", own)] {
        let tenant = create_tenant(&server, key, placement, json!({})).await;
        assert!(!tenant.to_string().contains(own_database.url()), "{tenant}");
        ids.push(tenant["id"].as_str().expect("an id").to_owned());
    }

    let mut secrets = vec![server.token().to_owned(), own_database.url().to_owned()];
    for (tenant, id, database) in [
        ("alpha", &ids[0], &database),
        ("bravo", &ids[1], &own_database),
    ] {
        let connection = database.connect_as(id).await;
        for length in [8, 64, 72, 73, 128] {
            let password: String = "Ω7_q9!-lämpchen密".chars().cycle().take(length).collect();
            let name = format!("user-{length}");
            let user = new_user(&server, tenant, &name, &password).await;
            let hash = value(
                &connection,
                &format!("SELECT password_hash FROM users WHERE id = {}", user.id),
            )
            .await;
            assert!(hash.starts_with("$argon2id$v=19$m=256,t=1,p=1$"), "{hash}");
            let opens = |password: &str| {
                Argon2::default()
                    .verify_password(password.as_bytes(), hash.as_str())
                    .is_ok()
            };
            assert!(opens(&password));
            // Nothing is cut off: the last character counts, at 72 bytes and beyond.
            let other_end: String = password.chars().take(length - 1).chain(['x']).collect();
            let shorter: String = password.chars().take(length - 1).collect();
            assert!(!opens(&other_end) && !opens(&shorter) && !opens(&format!("{password}x")));

            let stored = value(
                &connection,
                &format!(
                    "SELECT token_hash FROM sessions WHERE user_id = {}",
                    user.id
                ),
            )
            .await;
            assert_eq!(stored, sha256_hex(&user.refresh_token));
            secrets.extend([password, user.refresh_token, user.access_token]);
        }
        // Equal passwords have unequal hashes.
        let mut hashes = HashSet::new();
        for name in ["one", "two"] {
            let user = new_user(&server, tenant, name, PASSWORD).await;
            hashes.insert(
                value(
                    &connection,
                    &format!("SELECT password_hash FROM users WHERE id = {}", user.id),
                )
                .await,
            );
        }
        assert_eq!(hashes.len(), 2);
    }
    secrets.push(PASSWORD.to_owned());
    let mut everything = Vec::new();
    for (database, id) in [(&database, &ids[0]), (&own_database, &ids[1])] {
        everything.extend(dump(database, id).await);
    }
    // The dump is of the right place, and shows what is there.
    assert!(holds(&everything, b"user-128") && holds(&everything, b"alpha"));
    for secret in &secrets {
        assert!(
            !holds(&everything, secret.as_bytes()),
            "{secret} is stored in clear"
        );
    }
    // The private half of an Ed25519 key, as PKCS#8 begins it.
    for private in [
        &b"\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..],
        b"06032b657004220420",
        b"BgMrZXAEIgQg",
    ] {
        assert!(
            !holds(&everything, private),
            "a private key is stored in clear"
        );
    }
}

fn sha256_hex(text: &str) -> String {
    let mut hexadecimal = String::new();
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        write!(hexadecimal, "{byte:02x}").expect("a String takes all");
    }
    hexadecimal
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

async fn values(connection: &DatabaseConnection, query: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), query);
    let rows = connection.query_all_raw(statement).await;
    rows.unwrap_or_else(|error| panic!("{error} in {query}"))
        .iter()
        .map(|row| {
            // MariaDB gives a row with sealed columns as bytes, which are text only by luck.
            row.try_get_by_index(0).unwrap_or_else(|_| {
                let bytes: Vec<u8> = row.try_get_by_index(0).expect("a text or bytes");
                String::from_utf8_lossy(&bytes).into_owned()
            })
        })
        .collect()
}

async fn value(connection: &DatabaseConnection, query: &str) -> String {
    values(connection, query).await.pop().expect("a row")
}

/// All that a database holds of this tenant and of the platform: SQLite's files, or every row as text.
async fn dump(database: &TestDatabase, tenant: &str) -> Vec<u8> {
    let connection = database.connect_as(tenant).await;
    let mut dumped = Vec::new();
    match database.backend() {
        Backend::Sqlite => {
            let path = database.url().trim_start_matches("sqlite://");
            let path = Path::new(path.split('?').next().expect("a path"));
            let folder = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder");
            for entry in folder {
                dumped.extend(std::fs::read(entry.expect("an entry").path()).expect("a file"));
            }
        }
        Backend::Postgres => {
            for table in values(
                &connection,
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
            )
            .await
            {
                for row in values(&connection, &format!("SELECT t::text FROM \"{table}\" t")).await
                {
                    dumped.extend(row.into_bytes());
                }
            }
        }
        Backend::Mysql => {
            let tables = "SELECT CAST(CONCAT(table_name, ':', GROUP_CONCAT(CONCAT('COALESCE(CAST(`', column_name, '` AS CHAR), '''')'))) AS CHAR) \
                 FROM information_schema.columns WHERE table_schema = DATABASE() GROUP BY table_name";
            connection
                .execute_unprepared("SET SESSION group_concat_max_len = 100000")
                .await
                .expect("set");
            for table in values(&connection, tables).await {
                let (name, columns) = table.split_once(':').expect("both");
                for row in values(
                    &connection,
                    &format!("SELECT CAST(CONCAT_WS('|', {columns}) AS CHAR) FROM `{name}`"),
                )
                .await
                {
                    dumped.extend(row.into_bytes());
                }
            }
        }
    }
    dumped
}

#[tokio::test]
async fn a_password_is_hashed_at_the_cost_that_is_advised() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let options = ServerOptions::new()
        .patient()
        .real_hashing()
        .database("shared", &database);
    let server = Server::start(options).await;
    create_tenant(&server, "alpha", Placement::Shared("shared"), json!({})).await;
    new_user(&server, "alpha", "costly", PASSWORD).await;
    let hash = value(&database.connect().await, "SELECT password_hash FROM users").await;
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert!(
        Argon2::default()
            .verify_password(PASSWORD.as_bytes(), hash.as_str())
            .is_ok()
    );
}

/// Row 112: secrets go through every path that this server has for them, in the clear, and come out in no log.
#[tokio::test]
async fn no_secret_is_logged_or_traced_whatever_happens_to_it() {
    for format in ["pretty", "json"] {
        let collector = Collector::start(Manner::Takes).await;
        // The commands that prepare the data insist on every database; the server itself does without.
        let prepared = Server::start(ServerOptions::new().patient()).await;
        let mut options = prepared
            .twin()
            .set("telemetry.log_format", format)
            .set("telemetry.log_level", "trace")
            .set("telemetry.otlp_endpoint", collector.endpoint())
            .set("telemetry.trace_ppm", 1_000_000)
            .set("databases.dead.url", "postgres://needle-user:needle-database@127.0.0.1:1/x")
            .failpoints("request_future=1*panic(needle-panic);hash=1*panic(needle-hash);before_commit=1*panic(needle-commit)");
        // Deadlines short enough for a database that never answers.
        for (name, value) in [
            ("database.acquire_timeout_ms", 1000),
            ("tenants.launch_timeout_ms", 2000),
        ] {
            options = options.set(name, value);
        }
        drop(prepared);
        let server = Server::start(options).await;
        create_tenant(&server, "alpha", Placement::Own, json!({})).await;
        create_tenant(
            &server,
            "bravo",
            Placement::Own,
            json!({"dialect": "discuzq"}),
        )
        .await;
        let mut secrets = vec!["needle".to_owned(), server.token().to_owned()];
        let master_key =
            std::fs::read_to_string(server.data_dir().join("master.key")).expect("a key");
        secrets.push(master_key.trim().to_owned());

        let mut answers = panics(&server).await;
        answers.extend(registrations(&server, &mut secrets).await);
        answers.extend(administration(&server).await);
        for answer in &answers {
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("needle"), "{text}");
        }
        let log = server.log();
        assert!(
            log.matches("panic").count() >= 3,
            "every panic is logged: {log}"
        );
        assert!(log.contains("ERROR") && log.contains("WARN"), "{log}");
        for secret in &secrets {
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{secret} is logged");
        }
        // Each answer has its request's span, or will soon have it.
        collector.requests(answers.len()).await;
        let traced = collector.bytes();
        for secret in &secrets {
            let is_there = |part: &[u8]| part == secret.as_bytes();
            assert!(
                !traced.windows(secret.len()).any(is_there),
                "{secret} is traced"
            );
        }
        let metrics = Request::new("GET", "/metrics").send(server.admin()).await;
        for secret in &secrets {
            assert!(
                !metrics.text().contains(secret.as_str()),
                "{secret} is in the metrics"
            );
        }
    }
}

/// A request that dies in the actor, one whose hash dies, and one that dies in its transaction; then all is well.
async fn panics(server: &Server) -> Vec<Answer> {
    let attributes = json!({"username": "phoenix", "password": "needle-of-the-phoenix"});
    let mut answers = Vec::new();
    for point in ["request_future", "hash", "before_commit"] {
        let answer = register(server, "alpha", attributes.clone()).await;
        assert!(answer.status >= 500, "{point}: {}", answer.text());
        answers.push(answer);
    }
    let answer = register(server, "alpha", attributes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answers.push(answer);
    answers
}

/// Registrations that are taken, and refused for every reason that has to do with a secret.
async fn registrations(server: &Server, secrets: &mut Vec<String>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for tenant in ["alpha", "bravo"] {
        let user = new_user(server, tenant, "owner", "needle-of-the-owner").await;
        for (number, token) in [&user.access_token, &user.refresh_token]
            .into_iter()
            .enumerate()
        {
            let attributes =
                json!({"username": format!("second-{number}"), "password": "needle-of-the-second"});
            let request = Request::register(tenant, attributes)
                .header("Authorization", format!("Bearer {token}"));
            answers.push(request.send(server.public()).await);
        }
        secrets.extend([user.access_token, user.refresh_token]);
        for password in [
            json!("needle"),
            json!("owner-needle-needle".repeat(20)),
            json!("needle\u{0}needle"),
            json!({"needle": "needle"}),
            json!(["needle"]),
        ] {
            answers.push(
                register(
                    server,
                    tenant,
                    json!({"username": "owner", "password": password}),
                )
                .await,
            );
        }
        for _ in 0..2 {
            let attributes = json!({"username": "repeated", "password": "needle-of-the-repeated"});
            let request =
                Request::register(tenant, attributes).header("Idempotency-Key", "needle-key");
            let answer = request.send(server.public()).await;
            let tokens = &answer.expect(200)["data"]["attributes"];
            for name in ["access_token", "refresh_token"] {
                secrets.push(tokens[name].as_str().expect("a token").to_owned());
            }
        }
        let post = |target: &str| Request::new("POST", target).header("X-Tenant-Id", tenant);
        for request in [
            post("/api/register")
                .header("Content-Type", MEDIA_TYPE)
                .body("{\"data\":{\"attributes\":{\"password\":\"needle"),
            post("/api/register")
                .header("Content-Type", MEDIA_TYPE)
                .body("{\"password\":\"needle\",\"password\":\"needle\"}"),
            post("/api/register")
                .header("Content-Type", "text/plain")
                .body("needle"),
            post("/api/register")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body("data[attributes][password]=needle"),
            post("/api/register?token=needle&password=needle")
                .header("Content-Type", MEDIA_TYPE)
                .body("{}"),
            post("/needle?token=needle")
                .header("Cookie", "session=needle")
                .body("needle"),
            post("/api/register")
                .header("Authorization", "Bearer needle")
                .header("Content-Type", MEDIA_TYPE)
                .body("{}"),
            post("/api/register")
                .header("Authorization", "Basic needle")
                .header("Content-Type", MEDIA_TYPE)
                .body("{}"),
        ] {
            answers.push(request.send(server.public()).await);
        }
    }
    answers
}

/// Secrets that administrators and operators handle.
async fn administration(server: &Server) -> Vec<Answer> {
    let mut answers = Vec::new();
    for authorization in ["Bearer needle", "Basic needle", "needle"] {
        let request =
            Request::new("GET", "/admin/v1/tenants").header("Authorization", authorization);
        let answer = request.send(server.admin()).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        answers.push(answer);
    }
    for (key, placement) in [
        (
            "charlie",
            json!({"kind": "own", "url": "postgres://needle:needle@127.0.0.1:1/needle"}),
        ),
        (
            "delta",
            json!({"kind": "own", "url": "mysql://needle:needle@127.0.0.1:1/needle"}),
        ),
        (
            "echo",
            json!({"kind": "own", "url": "needle://needle:needle@needle"}),
        ),
        ("foxtrot", json!({"kind": "shared", "database": "dead"})),
    ] {
        let body = json!({"data": {"type": "tenants", "attributes": {"key": key, "placement": placement}}});
        answers.push(admin(server, "POST", "/admin/v1/tenants", Some(body)).await);
        let attributes = json!({"username": "early", "password": "needle-of-the-early"});
        answers.push(register(server, key, attributes).await);
    }
    answers.push(Request::new("GET", "/readyz").send(server.admin()).await);
    answers
}

/// Row 112 for settings: what is wrong with them is said, but not what they hold.
#[tokio::test]
async fn a_bad_setting_is_told_without_its_secret() {
    for (name, value) in [
        (
            "ENROLL__PLATFORM__URL",
            "postgres://needle:needle@@bad host/needle",
        ),
        (
            "ENROLL__PLATFORM__URL",
            "needle://needle:needle@needle/needle",
        ),
        (
            "ENROLL__PLATFORM__URL",
            "postgres://needle:needle@127.0.0.1:1/needle",
        ),
        (
            "ENROLL__PLATFORM__URL",
            "mysql://needle:needle@127.0.0.1:1/needle",
        ),
        ("ENROLL__DATABASES__MAIN__URL", "needle:needle"),
        ("ENROLL__SECRETS__MASTER_KEY", "needle"),
    ] {
        let folder = tempfile::TempDir::with_prefix("enroll-data-").expect("a folder");
        let folder = folder.path().to_str().expect("a path in UTF-8").to_owned();
        let environment = BTreeMap::from([
            (name.to_owned(), value.to_owned()),
            ("ENROLL__DATA__DIR".to_owned(), folder),
            (
                "ENROLL__DATABASE__ACQUIRE_TIMEOUT_MS".to_owned(),
                "200".to_owned(),
            ),
            (
                "ENROLL__TELEMETRY__LOG_LEVEL".to_owned(),
                "trace".to_owned(),
            ),
        ]);
        let mut process = Process::spawn(&["migrate"], &environment);
        let status = process.wait_exit(Duration::from_secs(30)).await;
        assert!(!status.success(), "{name}={value} is taken");
        let said = process.stdout() + &process.stderr();
        assert!(!said.is_empty(), "{name}={value} fails without a word");
        assert!(!said.contains("needle"), "{name}={value}: {said}");
    }
}
