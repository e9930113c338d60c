//! `/api/users`: profiles, the pending list and decisions about applications (`docs/contract.md`, sections 10.5 and
//! 10.6).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::answer::document;
use super::calls::Incoming;
use super::error_document::Refusal;
use super::openapi::public_schemas;
use super::site::{Site, Visit};
use super::wire::attributes::Attributes;
use super::wire::query::Query;
use super::wire::user_document::{Include, decided_resource, user_document, user_resource};
use crate::domain::fault::Field;
use crate::domain::ids::UserId;
use crate::domain::user_status::UserStatus;
use crate::membership::error::MembershipError;
use crate::membership::moderation::{self, Decision};
use crate::membership::profile::{self, Profile};
use crate::session::error::CallError;
use crate::tenant::rate_limit::CallKind;

/// The methods of `/api/users/me`.
pub(super) const METHODS_OF_ME: &str = "GET, HEAD";
/// The methods of the other routes.
pub(super) const METHODS: &str = "GET, HEAD, PATCH";

/// Most decisions of one call.
const MOST_DECISIONS: usize = 100;

/// The caller's own profile.
#[utoipa::path(
    get,
    path = "/api/users/me",
    operation_id = "getMe",
    tag = "users",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("include" = Option<String>, Query, description = "groups, wechat or both, with a comma between"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::UserDocument)),
    security(("user" = [])),
)]
pub(super) async fn me(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let (call, includes) = match read(&request, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    let wechat = includes.contains(&Include::Wechat);
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| profile::me(&tools, &rules, token.as_ref(), wechat).await,
        move |visit, profile| shown(visit, &profile, &includes),
    )
    .await
}

/// Somebody's profile, for anybody.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    operation_id = "getUser",
    tag = "users",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
        ("include" = Option<String>, Query, description = "groups, wechat or both, with a comma between"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::UserDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn show(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let (call, includes) = match read(&request, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    let id = named_user(&request);
    let wechat = includes.contains(&Include::Wechat);
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| profile::of(&tools, &rules, token.as_ref(), id, wechat).await,
        move |visit, profile| shown(visit, &profile, &includes),
    )
    .await
}

/// A page of users, for moderators.
#[utoipa::path(
    get,
    path = "/api/users",
    operation_id = "listUsers",
    tag = "users",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("page[number]" = Option<u64>, Query, description = "From 1 on", minimum = 1, maximum = 1_000_000_000),
        ("page[size]" = Option<u64>, Query, description = "1 to 100; 20 unless given", minimum = 1, maximum = 100),
        ("filter[status]" = Option<String>, Query, description = "normal, ban, mod, through, reject or ignore; as section 10.5 of docs/contract.md has it"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::Users)),
    security(("user" = [])),
)]
pub(super) async fn list(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let asked = Query::read(request.query_string()).and_then(|mut query| {
        let status = query.known("filter[status]", UserStatus::from_name)?;
        Ok((status, query.page()?))
    });
    let (status, page) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return call.refuse(&refusal),
    };
    let token = call.access_token.clone();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            moderation::list(&tools, &rules, token.as_ref(), status, page.window()).await
        },
        move |visit, found| {
            let settings = &visit.tenant.record.settings;
            let users = found.items.into_iter().map(Profile::for_moderator);
            let data: Vec<Value> = users.map(|user| user_resource(&user, settings)).collect();
            let meta = json!({"total": found.total, "pageCount": page.count(found.total)});
            ok(&json!({"data": data, "meta": meta}))
        },
    )
    .await
}

/// One decision.
#[utoipa::path(
    patch,
    path = "/api/users/{id}",
    operation_id = "decideUser",
    tag = "users",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("id" = String, Path, description = "The user's number"),
    ),
    request_body(content = public_schemas::Call<public_schemas::Decision>),
    responses((status = 200, description = "Done", body = public_schemas::UserDocument)),
    security(("user" = [])),
)]
pub(super) async fn change(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let decision = decision(named_user(&request), attributes);
    let (token, address) = (call.access_token.clone(), call.requester().ip());
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            let list = [decision];
            let decided = moderation::decide(&tools, &rules, token.as_ref(), &list, address);
            match decided.await?.pop() {
                Some(decided) => decided,
                None => Err(MembershipError::Call(CallError::Internal)),
            }
        },
        |visit, user| {
            let user = Profile::for_moderator(user);
            ok(&json!({"data": user_resource(&user, &visit.tenant.record.settings)}))
        },
    )
    .await
}

/// Many decisions, each of which stands or falls by itself.
#[utoipa::path(
    patch,
    path = "/api/users",
    operation_id = "decideUsers",
    tag = "users",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Decisions),
    responses((status = 200, description = "Done", body = public_schemas::Decided)),
    security(("user" = [])),
)]
pub(super) async fn change_many(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, body) = match Incoming::read_with_body(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let dialect = call.visit.dialect;
    let list = match Attributes::read_list(&body.bytes, MOST_DECISIONS, dialect) {
        Ok(list) => list,
        Err(refusal) => return call.refuse(&refusal),
    };
    let mut decisions = Vec::with_capacity(list.len());
    for mut attributes in list {
        let id = attributes.code("id", Field::Data);
        let id = id.as_deref().and_then(UserId::parse);
        decisions.push(decision(id, attributes));
    }
    let asked: Vec<Option<UserId>> = decisions.iter().map(|decision| decision.user).collect();
    let (token, address) = (call.access_token.clone(), call.requester().ip());
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            moderation::decide(&tools, &rules, token.as_ref(), &decisions, address).await
        },
        move |visit, outcomes| {
            let settings = &visit.tenant.record.settings;
            let data: Vec<Value> = asked
                .into_iter()
                .zip(outcomes)
                .map(|(id, outcome)| {
                    let outcome = outcome.map_err(|error| Refusal::from(error).code());
                    decided_resource(id, outcome, settings)
                })
                .collect();
            ok(&json!({ "data": data }))
        },
    )
    .await
}

async fn read(
    request: &HttpRequest,
    site: &Site,
) -> Result<(Incoming, Vec<Include>), HttpResponse> {
    let call = Incoming::read(request, site).await?;
    let includes = Query::read(request.query_string())
        .and_then(|mut query| query.includes(Include::from_name));
    match includes {
        Ok(includes) => Ok((call, includes)),
        Err(refusal) => Err(call.refuse(&refusal)),
    }
}

fn named_user(request: &HttpRequest) -> Option<UserId> {
    request.match_info().get("id").and_then(UserId::parse)
}

fn decision(user: Option<UserId>, mut attributes: Attributes) -> Decision {
    Decision {
        user,
        status: attributes.number("status", Field::Status),
        message: attributes.text("refuse_message", Field::RefuseMessage),
        faults: attributes.faults(),
    }
}

fn shown(visit: &Visit, profile: &Profile, includes: &[Include]) -> HttpResponse {
    ok(&user_document(
        profile,
        &visit.tenant.record.settings,
        includes,
    ))
}

fn ok(shown: &Value) -> HttpResponse {
    document(StatusCode::OK, shown.to_string().into_bytes())
}
