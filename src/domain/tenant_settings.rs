//! What a platform admin can set for a tenant. Stored as JSON, versioned; a version that fails its checks never becomes current.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::language::Language;
use super::password::CharacterClass;
use super::text::code_points;

const MAX_UTC_OFFSET_MINUTES: u16 = 14 * 60;
const MAX_WORDS: usize = 10_000;
const MAX_WORD_LENGTH: u32 = 64;
const MAX_NAME_LENGTH: u32 = 64;
const MAX_RESERVED_NAMES: usize = 1000;
const LEAST_PASSWORD_LENGTH: u32 = 6;
const ADVISED_PASSWORD_LENGTH: u32 = 8;
const MAX_PASSWORD_LENGTH: u32 = 256;
const MAX_RATE_CALLS: u32 = 1_000_000;
const MAX_RATE_SECONDS: u32 = 86_400;
const LEAST_TOKEN_SECONDS: u32 = 60;
const MAX_TOKEN_SECONDS: u32 = 31_536_000;
const MAX_ISSUER_LENGTH: u32 = 255;
const MAX_CLOSE_MESSAGE_LENGTH: u32 = 500;
/// Most characters of a fault's text that quotes a value.
const MAX_DETAIL_LENGTH: usize = 200;
/// The limits that `null` switches off.
const LIMITS: [&str; 4] = ["per_address", "per_username", "per_tenant", "in_flight"];

/// All settings of one tenant. Every part has a default, so an empty object is valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
}

impl Default for RegistrationRules {
    fn default() -> Self {
        Self {
            open: true,
            approval: false,
            invite_required: false,
            success_status: SuccessStatus::Ok,
            words: Vec::new(),
        }
    }
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

/// A tenant's limits. Each can be switched off with `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Register calls per requester address (IPv6 by /64).
    pub per_address: Option<Rate>,
    /// Register calls per user name asked for.
    pub per_username: Option<Rate>,
    /// Register calls of the whole tenant.
    pub per_tenant: Option<Rate>,
    /// Register calls at work at one time.
    pub in_flight: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_address: Rate::new(60, 60),
            per_username: Rate::new(20, 60),
            per_tenant: Rate::new(6000, 60),
            in_flight: NonZeroU32::new(256),
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

    /// Which characters a name may hold, the dialect's own unless set.
    #[must_use]
    pub fn username_characters(&self) -> UsernameCharacters {
        self.username.characters.unwrap_or(match self.dialect {
            Dialect::Standard => UsernameCharacters::Identifier,
            Dialect::Discuzq => UsernameCharacters::Any,
        })
    }

    /// Reads stored or sent settings and checks them. Absent members have their defaults.
    ///
    /// # Errors
    /// Every unknown member, every value of a wrong type, and what [`TenantSettings::validate`] finds in the rest.
    pub fn from_json(value: &Value) -> Result<Self, Vec<SettingsFault>> {
        let Value::Object(members) = value else {
            return Err(vec![fault("", "must be an object")]);
        };
        let mut faults = Vec::new();
        let kept = well_formed(members, &mut faults);
        let settings: Self = serde_json::from_value(Value::Object(kept))
            .map_err(|error| vec![fault("", &error.to_string())])?;
        faults.extend(settings.validate());
        if faults.is_empty() {
            Ok(settings)
        } else {
            Err(faults)
        }
    }

    /// Every value that is of its type but out of its range, or at odds with another.
    #[must_use]
    pub fn validate(&self) -> Vec<SettingsFault> {
        let mut checks = Checks(Vec::new());
        let offset = self.utc_offset.0.unsigned_abs();
        checks.need(
            offset <= MAX_UTC_OFFSET_MINUTES,
            "utc_offset",
            "must lie between -840 and 840 minutes",
        );
        self.check_words(&mut checks);
        self.check_username(&mut checks);
        self.check_password(&mut checks);
        self.check_limits(&mut checks);
        self.check_tokens(&mut checks);
        let message_length = code_points(&self.site.close_message);
        checks.need(
            message_length <= MAX_CLOSE_MESSAGE_LENGTH,
            "site.close_message",
            "must have at most 500 characters",
        );
        checks.0
    }

