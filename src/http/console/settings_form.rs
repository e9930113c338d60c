//! The settings of a tenant as forms: one table of every setting, how it is asked for, and what it means.

use serde_json::{Map, Value, json};

use super::Faults;
use crate::http::html::{Fields, Say};

/// A text in both languages: English, Chinese.
pub(super) type Words = (&'static str, &'static str);

/// How a setting is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On or off.
    Switch,
    /// A whole number.
    Number,
    /// A whole number, or nothing.
    OptionalNumber,
    /// One line of text.
    Text,
    /// One line of text, or nothing.
    OptionalText,
    /// Lines of text.
    LongText,
    /// One of these values.
    Choice(&'static [(&'static str, Words)]),
    /// One of these values, or nothing.
    OptionalChoice(&'static [(&'static str, Words)]),
    /// So many calls in so many seconds, or nothing.
    Rate,
    /// A list, one text a line.
    Lines,
    /// On, off, or nothing.
    OptionalSwitch,
    /// Anything else, as JSON.
    Json,
}

/// One setting.
pub(super) struct Setting {
    /// Its path in the settings, which is also its field's name.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) name: Words,
    /// What it means.
    pub(super) about: Words,
}

/// Settings that are changed together.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) name: Words,
    pub(super) settings: &'static [Setting],
}

const fn s(path: &'static str, kind: Kind, name: Words, about: Words) -> Setting {
    Setting {
        path,
        kind,
        name,
        about,
    }
}

const NONE: Words = ("", "");
const CHARACTERS: &[(&str, Words)] = &[
    (
        "identifier",
        ("letters and digits of any script", "各种文字的字母与数字"),
    ),
    ("any", ("also symbols and emoji", "还可用符号与表情")),
];

