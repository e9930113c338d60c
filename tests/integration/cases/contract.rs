//! The registration call as its contract tells it (`docs/contract.md`, sections 1 to 6): requests and their answers, word
//! for word, in both dialects and on every kind of database.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::harness::client::{Answer, MEDIA_TYPE, Request, admin};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement};

on_all_databases!(
    success_is_the_token_document,
    a_user_name_is_stripped_and_judged,
    a_name_is_taken_in_every_spelling_of_it,
    a_password_is_judged,
    several_faults_come_at_once_in_the_contracts_order,
    the_first_refusal_in_the_contracts_order_answers,
    a_reason_is_asked_for_where_accounts_are_approved,
    an_account_that_awaits_approval_is_stored,
    an_invite_code_is_spent_by_its_account_alone,
    codes_that_open_nothing_are_told_apart_as_each_dialect_has_it,
    a_tenant_may_demand_a_code,
    a_name_is_searched_for_words,
    a_site_is_closed_for_a_kind_of_client,
    texts_come_in_the_language_asked_for,
    an_access_token_that_comes_along_must_be_good,
    a_body_is_read_as_its_type_says,
);

const DIALECTS: [&str; 2] = ["standard", "discuzq"];
const PASSWORD: &str = "wX7_q9!-lamp";

/// A server whose tenants share one database. The server ends before its database goes.
struct Stage {
    server: Server,
    database: TestDatabase,
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend).await;
        let server =
            Server::start(ServerOptions::new().patient().database("shared", &database)).await;
        Self { server, database }
    }

    /// A tenant without limits, in this dialect, with these settings besides.
    async fn tenant<'a>(&'a self, key: &'a str, dialect: &'a str, besides: Value) -> Site<'a> {
        let limits = json!({"per_address": null, "per_username": null, "per_tenant": null, "in_flight": null});
        let mut settings = json!({"dialect": dialect, "limits": limits});
        for (name, value) in besides.as_object().expect("an object of settings") {
            settings[name] = value.clone();
        }
        let tenant =
            tenants::create_tenant(&self.server, key, Placement::Shared("shared"), settings).await;
        let id = tenant["id"].as_str().expect("an id").to_owned();
        Site {
            stage: self,
            key,
            dialect,
            id,
        }
    }
}

/// One tenant.
struct Site<'a> {
    stage: &'a Stage,
    key: &'a str,
    dialect: &'a str,
    id: String,
}

impl Site<'_> {
    fn is_standard(&self) -> bool {
        self.dialect == "standard"
    }

    fn request(&self, attributes: &Value) -> Request {
        Request::register(self.key, attributes.clone())
    }

    async fn send(&self, request: &Request) -> Answer {
        request.send(self.stage.server.public()).await
    }

    async fn register(&self, attributes: Value) -> Answer {
        self.send(&self.request(&attributes)).await
    }

    /// Registers this name with a good password and returns the new user's id.
    async fn welcomes(&self, name: &str) -> String {
        self.takes(json!({"username": name, "password": PASSWORD}))
            .await
    }

    /// Registers and returns the new user's id.
    async fn takes(&self, attributes: Value) -> String {
        let answer = self.register(attributes.clone()).await;
        assert_eq!(answer.status, 200, "{attributes}: {}", answer.text());
        id_of(&answer.json()["data"])
    }

    /// Asserts the whole answer to attributes that make no account.
    async fn refuses(&self, attributes: Value, status: u16, errors: Value) {
        let answer = self.register(attributes.clone()).await;
        assert_refused(&answer, status, &errors, &attributes.to_string());
    }

    /// Asserts that a good password and this name meet these faults of the name.
    async fn refuses_name(&self, name: &str, texts: &[&str]) {
        let attributes = json!({"username": name, "password": PASSWORD});
        self.refuses(attributes, 422, json!([fault("username", texts)]))
            .await;
    }

    /// Asserts that a good name and this password meet these faults of the password.
    async fn refuses_password(&self, name: &str, password: Value, texts: &[&str]) {
        let attributes = json!({"username": name, "password": password});
        self.refuses(attributes, 422, json!([fault("password", texts)]))
            .await;
    }

    /// A refusal by policy: `discuzq` shows the code alone.
    fn policy(&self, code: &str, text: &str) -> Value {
        if self.is_standard() {
            json!([{"status": "401", "code": code, "detail": [text]}])
        } else {
            json!([{"status": "401", "code": code}])
        }
    }

    /// A refusal of a field by a code of its own: `discuzq` knows no pointer there.
    fn own_code(&self, code: &str, text: &str, field: &str) -> Value {
        let mut error = json!({"status": "422", "code": code, "detail": [text]});
        if self.is_standard() {
            error["source"] = json!({"pointer": pointer(field)});
        }
        json!([error])
    }

    /// The refusal of an invite code.
    fn bad_invite(&self) -> Value {
        if self.is_standard() {
            self.own_code("invite_invalid", "无效的邀请码。", "code")
        } else {
            self.own_code("解密邀请码失败", "解密邀请码失败", "code")
        }
    }

    async fn issue(&self, attributes: Value) -> String {
        tenants::issue_invite(&self.stage.server, self.key, attributes).await
    }

    /// How often a code was used, and its state.
    async fn uses(&self, code: &str) -> (i64, String) {
        let invite = tenants::invite(&self.stage.server, self.key, code).await;
        let state = invite["state"].as_str().expect("a state").to_owned();
        (invite["uses"].as_i64().expect("a number"), state)
    }

    /// The attributes of the user with this name, in canonical form.
    async fn user(&self, canonical_name: &str) -> Option<Value> {
        let users = tenants::users(&self.stage.server, self.key).await;
        users
            .into_iter()
            .map(|mut user| user["attributes"].take())
            .find(|user| user["canonical_name"] == canonical_name)
    }

    async fn count(&self) -> usize {
        tenants::users(&self.stage.server, self.key).await.len()
    }

    /// Runs a statement in the tenant's database, as the tenant.
    async fn sql(&self, statement: &str) {
        let connection = self.stage.database.connect().await;
        if self.stage.database.backend() == Backend::Postgres {
            connection
                .execute_unprepared(&format!(
                    "SELECT set_config('enroll.tenant_id', '{}', false)",
                    self.id
                ))
                .await
                .expect("the tenant is named");
        }
        let done = connection
            .execute_unprepared(statement)
            .await
            .expect("the statement runs");
        assert_eq!(done.rows_affected(), 1, "{statement}");
    }

    /// One value of the tenant's database, as text.
    async fn value(&self, query: &str) -> Option<String> {
        let connection = self.stage.database.connect().await;
        let backend = connection.get_database_backend();
        if self.stage.database.backend() == Backend::Postgres {
            connection
                .execute_unprepared(&format!(
                    "SELECT set_config('enroll.tenant_id', '{}', false)",
                    self.id
                ))
                .await
                .expect("the tenant is named");
        }
        connection
            .query_one_raw(Statement::from_string(backend, query))
            .await
            .expect("the query runs")
            .expect("a row")
            .try_get_by_index(0)
            .expect("a text or null")
    }
}

