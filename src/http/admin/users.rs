//! `/admin/v1/tenants/{key}/users`: who registered; group and standing of each.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::answer::document;
use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, one, query, text};
use super::{Operators, as_administrator, read_attributes, tenant_key, unprocessable};
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::domain::user_status::UserStatus;
use crate::store::moderation::UserChange;
use crate::store::users::User;

/// `GET /admin/v1/tenants/{key}/users`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/users",
    operation_id = "listUsers",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[status]" = Option<schemas::UserStatus>, Query, description = "A standing"),
        ("filter[username]" = Option<String>, Query, description = "How the name begins"),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::UsersType, schemas::User>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, filters) = query(&request, &["filter[status]", "filter[username]"])?;
        let (mut status, mut name) = (None, None);
        for (filter, value) in &filters {
            if filter == "filter[status]" {
                let named = named_status(value);
                let wrong = || unprocessable("", &format!("filter[status] must be {STATUSES}"));
                status = Some(named.ok_or_else(wrong)?);
            } else {
                name = Some(value.as_str());
            }
        }
        let after = UserId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let users = operators
            .admin
            .list_users(&key, status, name, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            users,
            |user| user.id.as_i64(),
            resource,
        ))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}/users/{id}`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/users/{id}",
    operation_id = "getUser",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::UsersType, schemas::User>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn show(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        let user = operators.admin.get_user(&key, id).await?;
        Ok(one(StatusCode::OK, resource(&user)))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/users/{id}/end-sessions`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/users/{id}/end-sessions",
    operation_id = "endSessions",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
    ),
    responses((status = 200, description = "Done", body = schemas::SessionsEnded)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn end_sessions(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        let ended = operators.admin.end_sessions(&by, &key, id).await?;
        let body = json!({ "meta": { "ended": ended } });
        Ok(document(StatusCode::OK, body.to_string().into_bytes()))
    })
    .await
}

pub(super) fn named_user(request: &HttpRequest) -> Result<UserId, Refusal> {
    let id = request.match_info().get("id").and_then(UserId::parse);
    id.ok_or(Refusal::NotFound { what: "user" })
}

/// `PATCH /admin/v1/tenants/{key}/users/{id}`
#[utoipa::path(
    patch,
    path = "/admin/v1/tenants/{key}/users/{id}",
    operation_id = "changeUser",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
    ),
    request_body(content = schemas::Request<schemas::UsersType, schemas::UserChange>, example = json!({"data": {"type": "users", "attributes": {"status": "normal"}}})),
    responses((status = 200, description = "Done", body = schemas::One<schemas::UsersType, schemas::User>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn change(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let change = UserChange {
            group_id: attributes.take("group_id", "the number of a group", group),
            status: attributes.take("status", STATUSES, |value| named_status(value.as_str()?)),
            refuse_message: attributes.take(
                "refuse_message",
                "text of at most 255 characters, or null",
                |value| match value {
                    Value::Null => Some(None),
                    other => text(255)(other).map(Some),
                },
            ),
        };
        attributes.finish()?;
        let user = operators.admin.change_user(&by, &key, id, change).await?;
        Ok(one(StatusCode::OK, resource(&user)))
    })
    .await
}

/// A group's number; whether the tenant has it is looked at later.
pub(super) fn group(value: Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

const TYPE: &str = "users";
pub(super) const STATUSES: &str = "normal, banned, pending, rejected or ignored";

/// A standing's name in the admin API.
pub(in crate::http) const fn status_name(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Normal => "normal",
        UserStatus::Banned => "banned",
        UserStatus::Pending => "pending",
        UserStatus::Rejected => "rejected",
        UserStatus::Ignored => "ignored",
    }
}

/// The standing of a name.
pub(in crate::http) fn named_status(name: &str) -> Option<UserStatus> {
    UserStatus::ALL
        .into_iter()
        .find(|status| status_name(*status) == name)
}

pub(super) fn resource(user: &User) -> Value {
    json!({
        "type": TYPE,
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "canonical_name": user.username,
            "status": status_name(user.status),
            "refuse_message": user.refuse_message,
            "group_id": user.group_id,
            "register_reason": user.register_reason,
            "register_ip": user.register_ip,
            "last_login_ip": user.last_login_ip,
            "created_at": user.created_at.to_rfc3339(0),
            "updated_at": user.updated_at.to_rfc3339(0),
        },
    })
}
