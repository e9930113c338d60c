//! `/console/audit`: who did what.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::Value;

use super::{Console, Frame, PAGE_SIZE, moment, show as show_page};
use crate::clock::Timestamp;
use crate::domain::ids::AuditEntryId;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::http::error_document::Refusal;
use crate::http::html::query_of;
use crate::http::wire::query::Query;
use crate::store::audit::{AuditFilter, AuditLine};

/// `GET /console/audit`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ListOwn, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let mut take = |name| query.text(name).unwrap_or_default();
        let asked = Asked {
            tenant: take("tenant"),
            administrator: take("administrator"),
            action: take("action"),
            since: take("since"),
        };
        let after = query.known("after", |text| text.parse().ok())?.unwrap_or(0);
        let tenant = match asked.tenant.as_str() {
            "" => None,
            key => {
                let key = TenantKey::parse(key);
                Some(key.ok_or(Refusal::NotFound { what: "tenant" })?)
            }
        };
        let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
        let filter = AuditFilter {
            administrator: filled(&asked.administrator),
            action: filled(&asked.action),
            since: match asked.since.as_str() {
                "" => None,
                // A date picker's day, in UTC.
                day => {
                    let moment = Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z"));
                    Some(moment.ok_or(Refusal::BadParameter("since"))?)
                }
            },
            ..AuditFilter::default()
        };
        let after = AuditEntryId::from_i64(after);
        let limit = PAGE_SIZE as u64 + 1;
        let mut lines = console
            .admin()
            .list_audit(&desk.by, tenant.as_ref(), filter, after, limit)
            .await?;
        let more = lines.len() > PAGE_SIZE;
        lines.truncate(PAGE_SIZE);
        let next = lines.last().filter(|_| more).map(|last| {
            let after = last.id.as_i64().to_string();
            query_of(&[
                ("tenant", &asked.tenant),
                ("administrator", &asked.administrator),
                ("action", &asked.action),
                ("since", &asked.since),
                ("after", &after),
            ])
        });
        let template = AuditPage {
            frame: desk.frame("audit"),
            rows: lines.iter().map(AuditRow::of).collect(),
            asked,
            next,
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

struct Asked {
    tenant: String,
    administrator: String,
    action: String,
    /// A day.
    since: String,
}

struct AuditRow<'a> {
    at: String,
    administrator: &'a str,
    action: &'a str,
    subject: &'a str,
    before: Option<String>,
    after: Option<String>,
}

impl<'a> AuditRow<'a> {
    fn of(line: &'a AuditLine) -> Self {
        let written = |value: &Option<Value>| {
            let value = value.as_ref()?;
            serde_json::to_string_pretty(value).ok()
        };
        Self {
            at: moment(line.at),
            administrator: &line.administrator,
            action: &line.action,
            subject: &line.subject,
            before: written(&line.before),
            after: written(&line.after),
        }
    }
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage<'a> {
    frame: Frame<'a>,
    rows: Vec<AuditRow<'a>>,
    asked: Asked,
    next: Option<String>,
}