fn assert_refused(answer: &Answer, status: u16, errors: &Value, asked: &str) {
    assert_eq!(answer.status, status, "{asked}: {}", answer.text());
    assert_eq!(answer.json(), json!({"errors": errors}), "{asked}");
    assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge.is_some(), status == 401, "{asked}: {challenge:?}");
}

fn pointer(field: &str) -> String {
    match field {
        "data" => "/data".to_owned(),
        _ => format!("/data/attributes/{field}"),
    }
}

/// The error object of one field; both dialects have it alike.
fn fault(field: &str, texts: &[&str]) -> Value {
    json!({
        "status": "422",
        "code": "validation_error",
        "detail": texts,
        "source": {"pointer": pointer(field)},
    })
}

fn id_of(data: &Value) -> String {
    let id = data["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {data}"));
    assert!(
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()),
        "an id is digits: {id}"
    );
    id.to_owned()
}

/// A value of a document that differs from call to call, as text.
fn text_of(value: &Value) -> &str {
    let text = value.as_str().unwrap_or_default();
    assert!(!text.is_empty(), "no text: {value}");
    text
}

async fn success_is_the_token_document(backend: Backend) {
    let stage = Stage::new(backend).await;
    for (number, success_status, status) in [(0, "ok", 200), (1, "created", 201)] {
        for dialect in DIALECTS {
            let key = format!("{dialect}-{number}");
            let settings = json!({
                "registration": {"success_status": success_status},
                "utc_offset": if number == 0 { 480 } else { -210 },
                "tokens": {"access_seconds": 2_592_000 - number},
            });
            let site = stage.tenant(&key, dialect, settings).await;
            let answer = site
                .register(json!({"username": " 李\u{3000}Lei ", "password": PASSWORD}))
                .await;
            let document = answer.expect(status);
            assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
            assert_eq!(answer.header("cache-control"), Some("no-store"));

            let id = id_of(&document["data"]);
            let tokens = &document["data"]["attributes"];
            let access_token = text_of(&tokens["access_token"]);
            assert_eq!(access_token.split('.').count(), 3, "a JWT: {access_token}");
            let data = json!({
                "type": "token",
                "id": id,
                "attributes": {
                    "token_type": "Bearer",
                    "expires_in": 2_592_000 - number,
                    "access_token": access_token,
                    "refresh_token": text_of(&tokens["refresh_token"]),
                },
            });
            if site.is_standard() {
                assert_standard_success(&document, data, number == 0);
            } else {
                assert_eq!(document, json!({"data": data}));
            }
            let user = site.user("李lei").await.expect("the user is stored");
            assert_eq!(user["username"], "李Lei");
            assert_eq!(user["status"], "normal");
        }
    }
}

fn assert_standard_success(document: &Value, mut data: Value, in_china: bool) {
    let id = data["id"].clone();
    data["relationships"] = json!({"users": {"data": {"type": "users", "id": id}}});
    let attributes = &document["included"][0]["attributes"];
    let created = text_of(&attributes["createdAt"]);
    assert_eq!(
        *document,
        json!({
            "data": data,
            "included": [{"type": "users", "id": id, "attributes": {
                "username": "李Lei",
                "nickname": "李Lei",
                "mobile": "",
                "unionId": "",
                "lastLoginIp": "127.0.0.1",
                "createdAt": created,
                "updatedAt": created,
            }}],
        })
    );
    assert!(
        created.ends_with(if in_china { "+08:00" } else { "-03:30" }),
        "{created}"
    );
    let age = OffsetDateTime::now_utc()
        - OffsetDateTime::parse(created, &Rfc3339).expect("a date of RFC 3339");
    assert!(age.whole_seconds().abs() < 60, "{created} is not now");
}

async fn a_user_name_is_stripped_and_judged(backend: Backend) {
    const EMPTY: &str = "用户名 不能为空。";
    const INVALID: &str = "无效的用户名。";
    const TOO_LONG: &str = "用户名 不能大于 15 个字符。";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        for attributes in [
            json!({"password": PASSWORD}),
            json!({"password": PASSWORD, "username": null}),
            json!({"password": PASSWORD, "username": ""}),
            json!({"password": PASSWORD, "username": " \u{3000}\t\r\n\u{a0}\u{2003}"}),
        ] {
            site.refuses(attributes, 422, json!([fault("username", &[EMPTY])]))
                .await;
        }
        for (sent, shown) in [
            ("字".repeat(15), "字".repeat(15)),
            (" a\u{3000}b\tc\u{a0}d ".to_owned(), "abcd".to_owned()),
            // 15 code points, and more white space than that.
            (" \u{3000}x".repeat(15), "x".repeat(15)),
            // NFC is one code point less.
            ("Cafe\u{301}".to_owned(), "Café".to_owned()),
            ("𠮷野家".to_owned(), "𠮷野家".to_owned()),
            ("O'Brien".to_owned(), "O'Brien".to_owned()),
        ] {
            site.welcomes(&sent).await;
            let users = tenants::users(&stage.server, site.key).await;
            assert!(
                users
                    .iter()
                    .any(|user| user["attributes"]["username"] == *shown),
                "{shown:?} is not stored"
            );
        }
        site.refuses_name(&"字".repeat(16), &[TOO_LONG]).await;
        site.refuses_name(&"y".repeat(16), &[TOO_LONG]).await;
        // UTS 39: Cyrillic а between Latin letters, a zero width space, a control, too many marks.
        for odd in ["p\u{430}ypal", "li\u{200b}lei", "a\u{7}b", "\u{202e}abc"] {
            site.refuses_name(odd, &[INVALID]).await;
        }
        for reserved in ["匿名用户", " 匿名\u{3000}用户 "] {
            site.refuses_name(reserved, &[INVALID]).await;
        }
        let emoji = json!({"username": "灯🏮", "password": PASSWORD});
        let (number, wrong_type) = (
            json!({"username": 42, "password": PASSWORD}),
            json!([fault("username", &["用户名 必须是字符串。"],)]),
        );
        if site.is_standard() {
            let invalid = json!([fault("username", &[INVALID])]);
            site.refuses(emoji, 422, invalid).await;
            site.refuses(number, 422, wrong_type.clone()).await;
        } else {
            site.takes(emoji).await;
            site.takes(number).await;
            assert!(site.user("42").await.is_some());
        }
        for odd in [json!(true), json!(["a"]), json!({"a": "b"}), json!(1.5)] {
            let attributes = json!({"username": odd, "password": PASSWORD});
            site.refuses(attributes, 422, wrong_type.clone()).await;
        }
    }
    let settings = json!({"username": {
        "max_length": 20, "min_length": 3, "characters": "any", "reserved": ["Admin"],
    }});
    let site = stage.tenant("own-rules", "standard", settings).await;
    site.welcomes(&"z".repeat(20)).await;
    site.welcomes("灯🏮塔").await;
    site.refuses_name(&"z".repeat(21), &["用户名 不能大于 20 个字符。"])
        .await;
    site.refuses_name("ab", &["用户名 至少为 3 个字符。"]).await;
    for reserved in ["admin", "ADMIN", "Ａｄｍｉｎ", "adm1n", "匿名用户"] {
        site.refuses_name(reserved, &[INVALID]).await;
    }
}

