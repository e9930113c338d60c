//! `/api/invite` and `/api/userInviteCode`: invites by members (`docs/contract.md`, section 6).

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::answer::{document, no_content};
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::invite_document::{
    invitation_document, invite_document, invite_resource, recruit_resource, state_from_number,
};
use super::wire::query::Query;
use crate::domain::fault::Field;
use crate::domain::ids::InviteId;
use crate::membership::invites;
use crate::tenant::rate_limit::CallKind;

/// The methods of `/api/invite`.
pub(super) const METHODS: &str = "GET, HEAD, POST";
/// The methods of `/api/invite/{code}`.
pub(super) const METHODS_OF_ONE: &str = "GET, HEAD, DELETE";
/// The methods of `/api/invite/users` and `/api/userInviteCode`.
pub(super) const METHODS_OF_LISTS: &str = "GET, HEAD";

/// Issues an invite.
#[utoipa::path(
    post,
    path = "/api/invite",
    operation_id = "issueInvite",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::NewInvite>),
    responses((status = 201, description = "Made", body = public_schemas::InviteDocument)),
    security(("user" = [])),
)]
pub(super) async fn issue(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, mut attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    let group = attributes.number("group_id", Field::GroupId);
    let faults = attributes.faults();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            invites::issue(&tools, &rules, token.as_ref(), group, &faults).await
        },
        |visit, card| {
            let shown = invite_document(&card, &visit.tenant.record.settings);
            document(StatusCode::CREATED, shown.to_string().into_bytes())
        },
    )
    .await
}

/// What a code is; for anybody who holds it.
#[utoipa::path(
    get,
    path = "/api/invite/{code}",
    operation_id = "getInvite",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("code" = String, Path, description = "The code; to revoke one, its number"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::InviteDocument)),
)]
pub(super) async fn show(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let code = named(&request).to_owned();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| invites::find(&tools, &rules, &code).await,
        |visit, found| ok(&invitation_document(&found, &visit.tenant.record.settings)),
    )
    .await
}

/// The caller's own invites.
#[utoipa::path(
    get,
    path = "/api/invite",
    operation_id = "listInvites",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("page[number]" = Option<u64>, Query, description = "From 1 on", minimum = 1, maximum = 1_000_000_000),
        ("page[size]" = Option<u64>, Query, description = "1 to 100; 20 unless given", minimum = 1, maximum = 100),
        ("filter[status]" = Option<String>, Query, description = "0 revoked, 1 usable, 2 spent, 3 expired"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::Invites)),
    security(("user" = [])),
)]
pub(super) async fn list(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let asked = Query::read(request.query_string()).and_then(|mut query| {
        let state = query.known("filter[status]", state_from_number)?;
        Ok((state, query.page()?))
    });
    let (state, page) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return call.refuse(&refusal),
    };
    let token = call.access_token.clone();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            invites::list(&tools, &rules, token.as_ref(), state, page.window()).await
        },
        move |_, found| {
            let data: Vec<Value> = found.items.iter().map(invite_resource).collect();
            let meta = json!({"total": found.total, "pageCount": page.count(found.total)});
            ok(&json!({"data": data, "meta": meta}))
        },
    )
    .await
}

/// Ends one of the caller's own invites.
#[utoipa::path(
    delete,
    path = "/api/invite/{code}",
    operation_id = "revokeInvite",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("code" = String, Path, description = "The code; to revoke one, its number"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("user" = [])),
)]
pub(super) async fn revoke(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    let id = InviteId::parse(named(&request));
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| invites::revoke(&tools, &rules, token.as_ref(), id).await,
        |_, ()| no_content(),
    )
    .await
}

/// Whom the caller brought.
#[utoipa::path(
    get,
    path = "/api/invite/users",
    operation_id = "listRecruits",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("page[number]" = Option<u64>, Query, description = "From 1 on", minimum = 1, maximum = 1_000_000_000),
        ("page[size]" = Option<u64>, Query, description = "1 to 100; 20 unless given", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "Done", body = public_schemas::Users)),
    security(("user" = [])),
)]
pub(super) async fn recruits(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let page = match Query::read(request.query_string()).and_then(|mut query| query.page()) {
        Ok(page) => page,
        Err(refusal) => return call.refuse(&refusal),
    };
    let token = call.access_token.clone();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            invites::recruits(&tools, &rules, token.as_ref(), page.window()).await
        },
        move |visit, found| {
            let settings = &visit.tenant.record.settings;
            let users = found.items.into_iter();
            let data: Vec<Value> = users.map(|user| recruit_resource(user, settings)).collect();
            let meta = json!({"total": found.total, "pageCount": page.count(found.total)});
            ok(&json!({"data": data, "meta": meta}))
        },
    )
    .await
}

/// The caller's own number. Plain JSON, as in the original.
#[utoipa::path(
    get,
    path = "/api/userInviteCode",
    operation_id = "getOwnNumber",
    tag = "invites",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::OwnNumber, content_type = "application/json")),
    security(("user" = [])),
    extensions(("x-plain-json" = json!(true)))
)]
pub(super) async fn own_number(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| invites::own_number(&tools, &rules, token.as_ref()).await,
        |_, number| {
            let shown = json!({"data": {"type": "invite", "code": number.as_i64()}});
            HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, "application/json"))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body(shown.to_string())
        },
    )
    .await
}

fn named(request: &HttpRequest) -> &str {
    request.match_info().get("code").unwrap_or_default()
}

fn ok(shown: &Value) -> HttpResponse {
    document(StatusCode::OK, shown.to_string().into_bytes())
}
