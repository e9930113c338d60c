//! `/admin/v1/tenants/{key}/invites`: issue, list, show, revoke.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::super::error_document::Refusal;
use super::document::{Attributes, list as page_of, one, query, text};
use super::{Operators, as_administrator, read_attributes, tenant_key};
use crate::admin::InviteRequest;
use crate::clock::Timestamp;
use crate::domain::ids::InviteId;
use crate::domain::invite_code::InviteCode;
use crate::domain::role::Right;
use crate::store::invite_codes::{Invite, InviteState};

const TYPE: &str = "invites";
const MOST_AT_ONCE: u64 = 1000;
/// Shorter codes could be guessed within the limits, or be taken for a member's number.
const SHORTEST_CHOSEN: usize = 4;

/// `POST /admin/v1/tenants/{key}/invites`
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
        let max_uses = attributes.take("max_uses", "1 to 1000000", |value| {
            i32::try_from(value.as_i64()?)
                .ok()
                .filter(|uses| (1..=1_000_000).contains(uses))
        });
        let expires_at = attributes.take(
            "expires_at",
            "a date and time in the future (RFC 3339), or null",
            |value| {
                if value.is_null() {
                    return Some(None);
                }
                Timestamp::parse_rfc3339(value.as_str()?)
                    .filter(|end| *end > now)
                    .map(Some)
            },
        );
        let note = attributes.take("note", "text of at most 200 characters", text(200));
        let group_id = attributes.take("group_id", "the number of a group", super::users::group);
        if code.is_some() && count.is_some() {
            attributes.fault("count", "a chosen code is one code");
        }
        attributes.finish()?;
        let wanted = InviteRequest {
            code,
            count: count.unwrap_or(1),
            max_uses: max_uses.unwrap_or(1),
            expires_at: expires_at.flatten(),
            note: note.unwrap_or_default(),
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
pub(crate) async fn list(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ReadTenant, async |_| {
        let key = tenant_key(&request)?;
        let (page, _) = query(&request, &[])?;
        let limit = page.size as u64 + 1;
        let invites = operators
            .admin
            .list_invites(&key, InviteId::from_i64(page.after), limit)
            .await?;
        let now = operators.admin.now();
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

/// `GET /admin/v1/tenants/{key}/invites/{code}`
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
    let code = InviteCode::parse(value.as_str()?)?;
    let text = code.as_str();
    let digits_alone = text.bytes().all(|byte| byte.is_ascii_digit());
    (text.len() >= SHORTEST_CHOSEN && !digits_alone).then_some(code)
}

fn named_code(request: &HttpRequest) -> Result<InviteCode, Refusal> {
    let code = request.match_info().get("code").and_then(InviteCode::parse);
    code.ok_or(Refusal::NotFound { what: "invite" })
}

fn resource(invite: &Invite, now: Timestamp) -> Value {
    let state = match invite.state(now) {
        InviteState::Usable => "usable",
        InviteState::Spent => "spent",
        InviteState::Expired => "expired",
        InviteState::Revoked => "revoked",
    };
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
            "created_at": invite.created_at.to_rfc3339(0),
            "state": state,
        },
    })
}
