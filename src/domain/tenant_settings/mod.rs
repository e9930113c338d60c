//! What a platform admin can set for a tenant. Stored as JSON, versioned; a version that fails its checks never becomes current.

mod check;
mod check_providers;
mod differences;
mod page;
mod providers;
mod read;
mod secrets;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::language::Language;
use super::password::CharacterClass;

pub use self::differences::SettingsDifference;
pub use self::page::{Colour, PageRules, https_origin};
pub use self::providers::{
    CaptchaRules, CaptchaSettings, SmsRules, SmsSettings, WechatAppSettings, WechatSettings,
};
pub use self::read::merged;
pub use self::secrets::{MASK, SECRETS, secret_fault, value_at};

/// The limits that `null` switches off.
pub const LIMITS: [&str; 7] = [
    "per_address",
    "per_username",
    "per_tenant",
    "login_per_address",
    "sms_per_address",
    "calls_per_address",
    "in_flight",
];

/// All settings of one tenant. Every part has a default, so an empty object is valid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSettings {
    /// How answers are shaped.
    pub dialect: Dialect,
    /// The language of messages when the request asks for none that we have.
    pub locale: Language,
    /// Dates in answers stand at this offset from UTC, in minutes (contract section 1: Asia/Shanghai).
    pub utc_offset: UtcOffsetMinutes,
    /// Who may register, and how.
    pub registration: RegistrationRules,
    /// What a user name may be.
    pub username: UsernameRules,
    /// What a password may be.
    pub password: PasswordRules,
    /// How much, how fast. `null` switches a limit off.
    pub limits: Limits,
    /// Life of tokens.
    pub tokens: TokenRules,
    /// Platforms on which the site is closed.
    pub site: SiteRules,
    /// The tenant's apps at WeChat.
    pub wechat: WechatSettings,
    /// The account that sends codes by SMS; `null` switches phone numbers off.
    pub sms: Option<SmsSettings>,
    /// To whom and how often codes are sent.
    pub sms_rules: SmsRules,
    /// The account that judges captchas; `null` switches them off.
    pub captcha: Option<CaptchaSettings>,
    /// Which calls ask for a captcha.
    pub captcha_rules: CaptchaRules,
    /// What a wrong password costs.
    pub login: LoginRules,
    /// What becomes of deleted accounts.
    pub users: UserRules,
    /// Whose pages may call from a browser.
    pub cors: CorsRules,
    /// The groups an account may be in.
    pub groups: Vec<Group>,
    /// The hosted registration page.
    pub page: PageRules,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            locale: Language::default(),
            utc_offset: UtcOffsetMinutes::default(),
            registration: RegistrationRules::default(),
            username: UsernameRules::default(),
            password: PasswordRules::default(),
            limits: Limits::default(),
            tokens: TokenRules::default(),
            site: SiteRules::default(),
            wechat: WechatSettings::default(),
            sms: None,
            sms_rules: SmsRules::default(),
            captcha: None,
            captcha_rules: CaptchaRules::default(),
            login: LoginRules::default(),
            users: UserRules::default(),
            cors: CorsRules::default(),
            groups: vec![
                Group {
                    id: ADMINISTRATORS,
                    name: "管理员".into(),
                    moderates: true,
                    invites: true,
                },
                Group {
                    id: MEMBERS,
                    name: "普通会员".into(),
                    moderates: false,
                    invites: false,
                },
            ],
            page: PageRules::default(),
        }
    }
}

/// Minutes east of UTC, from -14 to +14 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcOffsetMinutes(pub i16);

impl Default for UtcOffsetMinutes {
    fn default() -> Self {
        Self(8 * 60)
    }
}

