//! `/admin/v1/tenants/{key}/users`: who registered.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::document::{list as page_of, query};
use super::{Operators, as_administrator, tenant_key};
use crate::domain::ids::UserId;
use crate::domain::user_status::UserStatus;
use crate::store::users::User;

/// `GET /admin/v1/tenants/{key}/users`
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, async |_| {
        let key = tenant_key(&request)?;
        let (page, _) = query(&request, &[])?;
        let limit = page.size as u64 + 1;
        let users = operators
            .admin
            .list_users(&key, UserId::from_i64(page.after), limit)
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

fn resource(user: &User) -> Value {
    let status = match user.status {
        UserStatus::Normal => "normal",
        UserStatus::Banned => "banned",
        UserStatus::Pending => "pending",
        UserStatus::Rejected => "rejected",
        UserStatus::Ignored => "ignored",
    };
    json!({
        "type": "users",
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "canonical_name": user.username,
            "status": status,
            "register_reason": user.register_reason,
            "register_ip": user.register_ip,
            "last_login_ip": user.last_login_ip,
            "created_at": user.created_at.to_rfc3339(0),
            "updated_at": user.updated_at.to_rfc3339(0),
        },
    })
}
