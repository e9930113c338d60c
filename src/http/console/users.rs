//! `/console/tenants/{key}/users`: search, show, change standing and group, end sessions.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{Console, Desk, Faults, Frame, PAGE_SIZE, act, moment, show as show_page};
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::domain::tenant_settings::Group;
use crate::domain::user_status::UserStatus;
use crate::http::admin::users::{named_status, status_name};
use crate::http::error_document::Refusal;
use crate::http::html::{Say, query_of, see_other};
use crate::http::wire::query::Query;
use crate::store::moderation::UserChange;
use crate::store::users::User;

const LONGEST_MESSAGE: usize = 255;

/// A standing in words: its name in the API, and how good it is.
pub(super) fn status_words(status: UserStatus, say: Say) -> (&'static str, &'static str) {
    match status {
        UserStatus::Normal => (say.t("normal", "正常"), "good"),
        UserStatus::Banned => (say.t("banned", "已禁用"), "bad"),
        UserStatus::Pending => (say.t("awaits approval", "待审核"), "warn"),
        UserStatus::Rejected => (say.t("rejected", "已拒绝"), "bad"),
        UserStatus::Ignored => (say.t("set aside", "已忽略"), ""),
    }
}

/// Every standing: its name in the API and its words.
fn statuses(say: Say) -> Vec<(&'static str, &'static str)> {
    let all = UserStatus::ALL.into_iter();
    all.map(|status| (status_name(status), status_words(status, say).0))
        .collect()
}

/// `GET /console/tenants/{key}/users`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let mut query = Query::read(request.query_string())?;
        let name = query.text("name").unwrap_or_default();
        let wanted = query.text("status").unwrap_or_default();
        let after = query.known("after", |text| text.parse().ok())?.unwrap_or(0);
        let begins = (!name.is_empty()).then_some(name.as_str());
        let mut users = console
            .admin()
            .list_users(
                &tenant.key,
                named_status(&wanted),
                begins,
                UserId::from_i64(after),
                PAGE_SIZE as u64 + 1,
            )
            .await?;
        let more = users.len() > PAGE_SIZE;
        users.truncate(PAGE_SIZE);
        let next = users.last().filter(|_| more).map(|last| {
            let after = last.id.as_i64().to_string();
            query_of(&[("name", &name), ("status", &wanted), ("after", &after)])
        });
        let template = UsersPage {
            frame: desk.frame("users"),
            key: tenant.key.as_str(),
            rows: users
                .iter()
                .map(|user| UserRow::of(user, desk.say))
                .collect(),
            statuses: statuses(desk.say),
            name,
            wanted,
            next,
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// `GET /console/tenants/{key}/users/{id}`
pub(super) async fn show(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let user = console
            .admin()
            .get_user(&desk.tenant()?.key, named_user(&request)?)
            .await?;
        user_page(desk, StatusCode::OK, &user, Faults::default())
    })
    .await
}

/// `POST /console/tenants/{key}/users/{id}`
pub(super) async fn change(
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
            let id = named_user(&request)?;
            let status = fields.remove("status").and_then(|name| named_status(&name));
            let group = fields
                .remove("group")
                .and_then(|number| number.parse().ok());
            let message = fields.remove("message").unwrap_or_default();
            let message = message.trim();
            let mut faults = Faults::default();
            if !is_message(message) {
                faults.note(
                    "message",
                    desk.say.t("at most 255 characters", "最多 255 个字符"),
                );
            }
            let (status, faults) = if faults.is_empty() {
                let change = UserChange {
                    group_id: group,
                    status,
                    refuse_message: Some((!message.is_empty()).then(|| message.to_owned())),
                };
                match console
                    .admin()
                    .change_user(&desk.by, &tenant.key, id, change)
                    .await
                {
                    Ok(_) => {
                        let home = format!("/console/tenants/{}/users/{id}?done=saved", tenant.key);
                        return Ok(see_other(&home).finish());
                    }
                    Err(error) => Faults::of(&error.into(), desk.say),
                }
            } else {
                (StatusCode::UNPROCESSABLE_ENTITY, faults)
            };
            let user = console.admin().get_user(&tenant.key, id).await?;
            user_page(desk, status, &user, faults)
        },
    )
    .await
}

/// What a user can be told about a refusal.
pub(super) fn is_message(text: &str) -> bool {
    text.chars().count() <= LONGEST_MESSAGE && !text.chars().any(char::is_control)
}

/// `POST /console/tenants/{key}/users/{id}/end-sessions`
pub(super) async fn end_sessions(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangeTenant,
        async |desk, _| {
            let (key, id) = (&desk.tenant()?.key, named_user(&request)?);
            console.admin().end_sessions(&desk.by, key, id).await?;
            let home = format!("/console/tenants/{key}/users/{id}?done=ended");
            Ok::<_, Refusal>(see_other(&home).finish())
        },
    )
    .await
}

pub(super) fn named_user(request: &HttpRequest) -> Result<UserId, Refusal> {
    let id = request.match_info().get("id").and_then(UserId::parse);
    id.ok_or(Refusal::NotFound { what: "user" })
}

fn user_page(
    desk: &Desk,
    status: StatusCode,
    user: &User,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    let template = UserPage {
        frame: desk.frame("users"),
        key: tenant.key.as_str(),
        row: UserRow::of(user, desk.say),
        user,
        now: status_name(user.status),
        login_at: moment(user.login_at),
        message: user.refuse_message.as_deref().unwrap_or_default(),
        statuses: statuses(desk.say),
        groups: &tenant.settings.groups,
        restore_days: tenant.settings.users.restore_days,
        faults,
    };
    Ok(desk.page(status, &template))
}

/// A user in a list.
pub(super) struct UserRow<'a> {
    pub(super) id: String,
    pub(super) name: &'a str,
    pub(super) status: (&'static str, &'static str),
    pub(super) reason: &'a str,
    pub(super) made: String,
}

impl<'a> UserRow<'a> {
    pub(super) fn of(user: &'a User, say: Say) -> Self {
        Self {
            id: user.id.to_string(),
            name: &user.display_name,
            status: status_words(user.status, say),
            reason: user.register_reason.as_deref().unwrap_or_default(),
            made: moment(user.created_at),
        }
    }
}

#[derive(Template)]
#[template(path = "console/users.html")]
struct UsersPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    rows: Vec<UserRow<'a>>,
    statuses: Vec<(&'static str, &'static str)>,
    name: String,
    wanted: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "console/user.html")]
struct UserPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    row: UserRow<'a>,
    user: &'a User,
    /// The present standing's name in the API.
    now: &'static str,
    login_at: String,
    message: &'a str,
    statuses: Vec<(&'static str, &'static str)>,
    groups: &'a [Group],
    restore_days: u32,
    faults: Faults,
}