/// Who may register (contract section 2.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationRules {
    /// Whether anybody may register (`register_close` of the contract, with its sense put right).
    pub open: bool,
    /// New accounts wait for a moderator, and a reason is required (`register_validate`).
    pub approval: bool,
    /// An invite code is required; an extension of the contract.
    pub invite_required: bool,
    /// The HTTP status of success: 200 as documented, or 201 as the original's source has it (contract section 3).
    pub success_status: SuccessStatus,
    /// Words that a user name is searched for (contract section 2.5, step 4).
    pub words: Vec<CensoredWord>,
    /// Whether a `token` or `mobileToken` that proves nothing refuses the call, or counts as absent; by default the
    /// dialect's: refused in `standard`, absent in `discuzq` (`docs/contract.md`, section 7).
    pub strict_tokens: Option<bool>,
    /// The way the site's forms lead first (`register_type`).
    pub method: RegistrationMethod,
    /// The group of new accounts that no invite code puts elsewhere.
    pub default_group: i32,
}

impl Default for RegistrationRules {
    fn default() -> Self {
        Self {
            open: true,
            approval: false,
            invite_required: false,
            success_status: SuccessStatus::Ok,
            words: Vec::new(),
            strict_tokens: None,
            method: RegistrationMethod::Username,
            default_group: MEMBERS,
        }
    }
}

/// The way to register that a site's forms lead first (`register_type` of the contract's section 2.4). None of them
/// closes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMethod {
    /// By user name and password: 0.
    #[default]
    Username,
    /// By phone number: 1.
    Phone,
    /// By WeChat: 2. The register call then asks for no captcha.
    Wechat,
}

/// The HTTP status of a successful registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuccessStatus {
    /// The published documentation's answer.
    #[default]
    Ok,
    /// The original source's answer.
    Created,
}

/// A word and what to do with a name that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CensoredWord {
    /// Matched anywhere in the name, whatever the case; `{n}` (one or two digits) stands for up to n characters.
    pub word: String,
    /// What follows from a match.
    pub action: CensorAction,
}

/// A piece of a censored word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordPiece<'a> {
    /// These characters.
    Text(&'a str),
    /// Up to so many arbitrary characters.
    Gap(u8),
}

impl CensoredWord {
    /// The word in pieces; `None` when a brace belongs to no `{n}`, or nothing but gaps is there.
    #[must_use]
    pub fn pieces(&self) -> Option<Vec<WordPiece<'_>>> {
        let mut pieces = Vec::new();
        for (index, part) in self.word.split('{').enumerate() {
            let text = if index == 0 {
                part
            } else {
                let (digits, text) = part.split_once('}')?;
                let is_number = (1..=2).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_digit());
                pieces.push(WordPiece::Gap(digits.parse().ok().filter(|_| is_number)?));
                text
            };
            if text.contains('}') {
                return None;
            }
            if !text.is_empty() {
                pieces.push(WordPiece::Text(text));
            }
        }
        pieces
            .iter()
            .any(|piece| matches!(piece, WordPiece::Text(_)))
            .then_some(pieces)
    }
}

/// What follows when a name holds a censored word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CensorAction {
    /// The registration is refused.
    Banned,
    /// The account is made, but waits for a moderator.
    Review,
    /// Nothing; the word is kept for other uses of the list.
    Ignore,
}

/// What a user name may be (contract section 2.2, RFC 8265, UTS 39).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsernameRules {
    /// Least number of code points.
    pub min_length: u32,
    /// Most code points; the contract's is 15.
    pub max_length: u32,
    /// Which characters; by default those of the dialect.
    pub characters: Option<UsernameCharacters>,
    /// Lets names mix scripts beyond what UTS 39 calls highly restrictive.
    pub allow_mixed_script: bool,
    /// Lets names look like existing names.
    pub allow_confusable: bool,
    /// Names nobody may take, compared in canonical form. The contract's `匿名用户` is always among them.
    pub reserved: Vec<String>,
}

impl Default for UsernameRules {
    fn default() -> Self {
        Self {
            min_length: 1,
            max_length: 15,
            characters: None,
            allow_mixed_script: false,
            allow_confusable: false,
            reserved: Vec::new(),
        }
    }
}

