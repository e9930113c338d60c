//! `/admin/v1/tenants`: create, list, show, change, suspend, resume, delete.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::answer::document;
use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, query, text};
use super::{Operators, as_administrator, read_attributes, tenant_key, unprocessable};
use crate::admin::{PlacementRequest, TenantRequest, TenantUpdate};
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::{SettingsFault, TenantSettings};
use crate::session::error::CallError;
use crate::store::settings::Backend;
use crate::store::tenants::{Placement, TenantFilter, TenantRecord, TenantState};

const TYPE: &str = "tenants";
const MOST_HOSTS: usize = 100;

/// `POST /admin/v1/tenants`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants",
    operation_id = "createTenant",
    tag = "tenants",
    request_body(content = schemas::Request<schemas::TenantsType, schemas::NewTenant>, example = json!({"data": {"type": "tenants", "attributes": {"key": "acme"}}})),
    responses((status = 201, description = "Made", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn create(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let key = attributes.require("key", "2 to 63 of a-z, 0-9 and -", |value| {
            TenantKey::parse(value.as_str()?)
        });
        let name = attributes.take("name", "text of at most 200 characters", text(200));
        let hosts = attributes.take("hosts", HOSTS, hosts);
        let placement = attributes.take("placement", PLACEMENT, placement);
        let settings = attributes.take("settings", "an object", Some);
        attributes.finish()?;
        let key = key.ok_or(Refusal::Call(CallError::Internal))?;
        let wanted = TenantRequest {
            name: name.unwrap_or_else(|| key.as_str().to_owned()),
            key,
            hosts: hosts.unwrap_or_default(),
            placement: placement.unwrap_or(PlacementRequest::OwnFile),
            settings: settings.unwrap_or_else(|| json!({})),
        };
        let record = operators.admin.create_tenant(&by, wanted).await?;
        Ok(shown(&operators, StatusCode::CREATED, &record))
    })
    .await
}

const FILTERS: [&str; 3] = ["filter[state]", "filter[key]", "filter[name]"];

/// `GET /admin/v1/tenants`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants",
    operation_id = "listTenants",
    tag = "tenants",
    params(
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[state]" = Option<schemas::TenantState>, Query, description = "active, suspended or deleted"),
        ("filter[key]" = Option<String>, Query, description = "How the key begins; then they come in order of keys"),
        ("filter[name]" = Option<String>, Query, description = "How the name begins; then they come in order of names"),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::TenantsType, schemas::Tenant>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ListOwn.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ListOwn, async |by| {
        let (page, filters) = query(&request, &FILTERS)?;
        let mut filter = TenantFilter::default();
        for (name, value) in filters {
            match name.as_str() {
                "filter[key]" => filter.key_begins = Some(value.to_ascii_lowercase()),
                "filter[name]" => filter.name_begins = Some(value),
                _ => {
                    let wrong = "filter[state] must be active, suspended or deleted";
                    let state = TenantState::parse(&value);
                    filter.state = Some(state.ok_or_else(|| unprocessable("", wrong))?);
                }
            }
        }
        let limit = page.size as u64 + 1;
        let after = TenantId::from_i64(page.after);
        let tenants = operators
            .admin
            .list_tenants(&by, &filter, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            tenants,
            |tenant| tenant.id.as_i64(),
            |tenant| resource(&operators, tenant),
        ))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}",
    operation_id = "getTenant",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn show(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let record = operators.admin.get_tenant(&tenant_key(&request)?).await?;
        Ok(shown(&operators, StatusCode::OK, &record))
    })
    .await
}