async fn a_name_is_taken_in_every_spelling_of_it(backend: Backend) {
    const TAKEN: &str = "用户名 已经存在。";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        for (first, spellings) in [
            (
                "LiLei",
                &["LiLei", "lilei", "LILEI", " li\u{3000}lei ", "ＬｉＬｅｉ"][..],
            ),
            (
                "Renée",
                &["Rene\u{301}e", "RENÉE", "rene\u{301}e", "ＲENÉE"],
            ),
            ("Straße", &["STRAßE", "ＳTRAße"]),
            ("paypal", &["paypa1", "PAYPAL"]),
            ("Соня", &["соня", "СОНЯ"]),
            // Whole words that look alike in two scripts.
            ("coco", &["\u{441}\u{43e}\u{441}\u{43e}"]),
            ("ガッコウ", &["カ\u{3099}ッコウ", "ｶﾞｯｺｳ"]),
        ] {
            site.welcomes(first).await;
            for spelling in spellings {
                site.refuses_name(spelling, &[TAKEN]).await;
            }
        }
        // Not equal, and not alike: no database's own idea of equality may stand in the way (row 22).
        for other in ["resume", "résumé", "Strasse", "abc", "abc-", "ａｂｃｄ"] {
            site.welcomes(other).await;
        }
    }
    let settings = json!({"username": {"allow_confusable": true, "allow_mixed_script": true}});
    let site = stage.tenant("liberal", "standard", settings).await;
    for name in ["paypal", "paypa1", "p\u{430}ypal"] {
        site.welcomes(name).await;
    }
    for name in ["PayPal", "Paypa1", "P\u{430}ypal"] {
        site.refuses_name(name, &[TAKEN]).await;
    }
}

async fn a_password_is_judged(backend: Backend) {
    const EMPTY: &str = "密码 不能为空。";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let missing = json!([fault("password", &[EMPTY])]);
        for attributes in [
            json!({"username": "wolframite"}),
            json!({"username": "wolframite", "password": null}),
            json!({"username": "wolframite", "password": "        "}),
            json!({"username": "wolframite", "password": "\u{3000}\t\u{a0}        "}),
        ] {
            site.refuses(attributes, 422, missing.clone()).await;
        }
        let empty = json!({"username": "no-password", "password": ""});
        if site.is_standard() {
            site.refuses(empty, 422, missing).await;
        } else {
            site.takes(empty).await;
            let hash = site
                .value("SELECT password_hash FROM users WHERE username = 'no-password'")
                .await;
            assert_eq!(hash, None, "nothing opens this account");
        }
        let odd_types = json!([fault("password", &["密码 必须是字符串。"])]);
        for odd in [
            json!(false),
            json!(["wX7_q9!-"]),
            json!({"a": 1}),
            json!(0.5),
        ] {
            let attributes = json!({"username": "wolframite", "password": odd});
            site.refuses(attributes, 422, odd_types.clone()).await;
        }
        for (password, text) in [
            ("wX7_q9!", "密码 至少为 8 个字符。"),
            ("龘龘龘龘龘龘龘", "密码 至少为 8 个字符。"),
            ("password1", "密码 过于常见。"),
            ("PASSWORD1", "密码 过于常见。"),
            ("Wolframite", "密码 不能包含用户名或站点名。"),
            ("1wolframite23", "密码 不能包含用户名或站点名。"),
            ("wX7_q9!-\0lamp", "密码 包含不允许的字符。"),
        ] {
            site.refuses_password("wolframite", json!(password), &[text])
                .await;
        }
        let with_key = format!("{dialect}-1x");
        site.refuses_password(
            "wolframite",
            json!(with_key),
            &["密码 不能包含用户名或站点名。"],
        )
        .await;
        let (fitting, longest): (&[usize], usize) = if site.is_standard() {
            (&[8, 64, 72, 73, 128], 128)
        } else {
            (&[8, 49, 50], 50)
        };
        for length in fitting {
            let password: String = "龘wX7_q9!-é🏮".chars().cycle().take(*length).collect();
            let name = format!("length-{length}");
            site.takes(json!({"username": name, "password": password}))
                .await;
        }
        let too_long: String = "龘wX7_q9!-".chars().cycle().take(longest + 1).collect();
        let text = format!("密码 不能大于 {longest} 个字符。");
        site.refuses_password("wolframite", json!(too_long), &[&text])
            .await;
        site.refuses_password("wolframite", json!("x".repeat(40_000)), &[&text])
            .await;
    }
    let settings = json!({"password": {
        "min_length": 6, "max_length": 64, "require": ["digit", "lowercase", "symbol", "uppercase"],
    }});
    let site = stage.tenant("all-classes", "discuzq", settings).await;
    const ALL: &str = "密码格式不正确，必须包含数字、小写字母、符号、大写字母。";
    site.takes(json!({"username": "six", "password": "wX7_q9"}))
        .await;
    for lacking in ["wX_wX_wX", "WX7_Q9!!", "wX7q9abc", "wx7_q9!!"] {
        site.refuses_password("wolframite", json!(lacking), &[ALL])
            .await;
    }
    // Everything that is no ASCII letter or digit is a symbol.
    site.takes(json!({"username": "symbol", "password": "wX7é9abc"}))
        .await;
    site.refuses_password("wolframite", json!("wX7_q"), &["密码 至少为 6 个字符。"])
        .await;
    let settings = json!({"password": {"require": ["uppercase", "digit"]}});
    let site = stage.tenant("two-classes", "standard", settings).await;
    site.refuses_password(
        "wolframite",
        json!("no such class"),
        &["密码格式不正确，必须包含大写字母、数字。"],
    )
    .await;
}