/// The character repertoire of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsernameCharacters {
    /// RFC 8265 `UsernameCaseMapped`: letters and digits of any script, and printable ASCII.
    Identifier,
    /// Also symbols and emoji, as the contract's original had it; still no control, invisible or unassigned character.
    Any,
}

/// What a password may be (contract section 2.3, NIST SP 800-63B-4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordRules {
    /// Least number of code points. 15 is advised where the password stands alone; below 8 draws a warning.
    pub min_length: u32,
    /// Most code points; by default 128, in the `discuzq` dialect 50.
    pub max_length: Option<u32>,
    /// Classes that must each occur. None is advised.
    pub require: Vec<CharacterClass>,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            min_length: 8,
            max_length: None,
            require: Vec::new(),
        }
    }
}

/// A tenant's limits. Those named in [`LIMITS`] can be switched off with `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Register calls per requester address (IPv6 by /64).
    pub per_address: Option<Rate>,
    /// Register calls per user name asked for.
    pub per_username: Option<Rate>,
    /// Register calls of the whole tenant.
    pub per_tenant: Option<Rate>,
    /// Calls that log in, per requester address.
    pub login_per_address: Option<Rate>,
    /// Calls that send or check a code by SMS, per requester address.
    pub sms_per_address: Option<Rate>,
    /// All other calls, per requester address.
    pub calls_per_address: Option<Rate>,
    /// Register calls at work at one time.
    pub in_flight: Option<NonZeroU32>,
    /// The tenant's turns in one round of the queue for password hashes, 1 to 100: its share while the machine is full.
    pub hash_weight: NonZeroU32,
    /// Passwords that wait for a hash at one time; `None` is the server's own bound, which no tenant exceeds.
    pub hash_waiting: Option<NonZeroU32>,
    /// Operations at work in the tenant's database at one time; `None` is its placement's own bound: half of the
    /// connections of a shared pool.
    pub database_in_flight: Option<NonZeroU32>,
    /// Operations under way with each provider at one time; `None` is the server's own bound, which no tenant exceeds.
    pub provider_in_flight: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_address: Rate::new(60, 60),
            per_username: Rate::new(20, 60),
            per_tenant: Rate::new(6000, 60),
            login_per_address: Rate::new(60, 60),
            sms_per_address: Rate::new(10, 60),
            calls_per_address: Rate::new(600, 60),
            in_flight: NonZeroU32::new(256),
            hash_weight: NonZeroU32::MIN,
            hash_waiting: None,
            database_in_flight: None,
            provider_in_flight: None,
        }
    }
}

/// So many calls in so many seconds, all of which may come at once; then one more each `seconds / calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls.
    pub calls: NonZeroU32,
    /// The span in seconds.
    pub seconds: NonZeroU32,
}

impl Rate {
    /// A rate, or `None` (no limit) when either number is zero.
    #[must_use]
    pub const fn new(calls: u32, seconds: u32) -> Option<Self> {
        match (NonZeroU32::new(calls), NonZeroU32::new(seconds)) {
            (Some(calls), Some(seconds)) => Some(Self { calls, seconds }),
            _ => None,
        }
    }
}

/// Life of tokens, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRules {
    /// Life of an access token; the contract's is 30 days (section 3).
    pub access_seconds: u32,
    /// Life of a refresh token.
    pub refresh_seconds: u32,
    /// `iss` of access tokens; by default the tenant's own public address.
    pub issuer: Option<String>,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            access_seconds: 2_592_000,
            refresh_seconds: 2_592_000,
            issuer: None,
        }
    }
}

/// Closing the site per platform (contract section 1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteRules {
    /// Platforms whose every call is refused.
    pub closed_for: Vec<SitePlatform>,
    /// What the visitor is told.
    pub close_message: String,
}

/// The contract's three kinds of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SitePlatform {
    /// A desktop browser.
    Pc,
    /// A mobile browser.
    H5,
    /// A WeChat mini program.
    Miniprogram,
}

