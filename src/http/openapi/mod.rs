//! The API's description of itself: an OpenAPI document a listener, made from the annotations of the handlers.
//!
//! A new route has `#[utoipa::path(…)]` on its handler, its shapes in [`schemas`] and a line in [`OperatorsApi`] or
//! [`PublicApi`]; [`finished`] adds what all operations share. Tests say so when one is missing, and hold answers against
//! the document (`docs/decisions/0029-the-api-describes-itself.md`). May import what handlers import.

mod page;
pub(super) mod public_schemas;
pub(super) mod schemas;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use serde_json::{Value, json};
use utoipa::OpenApi;

use self::page::Page;
use super::admin;
use super::error_document::Refusal;
use super::error_document::catalogue::{catalogue, public_refusals};
use super::html;
use super::wire::DOCUMENT_MEDIA_TYPE;
use crate::domain::ids::TenantId;
use crate::domain::role::{Right, Role};

/// The operators' listener.
#[derive(OpenApi)]
#[openapi(
    info(title = "enroll: operators"),
    paths(
        admin::administrators::create,
        admin::administrators::list,
        admin::administrators::revoke,
        admin::audit::list,
        admin::tenants::create,
        admin::tenants::list,
        admin::tenants::show,
        admin::tenants::change,
        admin::tenants::suspend,
        admin::tenants::resume,
        admin::tenants::delete,
        admin::settings_versions::list,
        admin::settings_versions::show,
        admin::settings_versions::restore,
        admin::settings_versions::preview,
        admin::deleted_users::delete,
        admin::deleted_users::list,
        admin::deleted_users::erase,
        admin::deleted_users::restore,
        admin::keys::list,
        admin::keys::rotate,
        admin::keys::revoke,
        admin::pressure::show,
        admin::applications::list,
        admin::applications::decide,
        admin::users::list,
        admin::users::show,
        admin::users::change,
        admin::users::end_sessions,
        admin::invites::issue,
        admin::invites::list,
        admin::invites::registrations,
        admin::invites::show,
        admin::invites::revoke,
        admin::invite_batches::make,
        admin::usage::of_tenant,
        admin::usage::totals,
        admin::transfer::export,
        admin::transfer::import,
        super::health::livez,
        super::health::readyz,
        super::metrics::metrics,
    ),
    components(schemas(
        schemas::Errors,
        schemas::AuditOrder,
        schemas::InviteFilterState,
        schemas::TenantState,
        schemas::UsageStep,
        schemas::UserStatus,
    ))
)]
struct OperatorsApi;

/// The public listener.
#[derive(OpenApi)]
#[openapi(
    info(title = "enroll"),
    paths(
        super::register::register,
        super::login::login,
        super::refresh_token::refresh_token,
        super::refresh_token::logout,
        super::forum::forum,
        super::jwks::jwks,
        super::users::me,
        super::users::show,
        super::users::list,
        super::users::change,
        super::users::change_many,
        super::invites::issue,
        super::invites::show,
        super::invites::list,
        super::invites::revoke,
        super::invites::recruits,
        super::invites::own_number,
        super::sms::send,
        super::sms::verify,
        super::wechat::page,
        super::wechat::user,
        super::wechat::scan_page,
        super::wechat::scan_user,
        super::pc_scan::qrcode,
        super::pc_scan::login,
        super::mini_program::login,
        super::mini_program::bind_phone,
    ),
    components(schemas(schemas::Errors))
)]
struct PublicApi;

static PUBLIC: LazyLock<String> = LazyLock::new(|| {
    let document = PublicApi::openapi().to_json().unwrap_or_default();
    let about = "What end users and their clients call, in the `standard` dialect. Host, header field `X-Tenant-Id` or path \
                 (`/t/{tenant}` before any of these) names the tenant.";
    finished(&document, about, &public_refusals()).to_string()
});

static OPERATORS: LazyLock<String> = LazyLock::new(|| {
    let document = OperatorsApi::openapi().to_json().unwrap_or_default();
    let about = "The admin API, health and metrics. Every call of the admin API needs an administrator's token.";
    let refusals = admin::every_refusal();
    finished(&document, about, &refusals).to_string()
});

/// `GET /openapi.json` of the operators' listener.
pub(super) async fn operators() -> HttpResponse {
    shown(&OPERATORS)
}

/// `GET /openapi.json` of the public listener, for whatever tenant.
pub(super) async fn public() -> HttpResponse {
    shown(&PUBLIC)
}

/// Rendered once: a page of hundreds of kilobytes for whoever asks.
static PUBLIC_PAGE: LazyLock<String> = LazyLock::new(|| page_of(&PUBLIC));
static OPERATORS_PAGE: LazyLock<String> = LazyLock::new(|| page_of(&OPERATORS));

fn page_of(document: &str) -> String {
    let document = serde_json::from_str(document).unwrap_or_default();
    let page = Page::of(
        &document,
        html::path_of("enroll.css"),
        html::path_of("mark.svg"),
    );
    page.render().unwrap_or_default()
}

/// `GET /docs` of the public listener: the same for people.
pub(super) async fn public_page() -> HttpResponse {
    html::rendered(
        StatusCode::OK,
        PUBLIC_PAGE.as_str(),
        html::Sources::default(),
    )
}