async fn several_faults_come_at_once_in_the_contracts_order(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let everything = json!({
            "code": {},
            "register_reason": "愿".repeat(51),
            "password": "wX7",
            "username": "",
        });
        let errors = json!([
            fault("username", &["用户名 不能为空。"]),
            fault("password", &["密码 至少为 8 个字符。"]),
            fault("register_reason", &["注册原因 不能大于 50 个字符。"]),
            fault("code", &["邀请码 必须是字符串。"]),
        ]);
        site.refuses(everything, 422, errors).await;
        let nothing = json!([
            fault("username", &["用户名 不能为空。"]),
            fault("password", &["密码 不能为空。"]),
        ]);
        site.refuses(json!({}), 422, nothing.clone()).await;
        // Two faults of one field stand together.
        let texts = ["用户名 不能大于 15 个字符。", "无效的用户名。"];
        site.refuses_name(&format!("{}\u{7}", "x".repeat(15)), &texts)
            .await;
        // A taken name is told beside the faults of other fields, and left out beside its own.
        site.welcomes("taken").await;
        let errors = json!([
            fault("username", &["用户名 已经存在。"]),
            fault("password", &["密码 至少为 8 个字符。"]),
        ]);
        site.refuses(json!({"username": "TAKEN", "password": "wX7"}), 422, errors)
            .await;

        for document in [
            json!({"username": "bare", "password": PASSWORD}),
            json!([]),
            json!(null),
            json!("text"),
            json!({"data": null}),
            json!({"data": []}),
            json!({"data": {"attributes": null}}),
            json!({"data": {"attributes": []}}),
        ] {
            let request = Request::new("POST", "/api/register")
                .header("X-Tenant-Id", dialect)
                .json(&document);
            let answer = site.send(&request).await;
            let errors = if site.is_standard() {
                json!([fault(
                    "data",
                    &["data 必须是对象，并包含 attributes 对象。"]
                )])
            } else {
                nothing.clone()
            };
            assert_refused(&answer, 422, &errors, &document.to_string());
        }
        let request = Request::new("POST", "/api/register")
            .header("X-Tenant-Id", dialect)
            .json(&json!({"data": {}}));
        assert_refused(&site.send(&request).await, 422, &nothing, "no attributes");
        assert_eq!(site.count().await, 1);
    }
}

/// Section 2.5: each request breaks the rule of its own step and of every later one.
async fn the_first_refusal_in_the_contracts_order_answers(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let words = json!([{"word": "evil", "action": "banned"}]);
        let registration = json!({"approval": true, "invite_required": true, "words": words});
        let site = stage
            .tenant(dialect, dialect, json!({"registration": registration}))
            .await;
        let code = site.issue(json!({"max_uses": 5})).await;
        let request = |attributes: Value| site.request(&attributes);
        let evil = "an evil name that is too long";
        let steps = [
            (
                json!({"username": evil, "password": "wX7"}),
                site.own_code("invite_required", "邀请码 不能为空。", "code"),
            ),
            (
                json!({"username": evil, "password": "wX7", "code": "UNKNOWN"}),
                site.bad_invite(),
            ),
            (
                json!({"username": evil, "password": "wX7", "code": code}),
                site.own_code("content_banned", "当前用户名包含禁止注册的词语", "username"),
            ),
            (
                json!({"username": "", "password": "wX7", "code": code}),
                site.own_code(
                    "setting_fill_register_reason",
                    "注册时的注册原因必须必填",
                    "register_reason",
                ),
            ),
            (
                json!({"username": "ok", "password": "wX7", "code": code, "register_reason": "r"}),
                json!([fault("password", &["密码 至少为 8 个字符。"])]),
            ),
        ];
        for (attributes, errors) in &steps {
            site.refuses(attributes.clone(), 422, errors.clone()).await;
        }
        // Everything at once, from the last step to the first.
        let worst = json!({"username": evil, "password": "wX7", "code": "UNKNOWN"});
        let closed_site = json!({"site": {"closed_for": ["pc"]}, "registration": {"open": false}});
        change(&site, closed_site).await;
        let with_bad_token = request(worst.clone()).header("Authorization", "Bearer x");
        let closed = json!([{"status": "401", "code": "site_closed", "detail": ["站点已关闭！"]}]);
        assert_refused(
            &site.send(&with_bad_token).await,
            401,
            &closed,
            "closed site",
        );
        change(&site, json!({"site": null})).await;
        let answer = site.send(&with_bad_token).await;
        assert_eq!(answer.json()["errors"][0]["code"], "access_denied");
        let register_close = site.policy("register_close", "注册关闭");
        site.refuses(worst, 401, register_close).await;
        let good =
            json!({"username": "ok", "password": PASSWORD, "code": code, "register_reason": "r"});
        site.refuses(good, 401, site.policy("register_close", "注册关闭"))
            .await;
        assert_eq!(site.count().await, 0);
        assert_eq!(site.uses(&code).await.0, 0);
    }
}

/// Changes settings of a tenant.
async fn change(site: &Site<'_>, settings: Value) {
    let body = json!({"data": {"type": "tenants", "attributes": {"settings": settings}}});
    let path = format!("/admin/v1/tenants/{}", site.key);
    admin(&site.stage.server, "PATCH", &path, Some(body))
        .await
        .expect(200);
}

