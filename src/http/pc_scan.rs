//! `GET /api/oauth/wechat/pc/qrcode` and `GET /api/oauth/wechat/pc/login/{session_token}` (`docs/contract.md`, section
//! 10.2).

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::document;
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::token_document::bare_token_document;
use crate::login::pc_scan::{Picture, outcome, picture};
use crate::tenant::rate_limit::CallKind;

/// The methods of these routes.
pub(super) const METHODS: &str = "GET, HEAD";

/// A picture for a screen.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat/pc/qrcode",
    operation_id = "getScanPicture",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::Qrcode)),
)]
pub(super) async fn qrcode(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| picture(&tools, &rules).await,
        |_, picture| document(StatusCode::OK, shown(&picture).to_string().into_bytes()),
    )
    .await
}

fn shown(picture: &Picture) -> Value {
    let image = STANDARD.encode(&picture.svg);
    json!({"data": {"type": "wechat_pc_code", "id": "1", "attributes": {
        "session_token": picture.session_token.expose_secret(),
        "base64_img": format!("data:image/svg+xml;base64,{image}"),
    }}})
}

/// What the picture's phone came to.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat/pc/login/{session_token}",
    operation_id = "loginByScan",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("session_token" = String, Path, description = "From the picture"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
)]
pub(super) async fn login(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let token = request.match_info().query("session_token").to_owned();
    let token = SecretString::from(token);
    let requester = call.requester();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| outcome(&tools, &rules, &token, requester).await,
        |_, tokens| document(StatusCode::OK, bare_token_document(&tokens)),
    )
    .await
}
