//! `/admin/v1/tenants/{key}/settings`: the versions of a tenant's settings.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::answer::document;
use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, one, query};
use super::tenants::{shown, warnings};
use super::{Operators, as_administrator, read_attributes, tenant_key, unprocessable};
use crate::domain::role::Right;
use crate::domain::tenant_settings::SettingsDifference;
use crate::store::settings_versions::SettingsVersion;

const TYPE: &str = "settings";

/// `GET /admin/v1/tenants/{key}/settings`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/settings",
    operation_id = "listSettings",
    tag = "settings",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::SettingsType, schemas::SettingsVersion>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, _) = query(&request, &[])?;
        let after = i32::try_from(page.after).unwrap_or(i32::MAX);
        let limit = page.size as u64 + 1;
        let versions = operators.admin.list_settings_versions(&key, after, limit);
        Ok(page_of(
            &request,
            &page,
            versions.await?,
            |version| version.version.into(),
            |version| resource(version, json!({})),
        ))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}/settings/{version}`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/settings/{version}",
    operation_id = "getSettings",
    tag = "settings",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("version" = i32, Path, description = "A version of the settings", example = 1),
        ("against" = Option<i32>, Query, description = "Another version, to compare with", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::SettingsType, schemas::SettingsVersionShown>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn show(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let version = named_version(&request)?;
        let (_, asked) = query(&request, &["against"])?;
        let against = asked
            .first()
            .map(|(_, value)| parse(value).ok_or_else(wrong));
        let against = against.transpose()?;
        let found = operators.admin.get_settings_version(&key, version, against);
        let (version, settings, differences) = found.await?;
        let mut more = json!({ "settings": settings.masked() });
        if let (Some(against), Some(more)) = (against, more.as_object_mut()) {
            more.insert("against".to_owned(), against.into());
            more.insert("differences".to_owned(), shown_differences(&differences));
        }
        Ok(one(StatusCode::OK, resource(&version, more)))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/settings/{version}/restore`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/settings/{version}/restore",
    operation_id = "restoreSettings",
    tag = "settings",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("version" = i32, Path, description = "A version of the settings", example = 1),
    ),
    responses((status = 200, description = "Done", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn restore(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let version = named_version(&request)?;
        let restored = operators.admin.restore_settings(&by, &key, version);
        Ok(shown(&operators, StatusCode::OK, &restored.await?))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/settings/preview`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/settings/preview",
    operation_id = "previewSettings",
    tag = "settings",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    request_body(content = schemas::Request<schemas::SettingsType, schemas::SettingsPatch>, example = json!({"data": {"type": "settings", "attributes": {"settings": {"locale": "en"}}}})),
    responses((status = 200, description = "Done", body = schemas::SettingsPreviewShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn preview(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |_| {
        let key = tenant_key(&request)?;
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let patch = attributes.require("settings", "an object", |value| {
            value.is_object().then_some(value)
        });
        attributes.finish()?;
        let patch = patch.unwrap_or_default();
        let (tenant, settings, differences) =
            operators.admin.preview_settings(&key, &patch).await?;
        let version = tenant.settings_version;
        let data = json!({
            "type": TYPE,
            "id": version.to_string(),
            "attributes": {
                "version": version,
                "settings": settings.masked(),
                "differences": shown_differences(&differences),
            },
        });
        let body = json!({ "data": data, "meta": { "warnings": warnings(&settings) } });
        Ok(document(StatusCode::OK, body.to_string().into_bytes()))
    })
    .await
}

fn shown_differences(differences: &[SettingsDifference]) -> Value {
    let shown = differences.iter().map(|difference| {
        json!({
            "path": difference.path,
            "before": difference.before,
            "after": difference.after,
        })
    });
    shown.collect()
}

fn named_version(request: &HttpRequest) -> Result<i32, Refusal> {
    let version = request.match_info().get("version").and_then(parse);
    version.ok_or(Refusal::NotFound {
        what: "settings version",
    })
}

fn parse(text: &str) -> Option<i32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn wrong() -> Refusal {
    unprocessable("", "against must be the number of a version")
}

fn resource(version: &SettingsVersion, more: Value) -> Value {
    let mut attributes = json!({
        "version": version.version,
        "changed_by": version.changed_by,
        "created_at": version.created_at.to_rfc3339(0),
    });
    if let (Some(attributes), Value::Object(more)) = (attributes.as_object_mut(), more) {
        attributes.extend(more);
    }
    json!({ "type": TYPE, "id": version.version.to_string(), "attributes": attributes })
}
