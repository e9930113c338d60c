//! `DELETE /admin/v1/tenants/{key}/users/{id}`, and `/admin/v1/tenants/{key}/deleted-users`: who was deleted, and the way
//! back.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::openapi::schemas;
use super::document::{list as page_of, one, query};
use super::users::{named_user, resource as user_resource, status_name};
use super::{Operators, as_administrator, tenant_key};
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::store::deleted_users::DeletedUser;

const TYPE: &str = "deleted-users";

/// `DELETE /admin/v1/tenants/{key}/users/{id}`
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{key}/users/{id}",
    operation_id = "deleteUser",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::DeletedUsersType, schemas::DeletedUser>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn delete(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        let deleted = operators.admin.delete_user(&by, &key, id).await?;
        Ok(one(StatusCode::OK, resource(&deleted)))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}/deleted-users`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/deleted-users",
    operation_id = "listDeletedUsers",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::DeletedUsersType, schemas::DeletedUser>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, _) = query(&request, &[])?;
        let users = operators
            .admin
            .list_deleted_users(&key, UserId::from_i64(page.after), page.size as u64 + 1)
            .await?;
        let number = |deleted: &DeletedUser| deleted.user.id.as_i64();
        Ok(page_of(&request, &page, users, number, resource))
    })
    .await
}

/// `DELETE /admin/v1/tenants/{key}/deleted-users/{id}`
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{key}/deleted-users/{id}",
    operation_id = "eraseUser",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The deleted user's number"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn erase(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        operators.admin.erase_user(&by, &key, id).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/deleted-users/{id}/restore`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/deleted-users/{id}/restore",
    operation_id = "restoreUser",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("id" = String, Path, description = "The deleted user's number"),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::UsersType, schemas::User>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn restore(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, id) = (tenant_key(&request)?, named_user(&request)?);
        let user = operators.admin.restore_user(&by, &key, id).await?;
        Ok(one(StatusCode::OK, user_resource(&user)))
    })
    .await
}

fn resource(deleted: &DeletedUser) -> Value {
    let user = &deleted.user;
    json!({
        "type": TYPE,
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "canonical_name": user.username,
            "status": status_name(user.status),
            "created_at": user.created_at.to_rfc3339(0),
            "deleted_at": deleted.deleted_at.to_rfc3339(0),
            "purge_at": deleted.purge_at.to_rfc3339(0),
        },
    })
}
