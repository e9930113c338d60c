//! The ranges of what a tenant sets about WeChat, SMS and captchas.

use super::check::Checks;
use super::{
    CaptchaSettings, RegistrationMethod, SmsRules, SmsSettings, TenantSettings, WechatSettings,
};

const MAX_PREFIXES: usize = 250;

impl TenantSettings {
    pub(super) fn check_providers(&self, checks: &mut Checks) {
        for (name, app) in self.wechat.apps() {
            if let Some(app) = app {
                checks.id(&format!("wechat.{name}.app_id"), &app.app_id);
            }
        }
        if let Some(sms) = &self.sms {
            check_sms(sms, checks);
        }
        check_sms_rules(&self.sms_rules, checks);
        if let Some(CaptchaSettings::Tencent {
            secret_id,
            captcha_app_id,
            ..
        }) = &self.captcha
        {
            checks.id("captcha.secret_id", secret_id);
            checks.need(
                *captcha_app_id > 0,
                "captcha.captcha_app_id",
                "must be greater than zero",
            );
        }
        let rules = &self.captcha_rules;
        for (path, is_on) in [
            ("captcha_rules.on_register", rules.on_register),
            ("captcha_rules.on_sms", rules.on_sms),
        ] {
            checks.need(
                !is_on || self.captcha.is_some(),
                path,
                "needs a captcha account in captcha",
            );
        }
    }

    pub(super) fn warn_providers(&self, checks: &mut Checks) {
        checks.need(
            self.sms != Some(SmsSettings::Log {}),
            "sms",
            "codes are written to the server's log, not sent",
        );
        let has_way = match self.registration.method {
            RegistrationMethod::Username => true,
            RegistrationMethod::Phone => self.sms.is_some(),
            RegistrationMethod::Wechat => self.wechat.apps().iter().any(|(_, app)| app.is_some()),
        };
        checks.need(
            has_way,
            "registration.method",
            "the account that this way needs is not set",
        );
    }
}

impl WechatSettings {
    fn apps(&self) -> [(&'static str, Option<&super::WechatAppSettings>); 3] {
        [
            ("official_account", self.official_account.as_ref()),
            ("open_platform", self.open_platform.as_ref()),
            ("mini_program", self.mini_program.as_ref()),
        ]
    }
}

fn check_sms(sms: &SmsSettings, checks: &mut Checks) {
    match sms {
        SmsSettings::Tencent {
            secret_id,
            secret_key: _,
            sdk_app_id,
            sign_name,
            template_id,
            region,
        } => {
            checks.id("sms.secret_id", secret_id);
            checks.id("sms.sdk_app_id", sdk_app_id);
            checks.name("sms.sign_name", sign_name);
            checks.id("sms.template_id", template_id);
            checks.id("sms.region", region);
        }
        SmsSettings::Aliyun {
            access_key_id,
            access_key_secret: _,
            sign_name,
            template_code,
        } => {
            checks.id("sms.access_key_id", access_key_id);
            checks.name("sms.sign_name", sign_name);
            checks.id("sms.template_code", template_code);
        }
        SmsSettings::Gateway {
            name,
            key_id,
            key: _,
        } => {
            checks.id("sms.name", name);
            checks.id("sms.key_id", key_id);
        }
        SmsSettings::Log {} => {}
    }
}

fn check_sms_rules(rules: &SmsRules, checks: &mut Checks) {
    let SmsRules {
        country_code,
        allowed_prefixes,
        interval_seconds,
        per_phone_per_day,
        per_address_per_day,
        per_tenant_per_day,
        code_seconds,
        tries,
    } = rules;
    checks.need(
        country_code.len() <= 3 && is_calling_digits(country_code),
        "sms_rules.country_code",
        "must be 1 to 3 digits, not beginning with zero",
    );
    checks.need(
        (1..=MAX_PREFIXES).contains(&allowed_prefixes.len()),
        "sms_rules.allowed_prefixes",
        "must be 1 to 250",
    );
    for (index, prefix) in allowed_prefixes.iter().enumerate().take(MAX_PREFIXES) {
        checks.need(
            prefix.strip_prefix('+').is_some_and(is_calling_digits),
            &format!("sms_rules.allowed_prefixes[{index}]"),
            "must be a plus sign and 1 to 15 digits, not beginning with zero",
        );
    }
    checks.range("sms_rules.interval_seconds", *interval_seconds, 1, 3600);
    checks.range("sms_rules.per_phone_per_day", *per_phone_per_day, 1, 1000);
    checks.range(
        "sms_rules.per_address_per_day",
        *per_address_per_day,
        1,
        100_000,
    );
    checks.range(
        "sms_rules.per_tenant_per_day",
        *per_tenant_per_day,
        1,
        10_000_000,
    );
    checks.range("sms_rules.code_seconds", *code_seconds, 1, 600);
    checks.range("sms_rules.tries", *tries, 1, 10);
}

/// The beginning of a number after its plus sign (ITU-T E.164, section 6).
fn is_calling_digits(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
}
