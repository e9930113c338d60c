//! `/console/tenants/{key}/invites`: make, list, copy, print, download, revoke.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{Console, Desk, Faults, Frame, PAGE_SIZE, act, moment, show as show_page};
use crate::admin::InviteRequest;
use crate::clock::Timestamp;
use crate::domain::ids::InviteId;
use crate::domain::invite_code::InviteCode;
use crate::domain::role::Right;
use crate::domain::tenant_settings::Group;
use crate::http::admin::invites::{STATES, csv, read_chosen};
use crate::http::error_document::Refusal;
use crate::http::html::{Fields, query_of, see_other};
use crate::http::wire::query::Query;
use crate::store::invite_codes::{Invite, InviteFilter};

/// Most codes made by one form; the API makes more.
const MOST_AT_ONCE: usize = 1000;
const MOST_USES: i32 = 1_000_000;
const MOST_DAYS: i64 = 3650;
const LONGEST_NOTE: usize = 255;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// `GET /console/tenants/{key}/invites`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let asked = Asked::read(&mut query)?;
        list_page(
            desk,
            &console,
            StatusCode::OK,
            asked,
            NewInvites::default(),
            Faults::default(),
        )
        .await
    })
    .await
}

/// `GET /console/tenants/{key}/invites.csv`
pub(super) async fn download(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let filter = Asked::read(&mut query)?.filter();
        let tenant = desk.tenant()?;
        let mut response = csv(&console.operators, &tenant.key, filter).await?;
        let name = format!("attachment; filename=\"invites-{}.csv\"", tenant.key);
        if let Ok(name) = header::HeaderValue::from_str(&name) {
            response
                .headers_mut()
                .insert(header::CONTENT_DISPOSITION, name);
        }
        Ok(response)
    })
    .await
}

/// `POST /console/tenants/{key}/invites`: the codes it made are shown for copying and printing.
pub(super) async fn issue(
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
            let new = NewInvites::read(&mut fields);
            let mut faults = Faults::default();
            let wanted = new.parse(desk, console.admin().now(), &mut faults);
            let (status, faults) = match wanted {
                None => (StatusCode::UNPROCESSABLE_ENTITY, faults),
                Some(wanted) => {
                    match console
                        .admin()
                        .issue_invites(&desk.by, &tenant.key, wanted)
                        .await
                    {
                        Ok(made) => {
                            let template = MadePage {
                                frame: desk.frame("invites"),
                                key: tenant.key.as_str(),
                                all: made
                                    .iter()
                                    .map(|invite| invite.code.as_str())
                                    .collect::<Vec<_>>()
                                    .join("\n"),
                                codes: made
                                    .iter()
                                    .map(|invite| MadeCode {
                                        code: &invite.code,
                                        link: console.hosted_address(tenant).map(|address| {
                                            format!("{address}?code={}", invite.code)
                                        }),
                                    })
                                    .collect(),
                            };
                            return Ok(desk.page(StatusCode::OK, &template));
                        }
                        Err(error) => Faults::of(&error.into(), desk.say),
                    }
                }
            };
            list_page(desk, &console, status, Asked::default(), new, faults).await
        },
    )
    .await
}

/// `POST /console/tenants/{key}/revoke-invite`
pub(super) async fn revoke(
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
            let code = InviteCode::parse(&fields.remove("code").unwrap_or_default());
            let code = code.ok_or(Refusal::NotFound { what: "invite" })?;
            console
                .admin()
                .revoke_invite(&desk.by, &tenant.key, &code)
                .await?;
            let home = format!("/console/tenants/{}/invites?done=revoked", tenant.key);
            Ok(see_other(&home).finish())
        },
    )
    .await
}

async fn list_page(
    desk: &Desk,
    console: &Console,
    status: StatusCode,
    asked: Asked,
    new: NewInvites,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    let admin = console.admin();
    let after = InviteId::from_i64(asked.after);
    let limit = PAGE_SIZE as u64 + 1;
    let mut invites = admin
        .list_invites(&tenant.key, asked.filter(), after, limit)
        .await?;
    let more = invites.len() > PAGE_SIZE;
    invites.truncate(PAGE_SIZE);
    let next = invites.last().filter(|_| more).map(|last| {
        let after = last.id.as_i64().to_string();
        query_of(&[
            ("state", &asked.state),
            ("note", &asked.note),
            ("after", &after),
        ])
    });
    let now = admin.now();
    let template = InvitesPage {
        frame: desk.frame("invites"),
        key: tenant.key.as_str(),
        download: query_of(&[("state", &asked.state), ("note", &asked.note)]),
        address: console.hosted_address(tenant).unwrap_or_default(),
        rows: invites
            .iter()
            .map(|invite| InviteRow::of(invite, now))
            .collect(),
        groups: &tenant.settings.groups,
        asked,
        next,
        new,
        faults,
    };
    Ok(desk.page(status, &template))
}