    /// What may stand, but weakens the tenant; for the administrator's eyes.
    #[must_use]
    pub fn warnings(&self) -> Vec<SettingsFault> {
        let mut checks = Checks(Vec::new());
        let is_advised = self.password.min_length >= ADVISED_PASSWORD_LENGTH;
        checks.need(
            is_advised,
            "password.min_length",
            "fewer than 8 characters are easily guessed",
        );
        let Limits {
            per_address,
            per_username,
            per_tenant,
            in_flight,
        } = &self.limits;
        let on = [
            per_address.is_some(),
            per_username.is_some(),
            per_tenant.is_some(),
            in_flight.is_some(),
        ];
        for (name, is_on) in LIMITS.into_iter().zip(on) {
            checks.need(
                is_on,
                &format!("limits.{name}"),
                "this limit is switched off",
            );
        }
        checks.0
    }

    fn check_words(&self, checks: &mut Checks) {
        let words = &self.registration.words;
        checks.need(
            words.len() <= MAX_WORDS,
            "registration.words",
            "must be at most 10,000",
        );
        for (index, word) in words.iter().enumerate().take(MAX_WORDS) {
            let path = format!("registration.words[{index}].word");
            let length = code_points(&word.word);
            checks.need(
                (1..=MAX_WORD_LENGTH).contains(&length),
                &path,
                "must have 1 to 64 characters",
            );
            let stands = length == 0 || word.pieces().is_some();
            checks.need(
                stands,
                &path,
                "needs text, and braces only as {n} with one or two digits",
            );
        }
    }

    fn check_username(&self, checks: &mut Checks) {
        let rules = &self.username;
        let range = 1..=MAX_NAME_LENGTH;
        checks.need(
            range.contains(&rules.min_length),
            "username.min_length",
            "must lie between 1 and 64",
        );
        checks.need(
            range.contains(&rules.max_length),
            "username.max_length",
            "must lie between 1 and 64",
        );
        checks.need(
            rules.min_length <= rules.max_length,
            "username.min_length",
            "must not exceed username.max_length",
        );
        checks.need(
            rules.reserved.len() <= MAX_RESERVED_NAMES,
            "username.reserved",
            "must be at most 1,000",
        );
        for (index, name) in rules.reserved.iter().enumerate().take(MAX_RESERVED_NAMES) {
            let path = format!("username.reserved[{index}]");
            checks.need(
                code_points(name) <= MAX_NAME_LENGTH,
                &path,
                "must have at most 64 characters",
            );
        }
    }

    fn check_password(&self, checks: &mut Checks) {
        let (min, max) = (self.password.min_length, self.password_max_length());
        let (least_max, advice) = match self.dialect {
            Dialect::Standard => (64, "must lie between 64 and 256"),
            Dialect::Discuzq => (50, "must lie between 50 and 256"),
        };
        let least_is_fine = (LEAST_PASSWORD_LENGTH..=128).contains(&min);
        checks.need(
            least_is_fine,
            "password.min_length",
            "must lie between 6 and 128",
        );
        checks.need(
            (least_max..=MAX_PASSWORD_LENGTH).contains(&max),
            "password.max_length",
            advice,
        );
        checks.need(
            min <= max,
            "password.min_length",
            "must not exceed the most that is allowed",
        );
    }

    fn check_limits(&self, checks: &mut Checks) {
        let Limits {
            per_address,
            per_username,
            per_tenant,
            in_flight,
        } = &self.limits;
        for (name, rate) in LIMITS
            .into_iter()
            .zip([per_address, per_username, per_tenant])
        {
            let Some(rate) = rate else { continue };
            let path = format!("limits.{name}");
            checks.need(
                rate.calls.get() <= MAX_RATE_CALLS,
                &path,
                "calls must be at most 1,000,000",
            );
            checks.need(
                rate.seconds.get() <= MAX_RATE_SECONDS,
                &path,
                "seconds must be at most 86,400",
            );
        }
        let in_flight_is_fine = in_flight.is_none_or(|calls| calls.get() <= MAX_RATE_CALLS);
        checks.need(
            in_flight_is_fine,
            "limits.in_flight",
            "must be at most 1,000,000",
        );
    }

    fn check_tokens(&self, checks: &mut Checks) {
        let range = LEAST_TOKEN_SECONDS..=MAX_TOKEN_SECONDS;
        let TokenRules {
            access_seconds,
            refresh_seconds,
            issuer,
        } = &self.tokens;
        checks.need(
            range.contains(access_seconds),
            "tokens.access_seconds",
            "must lie between 60 and 31,536,000",
        );
        checks.need(
            range.contains(refresh_seconds),
            "tokens.refresh_seconds",
            "must lie between 60 and 31,536,000",
        );
        let issuer_is_fine = issuer.as_deref().is_none_or(is_web_address);
        checks.need(
            issuer_is_fine,
            "tokens.issuer",
            "must be an http or https address of at most 255 characters",
        );
    }
}