async fn a_reason_is_asked_for_where_accounts_are_approved(backend: Backend) {
    const EMPTY: &str = "注册原因 不能为空。";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let key = format!("{dialect}-off");
        let off = stage.tenant(&key, dialect, json!({})).await;
        let key = format!("{dialect}-on");
        let approval = json!({"registration": {"approval": true}});
        let on = stage.tenant(&key, dialect, approval).await;

        for (number, (sent, stored)) in [
            (None, None),
            (Some(json!(null)), None),
            (Some(json!("")), None),
            (Some(json!(" \u{3000}\t ")), None),
            (Some(json!(" because \u{3000}")), Some("because")),
            (Some(json!("愿".repeat(50))), Some(&*"愿".repeat(50))),
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("reason-{number}");
            let mut attributes = json!({"username": name, "password": PASSWORD});
            if let Some(reason) = sent {
                attributes["register_reason"] = reason;
            }
            off.takes(attributes).await;
            let user = off.user(&name).await.expect("the user is stored");
            assert_eq!(user["register_reason"], json!(stored));
        }
        for (site, sent, texts) in [
            (
                &off,
                json!("愿".repeat(51)),
                ["注册原因 不能大于 50 个字符。"],
            ),
            (
                &on,
                json!("愿".repeat(51)),
                ["注册原因 不能大于 50 个字符。"],
            ),
            (&off, json!("a\0b"), ["注册原因 包含不允许的字符。"]),
            (&on, json!("a\u{1b}[31m"), ["注册原因 包含不允许的字符。"]),
            (&on, json!(""), [EMPTY]),
            (&on, json!(" \u{3000}\n"), [EMPTY]),
            (&off, json!(["r"]), ["注册原因 必须是字符串。"]),
        ] {
            let attributes =
                json!({"username": "somebody", "password": PASSWORD, "register_reason": sent});
            site.refuses(attributes, 422, json!([fault("register_reason", &texts)]))
                .await;
        }
        let missing = on.own_code(
            "setting_fill_register_reason",
            "注册时的注册原因必须必填",
            "register_reason",
        );
        for attributes in [
            json!({"username": "somebody", "password": PASSWORD}),
            json!({"username": "somebody", "password": PASSWORD, "register_reason": null}),
        ] {
            on.refuses(attributes, 422, missing.clone()).await;
        }
    }
}

async fn an_account_that_awaits_approval_is_stored(backend: Backend) {
    const TEXT: &str = "帐号审核中，请审核通过后尝试";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let approval = json!({"registration": {"approval": true}});
        let site = stage.tenant(dialect, dialect, approval).await;
        let code = site.issue(json!({})).await;
        let attributes = json!({
            "username": "Newcomer", "password": PASSWORD, "register_reason": "I read", "code": code,
        });
        site.refuses(
            attributes.clone(),
            401,
            site.policy("register_validate", TEXT),
        )
        .await;
        let user = site.user("newcomer").await.expect("the user is stored");
        assert_eq!(user["status"], "pending");
        assert_eq!(user["register_reason"], "I read");
        assert_eq!(site.uses(&code).await, (1, "spent".to_owned()));
        let again = json!({"username": "newcomer", "password": PASSWORD, "register_reason": "r"});
        site.refuses(
            again,
            422,
            json!([fault("username", &["用户名 已经存在。"])]),
        )
        .await;
        assert_eq!(site.count().await, 1);
        // Nobody is logged in who was not let in.
        let tokens = site
            .value("SELECT CAST(COUNT(*) AS CHAR(20)) FROM sessions")
            .await;
        assert_eq!(tokens.as_deref().map(str::trim), Some("0"));
    }
}

async fn an_invite_code_is_spent_by_its_account_alone(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let words = json!([{"word": "evil", "action": "banned"}]);
        let site = stage
            .tenant(dialect, dialect, json!({"registration": {"words": words}}))
            .await;
        let code = site.issue(json!({"code": "ab-1_2", "max_uses": 3})).await;
        let long = site.issue(json!({})).await;
        assert_eq!((code.as_str(), long.len()), ("AB-1_2", 32));
        site.welcomes("taken").await;
        for code in [&code, &long] {
            for (name, password) in [
                ("taken", json!(PASSWORD)),
                ("TAKEN", json!("wX7")),
                ("evil", json!(PASSWORD)),
                ("", json!(PASSWORD)),
                ("fine", json!("wX7")),
                ("fine", json!(null)),
                ("fine", json!([])),
                ("匿名用户", json!(PASSWORD)),
            ] {
                let answer = site
                    .register(json!({"username": name, "password": password, "code": code}))
                    .await;
                assert_eq!(answer.status, 422, "{name:?} {password}: {answer:?}");
            }
            assert_eq!(site.uses(code).await, (0, "usable".to_owned()));
        }
        for (number, spelling) in ["AB-1_2", "ab-1_2", " Ab -\u{3000}1_2\n"]
            .iter()
            .enumerate()
        {
            let name = format!("guest-{number}");
            site.takes(json!({"username": name, "password": PASSWORD, "code": spelling}))
                .await;
        }
        assert_eq!(site.uses(&code).await, (3, "spent".to_owned()));
        let late = json!({"username": "late", "password": PASSWORD, "code": code});
        site.refuses(late, 422, site.bad_invite()).await;
        assert_eq!(site.uses(&code).await, (3, "spent".to_owned()));
        let one = json!({"username": "one", "password": PASSWORD, "code": long.to_lowercase()});
        site.takes(one).await;
        assert_eq!(site.uses(&long).await, (1, "spent".to_owned()));
    }
}

async fn codes_that_open_nothing_are_told_apart_as_each_dialect_has_it(backend: Backend) {
    let stage = Stage::new(backend).await;
    let elsewhere = stage.tenant("elsewhere", "standard", json!({})).await;
    let foreign = elsewhere.issue(json!({"max_uses": 9})).await;
    let foreign_short = elsewhere
        .issue(json!({"code": "NEXT-DOOR", "max_uses": 9}))
        .await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let member = site.welcomes("member").await;
        let attempt =
            |name: &str, code: Value| json!({"username": name, "password": PASSWORD, "code": code});
        for (number, absent) in [json!(""), json!(null)].into_iter().enumerate() {
            site.takes(attempt(&format!("absent-{number}"), absent))
                .await;
        }
        let before = site.count().await;

        let no_such_code = "Z".repeat(32);
        for unknown in [
            "UNKNOWN",
            no_such_code.as_str(),
            &"Z".repeat(33),
            &"Z".repeat(64),
            &"Z".repeat(65),
            &"Z".repeat(5000),
            "无效",
            "a' OR '1'='1",
            "a\0b",
            "12345",
            &format!("{member}abc"),
            &format!("0{member}"),
            "1e3",
            "-1",
            &foreign,
            &foreign_short,
        ] {
            site.refuses(attempt("unlucky", json!(unknown)), 422, site.bad_invite())
                .await;
        }
        assert_eq!(elsewhere.uses(&foreign).await.0, 0);
        assert_eq!(elsewhere.uses(&foreign_short).await.0, 0);

        // The number of a member is an invitation in the dialect that knows it, written as text or as a number.
        let number: u64 = member.parse().expect("a number");
        for (name, code) in [("friend", json!(member)), ("friend-2", json!(number))] {
            match (site.is_standard(), code.is_number()) {
                (false, _) => {
                    site.takes(attempt(name, code)).await;
                    let invited_by = format!(
                        "SELECT CAST(invited_by AS CHAR(20)) FROM users WHERE username = '{name}'"
                    );
                    let inviter = site.value(&invited_by).await;
                    assert_eq!(inviter.as_deref().map(str::trim), Some(member.as_str()));
                }
                (true, false) => {
                    site.refuses(attempt(name, code), 422, site.bad_invite())
                        .await;
                }
                (true, true) => {
                    let errors = json!([fault("code", &["邀请码 必须是字符串。"])]);
                    site.refuses(attempt(name, code), 422, errors).await;
                }
            }
        }

        for (state, code) in dead_codes(&site).await {
            let used = site.uses(&code).await;
            assert_eq!(used.1, state);
            let name = format!("{state}-{}", code.len());
            // 32 characters: the client has warned the visitor already, who goes on without the code.
            if !site.is_standard() && code.len() == 32 {
                for again in ["a", "b"] {
                    site.takes(attempt(&format!("{name}{again}"), json!(code)))
                        .await;
                }
            } else {
                site.refuses(attempt(&name, json!(code)), 422, site.bad_invite())
                    .await;
                assert!(site.user(&name).await.is_none());
            }
            assert_eq!(site.uses(&code).await, used, "{state} {code}");
        }
        let made = if site.is_standard() { 2 } else { 2 + 2 + 6 };
        assert_eq!(site.count().await, before + made);
    }
}

