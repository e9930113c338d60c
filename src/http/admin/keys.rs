//! `/admin/v1/tenants/{key}/keys`: what signs a tenant's access tokens. Private halves are never shown.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::answer::document;
use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, one, query};
use super::{Operators, as_administrator, read_attributes, tenant_key};
use crate::admin::{KEY_NOTICE, KeyShown, KeyState};
use crate::domain::role::Right;
use crate::token::Algorithm;

const TYPE: &str = "keys";

/// Longest notice: a day. Nobody keeps a key set for longer.
const MOST_NOTICE_SECONDS: u64 = 24 * 60 * 60;

/// `GET /admin/v1/tenants/{key}/keys`. All on one page: a tenant has at most eight.
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/keys",
    operation_id = "listKeys",
    tag = "keys",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::KeysType, schemas::Key>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        query(&request, &[])?;
        let keys = operators.admin.list_keys(&key).await?;
        let data: Vec<Value> = keys.iter().map(resource).collect();
        let body = json!({ "data": data, "links": { "next": null } });
        Ok(document(StatusCode::OK, body.to_string().into_bytes()))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/keys`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/keys",
    operation_id = "rotateKey",
    tag = "keys",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    request_body(content = schemas::Request<schemas::KeysType, schemas::NewKey>, example = json!({"data": {"type": "keys", "attributes": {}}})),
    responses((status = 201, description = "Made", body = schemas::One<schemas::KeysType, schemas::Key>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn rotate(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let algorithm = attributes.take("algorithm", "EdDSA, ES256 or RS256", |value| {
            Algorithm::parse(value.as_str()?)
        });
        let notice = attributes.take("signs_in_seconds", "0 to 86400", |value| {
            value
                .as_u64()
                .filter(|seconds| *seconds <= MOST_NOTICE_SECONDS)
        });
        attributes.finish()?;
        let algorithm = algorithm.unwrap_or(Algorithm::EdDsa);
        let notice = notice.map_or(KEY_NOTICE, Duration::from_secs);
        let made = operators
            .admin
            .rotate_key(&by, &key, algorithm, notice)
            .await?;
        Ok(one(StatusCode::CREATED, resource(&made)))
    })
    .await
}

/// `DELETE /admin/v1/tenants/{key}/keys/{kid}`
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{key}/keys/{kid}",
    operation_id = "revokeKey",
    tag = "keys",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("kid" = String, Path, description = "The key's id"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn revoke(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let kid = request.match_info().get("kid");
        let kid = kid.ok_or(Refusal::NotFound { what: "key" })?;
        operators.admin.revoke_key(&by, &key, kid).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

const fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Coming => "coming",
        KeyState::Signing => "signing",
        KeyState::Verifying => "verifying",
        KeyState::Retired => "retired",
    }
}

fn resource(key: &KeyShown) -> Value {
    let KeyShown { stored, state } = key;
    json!({
        "type": TYPE,
        "id": stored.kid,
        "attributes": {
            "algorithm": stored.algorithm,
            "state": state_name(*state),
            "created_at": stored.created_at.to_rfc3339(0),
            "signs_from": stored.signs_from.to_rfc3339(0),
            "retires_at": stored.retires_at.map(|at| at.to_rfc3339(0)),
            "public_jwk": serde_json::from_str::<Value>(&stored.public_jwk).unwrap_or_default(),
        },
    })
}
