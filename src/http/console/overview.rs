//! `GET /console`: what this process does now, and did in the last half hour.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::charts::{Chart, chart, share, within_a_minute};
use super::{Console, Frame, show as show_page};
use crate::domain::ids::TenantId;
use crate::domain::role::Right;
use crate::http::error_document::Refusal;
use crate::http::html::see_other;
use crate::store::tenants::TenantFilter;
use crate::telemetry::history::{Figures, Sample};

/// Seconds between two looks of a page that stays open.
const RENEW_SECONDS: u32 = 5;

/// `GET /console`. Figures are the platform's; a tenant's administrator begins at the tenant.
pub(super) async fn show(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ListOwn, async |desk| {
        if !desk.may(Right::ReadPlatform) {
            let all = TenantFilter::default();
            let own = console
                .admin()
                .list_tenants(&desk.by, &all, TenantId::from_i64(0), 1);
            let own = own.await?;
            let home = own
                .first()
                .map(|tenant| format!("/console/tenants/{}", tenant.key));
            let home = home.unwrap_or_else(|| "/console/tenants".to_owned());
            return Ok(see_other(&home).finish());
        }
        let now = console.metrics.figures();
        let mut samples = console.history.samples();
        samples.push(Sample {
            at: console.admin().now().as_millis(),
            figures: now.clone(),
        });
        let gauge = |read: fn(&Figures) -> i64| -> Vec<(i64, f64)> {
            let values = samples.iter();
            values
                .map(|sample| {
                    let value = u32::try_from(read(&sample.figures)).unwrap_or_default();
                    (sample.at, f64::from(value))
                })
                .collect()
        };
        let refused: Vec<(&str, u64)> = now
            .outcomes
            .iter()
            .filter(|(outcome, _)| !is_account(outcome))
            .map(|(outcome, count)| (*outcome, *count))
            .collect();
        let most = refused.iter().map(|(_, count)| *count).max().unwrap_or(1);
        let mut bars: Vec<Bar> = refused
            .iter()
            .map(|(outcome, count)| Bar {
                name: outcome_name(outcome),
                count: *count,
                share: share(*count, most),
            })
            .collect();
        bars.sort_by_key(|bar| std::cmp::Reverse(bar.count));
        let template = OverviewPage {
            frame: desk.frame("overview"),
            renew: RENEW_SECONDS,
            registered: accounts(&now),
            refused: refused.iter().map(|(_, count)| count).sum(),
            queue: now.hash_queue_depth,
            live: now.live_tenants,
            registrations: chart(&within_a_minute(&samples, |sample| {
                accounts(&sample.figures)
            })),
            refusals: chart(&within_a_minute(&samples, |sample| {
                refusals(&sample.figures)
            })),
            queue_chart: chart(&gauge(|figures| figures.hash_queue_depth)),
            live_chart: chart(&gauge(|figures| figures.live_tenants)),
            bars,
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// Outcomes that left an account behind.
fn is_account(outcome: &str) -> bool {
    matches!(outcome, "registered" | "pending")
}

fn accounts(figures: &Figures) -> u64 {
    let counts = figures.outcomes.iter();
    counts
        .filter(|(outcome, _)| is_account(outcome))
        .map(|(_, count)| count)
        .sum()
}

fn refusals(figures: &Figures) -> u64 {
    figures.outcomes.values().sum::<u64>() - accounts(figures)
}

/// The outcomes of `enroll_registrations_total` in words: English, Chinese.
fn outcome_name(outcome: &str) -> (&'static str, &'static str) {
    match outcome {
        "closed" => ("registration closed", "注册已关闭"),
        "invite" => ("invite missing or dead", "邀请码缺失或无效"),
        "banned" => ("banned word", "含禁用词"),
        "invalid" => ("faulty fields", "字段有误"),
        "idempotency" => ("repeated otherwise", "重复提交内容不同"),
        "proof" => ("proof not accepted", "凭证无效"),
        "token" => ("token not accepted", "令牌无效"),
        "limited" => ("too many requests", "请求过多"),
        "overloaded" => ("server busy", "服务器繁忙"),
        "unavailable" => ("something is down", "依赖不可用"),
        "internal" => ("fault of ours", "内部错误"),
        _ => ("other", "其他"),
    }
}

/// Refusals of one kind.
struct Bar {
    name: (&'static str, &'static str),
    count: u64,
    /// Its length, of 100.
    share: String,
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage<'a> {
    frame: Frame<'a>,
    renew: u32,
    registered: u64,
    refused: u64,
    queue: i64,
    live: i64,
    registrations: Chart,
    refusals: Chart,
    queue_chart: Chart,
    live_chart: Chart,
    bars: Vec<Bar>,
}
