//! `/console/tenants/{key}/deleted-users`: delete a user, restore one, or erase one for good.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::users::{UserRow, named_user};
use super::{Console, Faults, Frame, PAGE_SIZE, act, moment, show as show_page};
use crate::domain::ids::UserId;
use crate::domain::role::Right;
use crate::http::error_document::Refusal;
use crate::http::html::{query_of, see_other};
use crate::http::wire::query::Query;
use crate::store::deleted_users::DeletedUser;

/// `POST /console/tenants/{key}/users/{id}/delete`
pub(super) async fn delete(
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
            console.admin().delete_user(&desk.by, key, id).await?;
            let list = format!("/console/tenants/{key}/deleted-users?done=user-deleted");
            Ok::<_, Refusal>(see_other(&list).finish())
        },
    )
    .await
}

/// `GET /console/tenants/{key}/deleted-users`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        page(&request, &console, desk, StatusCode::OK, Faults::default()).await
    })
    .await
}

/// `POST /console/tenants/{key}/deleted-users/{id}/restore`
pub(super) async fn restore(
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
            match console.admin().restore_user(&desk.by, key, id).await {
                Ok(_) => {
                    let user = format!("/console/tenants/{key}/users/{id}?done=user-restored");
                    Ok(see_other(&user).finish())
                }
                Err(error) => {
                    let (status, faults) = Faults::of(&error.into(), desk.say);
                    page(&request, &console, desk, status, faults).await
                }
            }
        },
    )
    .await
}

/// `POST /console/tenants/{key}/deleted-users/{id}/erase`
pub(super) async fn erase(
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
            console.admin().erase_user(&desk.by, key, id).await?;
            let list = format!("/console/tenants/{key}/deleted-users?done=erased");
            Ok::<_, Refusal>(see_other(&list).finish())
        },
    )
    .await
}

async fn page(
    request: &HttpRequest,
    console: &Console,
    desk: &super::Desk,
    status: StatusCode,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    let mut query = Query::read(request.query_string())?;
    let after = query.known("after", |text| text.parse().ok())?.unwrap_or(0);
    let mut users = console
        .admin()
        .list_deleted_users(&tenant.key, UserId::from_i64(after), PAGE_SIZE as u64 + 1)
        .await?;
    let more = users.len() > PAGE_SIZE;
    users.truncate(PAGE_SIZE);
    let next = users
        .last()
        .filter(|_| more)
        .map(|last| query_of(&[("after", &last.user.id.as_i64().to_string())]));
    let row = |deleted| Row::of(deleted, UserRow::of(&deleted.user, desk.say));
    let template = DeletedUsersPage {
        frame: desk.frame("users"),
        key: tenant.key.as_str(),
        rows: users.iter().map(row).collect(),
        next,
        faults,
    };
    Ok(desk.page(status, &template))
}

struct Row<'a> {
    user: UserRow<'a>,
    deleted: String,
    until: String,
}

impl<'a> Row<'a> {
    fn of(deleted: &DeletedUser, user: UserRow<'a>) -> Self {
        Self {
            user,
            deleted: moment(deleted.deleted_at),
            until: moment(deleted.purge_at),
        }
    }
}

#[derive(Template)]
#[template(path = "console/deleted_users.html")]
struct DeletedUsersPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    rows: Vec<Row<'a>>,
    next: Option<String>,
    faults: Faults,
}
