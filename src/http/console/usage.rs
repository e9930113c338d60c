//! `/console/tenants/{key}/usage`: what a tenant used, by the hour or the day.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::charts::share;
use super::{Console, Frame, moment, show as show_page};
use crate::clock::Timestamp;
use crate::domain::role::Right;
use crate::http::error_document::Refusal;
use crate::http::html::Say;
use crate::http::wire::query::Query;
use crate::store::usage::{Period, Step};
use crate::telemetry::usage::{Counter, Counts};

/// Hours, or days, shown.
const HOURS: u64 = 48;
const DAYS: u64 = 30;
const HOUR: Duration = Duration::from_secs(3600);

/// `GET /console/tenants/{key}/usage`
pub(super) async fn show(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let mut query = Query::read(request.query_string())?;
        let by_day = query.text("step").as_deref() == Some("day");
        let (step, span) = if by_day {
            (Step::Day, HOUR * 24 * u32::try_from(DAYS).unwrap_or(1))
        } else {
            (Step::Hour, HOUR * u32::try_from(HOURS).unwrap_or(1))
        };
        let until = console.admin().now();
        let period = Period {
            step,
            from: step.begin(until.minus(span)),
            until,
        };
        let begin = Timestamp::from_millis(0);
        // The first step is one that was cut; with it there is one more than its number.
        let limit = HOURS.max(DAYS) + 1;
        let steps = console
            .admin()
            .list_usage(&tenant.key, period, begin, limit)
            .await?;
        let mut totals = Counts::default();
        for step in &steps {
            totals.add_all(&step.counts);
        }
        let accounts =
            |counts: &Counts| u64::try_from(counts.get(Counter::Registrations)).unwrap_or_default();
        let most = steps.iter().map(|step| accounts(&step.counts)).max();
        let template = UsagePage {
            frame: desk.frame("usage"),
            key: tenant.key.as_str(),
            by_day,
            totals: Counter::ALL
                .into_iter()
                .map(|counter| (name(counter, desk.say), totals.get(counter)))
                .collect(),
            rows: steps
                .iter()
                .rev()
                .map(|step| StepRow {
                    at: moment(step.starts_at),
                    registrations: accounts(&step.counts),
                    logins: step.counts.get(Counter::Logins),
                    share: share(accounts(&step.counts), most.unwrap_or(1)),
                })
                .collect(),
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// What is counted, in words.
const fn name(counter: Counter, say: Say) -> &'static str {
    match counter {
        Counter::Registrations => say.t("Accounts made", "新账号"),
        Counter::RefusedInput => say.t("Refused for what they brought", "因内容被拒"),
        Counter::RefusedPolicy => say.t("Refused by rules", "因规则被拒"),
        Counter::RefusedLimit => say.t("Refused by limits", "因限流被拒"),
        Counter::RefusedRoom => say.t("Refused for want of room", "因繁忙被拒"),
        Counter::Logins => say.t("Logins", "登录"),
        Counter::FailedLogins => say.t("Failed logins", "失败的登录"),
        Counter::SmsSent => say.t("Messages sent", "已发短信"),
        Counter::Hashes => say.t("Password hashes", "密码哈希"),
    }
}

/// One hour or day.
struct StepRow {
    at: String,
    registrations: u64,
    logins: i64,
    /// The length of its bar, of 100.
    share: String,
}

#[derive(Template)]
#[template(path = "console/usage.html")]
struct UsagePage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    by_day: bool,
    totals: Vec<(&'static str, i64)>,
    rows: Vec<StepRow>,
}
