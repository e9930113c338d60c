//! The rows.

use serde_json::{Value, json};

use super::stage::MINI_PROGRAM;
use super::{Call, Expected, Row, Step};

const PASSWORD: &str = "wX7_q9!-lamp";
const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64)";

// What both dialects answer, standard first.

fn same(status: u16, errors: &Value) -> [Expected; 2] {
    [errors.clone(), errors.clone()].map(|errors| Expected::refused(status, errors))
}

/// An error object of `standard`; without a field no pointer.
fn strict(status: u16, code: &str, text: &str, field: &str) -> Value {
    let mut error = json!({"status": status.to_string(), "code": code, "detail": [text]});
    if !field.is_empty() {
        error["source"] = json!({"pointer": pointer(field)});
    }
    error
}

fn pointer(field: &str) -> String {
    match field {
        "data" => "/data".to_owned(),
        field => format!("/data/attributes/{field}"),
    }
}

/// Field faults: alike in both.
fn faults(fields: &[(&str, &[&str])]) -> [Expected; 2] {
    same(422, &fault_list(fields))
}

fn fault_list(fields: &[(&str, &[&str])]) -> Value {
    let errors = fields.iter().map(|(field, texts)| {
        json!({
            "status": "422", "code": "validation_error", "detail": texts,
            "source": {"pointer": pointer(field)},
        })
    });
    errors.collect()
}

fn fault(field: &str, text: &str) -> [Expected; 2] {
    faults(&[(field, &[text])])
}

/// A code and a text: alike in both.
fn listed(status: u16, code: &str, text: &str) -> [Expected; 2] {
    same(status, &json!([strict(status, code, text, "")]))
}

/// `discuzq` shows the code alone, at this status.
fn bare(status: u16, code: &str, text: &str, original: u16) -> [Expected; 2] {
    let bare = json!([{"status": original.to_string(), "code": code}]);
    [
        Expected::refused(status, json!([strict(status, code, text, "")])),
        Expected::refused(original, bare),
    ]
}

/// Policy and standing.
fn policy(code: &str, text: &str) -> [Expected; 2] {
    bare(401, code, text, 401)
}

/// A field with a code of its own: `discuzq` knows no pointer there.
fn own(code: &str, text: &str, field: &str) -> [Expected; 2] {
    [
        Expected::refused(422, json!([strict(422, code, text, field)])),
        Expected::refused(422, json!([strict(422, code, text, "")])),
    ]
}

/// The same, where the original's code is itself the text.
fn renamed(code: &str, text: &str, field: &str, original: &str) -> [Expected; 2] {
    [
        Expected::refused(422, json!([strict(422, code, text, field)])),
        Expected::refused(422, json!([strict(422, original, original, "")])),
    ]
}

/// The shape of OAuth errors in `discuzq`.
fn oauth(status: u16, code: &str, text: &str, hint: &str, field: &str) -> [Expected; 2] {
    let detail = json!({"error": code, "error_description": text, "hint": hint, "message": text});
    let original = json!([{"status": status, "code": code, "detail": detail}]);
    [
        Expected::refused(status, json!([strict(status, code, text, field)])),
        Expected::refused(status, original),
    ]
}

/// What a proven identity without an account goes on with.
fn unbound(code: &str, text: &str, token: &str, user: &Value) -> [Expected; 2] {
    let mut error = strict(400, code, text, "");
    error["meta"] = json!({"token": token, "user": user});
    let original = json!([{"status": 400, "code": code, "token": token, "user": user}]);
    [
        Expected::refused(400, json!([error])),
        Expected::refused(400, original),
    ]
}

// What is asked.

fn account(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD})
}

fn with(mut attributes: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("an object of attributes") {
        attributes[name] = value.clone();
    }
    attributes
}

fn triple() -> Value {
    json!({"js_code": "{js_code}", "iv": "{iv}", "encryptedData": "{encryptedData}"})
}

/// Registers with this besides a name and a password.
fn register(name: &str, more: &Value) -> Call {
    Call::register(&with(account(name), more))
}

fn login(name: &str, more: &Value) -> Call {
    Call::login(&with(account(name), more))
}

fn wrong_password() -> Call {
    Call::login(&json!({"username": "ada", "password": "not it, not it"}))
}

fn refresh(token: &str) -> Call {
    Call::post("/api/refresh-token", &json!({"refresh_token": token}))
}

fn logout() -> Call {
    Call::new("POST", "/api/logout")
}

/// An account, whose tokens are remembered.
fn member(name: &str) -> Step {
    Step::Call(200, register(name, &json!({})))
}

fn mini_program() -> Value {
    json!({"wechat": {"mini_program": {"app_id": MINI_PROGRAM, "app_secret": "simulated-secret"}}})
}