/// Applies a JSON merge patch (RFC 7396) to stored settings, with one difference: where the RFC removes a member, a `null`
/// for one of the known limits stays as `null`, because there it means "switched off". A limit returns to its default when
/// the whole section is removed (`{"limits": null}`).
#[must_use]
pub fn merged(current: &Value, patch: &Value) -> Value {
    let mut result = merge_patch(current, patch);
    let switched_off = |name: &&str| {
        patch
            .get("limits")
            .and_then(|limits| limits.get(*name))
            .is_some_and(Value::is_null)
    };
    for name in LIMITS.into_iter().filter(switched_off) {
        if let Some(Value::Object(limits)) = result.get_mut("limits") {
            limits.insert(name.into(), Value::Null);
        }
    }
    result
}

/// RFC 7396, section 2.
fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut result = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            result.remove(name);
        } else {
            let merged = merge_patch(result.get(name).unwrap_or(&Value::Null), change);
            result.insert(name.clone(), merged);
        }
    }
    Value::Object(result)
}

fn is_web_address(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain = !text
        .chars()
        .any(|character| character.is_whitespace() || character.is_control());
    let has_host =
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']));
    is_plain && has_host && code_points(text) <= MAX_ISSUER_LENGTH
}

fn fault(path: &str, detail: &str) -> SettingsFault {
    SettingsFault {
        path: path.into(),
        detail: detail.into(),
    }
}

/// Collects what does not hold.
struct Checks(Vec<SettingsFault>);

impl Checks {
    fn need(&mut self, holds: bool, path: &str, detail: &str) {
        if !holds {
            self.0.push(fault(path, detail));
        }
    }
}

const UNKNOWN: &str = "there is no such setting";

/// The members that read well. Each is read alone over the defaults, so that each fault has its path.
fn well_formed(
    members: &Map<String, Value>,
    faults: &mut Vec<SettingsFault>,
) -> Map<String, Value> {
    let defaults = serde_json::to_value(TenantSettings::default()).unwrap_or_default();
    let mut kept = Map::new();
    for (name, value) in members {
        match (defaults.get(name), value) {
            (None, _) => faults.push(fault(name, UNKNOWN)),
            (Some(Value::Object(known)), Value::Object(section)) => {
                let section = well_formed_section(name, known, section, faults);
                kept.insert(name.clone(), Value::Object(section));
            }
            (Some(Value::Object(_)), _) => faults.push(fault(name, "must be an object")),
            (Some(_), _) => {
                if fits(name, value, |value| json!({ name: value }), faults) {
                    kept.insert(name.clone(), value.clone());
                }
            }
        }
    }
    kept
}

