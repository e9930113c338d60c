//! `POST /api/login` (`docs/contract.md`, section 10.1).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::document;
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::Site;
use super::wire::token_document::login_document;
use crate::domain::fault::Field;
use crate::login::password::{PasswordLogin, log_in};
use crate::tenant::rate_limit::CallKind;

/// The methods of this route.
pub(super) const METHODS: &str = "POST";

/// Logs a user in by name or phone number and password.
#[utoipa::path(
    post,
    path = "/api/login",
    operation_id = "login",
    tag = "sessions",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::Login>, example = json!({"data": {"attributes": {"username": "ada", "password": "correct-horse-42"}}})),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn login(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, mut attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = PasswordLogin {
        name: attributes.text("username", Field::Username),
        password: attributes.secret("password", Field::Password),
        mobile_token_is_empty: attributes.is_empty_text("mobileToken"),
        offered: attributes.offered(),
        faults: attributes.faults(),
        requester: call.requester(),
        access_token: call.access_token.clone(),
        deadline: call.deadline,
    };
    call.answer(
        &site,
        CallKind::Login,
        async move |tools, rules| log_in(&tools, &rules, &asked).await,
        |visit, tokens| {
            let settings = &visit.tenant.record.settings;
            document(StatusCode::OK, login_document(&tokens, settings))
        },
    )
    .await
}