fn captcha() -> Value {
    json!({
        "captcha": {
            "provider": "tencent", "secret_id": "AKIDsimulated0000000000000000000000",
            "secret_key": "simulated-tencent-secret-key", "captcha_app_id": 190_000_000,
            "app_secret_key": "simulated-captcha-secret",
        },
        "captcha_rules": {"on_register": true, "on_sms": true},
    })
}

/// The rows of the register call, of logins by password, and of what every call can meet.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = transport();
    rows.extend(fields());
    rows.extend(policies());
    rows.extend(standing());
    rows.extend(sessions());
    rows.extend(proofs());
    rows
}

/// Sections 1, 5, 14 and 15: refused before anybody looks at an attribute.
fn transport() -> Vec<Row> {
    let good = || json!({"data": {"attributes": account("ada")}}).to_string();
    let plain = |body: &str| Call::new("POST", "/api/register").body(body);
    let nothing_came: &[(&str, &[&str])] = &[
        ("username", &["用户名 不能为空。"]),
        ("password", &["密码 不能为空。"]),
    ];
    let without_attributes = || Expected::refused(422, fault_list(nothing_came));
    let one_call = json!({"per_address": {"calls": 1, "seconds": 60}});
    vec![
        Row::new(
            "a body that is no JSON",
            plain("{"),
            [
                Expected::refused(
                    400,
                    json!([strict(400, "malformed_json", "请求体不是有效的 JSON。", "")]),
                ),
                without_attributes(),
            ],
        ),
        Row::new(
            "a document without data",
            plain(r#"{"data":null}"#),
            [
                Expected::refused(
                    422,
                    fault_list(&[("data", &["data 必须是对象，并包含 attributes 对象。"])]),
                ),
                without_attributes(),
            ],
        ),
        Row::new(
            "a member twice",
            plain(r#"{"data":{"attributes":{"username":"a","username":"b"}}}"#),
            listed(400, "duplicate_key", "请求体包含重复的成员名。"),
        ),
        Row::new(
            "a deep body",
            plain(&"[".repeat(40)),
            listed(400, "too_deep", "请求体嵌套过深。"),
        ),
        Row::new(
            "a long body",
            plain(&" ".repeat(65_537)),
            listed(413, "body_too_large", "请求体过大。"),
        ),
        Row::new(
            "a multipart form",
            plain(&good()).header("Content-Type", "multipart/form-data; boundary=x"),
            listed(415, "unsupported_media_type", "不支持的内容类型。"),
        ),
        Row::new(
            "a compressed body",
            plain(&good()).header("Content-Encoding", "gzip"),
            listed(415, "unsupported_content_encoding", "不支持的内容编码。"),
        ),
        Row::new(
            "a malformed host",
            plain(&good()).header("Host", "x@y"),
            listed(400, "bad_host", "主机名格式不正确。"),
        ),
        Row::new(
            "two tenants",
            plain(&good())
                .header("X-Tenant-Id", "{tenant}")
                .header("X-Tenant-Id", "other"),
            listed(400, "tenant_ambiguous", "请求指明了多个站点。"),
        ),
        Row::new(
            "an unknown tenant",
            plain(&good()).header("X-Tenant-Id", "nobody-is-here"),
            listed(404, "tenant_not_found", "站点不存在。"),
        ),
        Row::new(
            "an unknown path",
            Call::new("GET", "/api/nothing"),
            listed(404, "route_not_found", "接口不存在。"),
        ),
        Row::new(
            "a wrong method",
            Call::new("PUT", "/api/register").body(&good()),
            listed(405, "method_not_allowed", "请求方法不被允许。"),
        ),
        Row::new(
            "a malformed idempotency key",
            plain(&good()).header("Idempotency-Key", "\"\""),
            listed(400, "idempotency_key_invalid", "幂等键格式不正确。"),
        ),
        Row::new(
            "an idempotency key for another body",
            register("bob", &json!({})).header("Idempotency-Key", "key-1"),
            listed(
                422,
                "idempotency_key_reused",
                "此幂等键已用于其他请求内容。",
            ),
        )
        .after(vec![Step::Call(
            200,
            register("ada", &json!({})).header("Idempotency-Key", "key-1"),
        )]),
        Row::new(
            "one call too many",
            register("bob", &json!({})),
            listed(429, "too_many_requests", "请求太频繁，请稍后重试"),
        )
        .at(json!({"limits": one_call}))
        .after(vec![member("ada")]),
    ]
}

/// Section 4.3, as far as the register call and the login have its fields.
fn fields() -> Vec<Row> {
    let approval = || json!({"registration": {"approval": true}});
    let classes = json!(["digit", "lowercase", "symbol", "uppercase"]);
    let reason = |text: &str| register("ada", &json!({"register_reason": text}));
    let ticket = |name: &str, ticket: &str| {
        let answer = json!({"captcha_ticket": ticket, "captcha_rand_str": "@x"});
        register(name, &answer)
    };
    let mut rows = vec![
        Row::new(
            "no name",
            Call::register(&json!({"password": PASSWORD})),
            fault("username", "用户名 不能为空。"),
        ),
        Row::new(
            "a long name",
            register("abcdefghijklmnop", &json!({})),
            fault("username", "用户名 不能大于 15 个字符。"),
        ),
        Row::new(
            "a taken name",
            register("Ada", &json!({})),
            fault("username", "用户名 已经存在。"),
        )
        .after(vec![member("ada")]),
        Row::new(
            "the name of everybody",
            register("匿名用户", &json!({})),
            fault("username", "无效的用户名。"),
        ),
        Row::new(
            "no password",
            Call::register(&json!({"username": "ada"})),
            fault("password", "密码 不能为空。"),
        ),
        Row::new(
            "a long password",
            Call::register(&json!({"username": "ada", "password": "Zq7-".repeat(40)})),
            [
                Expected::refused(
                    422,
                    fault_list(&[("password", &["密码 不能大于 128 个字符。"])]),
                ),
                Expected::refused(
                    422,
                    fault_list(&[("password", &["密码 不能大于 50 个字符。"])]),
                ),
            ],
        ),
        Row::new(
            "a short password",
            Call::register(&json!({"username": "ada", "password": "wX7_q9!"})),
            fault("password", "密码 至少为 8 个字符。"),
        ),
        Row::new(
            "a weak password",
            Call::register(&json!({"username": "ada", "password": "lamp-shade-tower"})),
            fault(
                "password",
                "密码格式不正确，必须包含数字、小写字母、符号、大写字母。",
            ),
        )
        .at(json!({"password": {"require": classes}})),
        Row::new(
            "a password that is short and weak",
            Call::register(&json!({"username": "ada", "password": "wxq"})),
            faults(&[(
                "password",
                &["密码 至少为 8 个字符。", "密码格式不正确，必须包含数字。"],
            )]),
        )
        .at(json!({"password": {"require": ["digit"]}})),
        Row::new(
            "a common password",
            Call::register(&json!({"username": "ada", "password": "password123"})),
            fault("password", "密码 过于常见。"),
        ),
        Row::new(
            "a password with the name in it",
            Call::register(&json!({"username": "wolfgangus", "password": "1Wolfgangus99"})),
            fault("password", "密码 不能包含用户名或站点名。"),
        ),
        Row::new(
            "a blank reason",
            reason(" "),
            fault("register_reason", "注册原因 不能为空。"),
        )
        .at(approval()),
        Row::new(
            "a long reason",
            reason(&"愿".repeat(51)),
            fault("register_reason", "注册原因 不能大于 50 个字符。"),
        )
        .at(approval()),
        Row::new(
            "a reason with a NUL",
            reason("a\0b"),
            fault("register_reason", "注册原因 包含不允许的字符。"),
        )
        .at(approval()),
        Row::new(
            "no captcha",
            register("ada", &json!({})),
            fault("captcha", "验证码 错误。"),
        )
        .at(captcha()),
        Row::new(
            "a captcha that was not passed",
            ticket("ada", "bad"),
            fault("captcha", "验证码 错误。9"),
        )
        .at(captcha()),
        Row::new(
            "a captcha that was used",
            ticket("bob", "good-{tenant}"),
            fault("captcha", "验证码 错误。8"),
        )
        .at(captcha())
        .after(vec![Step::Call(200, ticket("ada", "good-{tenant}"))]),
        Row::new(
            "faults of two fields",
            Call::register(&json!({"username": "匿名用户", "password": "wX7_q9!"})),
            faults(&[
                ("username", &["无效的用户名。"]),
                ("password", &["密码 至少为 8 个字符。"]),
            ]),
        ),
        Row::new(
            "an empty mobileToken at a login",
            login("ada", &json!({"mobileToken": ""})),
            fault("mobileToken", "mobile token 不能为空。"),
        ),
        Row::new(
            "a login without name and password",
            Call::login(&json!({})),
            faults(&[
                ("username", &["用户名 不能为空。"]),
                ("password", &["密码 不能为空。"]),
            ]),
        ),
    ];
    for (attribute, name) in [
        ("password", "密码"),
        ("token", "token"),
        ("mobileToken", "mobile token"),
        ("js_code", "js code"),
        ("iv", "iv"),
        ("encryptedData", "encrypted data"),
    ] {
        rows.push(Row::new(
            &format!("{attribute} of a wrong type"),
            register("ada", &json!({attribute: {}})),
            fault(attribute, &format!("{name} 必须是字符串。")),
        ));
    }
    rows
}

/// Section 2.5: the tenant's policy.
fn policies() -> Vec<Row> {
    let words = json!([{"word": "casino", "action": "banned"}]);
    let code = |code: &str| register("ada", &json!({"code": code}));
    let unknown = || {
        let text = "无效的邀请码。";
        renamed("invite_invalid", text, "code", "解密邀请码失败")
    };
    let from_desktop = || register("ada", &json!({})).header("User-Agent", DESKTOP);
    vec![
        Row::new(
            "registration is closed",
            register("ada", &json!({})),
            policy("register_close", "注册关闭"),
        )
        .at(json!({"registration": {"open": false}})),
        Row::new(
            "an account that awaits approval",
            register("ada", &json!({"register_reason": "I like it"})),
            policy("register_validate", "帐号审核中，请审核通过后尝试"),
        )
        .at(json!({"registration": {"approval": true}})),
        Row::new(
            "no reason where one is asked for",
            register("ada", &json!({})),
            own(
                "setting_fill_register_reason",
                "注册时的注册原因必须必填",
                "register_reason",
            ),
        )
        .at(json!({"registration": {"approval": true}})),
        Row::new(
            "a banned word",
            register("CasinoRoyale", &json!({})),
            own("content_banned", "当前用户名包含禁止注册的词语", "username"),
        )
        .at(json!({"registration": {"words": words}})),
        Row::new("an unknown long code", code(&"A".repeat(32)), unknown()),
        // The original crashed here, and answered with the text of its crash.
        Row::new("an unknown short code", code("NOBODYS"), unknown()),
        Row::new(
            "no code where one is demanded",
            register("ada", &json!({"code": ""})),
            own("invite_required", "邀请码 不能为空。", "code"),
        )
        .at(json!({"registration": {"invite_required": true}})),
        Row::new(
            "a closed site",
            from_desktop(),
            listed(401, "site_closed", "站点已关闭！"),
        )
        .at(json!({"site": {"closed_for": ["pc"]}})),
        Row::new(
            "a closed site with a text of its own",
            from_desktop(),
            listed(401, "site_closed", "春节休息"),
        )
        .at(json!({"site": {"closed_for": ["pc"], "close_message": "春节休息"}})),
    ]
}

/// Section 10.6: accounts that may do nothing, at a login and at any other call.
fn standing() -> Vec<Row> {
    let mut rows = Vec::new();
    for (status, code, text) in [
        (1, "ban_user", "您的账号被禁用，无法访问本站点"),
        (2, "register_validate", "帐号审核中，请审核通过后尝试"),
        (3, "validate_reject", "帐号审核拒绝，请联系管理员"),
        (4, "validate_ignore", "帐号审核忽略，请联系管理员"),
    ] {
        for (what, call) in [
            ("a login", login("ada", &json!({}))),
            ("a refresh", refresh("{refresh}")),
            ("a logout", logout().by_caller()),
            (
                "a registration by a caller",
                register("bob", &json!({})).by_caller(),
            ),
        ] {
            rows.push(
                Row::new(
                    &format!("{what} at standing {status}"),
                    call,
                    policy(code, text),
                )
                .after(vec![member("ada"), Step::Standing(status)]),
            );
        }
    }
    rows
}

/// Sections 10.1 and 10.5: logins by password, and what follows from them.
fn sessions() -> Vec<Row> {
    let denied = || oauth(401, "access_denied", "拒绝访问", "访问令牌无效或已过期", "");
    let refused = || {
        let text = "Cannot decrypt the refresh token";
        oauth(401, "invalid_request", text, text, "refresh_token")
    };
    let missing = "Check the `refresh_token` parameter";
    let four_wrong = || {
        let mut steps = vec![member("ada")];
        steps.extend((0..4).map(|_| Step::Call(403, wrong_password())));
        steps
    };
    let locked = || {
        bare(
            429,
            "login_failures_times_toplimit",
            "密码错误次数达到 5 次，请 15 分钟后再次尝试",
            402,
        )
    };
    vec![
        Row::new(
            "a wrong password",
            wrong_password(),
            listed(403, "login_failed", "登录失败，您还可以尝试4次"),
        )
        .after(vec![member("ada")]),
        Row::new(
            "the last try but one",
            wrong_password(),
            listed(403, "login_failed", "登录失败，您还可以尝试1次"),
        )
        .after(four_wrong().into_iter().take(4).collect()),
        // Nothing tells it from a wrong password.
        Row::new(
            "an unknown name",
            wrong_password(),
            listed(403, "login_failed", "登录失败，您还可以尝试4次"),
        ),
        Row::new("one wrong password too many", wrong_password(), locked()).after(four_wrong()),
        Row::new(
            "no login where one is needed",
            logout(),
            policy("not_authenticated", "请登录"),
        ),
        Row::new(
            "a made-up access token",
            logout().header("Authorization", "Bearer a.b.c"),
            denied(),
        ),
        Row::new(
            "a made-up access token at a registration",
            register("ada", &json!({})).header("Authorization", "Bearer a.b.c"),
            denied(),
        ),
        Row::new(
            "the access token of a session that ended",
            logout().by_caller(),
            denied(),
        )
        .after(vec![member("ada"), Step::Call(204, logout().by_caller())]),
        Row::new(
            "no refresh token",
            Call::post("/api/refresh-token", &json!({})),
            oauth(400, "invalid_request", missing, missing, "refresh_token"),
        ),
        Row::new("a made-up refresh token", refresh("def502"), refused()),
        Row::new(
            "a refresh token that was used",
            refresh("{last_refresh}"),
            refused(),
        )
        .after(vec![
            member("ada"),
            Step::Call(200, refresh("{refresh}")),
            // The new access token is used, so its answer has arrived.
            Step::Call(422, register("ada", &json!({})).by_caller()),
        ]),
        Row::new(
            "the refresh token of a session that ended",
            refresh("{refresh}"),
            refused(),
        )
        .after(vec![member("ada"), Step::Call(204, logout().by_caller())]),
    ]
}

/// Sections 7 to 9: what a user offers to be bound, at the register call and at a login.
fn proofs() -> Vec<Row> {
    let bound = || own("account_has_been_bound", "用户或微信已绑定", "js_code");
    let unreadable = || {
        renamed(
            "encrypted_data_invalid",
            "encrypted data 无法解密。",
            "encryptedData",
            "The given payload is invalid.",
        )
    };
    let bound_ada = || {
        vec![
            Step::MiniProgram(json!({})),
            Step::Call(200, register("ada", &triple())),
            Step::Call(200, register("bob", &json!({}))),
            Step::MiniProgram(json!({})),
        ]
    };
    let unproven = |attribute: &str| register("ada", &json!({attribute: "x".repeat(40)}));
    let mut rows = vec![
        Row::new(
            "a mini program's account that is another's",
            register("carol", &triple()),
            bound(),
        )
        .at(mini_program())
        .after(bound_ada()),
        Row::new("the same at a login", login("bob", &triple()), bound())
            .at(mini_program())
            .after(bound_ada()),
        Row::new(
            "a js_code that was used",
            register("bob", &triple()),
            renamed(
                "js_code_invalid",
                "js code 无效或已使用。",
                "js_code",
                "code been used",
            ),
        )
        .at(mini_program())
        .after(vec![
            Step::MiniProgram(json!({})),
            Step::Call(200, register("ada", &triple())),
        ]),
        Row::new(
            "a js_code that WeChat does not know",
            register(
                "ada",
                &json!({"js_code": "made-up-{tenant}", "iv": "AAAA", "encryptedData": "AAAA"}),
            ),
            renamed("wechat_refused", "invalid code", "js_code", "invalid code"),
        )
        .at(mini_program()),
        // What means something in an address means nothing in a code.
        Row::new(
            "a js_code that wants to be more",
            register(
                "ada",
                &json!({
                    "js_code": "x{tenant}&appid=wx9#%00\r\nX: y\0", "iv": "AAAA", "encryptedData": "AAAA",
                }),
            ),
            renamed("wechat_refused", "invalid code", "js_code", "invalid code"),
        )
        .at(mini_program()),
        Row::new(
            "an iv of a wrong length",
            register("ada", &with(triple(), &json!({"iv": "AAAA"}))),
            unreadable(),
        )
        .at(mini_program())
        .after(vec![Step::MiniProgram(json!({}))]),
        Row::new(
            "a mini program's data at a site without one",
            register(
                "ada",
                &json!({"js_code": "a", "iv": "b", "encryptedData": "c"}),
            ),
            listed(422, "not_offered", "站点未开启此登录方式。"),
        ),
    ];
    for (what, options) in [
        ("another user's data", json!({"tamper": true})),
        ("another app's data", json!({"watermark_appid": "wx9"})),
        ("old data", json!({"age_seconds": 3600})),
    ] {
        rows.push(
            Row::new(what, register("ada", &triple()), unreadable())
                .at(mini_program())
                .after(vec![Step::MiniProgram(options)]),
        );
    }
    for attribute in ["token", "mobileToken"] {
        let text = "凭证无效或已过期。";
        let strict_rules = json!({"registration": {"strict_tokens": true}});
        rows.push(
            Row::new(
                &format!("a {attribute} that proves nothing, at a strict site"),
                unproven(attribute),
                own("token_invalid", text, attribute),
            )
            .at(strict_rules),
        );
        // The original looked no closer; its clients send what is long dead.
        let [standard, _] = own("token_invalid", text, attribute);
        rows.push(Row::new(
            &format!("a {attribute} that proves nothing"),
            unproven(attribute),
            [standard, Expected::accepted(200)],
        ));
    }
    rows
}

const PHONE: &str = "13800138000";

fn sms() -> Value {
    json!({"sms": {
        "provider": "tencent", "secret_id": "AKIDsimulated0000000000000000000000",
        "secret_key": "simulated-tencent-secret-key", "sdk_app_id": "1400000000",
        "sign_name": "Simulated", "template_id": "1000000",
    }})
}

fn all_ways() -> Value {
    let app = |number: u32| json!({"app_id": format!("wx000000000000000{number}"), "app_secret": "simulated-secret"});
    let wechat = json!({"official_account": app(1), "mini_program": app(3)});
    with(
        sms(),
        &json!({"wechat": wechat, "cors": {"origins": ["http://localhost"]}}),
    )
}

fn send_code(purpose: &str, phone: &str) -> Call {
    Call::post("/api/sms/send", &json!({"type": purpose, "mobile": phone}))
}

fn check_code(purpose: &str, phone: &str, more: &Value) -> Call {
    let asked = json!({"type": purpose, "mobile": phone, "code": "{sms_code}"});
    Call::post("/api/sms/verify", &with(asked, more))
}

/// A code of this kind on its way to the phone, known.
fn code_sent(purpose: &str, phone: &'static str) -> Vec<Step> {
    vec![
        Step::Done(send_code(purpose, phone).by_caller()),
        Step::SmsCode(phone),
    ]
}

/// The rows of the other ways in, and of what members do.
pub(super) fn neighbours() -> Vec<Row> {
    let mut rows = by_sms();
    rows.extend(by_phone_token());
    rows.extend(by_wechat());
    rows.extend(by_mini_program());
    rows.extend(among_members());
    rows
}

/// Section 10.3.
fn by_sms() -> Vec<Row> {
    let guest_code = || vec![Step::Done(send_code("login", PHONE)), Step::SmsCode(PHONE)];
    let closed = json!({"open": false});
    let approval = json!({"approval": true});
    let owner = || {
        let mut steps = guest_code();
        steps.push(Step::Call(
            200,
            check_code("login", PHONE, &json!({"register": 1})),
        ));
        steps
    };
    vec![
        Row::new(
            "no account for SMS",
            send_code("login", PHONE),
            fault("mobile", "短信服务未开启。"),
        ),
        Row::new(
            "no purpose",
            Call::post("/api/sms/send", &json!({"mobile": PHONE})),
            fault("type", "类型 不能为空。"),
        )
        .at(sms()),
        Row::new(
            "an unknown purpose",
            send_code("spam", PHONE),
            fault("type", "已选的属性 类型 非法。"),
        )
        .at(sms()),
        Row::new(
            "no number",
            Call::post("/api/sms/send", &json!({"type": "login"})),
            fault("mobile", "手机号 不能为空。"),
        )
        .at(sms()),
        Row::new(
            "a number that is somebody's",
            send_code("bind", PHONE).by_caller(),
            fault("mobile", "手机号 已经存在。"),
        )
        .at(sms())
        .after(owner()),
        Row::new(
            "a number that is nobody's",
            send_code("reset_pwd", PHONE),
            fault("mobile", "手机号 不存在。"),
        )
        .at(sms()),
        Row::new(
            "a code without a captcha",
            send_code("login", PHONE),
            fault("captcha", "验证码 错误。"),
        )
        .at(with(sms(), &captcha())),
        Row::new(
            "a second code at once",
            send_code("login", PHONE),
            listed(429, "too_many_requests", "请求太频繁，请稍后重试"),
        )
        .at(sms())
        .after(guest_code()),
        Row::new(
            "a check without a purpose",
            Call::post(
                "/api/sms/verify",
                &json!({"mobile": PHONE, "code": "123456"}),
            ),
            fault("sms_type", "验证码类型 不能为空。"),
        )
        .at(sms()),
        Row::new(
            "a check without a code",
            Call::post(
                "/api/sms/verify",
                &json!({"mobile": PHONE, "type": "login"}),
            ),
            fault("sms_code", "验证码 不能为空。"),
        )
        .at(sms()),
        Row::new(
            "a wrong code",
            check_code("login", PHONE, &json!({"code": "000000"})),
            own("sms_verify_error", "短信验证错误", "sms_code"),
        )
        .at(sms())
        .after(guest_code()),
        Row::new(
            "a number that has no account",
            check_code("login", PHONE, &json!({})),
            unbound("no_bind_user", "未绑定用户", "<40>", &Value::Null),
        )
        .at(sms())
        .after(guest_code()),
        Row::new(
            "an account that makes itself where registration is closed",
            check_code("login", PHONE, &json!({"register": 1})),
            policy("register_close", "注册关闭"),
        )
        .at(with(sms(), &json!({"registration": closed})))
        .after(guest_code()),
        Row::new(
            "an account that makes itself where accounts are approved",
            check_code("login", PHONE, &json!({"register": 1})),
            policy("register_validate", "帐号审核中，请审核通过后尝试"),
        )
        .at(with(sms(), &json!({"registration": approval})))
        .after(guest_code()),
        Row::new(
            "another number while the present one was not shown",
            check_code("rebind", "13900139000", &json!({})).by_caller(),
            fault("mobile", "请验证旧的手机号。"),
        )
        .at(sms())
        .after(
            owner()
                .into_iter()
                .chain(code_sent("rebind", "13900139000"))
                .collect(),
        ),
    ]
}

/// Section 7: what a `mobileToken` brings.
fn by_phone_token() -> Vec<Row> {
    let shown = |phone: &'static str| {
        vec![
            Step::Done(send_code("login", phone)),
            Step::SmsCode(phone),
            Step::Call(400, check_code("login", phone, &json!({}))),
        ]
    };
    let bind = || Call::post("/api/mobile/bind/miniprogram", &triple()).by_caller();
    vec![
        Row::new(
            "a phone number that became another's",
            register("carol", &json!({"mobileToken": "{proof}"})),
            own("mobile_is_already_bind", "手机号码已存在", "mobileToken"),
        )
        .at(all_ways())
        .after(
            shown(PHONE)
                .into_iter()
                .chain([
                    member("bob"),
                    Step::MiniProgram(json!({"phone": PHONE})),
                    Step::Call(201, bind()),
                ])
                .collect(),
        ),
        Row::new(
            "a phone number for who has one",
            login("ada", &json!({"mobileToken": "{proof}"})),
            own("user_has_mobile", "用户已绑定手机号", "mobileToken"),
        )
        .at(all_ways())
        .after(
            shown(PHONE)
                .into_iter()
                .chain([Step::Call(
                    200,
                    register("ada", &json!({"mobileToken": "{proof}"})),
                )])
                .chain(shown("13900139000"))
                .collect(),
        ),
    ]
}

/// Section 10.2.
fn by_wechat() -> Vec<Row> {
    let back = |more: &str| {
        let query = format!("code={{code}}&sessionId={{sessionId}}&state={{state}}{more}");
        Call::new("GET", &format!("/api/oauth/wechat/user?{query}"))
    };
    let person = json!({"nickname": "<any>", "headimgurl": "<any>"});
    let stale = || {
        renamed(
            "oauth_state_invalid",
            "登录状态无效或已过期，请重新登录。",
            "sessionId",
            "no_message",
        )
    };
    let scan = "/api/oauth/wechat/pc/login/";
    vec![
        Row::new(
            "a way back without anything",
            Call::new("GET", "/api/oauth/wechat/user"),
            faults(&[
                ("code", &["code 不能为空。"]),
                ("sessionId", &["session id 不能为空。"]),
            ]),
        )
        .at(all_ways()),
        Row::new(
            "a parameter twice",
            Call::new("GET", "/api/oauth/wechat/user?code=a&code=b&sessionId=c"),
            listed(400, "malformed_query", "查询参数格式不正确。"),
        )
        .at(all_ways()),
        Row::new(
            "a way back from nowhere",
            Call::new("GET", "/api/oauth/wechat/user?code=a&sessionId=b&state=c"),
            stale(),
        )
        .at(all_ways()),
        Row::new(
            "a way back with another's state",
            Call::new(
                "GET",
                "/api/oauth/wechat/user?code={code}&sessionId={sessionId}&state=c",
            ),
            stale(),
        )
        .at(all_ways())
        .after(vec![Step::Oauth("ada")]),
        Row::new(
            "a code that WeChat does not know",
            Call::new(
                "GET",
                "/api/oauth/wechat/user?code=x&sessionId={sessionId}&state={state}",
            ),
            renamed("wechat_refused", "invalid code", "code", "invalid code"),
        )
        .at(all_ways())
        .after(vec![Step::Oauth("ada")]),
        Row::new(
            "a WeChat account that has no account",
            back(""),
            unbound("no_bind_user", "未绑定用户", "<40>", &person),
        )
        .at(all_ways())
        .after(vec![Step::Oauth("ada")]),
        Row::new(
            "another WeChat account to be bound",
            back("&rebind=1"),
            unbound("rebind_mp_wechat", "更换微信公众号绑定", "<40>", &person),
        )
        .at(all_ways())
        .after(vec![Step::Oauth("ada")]),
        Row::new(
            "a WeChat account that is another's",
            back("").by_caller(),
            own("account_has_been_bound", "用户或微信已绑定", "code"),
        )
        .at(all_ways())
        .after(vec![
            Step::Oauth("ada"),
            Step::Call(200, back("&register=1")),
            member("bob"),
            Step::Oauth("ada"),
        ]),
        Row::new(
            "a token for a WeChat account that became another's",
            register("bob", &json!({"token": "{proof}"})),
            own("account_has_been_bound", "用户或微信已绑定", "token"),
        )
        .at(all_ways())
        .after(vec![
            Step::Oauth("ada"),
            Step::Call(400, back("")),
            Step::Oauth("ada"),
            Step::Call(200, back("&register=1")),
        ]),
        Row::new(
            "a picture that nobody scanned",
            Call::new("GET", &format!("{scan}{{session_token}}")),
            listed(422, "pc_qrcode_scanning_code", "扫码中"),
        )
        .at(all_ways())
        .after(vec![Step::Call(
            200,
            Call::new("GET", "/api/oauth/wechat/pc/qrcode"),
        )]),
        Row::new(
            "a picture that never was",
            Call::new("GET", &format!("{scan}{}", "x".repeat(40))),
            listed(422, "pc_qrcode_time_out", "二维码已失效，扫码超时"),
        )
        .at(all_ways()),
    ]
}

/// Section 10.4.
fn by_mini_program() -> Vec<Row> {
    let ask = |more: &Value| Call::post("/api/oauth/wechat/miniprogram", &with(triple(), more));
    let person = json!({"username": "<any>", "headimgurl": "<any>"});
    let bind = || Call::post("/api/mobile/bind/miniprogram", &triple());
    vec![
        Row::new(
            "a mini program that sends nothing",
            Call::post("/api/oauth/wechat/miniprogram", &json!({})),
            faults(&[
                ("js_code", &["js code 不能为空。"]),
                ("iv", &["iv 不能为空。"]),
                ("encryptedData", &["encrypted data 不能为空。"]),
            ]),
        )
        .at(all_ways()),
        Row::new(
            "a mini program's user who has no account",
            ask(&json!({})),
            unbound("no_bind_user", "未绑定用户", "", &person),
        )
        .at(all_ways())
        .after(vec![Step::MiniProgram(json!({}))]),
        Row::new(
            "a mini program's user where registration is closed",
            ask(&json!({"register": 1})),
            policy("register_close", "注册关闭"),
        )
        .at(with(all_ways(), &json!({"registration": {"open": false}})))
        .after(vec![Step::MiniProgram(json!({}))]),
        Row::new(
            "a phone number for nobody",
            bind(),
            policy("not_authenticated", "请登录"),
        )
        .at(all_ways())
        .after(vec![Step::MiniProgram(json!({"phone": PHONE}))]),
        Row::new(
            "a WeChat account without a phone number",
            bind().by_caller(),
            listed(422, "wechat_mobile_unbound", "微信未绑定手机号"),
        )
        .at(all_ways())
        .after(vec![member("ada"), Step::MiniProgram(json!({}))]),
    ]
}

/// A parameter of a query: `standard` names it, as JSON:API has it.
fn parameter(code: &str, text: &str, name: &str, original: &str) -> [Expected; 2] {
    let mut error = strict(422, code, text, "");
    error["source"] = json!({"parameter": name});
    [
        Expected::refused(422, json!([error])),
        Expected::refused(422, json!([strict(422, original, text, "")])),
    ]
}

/// Sections 10.5 and 10.6.
fn among_members() -> Vec<Row> {
    let list = |status: &str| Call::new("GET", &format!("/api/users?filter%5Bstatus%5D={status}"));
    let everybody_moderates =
        json!({"groups": [{"id": 10, "name": "all", "moderates": true, "invites": true}]});
    let include = "Invalid includes [wechat]";
    let filter = "参数 filter[status] 非法。";
    vec![
        Row::new(
            "a user that never was",
            Call::new("GET", "/api/users/4711"),
            bare(404, "model_not_found", "模型未找到：user", 404),
        ),
        Row::new(
            "another's WeChat account",
            Call::new("GET", "/api/users/{id}?include=wechat"),
            parameter("invalid_include", include, "include", include),
        )
        .after(vec![member("ada")]),
        Row::new(
            "a list for moderators",
            list("mod").by_caller(),
            bare(403, "permission_denied", "没有权限", 401),
        )
        .after(vec![member("ada")]),
        Row::new(
            "a list for nobody",
            list("mod"),
            policy("not_authenticated", "请登录"),
        ),
        Row::new(
            "a list of a standing that is none",
            list("odd").by_caller(),
            parameter(
                "validation_error",
                filter,
                "filter[status]",
                "validation_error",
            ),
        )
        .after(vec![member("ada")]),
        Row::new(
            "a standing that is no number",
            Call {
                method: "PATCH",
                ..Call::post("/api/users/4711", &json!({"status": []}))
            }
            .by_caller(),
            fault("status", "status 必须是整数。"),
        )
        .at(everybody_moderates)
        .after(vec![member("ada")]),
    ]
}