/// `GET /docs` of the operators' listener.
pub(super) async fn operators_page() -> HttpResponse {
    html::rendered(
        StatusCode::OK,
        OPERATORS_PAGE.as_str(),
        html::Sources::default(),
    )
}

fn shown(document: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document)
}

/// The document with what is true of every operation: who may call it, how it is refused, media types, and the catalogue of
/// errors.
fn finished(document: &str, about: &str, refusals: &[Refusal]) -> Value {
    let mut document: Value = serde_json::from_str(document).unwrap_or_default();
    put(
        &mut document,
        &["info", "version"],
        env!("CARGO_PKG_VERSION").into(),
    );
    put(&mut document, &["info", "description"], about.into());
    put(
        &mut document,
        &["components", "securitySchemes"],
        json!({
            "administrator": {
                "type": "http",
                "scheme": "bearer",
                "description": "An administrator's token, from `enroll admin token create` or `POST /admin/v1/administrators`",
            },
            "user": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A user's access token, from a registration, a login or a refresh",
            },
        }),
    );
    put(
        &mut document,
        &["components", "headers"],
        json!({
            "RequestId": { "description": "Names the request in the log", "schema": { "type": "string" } },
            "RetryAfter": { "description": "Seconds after which to try again", "schema": { "type": "integer", "minimum": 1 } },
        }),
    );
    put(
        &mut document,
        &["components", "responses"],
        json!({
            "Refused": {
                "description": "Refused, by one of the codes in `x-errors`",
                "headers": {
                    "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
                    "Retry-After": { "$ref": "#/components/headers/RetryAfter" },
                },
                "content": { DOCUMENT_MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Errors" } } },
            },
        }),
    );
    for operation in operations(&mut document) {
        finish(operation);
    }
    put(&mut document, &["x-errors"], catalogue(refusals).into());
    document
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter();
    let items = paths.flat_map(|paths| paths.values_mut());
    items
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut())
        .filter(|operation| operation.is_object())
}

fn finish(operation: &mut Value) {
    if let Some(right) = operation.get("x-right").and_then(Value::as_str) {
        let roles = [
            Role::Platform,
            Role::Auditor,
            Role::Tenant(TenantId::from_i64(1)),
        ];
        let may = roles.into_iter().filter(|role| {
            Right::ALL
                .iter()
                .any(|known| known.as_str() == right && role.includes(*known))
        });
        put(operation, &["x-roles"], may.map(Role::as_str).collect());
    }
    // The media type of most documents is that of JSON:API.
    let plain = operation
        .as_object_mut()
        .and_then(|it| it.remove("x-plain-json"));
    let of_health = operation
        .pointer("/tags/0")
        .is_some_and(|tag| tag == "health");
    if let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    {
        for response in responses.values_mut() {
            put(
                response,
                &["headers", "X-Request-Id"],
                json!({ "$ref": "#/components/headers/RequestId" }),
            );
            if plain.is_none() {
                rename(response, "application/json", &[DOCUMENT_MEDIA_TYPE]);
            }
        }
        if !of_health {
            let refused = json!({ "$ref": "#/components/responses/Refused" });
            responses.insert("default".to_owned(), refused);
        }
    }
    if let Some(body) = operation.get_mut("requestBody") {
        rename(
            body,
            "application/json",
            &["application/json", DOCUMENT_MEDIA_TYPE],
        );
    }
}

/// Puts a value at a path of names.
fn put(holder: &mut Value, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *holder = value;
        return;
    };
    if holder.is_null() {
        *holder = json!({});
    }
    if let Some(members) = holder.as_object_mut() {
        put(members.entry(*name).or_insert(Value::Null), rest, value);
    }
}

/// Puts a content under other media types.
fn rename(holder: &mut Value, from: &str, to: &[&str]) {
    let Some(content) = holder.get_mut("content").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(shape) = content.remove(from) {
        for name in to {
            content.insert((*name).to_owned(), shape.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{OPERATORS, PUBLIC};
    use crate::http::routes::PATTERNS;

    /// What people look at; nothing that a program calls.
    const PAGES: [&str; 5] = [
        "/assets/",
        "/console",
        "/docs",
        "/openapi.json",
        "/register",
    ];

    #[test]
    fn every_route_is_described_and_every_description_is_routed() {
        let mut described = BTreeSet::new();
        for document in [&*PUBLIC, &*OPERATORS] {
            let document: Value = serde_json::from_str(document).unwrap();
            described.extend(document["paths"].as_object().unwrap().keys().cloned());
        }
        let routed = PATTERNS
            .iter()
            .map(|pattern| pattern.strip_prefix("/t/{tenant}").unwrap_or(pattern))
            .filter(|pattern| !PAGES.iter().any(|page| pattern.starts_with(page)))
            .map(str::to_owned)
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn operations_have_names_of_their_own() {
        for document in [&*PUBLIC, &*OPERATORS] {
            let document: Value = serde_json::from_str(document).unwrap();
            let items = document["paths"].as_object().unwrap().values();
            let operations = items.flat_map(|item| item.as_object().unwrap().values());
            let names: Vec<_> = operations
                .map(|one| one["operationId"].as_str().unwrap())
                .collect();
            let different: BTreeSet<_> = names.iter().collect();
            assert_eq!(different.len(), names.len());
        }
    }
}
