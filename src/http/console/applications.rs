//! `/console/tenants/{key}/applications`: accounts that await approval, the oldest first, decided one by one or together.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::users::{UserRow, is_message};
use super::{Console, Desk, Faults, Frame, PAGE_SIZE, act, show as show_page};
use crate::admin::ApplicationDecision;
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::domain::user_status::UserStatus;
use crate::http::error_document::Refusal;
use crate::http::html::see_other;
use crate::http::wire::query::Query;

/// `GET /console/tenants/{key}/applications`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let after = query.known("after", |text| text.parse().ok())?.unwrap_or(0);
        list_page(desk, &console, StatusCode::OK, after, "", Faults::default()).await
    })
    .await
}

/// `POST /console/tenants/{key}/applications`: `user-…` names each that is decided about.
pub(super) async fn decide(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangeTenant,
        async |desk, mut fields| {
            let tenant = desk.tenant()?;
            let status = match fields.remove("decision").as_deref() {
                Some("approve") => UserStatus::Normal,
                Some("reject") => UserStatus::Rejected,
                Some("ignore") => UserStatus::Ignored,
                _ => return Err(Refusal::Unprocessable(Vec::new())),
            };
            let message = fields.remove("message").unwrap_or_default();
            let message = message.trim();
            let chosen: Vec<UserId> = fields
                .keys()
                .filter_map(|name| UserId::parse(name.strip_prefix("user-")?))
                .take(PAGE_SIZE)
                .collect();
            let mut faults = Faults::default();
            if !is_message(message) {
                faults.note(
                    "message",
                    desk.say.t("at most 255 characters", "最多 255 个字符"),
                );
            }
            if chosen.is_empty() {
                let text = desk
                    .say
                    .t("Choose at least one account.", "请至少选择一个账号。");
                faults.general.push(text.to_owned());
            }
            if !faults.is_empty() {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return list_page(desk, &console, status, 0, message, faults).await;
            }
            let told = status != UserStatus::Normal && !message.is_empty();
            let decision = ApplicationDecision {
                users: chosen,
                to: status,
                message: told.then(|| message.to_owned()),
            };
            // Where somebody else decided meanwhile, theirs stands.
            console
                .admin()
                .decide_applications(&desk.by, &tenant.key, &decision)
                .await?;
            let home = format!("/console/tenants/{}/applications?done=decided", tenant.key);
            Ok(see_other(&home).finish())
        },
    )
    .await
}

async fn list_page(
    desk: &Desk,
    console: &Console,
    status: StatusCode,
    after: i64,
    message: &str,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    let mut users = console
        .admin()
        .list_users(
            &tenant.key,
            Some(UserStatus::Pending),
            None,
            UserId::from_i64(after),
            PAGE_SIZE as u64 + 1,
        )
        .await?;
    let more = users.len() > PAGE_SIZE;
    users.truncate(PAGE_SIZE);
    let template = ApplicationsPage {
        frame: desk.frame("applications"),
        key: tenant.key.as_str(),
        next: users.last().filter(|_| more).map(|last| last.id.as_i64()),
        rows: users
            .iter()
            .map(|user| UserRow::of(user, desk.say))
            .collect(),
        message,
        faults,
    };
    Ok(desk.page(status, &template))
}

#[derive(Template)]
#[template(path = "console/applications.html")]
struct ApplicationsPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    rows: Vec<UserRow<'a>>,
    next: Option<i64>,
    message: &'a str,
    faults: Faults,
}
