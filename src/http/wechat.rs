//! `GET /api/oauth/wechat` and `GET /api/oauth/wechat/user`, and the same for the open platform under `/pc`
//! (`docs/contract.md`, section 10.2).

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::answer::{document, redirect};
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::query::Query;
use super::wire::token_document::bare_token_document;
use crate::login::wechat::{WayBack, WebApp, begin, finish};
use crate::tenant::rate_limit::CallKind;

/// The methods of these routes.
pub(super) const METHODS: &str = "GET, HEAD";

/// Sends a browser inside WeChat to the official account's page.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat",
    operation_id = "goToWechat",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("redirect" = Option<String>, Query, description = "Where WeChat sends the browser back to"),
    ),
    responses((status = 302, description = "Elsewhere")),
)]
pub(super) async fn page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    go(&request, &site, WebApp::OfficialAccount).await
}

/// Sends any other browser to the page with a picture to scan.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat/pc",
    operation_id = "goToWechatScan",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("redirect" = Option<String>, Query, description = "Where WeChat sends the browser back to"),
    ),
    responses((status = 302, description = "Elsewhere")),
)]
pub(super) async fn scan_page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    go(&request, &site, WebApp::OpenPlatform).await
}

/// The way back from the official account's page.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat/user",
    operation_id = "comeBackFromWechat",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("code" = Option<String>, Query, description = "From WeChat"),
        ("sessionId" = Option<String>, Query, description = "From WeChat's way back"),
        ("state" = Option<String>, Query, description = "From WeChat's way back"),
        ("register" = Option<String>, Query, description = "1 to make an account where there is none"),
        ("inviteCode" = Option<String>, Query, description = "An invite code"),
        ("rebind" = Option<String>, Query, description = "1 to move a WeChat account here"),
        ("session_token" = Option<String>, Query, description = "Of a scanned picture"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn user(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    come_back(&request, &site, WebApp::OfficialAccount).await
}

/// The way back from the page with the picture.
#[utoipa::path(
    get,
    path = "/api/oauth/wechat/pc/user",
    operation_id = "comeBackFromWechatScan",
    tag = "wechat",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("code" = Option<String>, Query, description = "From WeChat"),
        ("sessionId" = Option<String>, Query, description = "From WeChat's way back"),
        ("state" = Option<String>, Query, description = "From WeChat's way back"),
        ("register" = Option<String>, Query, description = "1 to make an account where there is none"),
        ("inviteCode" = Option<String>, Query, description = "An invite code"),
        ("rebind" = Option<String>, Query, description = "1 to move a WeChat account here"),
        ("session_token" = Option<String>, Query, description = "Of a scanned picture"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn scan_user(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    come_back(&request, &site, WebApp::OpenPlatform).await
}

async fn go(request: &HttpRequest, site: &Site, by: WebApp) -> HttpResponse {
    let (call, mut query) = match read(request, site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = query.text("redirect");
    call.answer(
        site,
        CallKind::Call,
        async move |tools, rules| begin(&tools, &rules, by, asked.as_deref()).await,
        |_, address| redirect(&address),
    )
    .await
}

async fn come_back(request: &HttpRequest, site: &Site, by: WebApp) -> HttpResponse {
    let (call, mut query) = match read(request, site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let back = WayBack {
        code: query.secret("code"),
        session_id: query.secret("sessionId"),
        state: query.secret("state"),
        register: query.switch("register"),
        invite_code: query.text("inviteCode"),
        rebind: query.switch("rebind"),
        scanned: query.secret("session_token"),
        requester: call.requester(),
        access_token: call.access_token.clone(),
    };
    call.answer(
        site,
        CallKind::Login,
        async move |tools, rules| finish(&tools, &rules, by, &back).await,
        |_, tokens| document(StatusCode::OK, bare_token_document(&tokens)),
    )
    .await
}

async fn read(request: &HttpRequest, site: &Site) -> Result<(Incoming, Query), HttpResponse> {
    let call = Incoming::read(request, site).await?;
    match Query::read(request.query_string()) {
        Ok(query) => Ok((call, query)),
        Err(refusal) => Err(call.refuse(&refusal)),
    }
}
