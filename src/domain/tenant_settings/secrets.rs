//! Where secrets stand in a tenant's settings, and the settings without them.

use serde_json::Value;

use super::TenantSettings;

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

/// What stands at a dotted path.
pub fn value_at<'a>(settings: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.')
        .try_fold(settings, |value, name| value.get_mut(name))
}
