//! `/admin/v1/tenants/{key}/pressure`: what limits a tenant now.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::openapi::schemas;
use super::document::one;
use super::{Operators, as_administrator, tenant_key};
use crate::domain::role::Right;
use crate::pressure::{Resource, limiting};

/// `GET /admin/v1/tenants/{key}/pressure`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/pressure",
    operation_id = "getPressure",
    tag = "tenants",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::PressureType, schemas::Pressure>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn show(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (id, pressure) = operators.admin.pressure(&key).await?;
        let resources: Vec<Value> = pressure.resources.iter().map(resource).collect();
        let data = json!({
            "type": "pressure",
            "id": id.to_string(),
            "attributes": {
                "key": key.as_str(),
                "live": pressure.live,
                "limiting": limiting(&pressure.resources).map(|resource| &resource.name),
                "resources": resources,
            },
        });
        Ok(one(StatusCode::OK, data))
    })
    .await
}

fn resource(resource: &Resource) -> Value {
    json!({
        "name": resource.name,
        "setting": resource.setting,
        "in_use": resource.in_use,
        "bound": resource.bound,
        "waiting": resource.waiting,
        "expected_wait_ms": resource.expected_wait.map(whole_millis),
        "refused_last_10_s": resource.refused.lately,
        "refused_last_60_s": resource.refused.last_minute,
    })
}

/// Milliseconds, rounded up, so that a short wait is not shown as none.
fn whole_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}