/// Every section, in the order in which they are shown.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        id: "registration",
        name: ("Registration", "注册"),
        settings: &[
            s(
                "registration.open",
                Kind::Switch,
                ("Registration is open", "开放注册"),
                NONE,
            ),
            s(
                "registration.approval",
                Kind::Switch,
                ("New accounts await approval", "新账号需审核"),
                (
                    "And a reason to join is required.",
                    "同时必须填写注册原因。",
                ),
            ),
            s(
                "registration.invite_required",
                Kind::Switch,
                ("An invite code is required", "必须使用邀请码"),
                NONE,
            ),
            s(
                "registration.default_group",
                Kind::Number,
                ("Group of new accounts", "新账号的用户组"),
                ("By its number.", "填写用户组编号。"),
            ),
            s(
                "registration.method",
                Kind::Choice(&[
                    ("username", ("user name", "用户名")),
                    ("phone", ("phone", "手机")),
                    ("wechat", ("WeChat", "微信")),
                ]),
                ("The way that forms lead first", "首选注册方式"),
                (
                    "With WeChat no captcha is asked for.",
                    "选择微信时不要求验证码。",
                ),
            ),
            s(
                "registration.success_status",
                Kind::Choice(&[("ok", ("200", "200")), ("created", ("201", "201"))]),
                ("Status of success", "成功状态码"),
                NONE,
            ),
            s(
                "registration.strict_tokens",
                Kind::OptionalSwitch,
                ("Dead tokens refuse the call", "无效凭证即拒绝"),
                (
                    "Otherwise they count as absent. By default as the dialect has it.",
                    "否则视为未提供。默认随接口风格。",
                ),
            ),
            s(
                "registration.words",
                Kind::Json,
                ("Words in names", "用户名词库"),
                (
                    r#"A list of {"word": "…", "action": "banned" | "review" | "ignore"}."#,
                    r#"列表：{"word": "…", "action": "banned" | "review" | "ignore"}。"#,
                ),
            ),
        ],
    },
    Section {
        id: "page",
        name: ("Hosted page", "注册页面"),
        settings: &[
            s(
                "page.enabled",
                Kind::Switch,
                ("There is a registration page", "启用注册页面"),
                NONE,
            ),
            s(
                "page.title",
                Kind::OptionalText,
                ("Heading", "标题"),
                ("The tenant's name, unless set.", "默认为站点名称。"),
            ),
            s(
                "page.welcome",
                Kind::LongText,
                ("Welcome", "欢迎语"),
                ("Plain text above the form.", "显示在表单上方的纯文本。"),
            ),
            s(
                "page.logo_url",
                Kind::OptionalText,
                ("Address of a picture", "标志图片地址"),
                ("https alone.", "仅限 https。"),
            ),
            s(
                "page.accent",
                Kind::OptionalText,
                ("Colour", "主题色"),
                ("As #rrggbb.", "格式 #rrggbb。"),
            ),
            s(
                "page.captcha_site_key",
                Kind::OptionalText,
                ("Public key of the captcha", "验证码公钥"),
                (
                    "Of Turnstile or hCaptcha.",
                    "Turnstile 或 hCaptcha 的站点公钥。",
                ),
            ),
        ],
    },
    Section {
        id: "names",
        name: ("Names and passwords", "用户名与密码"),
        settings: &[
            s(
                "username.min_length",
                Kind::Number,
                ("Shortest name", "用户名最短长度"),
                NONE,
            ),
            s(
                "username.max_length",
                Kind::Number,
                ("Longest name", "用户名最长长度"),
                ("1 to 64 characters.", "1 到 64 个字符。"),
            ),
            s(
                "username.characters",
                Kind::OptionalChoice(CHARACTERS),
                ("Characters", "可用字符"),
                ("By default as the dialect has it.", "默认随接口风格。"),
            ),
            s(
                "username.allow_mixed_script",
                Kind::Switch,
                ("Names may mix scripts", "允许混用多种文字"),
                NONE,
            ),
            s(
                "username.allow_confusable",
                Kind::Switch,
                ("Names may look like others", "允许形似的用户名"),
                NONE,
            ),
            s(
                "username.reserved",
                Kind::Lines,
                ("Names nobody may take", "保留用户名"),
                ("One a line.", "每行一个。"),
            ),
            s(
                "password.min_length",
                Kind::Number,
                ("Shortest password", "密码最短长度"),
                (
                    "6 to 128; below 8 is easily guessed.",
                    "6 到 128，小于 8 容易被猜中。",
                ),
            ),
            s(
                "password.max_length",
                Kind::OptionalNumber,
                ("Longest password", "密码最长长度"),
                ("By default as the dialect has it.", "默认随接口风格。"),
            ),
            s(
                "password.require",
                Kind::Lines,
                ("Classes that must occur", "必须包含的字符类别"),
                (
                    "digit, lowercase, uppercase, symbol; one a line. None is advised.",
                    "digit、lowercase、uppercase、symbol，每行一个。建议留空。",
                ),
            ),
        ],
    },
    Section {
        id: "general",
        name: ("General", "常规"),
        settings: &[
            s(
                "dialect",
                Kind::Choice(&[
                    ("standard", ("standard", "standard")),
                    ("discuzq", ("Discuz! Q", "Discuz! Q")),
                ]),
                ("Dialect of answers", "接口风格"),
                NONE,
            ),
            s(
                "locale",
                Kind::Choice(&[("zh-CN", ("Chinese", "中文")), ("en", ("English", "英文"))]),
                ("Language of messages", "消息语言"),
                (
                    "Where the request asks for none that we have.",
                    "请求未指定语言时使用。",
                ),
            ),
            s(
                "utc_offset",
                Kind::Number,
                ("Offset of dates", "时区偏移"),
                ("In minutes east of UTC.", "相对 UTC 的分钟数。"),
            ),
            s(
                "groups",
                Kind::Json,
                ("Groups", "用户组"),
                (
                    r#"A list of {"id": 10, "name": "…", "moderates": false, "invites": false}."#,
                    r#"列表：{"id": 10, "name": "…", "moderates": false, "invites": false}。"#,
                ),
            ),
            s(
                "cors.origins",
                Kind::Lines,
                ("Origins of the tenant's own sites", "自有站点的源"),
                (
                    "As https://www.example.com, one a line. Browsers may call from there, and people are sent there.",
                    "如 https://www.example.com，每行一个。其页面可在浏览器中调用接口，用户也会跳转到这些站点。",
                ),
            ),
            s(
                "site.closed_for",
                Kind::Lines,
                ("Closed for", "关闭的平台"),
                (
                    "pc, h5, miniprogram; one a line.",
                    "pc、h5、miniprogram，每行一个。",
                ),
            ),
            s(
                "site.close_message",
                Kind::LongText,
                ("What their visitors are told", "关闭提示"),
                NONE,
            ),
            s(
                "users.restore_days",
                Kind::Number,
                ("Days to restore a deleted user", "已删除用户的可恢复天数"),
                ("From 1 to 365.", "1 至 365 天。"),
            ),
        ],
    },
    Section {
        id: "login",
        name: ("Login and tokens", "登录与令牌"),
        settings: &[
            s(
                "login.tries",
                Kind::Number,
                ("Wrong passwords before a wait", "允许的错误次数"),
                ("For one name from one address.", "同一用户名、同一地址。"),
            ),
            s(
                "login.lock_seconds",
                Kind::Number,
                ("The wait", "锁定时间"),
                ("In seconds.", "单位：秒。"),
            ),
            s(
                "login.tries_per_name",
                Kind::Number,
                ("Wrong passwords for one name", "单个用户名总错误次数"),
                ("From all addresses together.", "所有地址合计。"),
            ),
            s(
                "tokens.access_seconds",
                Kind::Number,
                ("Life of an access token", "访问令牌有效期"),
                ("In seconds.", "单位：秒。"),
            ),
            s(
                "tokens.refresh_seconds",
                Kind::Number,
                ("Life of a refresh token", "刷新令牌有效期"),
                ("In seconds.", "单位：秒。"),
            ),
            s(
                "tokens.issuer",
                Kind::OptionalText,
                ("Issuer of tokens", "令牌签发者"),
                (
                    "The tenant's own address, unless set.",
                    "默认为站点自身地址。",
                ),
            ),
        ],
    },
    Section {
        id: "limits",
        name: ("Limits", "限制"),
        settings: &[
            s(
                "limits.per_address",
                Kind::Rate,
                ("Registrations per address", "每地址注册"),
                NONE,
            ),
            s(
                "limits.per_username",
                Kind::Rate,
                ("Registrations per name", "每用户名注册"),
                NONE,
            ),
            s(
                "limits.per_tenant",
                Kind::Rate,
                ("Registrations in all", "注册总量"),
                NONE,
            ),
            s(
                "limits.login_per_address",
                Kind::Rate,
                ("Logins per address", "每地址登录"),
                NONE,
            ),
            s(
                "limits.sms_per_address",
                Kind::Rate,
                ("SMS calls per address", "每地址短信"),
                NONE,
            ),
            s(
                "limits.calls_per_address",
                Kind::Rate,
                ("Other calls per address", "每地址其他调用"),
                NONE,
            ),
            s(
                "limits.in_flight",
                Kind::OptionalNumber,
                ("Registrations at work at one time", "同时处理的注册数"),
                ("Nothing means no limit.", "留空为不限。"),
            ),
            s(
                "limits.hash_weight",
                Kind::Number,
                ("Turns in the line for hashes", "密码队列权重"),
                (
                    "1 to 100: the tenant's share while the machine is full.",
                    "1 到 100：满载时的份额。",
                ),
            ),
            s(
                "limits.hash_waiting",
                Kind::OptionalNumber,
                ("Passwords that wait", "排队的密码数"),
                ("The server's own bound, unless set.", "默认为服务器上限。"),
            ),
            s(
                "limits.database_in_flight",
                Kind::OptionalNumber,
                ("Database operations at one time", "同时的数据库操作"),
                ("The placement's own bound, unless set.", "默认随存储方式。"),
            ),
            s(
                "limits.provider_in_flight",
                Kind::OptionalNumber,
                ("Provider operations at one time", "同时的第三方调用"),
                ("The server's own bound, unless set.", "默认为服务器上限。"),
            ),
        ],
    },
    Section {
        id: "sms",
        name: ("SMS", "短信"),
        settings: &[
            s(
                "sms",
                Kind::Json,
                ("Account", "短信账号"),
                (
                    "Members: see docs/api.md. A secret is shown as ********, which keeps it. Empty: no phone numbers.",
                    "字段见 docs/api.md。密钥显示为 ********，保留即不变；留空则关闭手机功能。",
                ),
            ),
            s(
                "sms_rules.country_code",
                Kind::Text,
                ("Calling code", "国家代码"),
                ("Of numbers that come without one.", "用于未带代码的号码。"),
            ),
            s(
                "sms_rules.allowed_prefixes",
                Kind::Lines,
                ("Numbers served", "允许的号码前缀"),
                ("By how they begin; one a line.", "每行一个。"),
            ),
            s(
                "sms_rules.interval_seconds",
                Kind::Number,
                ("Seconds between two messages", "发送间隔（秒）"),
                NONE,
            ),
            s(
                "sms_rules.per_phone_per_day",
                Kind::Number,
                ("Messages to a number in 24 hours", "每号码每日条数"),
                NONE,
            ),
            s(
                "sms_rules.per_address_per_day",
                Kind::Number,
                ("Messages from an address in 24 hours", "每地址每日条数"),
                NONE,
            ),
            s(
                "sms_rules.per_tenant_per_day",
                Kind::Number,
                ("Messages in all in 24 hours", "每日总条数"),
                NONE,
            ),
            s(
                "sms_rules.code_seconds",
                Kind::Number,
                ("Life of a code in seconds", "验证码有效期（秒）"),
                NONE,
            ),
            s(
                "sms_rules.tries",
                Kind::Number,
                ("Tries of a code", "验证码尝试次数"),
                NONE,
            ),
        ],
    },
    Section {
        id: "wechat",
        name: ("WeChat and captcha", "微信与验证码"),
        settings: &[
            s(
                "wechat.official_account",
                Kind::Json,
                ("Official account", "公众号"),
                (
                    r#"{"app_id": "wx…", "app_secret": "…"}; a secret is shown as ********, which keeps it."#,
                    r#"{"app_id": "wx…", "app_secret": "…"}；密钥显示为 ********，保留即不变。"#,
                ),
            ),
            s(
                "wechat.open_platform",
                Kind::Json,
                ("Web app of the open platform", "开放平台网站应用"),
                NONE,
            ),
            s(
                "wechat.mini_program",
                Kind::Json,
                ("Mini program", "小程序"),
                NONE,
            ),
            s(
                "captcha",
                Kind::Json,
                ("Captcha account", "验证码账号"),
                (
                    "The members of the admin API's documentation.",
                    "字段见管理接口文档。",
                ),
            ),
            s(
                "captcha_rules.on_register",
                Kind::Switch,
                ("Registration asks for a captcha", "注册时要求验证码"),
                NONE,
            ),
            s(
                "captcha_rules.on_sms",
                Kind::Switch,
                ("SMS asks for a captcha", "发送短信时要求验证码"),
                NONE,
            ),
        ],
    },
];

