//! `/admin/v1/administrators`: who may use the admin API, and as what.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, one, query, text};
use super::{Operators, as_administrator, read_attributes, unprocessable};
use crate::admin::RoleRequest;
use crate::admin::error::AdminError;
use crate::domain::ids::AdministratorId;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::session::error::CallError;
use crate::store::administrators::Administrator;

const TYPE: &str = "administrators";

/// `POST /admin/v1/administrators`
#[utoipa::path(
    post,
    path = "/admin/v1/administrators",
    operation_id = "createAdministrator",
    tag = "administrators",
    request_body(content = schemas::Request<schemas::AdministratorsType, schemas::NewAdministrator>, example = json!({"data": {"type": "administrators", "attributes": {"name": "eve", "role": "auditor"}}})),
    responses((status = 201, description = "Made", body = schemas::One<schemas::AdministratorsType, schemas::Administrator>)),
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
        let name = attributes.require("name", "1 to 100 printable characters", |value| {
            text(100)(value).filter(|name| !name.trim().is_empty())
        });
        let role = attributes.require("role", "platform, auditor or tenant", |value| {
            ["platform", "auditor", "tenant"]
                .into_iter()
                .find(|role| value.as_str() == Some(*role))
        });
        let tenant = attributes.take("tenant", "the key of a tenant", |value| {
            TenantKey::parse(value.as_str()?)
        });
        let role = match (role, tenant) {
            (Some("tenant"), Some(tenant)) => Some(RoleRequest::Tenant(tenant)),
            (Some("tenant"), None) => {
                attributes.fault("tenant", "required: the key of the one tenant of this role");
                None
            }
            (_, Some(_)) => {
                attributes.fault("tenant", "this role is about all tenants");
                None
            }
            (Some("auditor"), None) => Some(RoleRequest::Auditor),
            (_, None) => Some(RoleRequest::Platform),
        };
        attributes.finish()?;
        let (Some(name), Some(role)) = (name, role) else {
            return Err(Refusal::Call(CallError::Internal));
        };
        let made = operators.admin.create_administrator(&by, &name, role).await;
        let (made, token) = made.map_err(|error| match error {
            AdminError::NotFound(_) => {
                unprocessable("/data/attributes/tenant", "there is no such tenant")
            }
            other => other.into(),
        })?;
        let token = token.secret().expose_secret();
        Ok(one(StatusCode::CREATED, resource(&made, Some(token))))
    })
    .await
}

/// `GET /admin/v1/administrators`
#[utoipa::path(
    get,
    path = "/admin/v1/administrators",
    operation_id = "listAdministrators",
    tag = "administrators",
    params(
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::AdministratorsType, schemas::Administrator>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadPlatform.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadPlatform, async |_| {
        let (page, _) = query(&request, &[])?;
        let after = AdministratorId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let administrators = operators.admin.list_administrators(after, limit).await?;
        Ok(page_of(
            &request,
            &page,
            administrators,
            |administrator| administrator.id.as_i64(),
            |administrator| resource(administrator, None),
        ))
    })
    .await
}

/// `DELETE /admin/v1/administrators/{id}`
#[utoipa::path(
    delete,
    path = "/admin/v1/administrators/{id}",
    operation_id = "revokeAdministrator",
    tag = "administrators",
    params(
        ("id" = String, Path, description = "The administrator's number"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn revoke(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let id = request.match_info().get("id");
        let id = id.and_then(AdministratorId::parse);
        let id = id.ok_or(Refusal::NotFound {
            what: "administrator",
        })?;
        operators.admin.revoke_administrator(&by, id).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// With its token, the one time that it is shown.
fn resource(administrator: &Administrator, token: Option<&str>) -> Value {
    let tenant = administrator.role.only_tenant();
    let mut attributes = json!({
        "name": administrator.name,
        "role": administrator.role.as_str(),
        "tenant_id": tenant.map(|tenant| tenant.to_string()),
        "created_at": administrator.created_at.to_rfc3339(0),
        "revoked_at": administrator.revoked_at.map(|at| at.to_rfc3339(0)),
    });
    if let (Some(attributes), Some(token)) = (attributes.as_object_mut(), token) {
        attributes.insert("token".to_owned(), token.into());
    }
    json!({ "type": TYPE, "id": administrator.id.to_string(), "attributes": attributes })
}
