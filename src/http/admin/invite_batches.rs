//! `/admin/v1/tenants/{key}/invite-batches/{batch}`: codes by the ten thousands.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::super::error_document::Refusal;
use super::super::openapi::schemas;
use super::document::Attributes;
use super::export::{Format, Rows, stream_of};
use super::invites::{expires_at, group_id, max_uses, note, resource};
use super::{Operators, as_administrator, read_attributes, tenant_key};
use crate::admin::error::AdminError;
use crate::admin::{BatchRequest, BatchWork, InviteWalk};
use crate::clock::Timestamp;
use crate::domain::invite_batch::BatchName;
use crate::domain::role::Right;
use crate::store::invite_codes::Invite;

const TYPE: &str = "invite-batches";
const MOST_CODES: i64 = 100_000;

/// `PUT /admin/v1/tenants/{key}/invite-batches/{batch}`
#[utoipa::path(
    put,
    path = "/admin/v1/tenants/{key}/invite-batches/{batch}",
    operation_id = "makeInviteBatch",
    tag = "invites",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("batch" = String, Path, description = "A name of the caller's choice: the same call again gives the same codes", example = "spring-2027"),
    ),
    request_body(content = schemas::Request<schemas::InviteBatchesType, schemas::NewInviteBatch>, example = json!({"data": {"type": "invite-batches", "attributes": {"count": 2}}})),
    responses((status = 200, description = "Done", body = String, content_type = "application/x-ndjson")),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangeTenant.as_str()))),
)]
pub(crate) async fn make(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangeTenant, async |by| {
        let key = tenant_key(&request)?;
        let name = request.match_info().get("batch").and_then(BatchName::parse);
        let name = name.ok_or(Refusal::NotFound { what: "batch" })?;
        let now = operators.admin.now();
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, TYPE).await?);
        let count = attributes.require("count", "1 to 100000", |value| {
            let count = value
                .as_i64()
                .filter(|count| (1..=MOST_CODES).contains(count));
            i32::try_from(count?).ok()
        });
        let wanted = BatchRequest {
            name,
            count: count.unwrap_or(1),
            max_uses: max_uses(&mut attributes),
            expires_at: expires_at(&mut attributes, now),
            note: note(&mut attributes),
            group_id: group_id(&mut attributes),
        };
        attributes.finish()?;
        let work = operators.admin.make_batch(&by, &key, wanted).await?;
        let format = Format::accepted(&request).unwrap_or(Format::Ndjson);
        stream_of(&operators.streams, format, Batch { work, now }).await
    })
    .await
}

const COLUMNS: &[&str] = &[
    "id",
    "batch",
    "code",
    "state",
    "max_uses",
    "uses",
    "group_id",
    "expires_at",
    "revoked_at",
    "created_at",
    "note",
];

struct Batch {
    work: BatchWork,
    now: Timestamp,
}

impl Rows for Batch {
    type Row = Invite;
    const COLUMNS: &'static [&'static str] = COLUMNS;

    async fn next_part(&mut self) -> Result<Vec<Invite>, AdminError> {
        self.work.next_part().await
    }

    fn resource(&self, invite: &Invite) -> Value {
        resource(invite, self.now)
    }
}

/// All invites of a kind.
pub(super) struct Walk {
    pub(super) walk: InviteWalk,
    pub(super) now: Timestamp,
}

impl Rows for Walk {
    type Row = Invite;
    const COLUMNS: &'static [&'static str] = COLUMNS;

    async fn next_part(&mut self) -> Result<Vec<Invite>, AdminError> {
        self.walk.next_part().await
    }

    fn resource(&self, invite: &Invite) -> Value {
        resource(invite, self.now)
    }
}