/// Which invites are asked for.
#[derive(Default)]
struct Asked {
    state: String,
    note: String,
    after: i64,
}

impl Asked {
    fn read(query: &mut Query) -> Result<Self, Refusal> {
        Ok(Self {
            state: query.text("state").unwrap_or_default(),
            note: query.text("note").unwrap_or_default(),
            after: query.known("after", |text| text.parse().ok())?.unwrap_or(0),
        })
    }

    fn filter(&self) -> InviteFilter {
        let state = STATES.iter().find(|(_, name)| *name == self.state);
        InviteFilter {
            state: state.map(|(state, _)| *state),
            note: (!self.note.is_empty()).then(|| self.note.clone()),
            ..InviteFilter::default()
        }
    }
}

/// Invites to be, as a form holds them.
struct NewInvites {
    count: String,
    max_uses: String,
    days: String,
    note: String,
    group: String,
    code: String,
}

impl Default for NewInvites {
    fn default() -> Self {
        Self {
            count: "1".to_owned(),
            max_uses: "1".to_owned(),
            days: String::new(),
            note: String::new(),
            group: String::new(),
            code: String::new(),
        }
    }
}

impl NewInvites {
    fn read(fields: &mut Fields) -> Self {
        let mut take = |name: &str| fields.remove(name).unwrap_or_default().trim().to_owned();
        Self {
            count: take("count"),
            max_uses: take("max_uses"),
            days: take("days"),
            note: take("note"),
            group: take("group"),
            code: take("code"),
        }
    }

    fn parse(&self, desk: &Desk, now: Timestamp, faults: &mut Faults) -> Option<InviteRequest> {
        let say = desk.say;
        let count = self
            .count
            .parse()
            .ok()
            .filter(|count| (1..=MOST_AT_ONCE).contains(count));
        let uses = self
            .max_uses
            .parse()
            .ok()
            .filter(|uses| (1..=MOST_USES).contains(uses));
        let days = match self.days.as_str() {
            "" => Some(None),
            text => {
                let days = text.parse::<i64>().ok();
                let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
                days.and_then(|days| u32::try_from(days).ok()).map(Some)
            }
        };
        let code = match self.code.as_str() {
            "" => Some(None),
            text => read_chosen(text).map(Some),
        };
        let group = match self.group.as_str() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        let note_fits =
            self.note.chars().count() <= LONGEST_NOTE && !self.note.chars().any(char::is_control);
        for (name, is_fine, text) in [
            ("count", count.is_some(), say.t("1 to 1000", "1 到 1000")),
            (
                "max_uses",
                uses.is_some(),
                say.t("1 to 1000000", "1 到 1000000"),
            ),
            (
                "days",
                days.is_some(),
                say.t("1 to 3650, or nothing", "1 到 3650，或留空"),
            ),
            (
                "code",
                code.is_some(),
                say.t(
                    "4 to 64 of A-Z, 0-9, - and _, not of digits alone",
                    "4 到 64 个 A-Z、0-9、-、_，不能全是数字",
                ),
            ),
            (
                "group",
                group.is_some(),
                say.t("one of the groups", "请选择用户组"),
            ),
            (
                "note",
                note_fits,
                say.t("at most 255 characters", "最多 255 个字符"),
            ),
        ] {
            if !is_fine {
                faults.note(name, text);
            }
        }
        if matches!((&code, count), (Some(Some(_)), Some(2..))) {
            faults.note(
                "count",
                say.t("a chosen code is one code", "自定义邀请码只能是一个"),
            );
        }
        if !faults.is_empty() {
            return None;
        }
        Some(InviteRequest {
            code: code?,
            count: count?,
            max_uses: uses?,
            expires_at: days?.map(|days| now.plus(DAY * days)),
            note: self.note.clone(),
            group_id: group?,
        })
    }
}

struct InviteRow<'a> {
    code: &'a str,
    state: &'static str,
    uses: i32,
    max_uses: i32,
    expires: Option<String>,
    note: &'a str,
}

impl<'a> InviteRow<'a> {
    fn of(invite: &'a Invite, now: Timestamp) -> Self {
        let state = invite.state(now);
        let known = STATES.iter().find(|(known, _)| *known == state);
        Self {
            code: &invite.code,
            state: known.map_or("", |(_, name)| *name),
            uses: invite.uses,
            max_uses: invite.max_uses,
            expires: invite.expires_at.map(moment),
            note: &invite.note,
        }
    }
}

struct MadeCode<'a> {
    code: &'a str,
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "console/invites.html")]
struct InvitesPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    /// The query of the same list as a file.
    download: String,
    /// Where the codes are used; empty where there is no page.
    address: String,
    rows: Vec<InviteRow<'a>>,
    groups: &'a [Group],
    asked: Asked,
    next: Option<String>,
    new: NewInvites,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "console/invites_made.html")]
struct MadePage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    /// All codes, one a line.
    all: String,
    codes: Vec<MadeCode<'a>>,
}