/// `PATCH /admin/v1/tenants/{key}`
#[utoipa::path(
    patch,
    path = "/admin/v1/tenants/{key}",
    operation_id = "changeTenant",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    request_body(content = schemas::Request<schemas::TenantsType, schemas::TenantChange>, example = json!({"data": {"type": "tenants", "attributes": {"settings": {"locale": "en"}}}})),
    responses((status = 200, description = "Done", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn change(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let update = TenantUpdate {
            name: attributes.take("name", "text of at most 200 characters", text(200)),
            hosts: attributes.take("hosts", HOSTS, hosts),
            settings: attributes.take("settings", "an object", |value| {
                value.is_object().then_some(value)
            }),
            settings_version: attributes.take("settings_version", "a version number", |value| {
                i32::try_from(value.as_i64()?).ok()
            }),
        };
        attributes.finish()?;
        let record = operators.admin.change_tenant(&by, &key, update).await?;
        Ok(shown(&operators, StatusCode::OK, &record))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/suspend`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/suspend",
    operation_id = "suspendTenant",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn suspend(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let record = operators
            .admin
            .suspend_tenant(&by, &tenant_key(&request)?)
            .await?;
        Ok(shown(&operators, StatusCode::OK, &record))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/resume`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/resume",
    operation_id = "resumeTenant",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = schemas::TenantShown)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn resume(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let record = operators
            .admin
            .resume_tenant(&by, &tenant_key(&request)?)
            .await?;
        Ok(shown(&operators, StatusCode::OK, &record))
    })
    .await
}

/// `DELETE /admin/v1/tenants/{key}`
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{key}",
    operation_id = "deleteTenant",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn delete(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        operators
            .admin
            .delete_tenant(&by, &tenant_key(&request)?)
            .await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

const HOSTS: &str = "a list of at most 100 different host names, without ports";
const PLACEMENT: &str = r#"{"kind":"own"}, {"kind":"own","url":"postgres://..."} or {"kind":"shared","database":"name"}"#;

fn hosts(value: Value) -> Option<Vec<HostName>> {
    let list = value.as_array().filter(|list| list.len() <= MOST_HOSTS)?;
    let mut hosts = Vec::with_capacity(list.len());
    for host in list {
        let text = host.as_str().filter(|text| !text.contains(':'))?;
        let host = HostName::parse(text).filter(|host| !hosts.contains(host))?;
        hosts.push(host);
    }
    Some(hosts)
}

fn placement(value: Value) -> Option<PlacementRequest> {
    let object = value.as_object()?;
    let member = |name: &str| object.get(name).and_then(Value::as_str);
    match (member("kind")?, object.len()) {
        ("own", 1) => Some(PlacementRequest::OwnFile),
        ("own", 2) => Some(PlacementRequest::OwnUrl(member("url")?.to_owned().into())),
        ("shared", 2) => Some(PlacementRequest::Shared(member("database")?.to_owned())),
        _ => None,
    }
}

pub(super) fn shown(
    operators: &Operators,
    status: StatusCode,
    record: &TenantRecord,
) -> HttpResponse {
    let warnings = warnings(&record.settings);
    let body = json!({ "data": resource(operators, record), "meta": { "warnings": warnings } });
    document(status, body.to_string().into_bytes())
}

/// What weakens the tenant, as `meta.warnings` shows it.
pub(super) fn warnings(settings: &TenantSettings) -> Value {
    let found = settings.warnings().into_iter();
    found
        .map(|SettingsFault { path, detail }| json!({ "path": path, "detail": detail }))
        .collect()
}

fn resource(operators: &Operators, record: &TenantRecord) -> Value {
    // The URL of a database of its own holds a password: it is written, never read.
    let backend = operators.admin.backend_of(record).map(Backend::as_str);
    let placement = match &record.placement {
        Placement::OwnFile | Placement::OwnUrl(_) => json!({ "kind": "own", "backend": backend }),
        Placement::Shared(name) => {
            json!({ "kind": "shared", "database": name, "backend": backend })
        }
    };
    let hosts: Vec<&str> = record.hosts.iter().map(HostName::as_str).collect();
    json!({
        "type": TYPE,
        "id": record.id.to_string(),
        "attributes": {
            "key": record.key.as_str(),
            "name": record.name,
            "state": record.state.as_str(),
            "hosts": hosts,
            "placement": placement,
            "settings": record.settings.masked(),
            "settings_version": record.settings_version,
            "created_at": record.created_at.to_rfc3339(0),
            "updated_at": record.updated_at.to_rfc3339(0),
        },
    })
}