/// Codes that were spent, have expired or were revoked, one of 32 characters and a short one of each; two users are made.
async fn dead_codes(site: &Site<'_>) -> Vec<(&'static str, String)> {
    // Reckoned anew for each code, and so far ahead that a busy machine still issues it in time.
    let soon = || {
        let soon = OffsetDateTime::now_utc() + Duration::from_secs(2);
        soon.format(&Rfc3339).expect("a date")
    };
    let mut codes = Vec::new();
    for (length, short) in [(32, false), (8, true)] {
        for state in ["expired", "spent", "revoked"] {
            let mut attributes = json!({});
            if short {
                attributes["code"] = json!(format!("{state:X<8}"));
            }
            if state == "expired" {
                attributes["expires_at"] = json!(soon());
            }
            let code = site.issue(attributes).await;
            assert_eq!(code.len(), length);
            codes.push((state, code));
        }
    }
    for (state, code) in &codes {
        match *state {
            "spent" => {
                let name = format!("spender-{}", code.len());
                site.takes(json!({"username": name, "password": PASSWORD, "code": code}))
                    .await;
            }
            "revoked" => {
                let path = format!("/admin/v1/tenants/{}/invites/{code}", site.key);
                let answer = admin(&site.stage.server, "DELETE", &path, None).await;
                assert_eq!(answer.status, 204, "{answer:?}");
            }
            _ => {
                let end = Instant::now() + Duration::from_secs(10);
                while site.uses(code).await.1 != "expired" {
                    assert!(Instant::now() < end, "{code} does not expire");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    codes
}

async fn a_tenant_may_demand_a_code(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let member = site.welcomes("member").await;
        change(&site, json!({"registration": {"invite_required": true}})).await;
        let dead = site.issue(json!({})).await;
        site.takes(json!({"username": "first", "password": PASSWORD, "code": dead}))
            .await;
        let required = site.own_code("invite_required", "邀请码 不能为空。", "code");
        for attributes in [
            json!({"username": "second", "password": PASSWORD}),
            json!({"username": "second", "password": PASSWORD, "code": null}),
            json!({"username": "second", "password": PASSWORD, "code": ""}),
        ] {
            site.refuses(attributes, 422, required.clone()).await;
        }
        // Where a code is demanded, neither the lenient case nor a member's number opens the door.
        for code in [dead.as_str(), member.as_str(), "UNKNOWN"] {
            let attributes = json!({"username": "second", "password": PASSWORD, "code": code});
            site.refuses(attributes, 422, site.bad_invite()).await;
        }
        assert_eq!(site.uses(&dead).await, (1, "spent".to_owned()));
        assert_eq!(site.count().await, 2);
    }
}

async fn a_name_is_searched_for_words(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let words = json!([
            {"word": "坏{2}人", "action": "banned"},
            {"word": "bad man", "action": "banned"},
            {"word": "Slur", "action": "banned"},
            {"word": "casino", "action": "review"},
            {"word": "plain", "action": "ignore"},
        ]);
        let site = stage
            .tenant(dialect, dialect, json!({"registration": {"words": words}}))
            .await;
        let banned = site.own_code("content_banned", "当前用户名包含禁止注册的词语", "username");
        for name in [
            "坏人",
            "大坏一人",
            "坏12人x",
            "坏\u{3000}人",
            "bad man",
            "a BAD MAN",
            "slur",
            "xSLURx",
            "s l u r",
            "ｓｌｕｒ",
            // The gravest word counts, and a name that is not valid is searched, too.
            "casino-slur",
            "slur and far too long a name",
        ] {
            site.refuses(
                json!({"username": name, "password": PASSWORD}),
                422,
                banned.clone(),
            )
            .await;
        }
        for name in ["坏123人", "badman", "b-a-d man", "plain", "slu-r"] {
            site.welcomes(name).await;
        }
        let review = site.policy("register_validate", "帐号审核中，请审核通过后尝试");
        site.refuses(
            json!({"username": "My Casino", "password": PASSWORD}),
            401,
            review,
        )
        .await;
        let user = site.user("mycasino").await.expect("the user is stored");
        assert_eq!(user["status"], "pending");
        assert_eq!(site.count().await, 6);
    }
}

async fn a_site_is_closed_for_a_kind_of_client(backend: Backend) {
    const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)";
    const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64)";
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let from = |header: &str, value: &str, name: &str| {
            site.request(&json!({"username": name, "password": PASSWORD}))
                .header(header, value)
        };
        let clients = [
            ("pc", "User-Agent", DESKTOP),
            ("h5", "User-Agent", PHONE),
            (
                "miniprogram",
                "Referer",
                "https://servicewechat.com/miniProgram/1",
            ),
        ];
        for (number, (closed_for, ..)) in clients.iter().enumerate() {
            change(
                &site,
                json!({"site": {"closed_for": [closed_for], "close_message": ""}}),
            )
            .await;
            for (platform, header, value) in clients {
                let request = from(header, value, &format!("{platform}-{number}"));
                let answer = site.send(&request).await;
                if platform == *closed_for {
                    let errors = json!([{"status": "401", "code": "site_closed", "detail": ["站点已关闭！"]}]);
                    assert_refused(&answer, 401, &errors, value);
                } else {
                    assert_eq!(
                        answer.status, 200,
                        "{platform} while {closed_for} is closed"
                    );
                }
            }
        }
        assert_eq!(site.count().await, 6);
        change(&site, json!({"site": {"closed_for": ["pc", "h5", "miniprogram"], "close_message": "春节休息"}}))
            .await;
        let own_text = json!([{"status": "401", "code": "site_closed", "detail": ["春节休息"]}]);
        for (_, header, value) in clients {
            let answer = site.send(&from(header, value, "nobody")).await;
            assert_refused(&answer, 401, &own_text, value);
        }
        assert_eq!(site.count().await, 6);
    }
}

