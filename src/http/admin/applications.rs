//! `/admin/v1/tenants/{key}/applications`: who awaits approval, and decisions about them.

use std::collections::HashSet;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::answer::document;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, query, text};
use super::users::status_name;
use super::{Operators, as_administrator, read_attributes, tenant_key};
use crate::admin::ApplicationDecision;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::domain::user_status::UserStatus;
use crate::store::moderation::{Application, Decided};

/// Most users of one call.
const MOST_USERS: usize = 500;

/// `GET /admin/v1/tenants/{key}/applications`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/applications",
    operation_id = "listApplications",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[username]" = Option<String>, Query, description = "How the name begins"),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::ApplicationsType, schemas::Application>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, filters) = query(&request, &["filter[username]"])?;
        let name = filters.last().map(|(_, value)| value.as_str());
        let after = UserId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let found = operators
            .admin
            .list_applications(&key, name, after, limit)
            .await?;
        let now = operators.admin.now();
        Ok(page_of(
            &request,
            &page,
            found,
            |each| each.user.id.as_i64(),
            |each| resource(each, now),
        ))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/applications/decide`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/applications/decide",
    operation_id = "decideApplications",
    tag = "users",
    params(("key" = String, Path, description = "The tenant's key", example = "acme")),
    request_body(content = schemas::Request<schemas::DecisionsType, schemas::NewDecision>, example = json!({"data": {"type": "decisions", "attributes": {"action": "approve", "ids": ["6612345678901234"]}}})),
    responses((status = 200, description = "Done", body = schemas::DecisionsMade)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn decide(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let to = attributes.require("action", "approve, reject or ignore", |value| {
            action(value.as_str()?)
        });
        let wanted = "a list of 1 to 500 different numbers of users, each as text";
        let users = attributes.require("ids", wanted, numbers);
        let message = attributes.take(
            "message",
            "text of at most 255 characters, or null",
            |value| match value {
                Value::Null => Some(None),
                other => text(255)(other).map(Some),
            },
        );
        attributes.finish()?;
        let decision = ApplicationDecision {
            users: users.unwrap_or_default(),
            to: to.unwrap_or(UserStatus::Ignored),
            message: message.flatten().filter(|text| !text.is_empty()),
        };
        let outcomes = operators
            .admin
            .decide_applications(&by, &key, &decision)
            .await?;
        let show = |(user, decided): &(UserId, Decided)| outcome(*user, *decided, decision.to);
        let data: Vec<Value> = outcomes.iter().map(show).collect();
        let body = json!({ "data": data });
        Ok(document(StatusCode::OK, body.to_string().into_bytes()))
    })
    .await
}

const TYPE: &str = "decisions";

fn action(name: &str) -> Option<UserStatus> {
    match name {
        "approve" => Some(UserStatus::Normal),
        "reject" => Some(UserStatus::Rejected),
        "ignore" => Some(UserStatus::Ignored),
        _ => None,
    }
}

fn numbers(value: Value) -> Option<Vec<UserId>> {
    let Value::Array(items) = value else {
        return None;
    };
    if items.is_empty() || items.len() > MOST_USERS {
        return None;
    }
    let mut seen = HashSet::new();
    let number = |item: &Value| UserId::parse(item.as_str()?).filter(|id| seen.insert(*id));
    items.iter().map(number).collect()
}

fn outcome(user: UserId, decided: Decided, to: UserStatus) -> Value {
    let (outcome, status) = match decided {
        Decided::Now => ("decided", Some(to)),
        Decided::NotPending(status) => ("not_pending", Some(status)),
        Decided::NotFound => ("not_found", None),
    };
    json!({
        "type": TYPE,
        "id": user.to_string(),
        "attributes": { "outcome": outcome, "status": status.map(status_name) },
    })
}

fn resource(application: &Application, now: Timestamp) -> Value {
    let user = &application.user;
    json!({
        "type": "applications",
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "canonical_name": user.username,
            "register_reason": user.register_reason,
            "register_ip": user.register_ip,
            "group_id": user.group_id,
            "invite_code": application.invite_code,
            "invited_by": application.invited_by.map(|member| member.to_string()),
            "created_at": user.created_at.to_rfc3339(0),
            "age_seconds": now.since(user.created_at).as_secs(),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::numbers;

    #[test]
    fn numbers_are_bounded_different_and_texts() {
        let many = |count: u64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>();
        for right in [json!(["7"]), json!(["8", "7"]), json!(many(500))] {
            assert_eq!(
                numbers(right.clone()).map(|ids| ids.len()),
                right.as_array().map(Vec::len)
            );
        }
        for wrong in [
            json!([]),
            json!("7"),
            json!([7]),
            json!(["7", "7"]),
            json!(["0"]),
            json!(["x"]),
            json!(["7", null]),
            json!(many(501)),
        ] {
            assert_eq!(numbers(wrong.clone()), None, "{wrong}");
        }
    }
}