/// The section of this name; the first for any other.
pub(super) fn section(id: &str) -> Option<&'static Section> {
    SECTIONS
        .iter()
        .find(|section| section.id == id)
        .or_else(|| SECTIONS.first())
}

/// A setting with its present value, as a form shows it.
pub(super) struct Field {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The value; of a rate its calls.
    pub(super) value: String,
    /// Of a rate its seconds.
    pub(super) seconds: String,
}

impl Field {
    /// Whether this value is the present one.
    pub(super) fn is(&self, value: &str) -> bool {
        self.value == value
    }

    /// Rows of a text of several lines.
    pub(super) fn rows(&self) -> usize {
        self.value.lines().count().clamp(2, 14)
    }

    /// The values to choose from.
    pub(super) fn choices(&self) -> &'static [(&'static str, Words)] {
        match self.kind {
            Kind::Choice(choices) | Kind::OptionalChoice(choices) => choices,
            _ => &[],
        }
    }

    /// The name by which the template draws it.
    pub(super) fn drawn(&self) -> &'static str {
        match self.kind {
            Kind::Switch => "switch",
            Kind::Number | Kind::OptionalNumber => "number",
            Kind::Text | Kind::OptionalText => "text",
            Kind::LongText | Kind::Lines => "lines",
            Kind::Choice(_) => "choice",
            Kind::OptionalChoice(_) | Kind::OptionalSwitch => "optional",
            Kind::Rate => "rate",
            Kind::Json => "json",
        }
    }
}

