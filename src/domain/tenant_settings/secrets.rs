//! Where secrets stand in a tenant's settings, and the settings without them.

use serde_json::Value;

use super::TenantSettings;
use crate::domain::sealed::SEALED_PREFIX;

/// The dotted paths at which a secret stands. What is sealed, masked and kept out of arguments is decided by this list.
pub const SECRETS: [&str; 9] = [
    "wechat.official_account.app_secret",
    "wechat.open_platform.app_secret",
    "wechat.mini_program.app_secret",
    "sms.secret_key",
    "sms.access_key_secret",
    "sms.key",
    "captcha.secret_key",
    "captcha.app_secret_key",
    "captcha.secret",
];

/// Stands where a secret is set, in all that is shown. In a patch it leaves the secret as it is.
pub const MASK: &str = "********";

impl TenantSettings {
    /// The settings as they may be shown and kept in an audit: every secret is [`MASK`].
    #[must_use]
    pub fn masked(&self) -> Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        for path in SECRETS {
            if let Some(secret) = value_at(&mut shown, path).filter(|value| value.is_string()) {
                *secret = MASK.into();
            }
        }
        shown
    }
}

/// Most bytes of a secret; those of providers have 16 to 64.
const MAX_SECRET_BYTES: usize = 512;

/// Why a text cannot be a secret. A sealed text is never taken: it would be another tenant's or setting's, or made up.
#[must_use]
pub fn secret_fault(text: &str) -> Option<&'static str> {
    if text.starts_with(SEALED_PREFIX) {
        return Some("must be the secret itself, not a sealed text");
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_fine = is_plain && (1..=MAX_SECRET_BYTES).contains(&text.len());
    (!is_fine).then_some("must have 1 to 512 ASCII letters, digits and signs")
}

/// What stands at a dotted path.
pub fn value_at<'a>(settings: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.')
        .try_fold(settings, |value, name| value.get_mut(name))
}
