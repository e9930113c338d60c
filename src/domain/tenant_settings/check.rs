//! The ranges of a tenant's settings, and what may stand but weakens it.

use super::{LIMITS, Limits, LoginRules, Rate, SettingsFault, TenantSettings, TokenRules, fault};
use crate::domain::dialect::Dialect;
use crate::domain::text::code_points;
use crate::domain::web_origin::is_exact_origin;

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
const MAX_WAITING: u32 = 100_000;
const MAX_CONNECTIONS: u32 = 1000;
const MAX_OPERATIONS: u32 = 10_000;
const LEAST_TOKEN_SECONDS: u32 = 60;
const MAX_TOKEN_SECONDS: u32 = 31_536_000;
const MAX_ISSUER_LENGTH: u32 = 255;
const MAX_CLOSE_MESSAGE_LENGTH: u32 = 500;
const MAX_ORIGINS: usize = 100;
const MAX_GROUPS: usize = 100;

impl TenantSettings {
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
        self.check_providers(&mut checks);
        self.check_login(&mut checks);
        self.check_users(&mut checks);
        self.check_origins(&mut checks);
        self.check_groups(&mut checks);
        self.check_page(&mut checks);
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
        let on = self.limits.rates().map(|rate| rate.is_some());
        let on = on.into_iter().chain([self.limits.in_flight.is_some()]);
        for (name, is_on) in LIMITS.into_iter().zip(on) {
            checks.need(
                is_on,
                &format!("limits.{name}"),
                "this limit is switched off",
            );
        }
        self.warn_providers(&mut checks);
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
        for (name, rate) in LIMITS.into_iter().zip(self.limits.rates()) {
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
        checks.need(
            self.limits.hash_weight.get() <= 100,
            "limits.hash_weight",
            "must be 1 to 100",
        );
        let limits = &self.limits;
        for (name, bound, most, detail) in [
            (
                "in_flight",
                limits.in_flight,
                MAX_RATE_CALLS,
                "must be at most 1,000,000",
            ),
            (
                "hash_waiting",
                limits.hash_waiting,
                MAX_WAITING,
                "must be at most 100,000",
            ),
            (
                "database_in_flight",
                limits.database_in_flight,
                MAX_CONNECTIONS,
                "must be at most 1,000",
            ),
            (
                "provider_in_flight",
                limits.provider_in_flight,
                MAX_OPERATIONS,
                "must be at most 10,000",
            ),
        ] {
            let is_fine = bound.is_none_or(|bound| bound.get() <= most);
            checks.need(is_fine, &format!("limits.{name}"), detail);
        }
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

    fn check_login(&self, checks: &mut Checks) {
        let LoginRules {
            tries,
            lock_seconds,
            tries_per_name,
        } = self.login;
        checks.range("login.tries", tries, 1, 100);
        checks.range("login.lock_seconds", lock_seconds, 1, 86_400);
        checks.range("login.tries_per_name", tries_per_name, 1, 100_000);
        checks.need(
            tries <= tries_per_name,
            "login.tries_per_name",
            "must not be less than login.tries",
        );
    }

    fn check_users(&self, checks: &mut Checks) {
        checks.range("users.restore_days", self.users.restore_days, 1, 365);
    }

    fn check_origins(&self, checks: &mut Checks) {
        let origins = &self.cors.origins;
        checks.need(
            origins.len() <= MAX_ORIGINS,
            "cors.origins",
            "must be at most 100",
        );
        for (index, origin) in origins.iter().enumerate().take(MAX_ORIGINS) {
            checks.need(
                is_exact_origin(origin),
                &format!("cors.origins[{index}]"),
                "must be scheme://host[:port] in lower case as browsers send it, with https, or http for localhost",
            );
        }
    }

    fn check_groups(&self, checks: &mut Checks) {
        checks.need(
            self.groups.len() <= MAX_GROUPS,
            "groups",
            "must be at most 100",
        );
        for (index, group) in self.groups.iter().enumerate().take(MAX_GROUPS) {
            let path = |member: &str| format!("groups[{index}].{member}");
            checks.need(group.id > 0, &path("id"), "must be greater than zero");
            let earlier = self.groups.iter().take(index);
            checks.need(
                earlier.clone().all(|other| other.id != group.id),
                &path("id"),
                "another group has this number",
            );
            checks.name(&path("name"), &group.name);
        }
        checks.need(
            self.group(self.registration.default_group).is_some(),
            "registration.default_group",
            "there is no group with this number",
        );
    }
}

impl Limits {
    /// The rates, in the order in which the settings name them.
    #[must_use]
    pub fn rates(&self) -> [Option<Rate>; 6] {
        let Self {
            per_address,
            per_username,
            per_tenant,
            login_per_address,
            sms_per_address,
            calls_per_address,
            in_flight: _,
            hash_weight: _,
            hash_waiting: _,
            database_in_flight: _,
            provider_in_flight: _,
        } = *self;
        [
            per_address,
            per_username,
            per_tenant,
            login_per_address,
            sms_per_address,
            calls_per_address,
        ]
    }
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

/// Collects what does not hold.
pub(super) struct Checks(Vec<SettingsFault>);

impl Checks {
    pub(super) fn need(&mut self, holds: bool, path: &str, detail: &str) {
        if !holds {
            self.0.push(fault(path, detail));
        }
    }

    pub(super) fn range(&mut self, path: &str, value: u32, least: u32, most: u32) {
        self.need(
            (least..=most).contains(&value),
            path,
            &format!("must lie between {least} and {most}"),
        );
    }

    /// A name that people read.
    pub(super) fn name(&mut self, path: &str, text: &str) {
        let is_fine = (1..=MAX_NAME_LENGTH).contains(&code_points(text))
            && text.trim() == text
            && !text.chars().any(char::is_control);
        self.need(
            is_fine,
            path,
            "must have 1 to 64 printable characters, without white space at its ends",
        );
    }

    /// A name that machines read.
    pub(super) fn id(&mut self, path: &str, text: &str) {
        let is_fine =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        self.need(
            is_fine,
            path,
            "must have 1 to 64 ASCII letters, digits and signs",
        );
    }
}
