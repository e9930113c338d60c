//! `POST /api/refresh-token` and `POST /api/logout` (`docs/contract.md`, section 10.5).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;

use super::answer::{document, no_content};
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::token_document::bare_token_document;
use crate::domain::fault::Field;
use crate::session::authenticate::require;
use crate::session::refresh;
use crate::tenant::rate_limit::CallKind;

/// The methods of these routes.
pub(super) const METHODS: &str = "POST";

/// Trades a refresh token for the session's next tokens. What else clients send along (`grant_type`, `client_id`, `scope`)
/// means nothing, as in the original.
#[utoipa::path(
    post,
    path = "/api/refresh-token",
    operation_id = "refreshToken",
    tag = "sessions",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::Refresh>),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
)]
pub(super) async fn refresh_token(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, mut attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let token = attributes.filled("refresh_token", Field::RefreshToken);
    let token = token.map(SecretString::from);
    call.answer(
        &site,
        CallKind::Login,
        async move |tools, rules| refresh::refresh(&tools, &rules, token.as_ref()).await,
        |_, tokens| document(StatusCode::OK, bare_token_document(&tokens)),
    )
    .await
}

/// Ends the caller's session. The body, if any, means nothing.
#[utoipa::path(
    post,
    path = "/api/logout",
    operation_id = "logout",
    tag = "sessions",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    responses((status = 204, description = "Done; nothing to say")),
    security(("user" = [])),
)]
pub(super) async fn logout(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let call = match Incoming::read(&request, &site).await {
        Ok(call) => call,
        Err(refused) => return refused,
    };
    let token = call.access_token.clone();
    call.answer(
        &site,
        CallKind::Call,
        async move |tools, rules| {
            let caller = require(&tools, &rules, token.as_ref()).await?;
            refresh::log_out(&tools, &caller).await
        },
        |_, ()| no_content(),
    )
    .await
}
