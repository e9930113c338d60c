//! `/admin/v1/usage` and `/admin/v1/tenants/{key}/usage`: what tenants used.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{list as page_of, query};
use super::{Operators, as_administrator, tenant_key, unprocessable};
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::role::Right;
use crate::store::usage::{Period, Step};
use crate::telemetry::usage::{Counter, Counts};

const TYPE: &str = "usage";
const FILTERS: [&str; 3] = ["filter[step]", "filter[from]", "filter[to]"];

/// `GET /admin/v1/tenants/{key}/usage`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/usage",
    operation_id = "getUsage",
    tag = "usage",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[step]" = Option<schemas::UsageStep>, Query, description = "hour or day"),
        ("filter[from]" = Option<String>, Query, description = "From this time on (RFC 3339)", format = DateTime),
        ("filter[to]" = Option<String>, Query, description = "Before this time (RFC 3339)", format = DateTime),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::UsageType, schemas::UsageOfStep>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn of_tenant(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, filters) = query(&request, &FILTERS)?;
        let period = read_period(filters, operators.admin.now())?;
        let after = Timestamp::from_millis(page.after);
        let limit = page.size as u64 + 1;
        let steps = operators
            .admin
            .list_usage(&key, period, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            steps,
            |step| step.starts_at.as_millis(),
            |step| {
                let starts_at = step.starts_at.to_rfc3339(0);
                resource(&starts_at, ("starts_at", &starts_at), &step.counts)
            },
        ))
    })
    .await
}

/// `GET /admin/v1/usage`
#[utoipa::path(
    get,
    path = "/admin/v1/usage",
    operation_id = "listUsage",
    tag = "usage",
    params(
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[step]" = Option<schemas::UsageStep>, Query, description = "hour or day"),
        ("filter[from]" = Option<String>, Query, description = "From this time on (RFC 3339)", format = DateTime),
        ("filter[to]" = Option<String>, Query, description = "Before this time (RFC 3339)", format = DateTime),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::UsageType, schemas::UsageOfTenant>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadPlatform.as_str()))),
)]
pub(crate) async fn totals(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadPlatform, async |_| {
        let (page, filters) = query(&request, &FILTERS)?;
        let period = read_period(filters, operators.admin.now())?;
        let after = TenantId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let totals = operators.admin.total_usage(period, after, limit).await?;
        Ok(page_of(
            &request,
            &page,
            totals,
            |total| total.tenant.as_i64(),
            |total| {
                resource(
                    &total.tenant.to_string(),
                    ("key", &total.key),
                    &total.counts,
                )
            },
        ))
    })
    .await
}

/// The period asked for: without a beginning, the last 48 hours or 30 days.
fn read_period(filters: Vec<(String, String)>, now: Timestamp) -> Result<Period, Refusal> {
    let (mut step, mut from, mut until) = (Step::Hour, None, now);
    for (name, value) in filters {
        let time = || {
            let wrong = || unprocessable("", &format!("{name} must be a date and time (RFC 3339)"));
            Timestamp::parse_rfc3339(&value).ok_or_else(wrong)
        };
        match name.as_str() {
            "filter[from]" => from = Some(time()?),
            "filter[to]" => until = time()?,
            _ => {
                step = match value.as_str() {
                    "hour" => Step::Hour,
                    "day" => Step::Day,
                    _ => return Err(unprocessable("", "filter[step] must be hour or day")),
                }
            }
        }
    }
    let usual = match step {
        Step::Hour => Duration::from_secs(48 * 3600),
        Step::Day => Duration::from_secs(30 * 24 * 3600),
    };
    let from = step.begin(from.unwrap_or_else(|| until.minus(usual)));
    if from >= until {
        return Err(unprocessable("", "filter[from] must lie before filter[to]"));
    }
    Ok(Period { step, from, until })
}

fn resource(id: &str, (name, value): (&str, &str), counts: &Counts) -> Value {
    let count = |counter: Counter| (counter.as_str().to_owned(), counts.get(counter).into());
    let mut attributes: Map<String, Value> = Counter::ALL.into_iter().map(count).collect();
    attributes.insert(name.to_owned(), value.into());
    json!({ "type": TYPE, "id": id, "attributes": attributes })
}