/// A section with the values of masked settings.
pub(super) fn filled(section: &Section, settings: &Value, say: Say) -> Vec<Field> {
    let fields = section.settings.iter();
    fields
        .map(|setting| {
            let value = at(settings, setting.path);
            let number = |name: &str| value.get(name).map(Value::to_string).unwrap_or_default();
            let (value, seconds) = match setting.kind {
                Kind::Rate => (number("calls"), number("seconds")),
                Kind::Lines => (lines(value), String::new()),
                Kind::Json if value.is_null() => (String::new(), String::new()),
                Kind::Json => {
                    let text = serde_json::to_string_pretty(value);
                    (text.unwrap_or_default(), String::new())
                }
                _ => (plain(value), String::new()),
            };
            field(setting, value, seconds, say)
        })
        .collect()
}

/// A section with what a form sent, to be shown once more.
pub(super) fn refilled(section: &Section, sent: &Fields, say: Say) -> Vec<Field> {
    let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
    let fields = section.settings.iter();
    fields
        .map(|setting| {
            let value = match setting.kind {
                Kind::Switch => sent.contains_key(setting.path).to_string(),
                _ => text(setting.path),
            };
            let seconds = text(&format!("{}.seconds", setting.path));
            field(setting, value, seconds, say)
        })
        .collect()
}

