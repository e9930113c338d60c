//! `POST /api/oauth/wechat/miniprogram` and `POST /api/mobile/bind/miniprogram` (`docs/contract.md`, section 10.4).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::document;
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::attributes::Attributes;
use super::wire::token_document::bare_token_document;
use super::wire::user_document::own_document;
use crate::domain::fault::Field;
use crate::login::mini_program::{self, MiniProgramCall};
use crate::tenant::rate_limit::CallKind;

/// The methods of these routes.
pub(super) const METHODS: &str = "POST";

/// Logs in whom WeChat names.
#[utoipa::path(
    post,
    path = "/api/oauth/wechat/miniprogram",
    operation_id = "loginByMiniProgram",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::MiniProgram>),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn login(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = read(&call, attributes);
    call.answer(
        &site,
        CallKind::Login,
        async move |tools, rules| mini_program::log_in(&tools, &rules, &asked).await,
        |_, tokens| document(StatusCode::OK, bare_token_document(&tokens)),
    )
    .await
}

/// Binds the phone number that WeChat knows to the caller's account.
#[utoipa::path(
    post,
    path = "/api/mobile/bind/miniprogram",
    operation_id = "bindPhoneByMiniProgram",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::MiniProgram>),
    responses((status = 201, description = "Made", body = public_schemas::UserDocument)),
    security(("user" = [])),
)]
pub(super) async fn bind_phone(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = read(&call, attributes);
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| mini_program::bind_phone(&tools, &rules, &asked).await,
        |visit, account| {
            let settings = &visit.tenant.record.settings;
            let shown = own_document(account.user, account.union_id, settings);
            document(StatusCode::CREATED, shown)
        },
    )
    .await
}

fn read(call: &Incoming, mut attributes: Attributes) -> MiniProgramCall {
    let mut faults = mini_program::missing(&attributes.missing_of_triple());
    let offered = attributes.offered();
    let register = attributes.switch("register");
    let invite_code = attributes.filled("code", Field::InviteCode);
    faults.extend(attributes.faults());
    MiniProgramCall {
        offered,
        faults,
        register,
        invite_code,
        requester: call.requester(),
        access_token: call.access_token.clone(),
    }
}