/// The group of administrators in the default list, and the original's number for it.
const ADMINISTRATORS: i32 = 1;
/// The group of ordinary members in the default list, and the original's number for it.
const MEMBERS: i32 = 10;

/// What a wrong password costs (`docs/contract.md`, section 10.1). Counted in the tenant's database, so that it holds
/// across replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginRules {
    /// Wrong passwords for one name from one requester address before that pair has to wait.
    pub tries: u32,
    /// The wait, and the span over which tries count, in seconds.
    pub lock_seconds: u32,
    /// Wrong passwords for one name from all addresses together in that span: many addresses guess no faster. Far above
    /// `tries`, so that a stranger does not lock an account's owner out with a few calls.
    pub tries_per_name: u32,
}

impl Default for LoginRules {
    fn default() -> Self {
        Self {
            tries: 5,
            lock_seconds: 900,
            tries_per_name: 100,
        }
    }
}

/// What becomes of deleted accounts (`docs/decisions/0030-deleted-users-move-out.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserRules {
    /// For how many days a deleted user can be restored; those who are deleted already keep their time.
    pub restore_days: u32,
}

impl Default for UserRules {
    fn default() -> Self {
        Self { restore_days: 30 }
    }
}

/// Whose pages may call from a browser (`docs/contract.md`, section 1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsRules {
    /// Origins exactly as browsers send them: `https://www.example.com`. No patterns, because each is a hole.
    pub origins: Vec<String>,
}

/// A group of accounts and what its members may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its number; accounts and invite codes name it.
    pub id: i32,
    /// Its name, for people.
    pub name: String,
    /// Members approve and refuse accounts.
    #[serde(default)]
    pub moderates: bool,
    /// Members issue invite codes.
    #[serde(default)]
    pub invites: bool,
}

/// One setting that cannot stand, by its path in the settings object (`limits.per_address`, `registration.words[3]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFault {
    /// Dotted path from the root of the settings.
    pub path: String,
    /// What is wrong, in English, for the administrator.
    pub detail: String,
}

impl TenantSettings {
    /// Most code points of a password, the dialect's own unless set.
    #[must_use]
    pub fn password_max_length(&self) -> u32 {
        self.password.max_length.unwrap_or(match self.dialect {
            Dialect::Standard => 128,
            Dialect::Discuzq => 50,
        })
    }

    /// Whether a `token` or `mobileToken` that proves nothing refuses the call, the dialect's own answer unless set.
    #[must_use]
    pub fn strict_tokens(&self) -> bool {
        let of_dialect = self.dialect == Dialect::Standard;
        self.registration.strict_tokens.unwrap_or(of_dialect)
    }

    /// Whether the register call asks for a captcha (contract section 2.4).
    #[must_use]
    pub fn captcha_on_register(&self) -> bool {
        self.captcha.is_some()
            && self.captcha_rules.on_register
            && self.registration.method != RegistrationMethod::Wechat
    }

    /// Whether a member's number is an invite code (`docs/contract.md`, section 6): in the dialect that knows it, and not
    /// where a code is demanded, since anybody can count.
    #[must_use]
    pub fn numbers_invite(&self) -> bool {
        self.dialect == Dialect::Discuzq && !self.registration.invite_required
    }

    /// The group with this number.
    #[must_use]
    pub fn group(&self, id: i32) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// Which characters a name may hold, the dialect's own unless set.
    #[must_use]
    pub fn username_characters(&self) -> UsernameCharacters {
        self.username.characters.unwrap_or(match self.dialect {
            Dialect::Standard => UsernameCharacters::Identifier,
            Dialect::Discuzq => UsernameCharacters::Any,
        })
    }
}

fn fault(path: &str, detail: &str) -> SettingsFault {
    SettingsFault {
        path: path.into(),
        detail: detail.into(),
    }
}
