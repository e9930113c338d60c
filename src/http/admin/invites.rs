//! `/admin/v1/tenants/{key}/invites`: issue, list, export, show, revoke, and whom each brought.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, one, query, text};
use super::export::{Format, stream_of};
use super::invite_batches::Walk;
use super::{Operators, as_administrator, read_attributes, tenant_key, unprocessable};
use crate::admin::InviteRequest;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::invite_batch::BatchName;
use crate::domain::invite_code::InviteCode;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::store::invite_codes::{Invite, InviteFilter, InviteState};
use crate::store::users::User;

const TYPE: &str = "invites";
const MOST_AT_ONCE: u64 = 1000;
/// Shorter codes could be guessed within the limits, or be taken for a member's number.
const SHORTEST_CHOSEN: usize = 4;

/// `POST /admin/v1/tenants/{key}/invites`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/invites",
    operation_id = "issueInvites",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    request_body(content = schemas::Request<schemas::InvitesType, schemas::NewInvites>, example = json!({"data": {"type": "invites", "attributes": {"max_uses": 10}}})),
    responses((status = 201, description = "Made", body = schemas::InvitesIssued)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn issue(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let now = operators.admin.now();
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let code = attributes.take("code", CODE, chosen_code);
        let count = attributes.take("count", "1 to 1000", |value| {
            usize::try_from(
                value
                    .as_u64()
                    .filter(|count| (1..=MOST_AT_ONCE).contains(count))?,
            )
            .ok()
        });
        let (max_uses, expires_at) = (max_uses(&mut attributes), expires_at(&mut attributes, now));
        let (note, group_id) = (note(&mut attributes), group_id(&mut attributes));
        if code.is_some() && count.is_some() {
            attributes.fault("count", "a chosen code is one code");
        }
        attributes.finish()?;
        let wanted = InviteRequest {
            code,
            count: count.unwrap_or(1),
            max_uses,
            expires_at,
            note,
            group_id,
        };
        let issued = operators.admin.issue_invites(&by, &key, wanted).await?;
        let mut resources: Vec<Value> = issued.iter().map(|invite| resource(invite, now)).collect();
        let data = match (count, resources.pop()) {
            (None, Some(single)) => single,
            (_, last) => {
                resources.extend(last);
                resources.into()
            }
        };
        Ok(one(StatusCode::CREATED, data))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}/invites`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/invites",
    operation_id = "listInvites",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
        ("filter[state]" = Option<schemas::InviteFilterState>, Query, description = "unused, usable, spent, expired or revoked"),
        ("filter[note]" = Option<String>, Query, description = "The whole note"),
        ("filter[batch]" = Option<String>, Query, description = "The name of a batch"),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::InvitesType, schemas::Invite>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, filters) = query(&request, &FILTERS)?;
        let (filter, now) = (read_filter(filters)?, operators.admin.now());
        if let Some(format) = Format::accepted(&request) {
            let walk = operators.admin.walk_invites(&key, filter);
            return stream_of(&operators.streams, format, Walk { walk, now }).await;
        }
        let limit = page.size as u64 + 1;
        let after = InviteId::from_i64(page.after);
        let invites = operators
            .admin
            .list_invites(&key, filter, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            invites,
            |invite| invite.id.as_i64(),
            |invite| resource(invite, now),
        ))
    })
    .await
}

/// The invites as CSV, for whoever may read them already.
///
/// # Errors
/// As any list of invites.
pub(in crate::http) async fn csv(
    operators: &Operators,
    key: &TenantKey,
    filter: InviteFilter,
) -> Result<HttpResponse, Refusal> {
    let walk = operators.admin.walk_invites(key, filter);
    let now = operators.admin.now();
    stream_of(&operators.streams, Format::Csv, Walk { walk, now }).await
}

const FILTERS: [&str; 3] = ["filter[state]", "filter[note]", "filter[batch]"];

fn read_filter(filters: Vec<(String, String)>) -> Result<InviteFilter, Refusal> {
    let mut filter = InviteFilter::default();
    for (name, value) in filters {
        match name.as_str() {
            "filter[note]" => filter.note = Some(value),
            "filter[batch]" => {
                let batch = BatchName::parse(&value);
                let wrong = || unprocessable("", "filter[batch] must be the name of a batch");
                filter.batch = Some(batch.ok_or_else(wrong)?);
            }
            _ => {
                let words = "unused, usable, spent, expired or revoked";
                let wrong = || unprocessable("", &format!("filter[state] must be {words}"));
                let state = STATES.iter().find(|(_, name)| *name == value);
                (filter.state, filter.used) = match value.as_str() {
                    "unused" => (Some(InviteState::Usable), Some(false)),
                    _ => (Some(state.ok_or_else(wrong)?.0), None),
                };
            }
        }
    }
    Ok(filter)
}

/// `GET /admin/v1/tenants/{key}/invites/{code}/registrations`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/invites/{code}/registrations",
    operation_id = "listInviteRegistrations",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("code" = String, Path, description = "The code", example = "SPRING-2027"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::RegistrationsType, schemas::Registration>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn registrations(
    request: HttpRequest,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let (key, code) = (tenant_key(&request)?, named_code(&request)?);
        let (page, _) = query(&request, &[])?;
        let after = UserId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let users = operators
            .admin
            .list_registrations_by(&key, &code, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            users,
            |user| user.id.as_i64(),
            registration,
        ))
    })
    .await
}

/// `GET /admin/v1/tenants/{key}/invites/{code}`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/invites/{code}",
    operation_id = "getInvite",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("code" = String, Path, description = "The code", example = "SPRING-2027"),
    ),
    responses((status = 200, description = "Done", body = schemas::One<schemas::InvitesType, schemas::Invite>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ReadTenant.as_str()))),
)]
pub(crate) async fn show(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let invite = operators
            .admin
            .get_invite(&tenant_key(&request)?, &named_code(&request)?)
            .await?;
        Ok(one(
            StatusCode::OK,
            resource(&invite, operators.admin.now()),
        ))
    })
    .await
}

/// `DELETE /admin/v1/tenants/{key}/invites/{code}`
#[utoipa::path(
    delete,
    path = "/admin/v1/tenants/{key}/invites/{code}",
    operation_id = "revokeInvite",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("code" = String, Path, description = "The code", example = "SPRING-2027"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn revoke(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let (key, code) = (tenant_key(&request)?, named_code(&request)?);
        operators.admin.revoke_invite(&by, &key, &code).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

const CODE: &str = "4 to 64 of A-Z, 0-9, - and _, not of digits alone";

fn chosen_code(value: Value) -> Option<InviteCode> {
    read_chosen(value.as_str()?)
}

/// A code of an administrator's choice.
pub(in crate::http) fn read_chosen(text: &str) -> Option<InviteCode> {
    let code = InviteCode::parse(text)?;
    let text = code.as_str();
    let digits_alone = text.bytes().all(|byte| byte.is_ascii_digit());
    (text.len() >= SHORTEST_CHOSEN && !digits_alone).then_some(code)
}

fn named_code(request: &HttpRequest) -> Result<InviteCode, Refusal> {
    let code = request.match_info().get("code").and_then(InviteCode::parse);
    code.ok_or(Refusal::NotFound { what: "invite" })
}

/// How many accounts each code may bring.
pub(super) fn max_uses(attributes: &mut Attributes) -> i32 {
    let uses = attributes.take("max_uses", "1 to 1000000", |value| {
        let uses = value.as_i64().filter(|uses| (1..=1_000_000).contains(uses));
        i32::try_from(uses?).ok()
    });
    uses.unwrap_or(1)
}

/// From when on the codes are refused.
pub(super) fn expires_at(attributes: &mut Attributes, now: Timestamp) -> Option<Timestamp> {
    let wanted = "a date and time in the future (RFC 3339), or null";
    let end = attributes.take("expires_at", wanted, |value| {
        if value.is_null() {
            return Some(None);
        }
        let end = Timestamp::parse_rfc3339(value.as_str()?);
        end.filter(|end| *end > now).map(Some)
    });
    end.flatten()
}

/// What administrators know them by.
pub(super) fn note(attributes: &mut Attributes) -> String {
    let note = attributes.take("note", "text of at most 255 characters", text(255));
    note.unwrap_or_default()
}

/// The group of the accounts they bring.
pub(super) fn group_id(attributes: &mut Attributes) -> Option<i32> {
    attributes.take("group_id", "the number of a group", super::users::group)
}

pub(in crate::http) const STATES: [(InviteState, &str); 4] = [
    (InviteState::Usable, "usable"),
    (InviteState::Spent, "spent"),
    (InviteState::Expired, "expired"),
    (InviteState::Revoked, "revoked"),
];

fn registration(user: &User) -> Value {
    json!({
        "type": "registrations",
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "status": super::users::status_name(user.status),
            "created_at": user.created_at.to_rfc3339(0),
        },
    })
}

/// An invite as it is at `now`.
pub(super) fn resource(invite: &Invite, now: Timestamp) -> Value {
    let state = invite.state(now);
    let state = STATES.iter().find(|(known, _)| *known == state);
    json!({
        "type": TYPE,
        "id": invite.id.to_string(),
        "attributes": {
            "code": invite.code,
            "max_uses": invite.max_uses,
            "uses": invite.uses,
            "expires_at": invite.expires_at.map(|at| at.to_rfc3339(0)),
            "revoked_at": invite.revoked_at.map(|at| at.to_rfc3339(0)),
            "note": invite.note,
            "group_id": invite.group_id,
            "issued_by": invite.issued_by.map(|member| member.to_string()),
            "created_at": invite.created_at.to_rfc3339(0),
            "batch": invite.batch,
            "state": state.map(|(_, name)| name),
        },
    })
}