async fn texts_come_in_the_language_asked_for(backend: Backend) {
    let stage = Stage::new(backend).await;
    let chinese = stage.tenant("chinese", "standard", json!({})).await;
    let english = stage
        .tenant("english", "discuzq", json!({"locale": "en"}))
        .await;
    let empty = |words: [&str; 2]| {
        json!([
            fault("username", &[words[0]]),
            fault("password", &[words[1]])
        ])
    };
    let (zh, en) = (
        empty(["用户名 不能为空。", "密码 不能为空。"]),
        empty([
            "The user name must not be empty.",
            "The password must not be empty.",
        ]),
    );
    for (asked, for_chinese, for_english) in [
        (None, &zh, &en),
        (Some("en"), &en, &en),
        (Some("en-GB,zh;q=0.5"), &en, &en),
        (Some("zh-CN"), &zh, &zh),
        (Some("zh-Hant-TW, en;q=0.9"), &zh, &zh),
        (Some("en;q=0.2, zh;q=0.8"), &zh, &zh),
        (Some("fr, de;q=0.9"), &zh, &en),
        (Some(";;q=,\u{e9}"), &zh, &en),
    ] {
        for (site, errors) in [(&chinese, for_chinese), (&english, for_english)] {
            let mut request = site.request(&json!({}));
            if let Some(languages) = asked {
                request = request.header("Accept-Language", languages);
            }
            let answer = site.send(&request).await;
            assert_refused(&answer, 422, errors, &format!("{asked:?} at {}", site.key));
        }
    }
    english.welcomes("taken").await;
    let words = json!([{"word": "evil", "action": "banned"}]);
    change(
        &english,
        json!({"registration": {"words": words}, "password": {"require": ["digit", "symbol"]}}),
    )
    .await;
    for (attributes, errors) in [
        (
            json!({"username": "TAKEN", "password": "wX7_q9!"}),
            json!([
                fault("username", &["The user name is already taken."]),
                fault(
                    "password",
                    &["The password must be at least 8 characters long."]
                ),
            ]),
        ),
        (
            json!({"username": "x".repeat(16), "password": "password"}),
            json!([
                fault(
                    "username",
                    &["The user name must not be longer than 15 characters."]
                ),
                fault(
                    "password",
                    &[
                        "The password must hold a digit and a symbol.",
                        "The password is too common.",
                    ],
                ),
            ]),
        ),
        (
            json!({"username": "匿名用户", "password": "english_1", "register_reason": "\0"}),
            json!([
                fault("username", &["The user name is not valid."]),
                fault(
                    "password",
                    &["The password must not hold the user name or the name of the site."]
                ),
                fault(
                    "register_reason",
                    &["The reason to register holds a character that is not allowed."]
                ),
            ]),
        ),
        (
            json!({"username": true, "password": PASSWORD}),
            json!([fault("username", &["The user name must be a string."])]),
        ),
        (
            json!({"username": "evil", "password": PASSWORD}),
            json!([{
                "status": "422",
                "code": "content_banned",
                "detail": ["The user name holds a word that may not be registered."],
            }]),
        ),
    ] {
        english.refuses(attributes, 422, errors).await;
    }
}

async fn an_access_token_that_comes_along_must_be_good(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let key = format!("{dialect}-b");
        let neighbour = stage.tenant(&key, dialect, json!({})).await;
        let token_at = async |site: &Site<'_>, name: &str| {
            let answer = site
                .register(json!({"username": name, "password": PASSWORD}))
                .await;
            let document = answer.expect(200);
            text_of(&document["data"]["attributes"]["access_token"]).to_owned()
        };
        let own = token_at(&site, "owner").await;
        let foreign = token_at(&neighbour, "owner").await;

        let with = |name: &str, field: &str| {
            site.request(&json!({"username": name, "password": PASSWORD}))
                .header("Authorization", field)
        };
        for (number, field) in [
            format!("Bearer {own}"),
            format!("bearer {own}"),
            own.clone(),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = site.send(&with(&format!("second-{number}"), &field)).await;
            assert_eq!(answer.status, 200, "{field}: {}", answer.text());
        }
        let before = site.count().await;
        let random = site.send(&with("third", "Bearer AAAA.BBBB.CCCC")).await;
        assert_access_denied(&site, &random);
        let mut forged = own.clone();
        forged.replace_range(
            own.len() - 4..own.len() - 3,
            if own.as_bytes()[own.len() - 4] == b'A' {
                "B"
            } else {
                "A"
            },
        );
        for field in [
            format!("Bearer {foreign}"),
            format!("Bearer {forged}"),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            String::new(),
            "Basic YTpi".to_owned(),
            format!("Bearer {own} {own}"),
            format!("Bearer {}", "x".repeat(9000)),
            "Bearer \u{e9}".to_owned(),
        ] {
            let answer = site.send(&with("third", &field)).await;
            // Not even the length of the answer tells another tenant's token from a made-up one (row 1).
            assert_eq!(
                (answer.status, answer.text()),
                (random.status, random.text()),
                "{field}"
            );
        }
        let by_query = |token: &str, name: &str| {
            Request::new("POST", &format!("/api/register?token={token}"))
                .header("X-Tenant-Id", dialect)
                .json(&json!({"data": {"attributes": {"username": name, "password": PASSWORD}}}))
        };
        assert_eq!(site.count().await, before);
        let answer = site.send(&by_query("junk", "query")).await;
        if site.is_standard() {
            assert_eq!(answer.status, 200, "the query is not read");
        } else {
            assert_access_denied(&site, &answer);
            let answer = site.send(&by_query(&own, "query")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }

        for (status, code, text) in [
            (1, "ban_user", "您的账号被禁用，无法访问本站点"),
            (2, "register_validate", "帐号审核中，请审核通过后尝试"),
            (3, "validate_reject", "帐号审核拒绝，请联系管理员"),
            (4, "validate_ignore", "帐号审核忽略，请联系管理员"),
        ] {
            let update = format!(
                "UPDATE users SET status = {status} WHERE username = 'owner' AND tenant_id = {}",
                site.id
            );
            site.sql(&update).await;
            let answer = site.send(&with("fourth", &format!("Bearer {own}"))).await;
            assert_refused(&answer, 401, &site.policy(code, text), code);
        }
        assert!(site.user("fourth").await.is_none());
    }
}