fn field(setting: &Setting, value: String, seconds: String, say: Say) -> Field {
    Field {
        path: setting.path,
        kind: setting.kind,
        name: say.t(setting.name.0, setting.name.1),
        about: say.t(setting.about.0, setting.about.1),
        value,
        seconds,
    }
}

/// The merge patch that a form asks for: every setting of its section. What does not read is noted.
pub(super) fn patch(section: &Section, sent: &Fields, say: Say, faults: &mut Faults) -> Value {
    let mut patch = Value::Object(Map::new());
    for setting in section.settings {
        let text = sent
            .get(setting.path)
            .map(String::as_str)
            .unwrap_or_default();
        let seconds = sent.get(&format!("{}.seconds", setting.path));
        let seconds = seconds.map(String::as_str).unwrap_or_default();
        match read(setting.kind, sent.contains_key(setting.path), text, seconds) {
            Some(value) => put(&mut patch, setting.path, value),
            None => {
                let wanted = match setting.kind {
                    Kind::Json => say.t("This is not JSON.", "不是有效的 JSON。"),
                    Kind::Rate => say.t(
                        "Two whole numbers, or neither.",
                        "请填写两个整数，或都留空。",
                    ),
                    _ => say.t("A whole number.", "请填写整数。"),
                };
                faults.note(setting.path, wanted);
            }
        }
    }
    patch
}

/// The value of one field; `None` for what does not read.
fn read(kind: Kind, present: bool, text: &str, seconds: &str) -> Option<Value> {
    let trimmed = text.trim();
    let number = |text: &str| text.trim().parse::<i64>().ok();
    match kind {
        Kind::Switch => Some(present.into()),
        Kind::Number => number(text).map(Value::from),
        Kind::OptionalNumber if trimmed.is_empty() => Some(Value::Null),
        Kind::OptionalNumber => number(text).map(Value::from),
        Kind::Text | Kind::LongText => Some(text.into()),
        Kind::Choice(_) => Some(trimmed.into()),
        Kind::OptionalText | Kind::OptionalChoice(_) if trimmed.is_empty() => Some(Value::Null),
        Kind::OptionalText | Kind::OptionalChoice(_) => Some(trimmed.into()),
        Kind::OptionalSwitch => match trimmed {
            "" => Some(Value::Null),
            word => Some((word == "true").into()),
        },
        Kind::Rate if trimmed.is_empty() && seconds.trim().is_empty() => Some(Value::Null),
        Kind::Rate => Some(json!({"calls": number(text)?, "seconds": number(seconds)?})),
        Kind::Lines => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            Some(lines.collect())
        }
        Kind::Json if trimmed.is_empty() => Some(Value::Null),
        Kind::Json => serde_json::from_str(trimmed).ok(),
    }
}

/// What stands at a dotted path.
fn at<'a>(settings: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(settings, |value, name| {
        value.get(name).unwrap_or(&Value::Null)
    })
}

