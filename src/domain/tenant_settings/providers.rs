//! A tenant's accounts at WeChat, at an SMS provider and at a captcha provider, and the rules of their use.
//!
//! Secrets stand sealed ([`SealedText`]); `SECRETS` lists where.

use serde::{Deserialize, Serialize};

use crate::domain::sealed::SealedText;

/// The tenant's apps at WeChat (`docs/contract.md`, section 8). An absent one switches its way to log in off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WechatSettings {
    /// The official account: login inside WeChat's own browser.
    pub official_account: Option<WechatAppSettings>,
    /// The web app of the open platform: login by a picture that a phone scans.
    pub open_platform: Option<WechatAppSettings>,
    /// The mini program.
    pub mini_program: Option<WechatAppSettings>,
}

/// One app at WeChat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WechatAppSettings {
    /// The app's id, public.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: SealedText,
}

/// The tenant's account at an SMS provider. Where a provider is called is the platform's to say, never a tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum SmsSettings {
    /// Tencent Cloud SMS.
    Tencent {
        /// The API key's id.
        secret_id: String,
        /// The API key.
        secret_key: SealedText,
        /// `SmsSdkAppId`.
        sdk_app_id: String,
        /// The approved signature, without brackets.
        sign_name: String,
        /// The approved template; its variables are code and minutes.
        template_id: String,
        /// The region of the API.
        #[serde(default = "tencent_region")]
        region: String,
    },
    /// Alibaba Cloud SMS (`dysmsapi`).
    Aliyun {
        /// The access key's id.
        access_key_id: String,
        /// The access key.
        access_key_secret: SealedText,
        /// The approved signature.
        sign_name: String,
        /// The approved template; its variable is `code`.
        template_code: String,
    },
    /// A gateway that the platform's settings name.
    Gateway {
        /// The name in `[provider.sms_gateways]`.
        name: String,
        /// The id of the tenant's key at the gateway.
        key_id: String,
        /// The key that signs calls.
        key: SealedText,
    },
    /// Writes codes to the server's log: for a trial without a provider, never for real users.
    Log {},
}

fn tencent_region() -> String {
    "ap-guangzhou".into()
}

/// To whom, how often and for how long codes are sent (`docs/contract.md`, section 10.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmsRules {
    /// Calling code of numbers that come without one; digits.
    pub country_code: String,
    /// Numbers are served only if they begin with one of these (`+` and digits): messages to other countries cost most
    /// and are what fraud with SMS lives on.
    pub allowed_prefixes: Vec<String>,
    /// Least time between two messages to one number, in seconds.
    pub interval_seconds: u32,
    /// Most messages to one number in 24 hours.
    pub per_phone_per_day: u32,
    /// Most messages that one requester address may cause in 24 hours.
    pub per_address_per_day: u32,
    /// Most messages of the tenant in 24 hours: its bill's upper bound.
    pub per_tenant_per_day: u32,
    /// Life of a code, in seconds; at most ten minutes (OWASP ASVS 5.0, 6.6.3).
    pub code_seconds: u32,
    /// Tries that a code stands before it is dead.
    pub tries: u32,
}

impl Default for SmsRules {
    fn default() -> Self {
        Self {
            country_code: "86".into(),
            allowed_prefixes: vec!["+86".into()],
            interval_seconds: 60,
            per_phone_per_day: 10,
            per_address_per_day: 50,
            per_tenant_per_day: 5000,
            code_seconds: 300,
            tries: 5,
        }
    }
}

/// The tenant's account at a captcha provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum CaptchaSettings {
    /// Tencent Cloud Captcha, the original's.
    Tencent {
        /// The API key's id.
        secret_id: String,
        /// The API key.
        secret_key: SealedText,
        /// `CaptchaAppId`, public: clients show the captcha with it.
        captcha_app_id: u64,
        /// `AppSecretKey`.
        app_secret_key: SealedText,
    },
    /// Cloudflare Turnstile.
    Turnstile {
        /// The secret key.
        secret: SealedText,
    },
    /// hCaptcha.
    Hcaptcha {
        /// The secret key.
        secret: SealedText,
    },
}

/// Which calls ask for a captcha (`docs/contract.md`, sections 2.4 and 10.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptchaRules {
    /// The register call (`register_captcha`); never asked for while the method is WeChat's.
    pub on_register: bool,
    /// The call that sends a code by SMS.
    pub on_sms: bool,
}
