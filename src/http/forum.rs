//! `GET /api/forum`: what a client must know before it shows a form (`docs/contract.md`, section 10.5).
//!
//! Built from the tenant's settings alone, which are in memory: no database, no actor.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::answer::{document, refuse};
use super::openapi::public_schemas;
use super::site::{Site, Unserved};
use crate::domain::password::CharacterClass;
use crate::domain::tenant_settings::{CaptchaSettings, RegistrationMethod, TenantSettings};

/// The methods of this route.
pub(super) const METHODS: &str = "GET, HEAD";

/// The tenant's public settings, in both dialects.
#[utoipa::path(
    get,
    path = "/api/forum",
    operation_id = "getForum",
    tag = "registration",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::Forum)),
)]
pub(super) async fn forum(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    match site.visit(&request).await {
        Ok(visit) => {
            let shown = forum_document(&visit.tenant.record.settings);
            document(StatusCode::OK, shown.to_string().into_bytes())
        }
        Err(Unserved {
            refusal,
            dialect,
            language,
        }) => refuse(&refusal, dialect, language),
    }
}

/// Public values alone: ids of apps, never their secrets. Some names of the original mean their contrary: `…_close` is
/// true where a thing is open.
fn forum_document(settings: &TenantSettings) -> Value {
    let classes = &settings.password.require;
    let strength: Vec<&str> = classes.iter().copied().map(class_number).collect();
    let captcha_app_id = match &settings.captcha {
        Some(CaptchaSettings::Tencent { captcha_app_id, .. }) => Some(captcha_app_id.to_string()),
        _ => None,
    };
    json!({"data": {"type": "forums", "id": "1", "attributes": {
        "set_site": {
            "site_mode": "public",
            "site_close_msg": settings.site.close_message,
        },
        "set_reg": {
            "register_close": settings.registration.open,
            "register_validate": settings.registration.approval,
            "register_captcha": settings.captcha_on_register(),
            "password_length": settings.password.min_length,
            "password_strength": strength,
            "register_type": method_number(settings.registration.method),
        },
        "qcloud": {
            "qcloud_captcha": settings.captcha.is_some(),
            "qcloud_captcha_app_id": captcha_app_id.unwrap_or_default(),
            "qcloud_sms": settings.sms.is_some(),
        },
        "passport": {
            "offiaccount_close": settings.wechat.official_account.is_some(),
            "miniprogram_close": settings.wechat.mini_program.is_some(),
            "oplatform_close": settings.wechat.open_platform.is_some(),
        },
    }}})
}

/// `password_strength` of the contract's section 10.5.
fn class_number(class: CharacterClass) -> &'static str {
    match class {
        CharacterClass::Digit => "0",
        CharacterClass::Lowercase => "1",
        CharacterClass::Symbol => "2",
        CharacterClass::Uppercase => "3",
    }
}

/// `register_type` of the contract's section 10.5.
fn method_number(method: RegistrationMethod) -> u8 {
    match method {
        RegistrationMethod::Username => 0,
        RegistrationMethod::Phone => 1,
        RegistrationMethod::Wechat => 2,
    }
}