/// Puts a value at a dotted path.
fn put(patch: &mut Value, path: &str, value: Value) {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = patch;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        let Value::Object(members) = place else {
            return;
        };
        place = members.entry(parent).or_insert_with(|| json!({}));
    }
    if let Value::Object(members) = place {
        members.insert(name.to_owned(), value);
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn lines(value: &Value) -> String {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(plain).collect::<Vec<_>>().join("\n")
}

/// The setting of a section that a fault's path lies in: the path itself, or what it is a part of.
pub(super) fn setting_of(section: &Section, path: &str) -> Option<&'static str> {
    let settings = section.settings.iter();
    let mut known = settings.map(|setting| setting.path).filter(|known| {
        path.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    known.next()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Faults, SECTIONS, at, filled, patch, section, setting_of};
    use crate::domain::language::Language;
    use crate::domain::tenant_settings::{TenantSettings, merged};
    use crate::http::html::{Fields, Say};

    const SAY: Say = Say(Language::English);

    /// Every path at which a setting stands.
    fn leaves(prefix: &str, value: &Value, found: &mut Vec<String>) {
        let sections = [
            "registration",
            "username",
            "password",
            "limits",
            "tokens",
            "site",
            "wechat",
            "sms_rules",
            "captcha_rules",
            "login",
            "cors",
            "page",
            "users",
        ];
        for (name, value) in value.as_object().unwrap() {
            if prefix.is_empty() && sections.contains(&name.as_str()) {
                leaves(&format!("{name}."), value, found);
            } else {
                found.push(format!("{prefix}{name}"));
            }
        }
    }

    #[test]
    fn every_setting_stands_in_one_form() {
        let mut wanted = Vec::new();
        leaves(
            "",
            &serde_json::to_value(TenantSettings::default()).unwrap(),
            &mut wanted,
        );
        let all = SECTIONS.iter().flat_map(|section| section.settings);
        let mut found: Vec<String> = all.map(|setting| setting.path.to_owned()).collect();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }

    /// A form that is sent as it was shown.
    fn unchanged(settings: &Value, id: &str) -> Fields {
        let mut sent = Fields::new();
        for field in filled(section(id).unwrap(), settings, SAY) {
            if field.drawn() == "rate" {
                sent.insert(format!("{}.seconds", field.path), field.seconds.clone());
            }
            if field.drawn() != "switch" || field.is("true") {
                sent.insert(field.path.to_owned(), field.value);
            }
        }
        sent
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let settings = json!({
            "registration": {"approval": true, "strict_tokens": false, "words": [{"word": "a{2}b", "action": "review"}]},
            "username": {"reserved": ["root", "管理"], "characters": "any"},
            "limits": {"per_address": null, "in_flight": 7},
            "page": {"welcome": "two\nlines", "accent": "#102030"},
            "cors": {"origins": ["https://www.example.com"]},
        });
        let settings = TenantSettings::from_json(&settings).unwrap();
        let shown = settings.masked();
        for section in SECTIONS {
            let mut faults = Faults::default();
            let patch = patch(section, &unchanged(&shown, section.id), SAY, &mut faults);
            assert!(faults.is_empty(), "{}", section.id);
            let after = TenantSettings::from_json(&merged(&shown, &patch)).unwrap();
            assert_eq!(after, settings, "{}: {patch}", section.id);
        }
    }

    #[test]
    fn what_does_not_read_is_told_at_its_field() {
        let section = section("limits").unwrap();
        let shown = TenantSettings::default().masked();
        let mut sent = unchanged(&shown, "limits");
        for (path, text) in [
            ("limits.in_flight", "many"),
            ("limits.per_tenant", ""),
            ("limits.hash_weight", "1.5"),
        ] {
            sent.insert(path.to_owned(), text.to_owned());
        }
        let mut faults = Faults::default();
        let read = patch(section, &sent, SAY, &mut faults);
        let found: Vec<_> = faults.fields.keys().map(String::as_str).collect();
        assert_eq!(
            found,
            [
                "limits.hash_weight",
                "limits.in_flight",
                "limits.per_tenant"
            ]
        );
        assert_eq!(at(&read, "limits.per_address.calls"), &json!(60));
    }

    #[test]
    fn a_fault_within_a_setting_is_told_at_the_setting() {
        let registration = section("registration").unwrap();
        for (path, setting) in [
            ("registration.words[3].word", Some("registration.words")),
            ("registration.words", Some("registration.words")),
            ("registration.wordsmith", None),
            ("limits.per_address", None),
        ] {
            assert_eq!(setting_of(registration, path), setting, "{path}");
        }
    }
}