/// The one answer to every access token that is no good; `discuzq` has it in the shape of OAuth errors.
fn assert_access_denied(site: &Site<'_>, answer: &Answer) {
    let document = answer.json();
    if site.is_standard() {
        let errors = json!([{"status": "401", "code": "access_denied", "detail": ["拒绝访问"]}]);
        assert_refused(answer, 401, &errors, "a bad token");
    } else {
        let detail: &Map<String, Value> = document["errors"][0]["detail"]
            .as_object()
            .unwrap_or_else(|| panic!("no object in {document}"));
        let members: Vec<&str> = detail.keys().map(String::as_str).collect();
        assert_eq!(members, ["error", "error_description", "hint", "message"]);
        assert_eq!(detail["error"], "access_denied");
        assert!(detail.values().all(Value::is_string), "{document}");
        let errors = json!([{"status": 401, "code": "access_denied", "detail": detail}]);
        assert_refused(answer, 401, &errors, "a bad token");
    }
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
}

/// Section 1, where the dialects differ.
async fn a_body_is_read_as_its_type_says(backend: Backend) {
    let stage = Stage::new(backend).await;
    for dialect in DIALECTS {
        let site = stage.tenant(dialect, dialect, json!({})).await;
        let json_body = |name: &str| {
            json!({"data": {"attributes": {"username": name, "password": PASSWORD}}}).to_string()
        };
        let form_body = |name: &str| {
            format!(
                "data%5Battributes%5D[username]={name}&data[attributes][password]=wX7_q9!-+lamp"
            )
        };
        let post = |content_type: Option<&str>, body: String| {
            let request = Request::new("POST", "/api/register")
                .header("X-Tenant-Id", dialect)
                .body(body);
            match content_type {
                Some(content_type) => request.header("Content-Type", content_type),
                None => request,
            }
        };
        for (number, content_type) in [
            "application/vnd.api+json",
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/vnd.api+json;charset=\"utf-8\"",
        ]
        .into_iter()
        .enumerate()
        {
            let answer = site
                .send(&post(
                    Some(content_type),
                    json_body(&format!("json-{number}")),
                ))
                .await;
            assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
        }
        let unsupported = json!([{
            "status": "415", "code": "unsupported_media_type", "detail": ["不支持的内容类型。"],
        }]);
        let nothing = json!([
            fault("username", &["用户名 不能为空。"]),
            fault("password", &["密码 不能为空。"]),
        ]);
        // What only the lenient dialect reads.
        for (number, (content_type, body)) in [
            ("text/json", json_body("lenient-0")),
            ("application/json; charset=gbk", json_body("lenient-1")),
            ("application/x-www-form-urlencoded", form_body("lenient-2")),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = site.send(&post(Some(content_type), body)).await;
            if site.is_standard() {
                assert_refused(&answer, 415, &unsupported, content_type);
            } else {
                assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
                assert!(site.user(&format!("lenient-{number}")).await.is_some());
            }
        }
        // What neither reads.
        for content_type in [None, Some(""), Some("text/plain"), Some("application/xml")] {
            let answer = site.send(&post(content_type, json_body("nobody"))).await;
            if site.is_standard() {
                assert_refused(&answer, 415, &unsupported, &format!("{content_type:?}"));
            } else {
                assert_refused(&answer, 422, &nothing, &format!("{content_type:?}"));
            }
        }
        let multipart = "multipart/form-data; boundary=x";
        let answer = site.send(&post(Some(multipart), json_body("nobody"))).await;
        assert_refused(&answer, 415, &unsupported, multipart);
        let gzip = post(Some(MEDIA_TYPE), json_body("nobody")).header("Content-Encoding", "gzip");
        let answer = site.send(&gzip).await;
        let encoded = json!([{
            "status": "415", "code": "unsupported_content_encoding", "detail": ["不支持的内容编码。"],
        }]);
        assert_refused(&answer, 415, &encoded, "gzip");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
        let identity =
            post(Some(MEDIA_TYPE), json_body("identity")).header("Content-Encoding", "identity");
        assert_eq!(site.send(&identity).await.status, 200);

        for (body, code, text) in [
            ("{", "malformed_json", "请求体不是有效的 JSON。"),
            ("", "malformed_json", "请求体不是有效的 JSON。"),
            (
                r#"{"data":{"attributes":{"username":"a","\u0075sername":"b"}}}"#,
                "duplicate_key",
                "请求体包含重复的成员名。",
            ),
            (&*"[".repeat(33), "too_deep", "请求体嵌套过深。"),
        ] {
            let answer = site.send(&post(Some(MEDIA_TYPE), body.to_owned())).await;
            if !site.is_standard() && code == "malformed_json" {
                assert_refused(&answer, 422, &nothing, body);
            } else {
                let errors = json!([{"status": "400", "code": code, "detail": [text]}]);
                assert_refused(&answer, 400, &errors, body);
            }
        }
        let accepts = post(Some(MEDIA_TYPE), json_body("accepts")).header("Accept", "text/html");
        assert_eq!(
            site.send(&accepts).await.status,
            200,
            "Accept is not looked at"
        );

        for (method, path, status, code, text) in [
            (
                "GET",
                "/api/register",
                405,
                "method_not_allowed",
                "请求方法不被允许。",
            ),
            (
                "DELETE",
                "/api/register",
                405,
                "method_not_allowed",
                "请求方法不被允许。",
            ),
            (
                "POST",
                "/api/registers",
                404,
                "route_not_found",
                "接口不存在。",
            ),
        ] {
            let request = Request::new(method, path).header("X-Tenant-Id", dialect);
            let answer = site.send(&request).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.error_code(), code);
            assert_eq!(answer.error()["detail"], json!([text]));
            let allow = (status == 405).then_some("POST");
            assert_eq!(answer.header("allow"), allow);
        }
    }
}
