//! `/admin/v1/audit`: who did what.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{list as page_of, query};
use super::export::{Format, Rows, stream_of};
use super::{Operators, as_administrator, unprocessable};
use crate::admin::AuditWalk;
use crate::admin::error::AdminError;
use crate::clock::Timestamp;
use crate::domain::ids::AuditEntryId;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::store::audit::{AuditFilter, AuditLine};

const FILTERS: [&str; 6] = [
    "sort",
    "filter[tenant]",
    "filter[administrator]",
    "filter[action]",
    "filter[since]",
    "filter[until]",
];

/// `GET /admin/v1/audit`
#[utoipa::path(
    get,
    path = "/admin/v1/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("sort" = Option<schemas::AuditOrder>, Query, description = "at, the oldest first, unless -at is given"),
        ("filter[tenant]" = Option<String>, Query, description = "A tenant's key"),
        ("filter[administrator]" = Option<String>, Query, description = "A name"),
        ("filter[action]" = Option<String>, Query, description = "As tenant.create"),
        ("filter[since]" = Option<String>, Query, description = "From this time on (RFC 3339)", format = DateTime),
        ("filter[until]" = Option<String>, Query, description = "Before this time (RFC 3339)", format = DateTime),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::AuditType, schemas::AuditLine>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ListOwn.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ListOwn, async |by| {
        let (page, filters) = query(&request, &FILTERS)?;
        let mut tenant = None;
        let mut filter = AuditFilter::default();
        for (name, value) in filters {
            match name.as_str() {
                "filter[tenant]" => {
                    let key = TenantKey::parse(&value);
                    tenant = Some(key.ok_or(Refusal::NotFound { what: "tenant" })?);
                }
                "sort" => {
                    filter.newest_first = match value.as_str() {
                        "at" => false,
                        "-at" => true,
                        _ => return Err(unprocessable("", "sort must be at or -at")),
                    }
                }
                "filter[administrator]" => filter.administrator = Some(value),
                "filter[action]" => filter.action = Some(value),
                "filter[since]" => filter.since = Some(time(&name, &value)?),
                _ => filter.until = Some(time(&name, &value)?),
            }
        }
        if let Some(format) = Format::accepted(&request) {
            let walk = operators.admin.walk_audit(by, tenant, filter);
            return stream_of(&operators.streams, format, Walk(walk)).await;
        }
        let after = AuditEntryId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let lines = operators
            .admin
            .list_audit(&by, tenant.as_ref(), filter, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            lines,
            |line| line.id.as_i64(),
            resource,
        ))
    })
    .await
}

/// All lines.
struct Walk(AuditWalk);

impl Rows for Walk {
    type Row = AuditLine;
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "at",
        "administrator",
        "action",
        "tenant_id",
        "subject",
        "before",
        "after",
    ];

    async fn next_part(&mut self) -> Result<Vec<AuditLine>, AdminError> {
        self.0.next_part().await
    }

    fn resource(&self, line: &AuditLine) -> Value {
        resource(line)
    }
}

fn time(name: &str, value: &str) -> Result<Timestamp, Refusal> {
    Timestamp::parse_rfc3339(value)
        .ok_or_else(|| unprocessable("", &format!("{name} must be a date and time (RFC 3339)")))
}

fn resource(line: &AuditLine) -> Value {
    json!({
        "type": "audit",
        "id": line.id.to_string(),
        "attributes": {
            "at": line.at.to_rfc3339(0),
            "administrator": line.administrator,
            "action": line.action,
            "tenant_id": line.tenant.map(|tenant| tenant.to_string()),
            "subject": line.subject,
            "before": line.before,
            "after": line.after,
        },
    })
}
