//! The accounts that the simulated vendors know: fixed, public, worth nothing. `GET /control` shows them.

use serde_json::{Value, json};

/// The official account's app id.
pub const OFFICIAL_ACCOUNT: &str = "wx0000000000000001";
/// The open platform's (scan login's) app id.
pub const OPEN_PLATFORM: &str = "wx0000000000000002";
/// The mini program's app id.
pub const MINI_PROGRAM: &str = "wx0000000000000003";
/// The secret of these three, and of every other app id that begins with `wx`, so that a test can make apps at will.
pub const WECHAT_SECRET: &str = "simulated-secret";

/// A vendor's key: a public id and the secret that signs.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Sent with each call.
    pub id: &'static str,
    /// Signs each call and is never sent.
    pub secret: &'static str,
}

/// Tencent Cloud, for SMS and captcha.
pub const TENCENT: Key = Key {
    id: "AKIDsimulated0000000000000000000000",
    secret: "simulated-tencent-secret-key",
};
/// The SMS application at Tencent.
pub const TENCENT_SMS_APP: &str = "1400000000";
/// The captcha application at Tencent.
pub const TENCENT_CAPTCHA_APP: u64 = 190_000_000;
/// The secret of that application.
pub const TENCENT_CAPTCHA_SECRET: &str = "simulated-captcha-secret";
/// Aliyun, for SMS.
pub const ALIYUN: Key = Key {
    id: "LTAIsimulated000000000000",
    secret: "simulated-aliyun-secret-key",
};
/// The generic SMS gateway.
pub const GATEWAY: Key = Key {
    id: "simulated-gateway-key",
    secret: "simulated-gateway-secret",
};
/// Signature text of messages, at Tencent and Aliyun.
pub const SMS_SIGN_NAME: &str = "Simulated";
/// Template at Tencent: the code and the minutes.
pub const TENCENT_TEMPLATE: &str = "1000000";
/// Template at Aliyun: the code.
pub const ALIYUN_TEMPLATE: &str = "SMS_000000000";
/// Turnstile's secret.
pub const TURNSTILE_SECRET: &str = "simulated-turnstile-secret";
/// hCaptcha's secret.
pub const HCAPTCHA_SECRET: &str = "simulated-hcaptcha-secret";

/// Whether WeChat knows the app.
pub(super) fn is_wechat_app(app_id: &str) -> bool {
    app_id.starts_with("wx") && app_id.len() <= 64
}

/// All of the above as `GET /control` shows it.
pub(super) fn document() -> Value {
    json!({
        "wechat": {
            "official_account": {"app_id": OFFICIAL_ACCOUNT, "app_secret": WECHAT_SECRET},
            "open_platform": {"app_id": OPEN_PLATFORM, "app_secret": WECHAT_SECRET},
            "mini_program": {"app_id": MINI_PROGRAM, "app_secret": WECHAT_SECRET},
        },
        "sms": {
            "tencent": {
                "secret_id": TENCENT.id, "secret_key": TENCENT.secret, "sdk_app_id": TENCENT_SMS_APP,
                "sign_name": SMS_SIGN_NAME, "template_id": TENCENT_TEMPLATE, "region": "ap-guangzhou",
            },
            "aliyun": {
                "access_key_id": ALIYUN.id, "access_key_secret": ALIYUN.secret,
                "sign_name": SMS_SIGN_NAME, "template_code": ALIYUN_TEMPLATE,
            },
            "gateway": {"key_id": GATEWAY.id, "key": GATEWAY.secret},
        },
        "captcha": {
            "tencent": {
                "secret_id": TENCENT.id, "secret_key": TENCENT.secret,
                "captcha_app_id": TENCENT_CAPTCHA_APP, "app_secret_key": TENCENT_CAPTCHA_SECRET,
            },
            "turnstile": {"secret": TURNSTILE_SECRET},
            "hcaptcha": {"secret": HCAPTCHA_SECRET},
        },
    })
}