fn well_formed_section(
    section: &str,
    known: &Map<String, Value>,
    members: &Map<String, Value>,
    faults: &mut Vec<SettingsFault>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in members {
        let path = format!("{section}.{name}");
        if !known.contains_key(name) {
            faults.push(fault(&path, UNKNOWN));
        } else if fits(
            &path,
            value,
            |value| json!({ section: { name: value } }),
            faults,
        ) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// Whether a value is of the type its place asks for; of a list, each bad element is told.
fn fits(
    path: &str,
    value: &Value,
    place: impl Fn(&Value) -> Value,
    faults: &mut Vec<SettingsFault>,
) -> bool {
    let Some(detail) = misfit(place(value)) else {
        return true;
    };
    let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let bad: Vec<_> = elements
        .iter()
        .enumerate()
        .filter_map(|(index, element)| {
            misfit(place(&json!([element])))
                .map(|detail| fault(&format!("{path}[{index}]"), &detail))
        })
        .collect();
    if bad.is_empty() {
        faults.push(fault(path, &detail));
    }
    faults.extend(bad);
    false
}

/// Why settings do not read; cut short, because the reason quotes the value.
fn misfit(settings: Value) -> Option<String> {
    let error = serde_json::from_value::<TenantSettings>(settings).err()?;
    Some(error.to_string().chars().take(MAX_DETAIL_LENGTH).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{CensorAction, CensoredWord, LIMITS, Limits, TenantSettings, WordPiece, merged};
    use crate::domain::password::CharacterClass;

    fn paths(value: &Value) -> Vec<String> {
        let faults = TenantSettings::from_json(value).unwrap_err();
        assert!(
            faults
                .iter()
                .all(|fault| !fault.detail.is_empty() && fault.detail.len() < 900),
            "{faults:?}"
        );
        faults.into_iter().map(|fault| fault.path).collect()
    }

    fn word(text: &str) -> CensoredWord {
        CensoredWord {
            word: text.into(),
            action: CensorAction::Banned,
        }
    }

    #[test]
    fn an_empty_object_has_every_default_and_no_warning() {
        let settings = TenantSettings::from_json(&json!({})).unwrap();
        assert_eq!(settings, TenantSettings::default());
        assert_eq!(settings.warnings(), []);
    }

    #[test]
    fn settings_read_back_from_their_own_form() {
        let mut settings = TenantSettings::default();
        settings.password.require = vec![CharacterClass::Digit];
        settings.limits.per_tenant = None;
        settings.registration.words = vec![word("spam{3}mer")];
        let stored = serde_json::to_value(&settings).unwrap();
        assert_eq!(TenantSettings::from_json(&stored), Ok(settings));
    }

    #[test]
    fn all_unknown_members_and_wrong_types_are_told_at_once_by_path() {
        let value = json!({
            "dialect": "klingon", "surprise": 1, "utc_offset": 99_999, "tokens": 7,
            "registration": {
                "open": "yes", "close": true,
                "words": [{"word": "a", "action": "banned"}, {"word": "b"}, {"word": "c", "action": "ban"}, 4],
            },
            "password": {"require": ["digit", "rune"], "min_length": -1},
            "limits": {"per_address": {"calls": 0, "seconds": 60}, "in_flight": 0, "per_moon": null},
        });
        let mut found = paths(&value);
        found.sort();
        let expected = [
            "dialect",
            "limits.in_flight",
            "limits.per_address",
            "limits.per_moon",
            "password.min_length",
            "password.require[1]",
            "registration.close",
            "registration.open",
            "registration.words[1]",
            "registration.words[2]",
            "registration.words[3]",
            "surprise",
            "tokens",
            "utc_offset",
        ];
        assert_eq!(found, expected);
        assert_eq!(paths(&json!([])), [""]);
        assert_eq!(
            paths(&json!({"site": {"close_message": 1}, "locale": "x".repeat(100_000)})).len(),
            2
        );
    }

    #[test]
    fn ranges_are_told_together_with_wrong_types() {
        let value = json!({"username": {"min_length": 0, "max_length": "many"}, "utc_offset": 841});
        let mut found = paths(&value);
        found.sort();
        assert_eq!(
            found,
            ["username.max_length", "username.min_length", "utc_offset"]
        );
    }

    #[test]
    fn each_range_ends_where_the_documentation_says() {
        let fine = [
            json!({"utc_offset": -840}),
            json!({"utc_offset": 840}),
            json!({"username": {"min_length": 64, "max_length": 64}}),
            json!({"username": {"reserved": vec!["a"; 1000]}}),
            json!({"password": {"min_length": 6}}),
            json!({"password": {"min_length": 128, "max_length": 128}}),
            json!({"password": {"max_length": 64}}),
            json!({"password": {"max_length": 256}}),
            json!({"dialect": "discuzq", "password": {"max_length": 50}}),
            json!({"limits": {"per_address": {"calls": 1_000_000, "seconds": 86_400}, "in_flight": null}}),
            json!({"tokens": {"access_seconds": 60, "refresh_seconds": 31_536_000, "issuer": "https://id.example/a"}}),
            json!({"site": {"close_message": "关".repeat(500)}}),
            json!({"registration": {"words": vec![json!({"word": "字".repeat(64), "action": "review"}); 10_000]}}),
        ];
        for value in fine {
            assert!(TenantSettings::from_json(&value).is_ok(), "{value}");
        }
        let word =
            |text: &str| json!({"registration": {"words": [{"word": text, "action": "banned"}]}});
        let bad = [
            (json!({"utc_offset": -841}), "utc_offset"),
            (
                json!({"username": {"min_length": 16}}),
                "username.min_length",
            ),
            (
                json!({"username": {"max_length": 65}}),
                "username.max_length",
            ),
            (
                json!({"username": {"reserved": vec!["a"; 1001]}}),
                "username.reserved",
            ),
            (
                json!({"username": {"reserved": ["a", "b".repeat(65)]}}),
                "username.reserved[1]",
            ),
            (
                json!({"password": {"min_length": 5}}),
                "password.min_length",
            ),
            (
                json!({"password": {"min_length": 65, "max_length": 64}}),
                "password.min_length",
            ),
            (
                json!({"password": {"min_length": 129, "max_length": 200}}),
                "password.min_length",
            ),
            (
                json!({"password": {"max_length": 63}}),
                "password.max_length",
            ),
            (
                json!({"password": {"max_length": 257}}),
                "password.max_length",
            ),
            (
                json!({"dialect": "discuzq", "password": {"max_length": 49}}),
                "password.max_length",
            ),
            (
                json!({"limits": {"per_tenant": {"calls": 1_000_001, "seconds": 1}}}),
                "limits.per_tenant",
            ),
            (
                json!({"limits": {"per_username": {"calls": 1, "seconds": 86_401}}}),
                "limits.per_username",
            ),
            (
                json!({"limits": {"in_flight": 1_000_001}}),
                "limits.in_flight",
            ),
            (
                json!({"tokens": {"access_seconds": 59}}),
                "tokens.access_seconds",
            ),
            (
                json!({"tokens": {"refresh_seconds": 31_536_001}}),
                "tokens.refresh_seconds",
            ),
            (
                json!({"tokens": {"issuer": "ftp://id.example"}}),
                "tokens.issuer",
            ),
            (json!({"tokens": {"issuer": "https://"}}), "tokens.issuer"),
            (
                json!({"tokens": {"issuer": "https://id .example"}}),
                "tokens.issuer",
            ),
            (
                json!({"site": {"close_message": "关".repeat(501)}}),
                "site.close_message",
            ),
            (word(""), "registration.words[0].word"),
            (word(&"字".repeat(65)), "registration.words[0].word"),
            (word("a{"), "registration.words[0].word"),
            (word("{9}"), "registration.words[0].word"),
            (
                json!({"registration": {"words": vec![json!({"word": "a", "action": "ignore"}); 10_001]}}),
                "registration.words",
            ),
        ];
        for (value, path) in bad {
            assert_eq!(paths(&value), [path], "{path}");
        }
    }

    #[test]
    fn weak_settings_stand_with_a_warning() {
        let value = json!({"password": {"min_length": 6}, "limits": {"per_address": null, "in_flight": null}});
        let warnings = TenantSettings::from_json(&value).unwrap().warnings();
        let found: Vec<_> = warnings
            .iter()
            .map(|warning| warning.path.as_str())
            .collect();
        assert_eq!(
            found,
            [
                "password.min_length",
                "limits.per_address",
                "limits.in_flight"
            ]
        );
    }

    #[test]
    fn a_word_falls_into_text_and_gaps() {
        use WordPiece::{Gap, Text};
        assert_eq!(word("abc").pieces(), Some(vec![Text("abc")]));
        assert_eq!(
            word("a{1}b{12}").pieces(),
            Some(vec![Text("a"), Gap(1), Text("b"), Gap(12)])
        );
        assert_eq!(
            word("{2}{3}x").pieces(),
            Some(vec![Gap(2), Gap(3), Text("x")])
        );
        for odd in [
            "", "{1}", "a{}", "a{123}b", "a{x}b", "a{+1}b", "a{1", "a}b", "a{1}}b", "a{{1}b",
            "a{１}b",
        ] {
            assert_eq!(word(odd).pieces(), None, "{odd}");
        }
    }

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn a_patch_merges_as_the_rfc_says() {
        let examples = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ];
        for (current, patch, expected) in examples {
            assert_eq!(merged(&current, &patch), expected, "{current} with {patch}");
        }
    }

    #[test]
    fn null_switches_a_limit_off_and_stays() {
        let off = merged(
            &json!({}),
            &json!({"limits": {"per_address": null, "per_moon": null}}),
        );
        assert_eq!(off, json!({"limits": {"per_address": null}}));
        let still_off = merged(&off, &json!({"username": {"min_length": 2}}));
        assert_eq!(
            TenantSettings::from_json(&still_off)
                .unwrap()
                .limits
                .per_address,
            None
        );
        let back = merged(&still_off, &json!({"limits": null}));
        assert_eq!(
            TenantSettings::from_json(&back).unwrap().limits,
            Limits::default()
        );
        let known: Vec<_> = serde_json::to_value(Limits::default())
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let mut listed = LIMITS;
        listed.sort_unstable();
        assert_eq!(known, listed);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z]{0,6}".prop_map(Value::from),
        ];
        let name = prop_oneof![
            "limits",
            "per_address",
            "username",
            "min_length",
            "reserved",
            "words",
            "[a-c]"
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_document_is_judged_and_a_patch_applies_once(current in any_json(), patch in any_json()) {
            let once = merged(&current, &patch);
            prop_assert_eq!(&merged(&once, &patch), &once);
            if let Ok(settings) = TenantSettings::from_json(&once) {
                prop_assert_eq!(settings.validate(), []);
            }
        }
    }
}
