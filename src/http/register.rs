//! `POST /api/register` (`docs/contract.md`, sections 1 to 6).

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::document;
use super::calls::{Body, Incoming, one, say_limit};
use super::error_document::Refusal;
use super::openapi::public_schemas;
use super::site::{Site, Visit};
use super::wire::registration::read_registration;
use super::wire::token_document::token_document;
use crate::domain::tenant_settings::SuccessStatus;
use crate::registration::pipeline::RegistrationRequest;
use crate::session::gate::Tokens;
use crate::token::token_digest_hex;

/// The methods of this route.
pub(super) const METHODS: &str = "POST";

const LONGEST_IDEMPOTENCY_KEY: usize = 255;

/// Registers a user at the tenant that the request names.
#[utoipa::path(
    post,
    path = "/api/register",
    operation_id = "register",
    tag = "registration",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters: a call with the same key and body is answered as the first was"),
    ),
    request_body(content = public_schemas::Call<public_schemas::Registration>, example = json!({"data": {"attributes": {"username": "ada", "password": "correct-horse-42"}}})),
    responses((status = 200, description = "Done", body = public_schemas::TokenDocument), (status = 201, description = "Made, where the tenant answers so", body = public_schemas::TokenDocument)),
    security((), ("user" = [])),
)]
pub(super) async fn register(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, body) = match Incoming::read_with_body(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = match read_call(&request, &body, &call) {
        Ok(asked) => asked,
        Err(refusal) => return call.refuse(&refusal),
    };
    let visit = &call.visit;
    // Boxed: a call that ends before this point moves a small future.
    let outcome = Box::pin(site.directory.register(&visit.tenant, asked)).await;
    let mut response = match outcome.result {
        Ok(tokens) => success(visit, &tokens),
        Err(error) => call.refuse(&error.into()),
    };
    if let Some(standing) = outcome.standing {
        say_limit(response.headers_mut(), standing);
    }
    response
}

fn read_call(
    request: &HttpRequest,
    body: &Body,
    call: &Incoming,
) -> Result<RegistrationRequest, Refusal> {
    Ok(RegistrationRequest {
        registration: read_registration(body.media, &body.bytes, call.visit.dialect)?,
        requester: call.requester(),
        access_token: call.access_token.clone(),
        idempotency_key: idempotency_key(request.headers())?,
        deadline: call.deadline,
    })
}

/// 1 to 255 visible ASCII characters, with or without the quotes of a structured field (draft-ietf-httpapi-idempotency-
/// key-header, section 2). Only its hash goes further.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let name = HeaderName::from_static("idempotency-key");
    let Some(text) = one(headers, name, Refusal::BadIdempotencyKey)? else {
        return Ok(None);
    };
    let text = text.trim();
    let key = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let well_formed = (1..=LONGEST_IDEMPOTENCY_KEY).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if well_formed {
        Ok(Some(token_digest_hex(key)))
    } else {
        Err(Refusal::BadIdempotencyKey)
    }
}

fn success(visit: &Visit, tokens: &Tokens) -> HttpResponse {
    let settings = &visit.tenant.record.settings;
    let status = match settings.registration.success_status {
        SuccessStatus::Ok => StatusCode::OK,
        SuccessStatus::Created => StatusCode::CREATED,
    };
    document(status, token_document(tokens, settings))
}
