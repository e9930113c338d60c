//! A tenant's accounts at providers, opened: what the settings keep sealed.

use secrecy::SecretString;

use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;
use crate::domain::sealed::{self, SealedText};
use crate::domain::tenant_settings::{
    CaptchaSettings, SmsSettings, TenantSettings, WechatAppSettings,
};
use crate::provider::captcha::CaptchaAccount;
use crate::provider::sms::SmsAccount;
use crate::provider::wechat::WechatApp;

/// The accounts; an absent one switches off what needs it. Their secrets show themselves to nobody.
#[derive(Clone, Debug, Default)]
pub struct ProviderAccounts {
    /// The official account.
    pub official_account: Option<WechatApp>,
    /// The open platform's web app.
    pub open_platform: Option<WechatApp>,
    /// The mini program.
    pub mini_program: Option<WechatApp>,
    /// SMS.
    pub sms: Option<SmsAccount>,
    /// Captchas.
    pub captcha: Option<CaptchaAccount>,
}

impl ProviderAccounts {
    /// Opens the accounts of these settings. One whose secret does not open (another master key) is left out and logged:
    /// the tenant serves everything else.
    #[must_use]
    pub fn open(settings: &TenantSettings, tenant: TenantId, key: &MasterKey) -> Self {
        let opener = Opener { tenant, key };
        let wechat = &settings.wechat;
        Self {
            official_account: opener.app(
                wechat.official_account.as_ref(),
                "wechat.official_account.app_secret",
            ),
            open_platform: opener.app(
                wechat.open_platform.as_ref(),
                "wechat.open_platform.app_secret",
            ),
            mini_program: opener.app(
                wechat.mini_program.as_ref(),
                "wechat.mini_program.app_secret",
            ),
            sms: settings.sms.as_ref().and_then(|sms| opener.sms(sms)),
            captcha: settings
                .captcha
                .as_ref()
                .and_then(|captcha| opener.captcha(captcha)),
        }
    }
}

struct Opener<'a> {
    tenant: TenantId,
    key: &'a MasterKey,
}

impl Opener<'_> {
    fn open(&self, path: &str, sealed: &SealedText) -> Option<SecretString> {
        let opened = sealed::open(self.key, self.tenant, path, sealed);
        if opened.is_none() {
            tracing::error!(tenant = %self.tenant, path, "a secret does not open with this master key");
        }
        opened
    }

    fn app(&self, app: Option<&WechatAppSettings>, path: &str) -> Option<WechatApp> {
        let app = app?;
        Some(WechatApp {
            app_id: app.app_id.clone(),
            secret: self.open(path, &app.app_secret)?,
        })
    }

    fn sms(&self, settings: &SmsSettings) -> Option<SmsAccount> {
        Some(match settings {
            SmsSettings::Tencent {
                secret_id,
                secret_key,
                sdk_app_id,
                sign_name,
                template_id,
                region,
            } => SmsAccount::Tencent {
                secret_id: secret_id.clone(),
                secret_key: self.open("sms.secret_key", secret_key)?,
                sdk_app_id: sdk_app_id.clone(),
                sign_name: sign_name.clone(),
                template_id: template_id.clone(),
                region: region.clone(),
            },
            SmsSettings::Aliyun {
                access_key_id,
                access_key_secret,
                sign_name,
                template_code,
            } => SmsAccount::Aliyun {
                access_key_id: access_key_id.clone(),
                access_key_secret: self.open("sms.access_key_secret", access_key_secret)?,
                sign_name: sign_name.clone(),
                template_code: template_code.clone(),
            },
            SmsSettings::Gateway { name, key_id, key } => SmsAccount::Gateway {
                name: name.clone(),
                key_id: key_id.clone(),
                key: self.open("sms.key", key)?,
            },
            SmsSettings::Log {} => SmsAccount::Log,
        })
    }

    fn captcha(&self, settings: &CaptchaSettings) -> Option<CaptchaAccount> {
        Some(match settings {
            CaptchaSettings::Tencent {
                secret_id,
                secret_key,
                captcha_app_id,
                app_secret_key,
            } => CaptchaAccount::Tencent {
                secret_id: secret_id.clone(),
                secret_key: self.open("captcha.secret_key", secret_key)?,
                captcha_app_id: *captcha_app_id,
                app_secret_key: self.open("captcha.app_secret_key", app_secret_key)?,
            },
            CaptchaSettings::Turnstile { secret } => CaptchaAccount::Turnstile {
                secret: self.open("captcha.secret", secret)?,
            },
            CaptchaSettings::Hcaptcha { secret } => CaptchaAccount::Hcaptcha {
                secret: self.open("captcha.secret", secret)?,
            },
        })
    }
}
