//! `POST /api/register` (`docs/contract.md`, sections 1 to 6).

use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use secrecy::{ExposeSecret, SecretString};

use super::answer::{document, refuse};
use super::body;
use super::error_document::Refusal;
use super::site::{Site, Unserved, Visit};
use super::wire::media_type::media_type;
use super::wire::registration::read_registration;
use super::wire::token_document::{NewAccount, token_document};
use crate::domain::dialect::Dialect;
use crate::domain::tenant_settings::SuccessStatus;
use crate::registration::pipeline::RegistrationRequest;
use crate::session::gate::Tokens;
use crate::tenant::rate_limit::Standing;
use crate::token::token_digest_hex;

/// The methods of this route.
pub(super) const METHODS: &str = "POST";

const LONGEST_IDEMPOTENCY_KEY: usize = 255;
const LONGEST_ACCESS_TOKEN: usize = 8 * 1024;

/// Registers a user at the tenant that the request names.
pub(super) async fn register(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let deadline = site.clock.monotonic() + site.request_timeout();
    // The body is read before anything is refused, since a connection with an unread body cannot be used again.
    let body = read_body(&request, payload, &site).await;
    let visit = match site.visit(&request).await {
        Ok(visit) => visit,
        Err(Unserved {
            refusal,
            dialect,
            language,
        }) => return refuse(&refusal, dialect, language),
    };
    let call = match body.and_then(|body| read_call(&request, &body, &visit, deadline)) {
        Ok(call) => call,
        Err(refusal) => return refuse(&refusal, visit.dialect, visit.language),
    };
    let outcome = site.directory.register(&visit.tenant, call).await;
    let mut response = match outcome.result {
        Ok(registered) => success(&visit, &registered),
        Err(error) => refuse(&error.into(), visit.dialect, visit.language),
    };
    if let Some(standing) = outcome.standing {
        say_limit(response.headers_mut(), standing);
    }
    response
}

async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    site: &Site,
) -> Result<Vec<u8>, Refusal> {
    let time = Duration::from_millis(site.settings.body_timeout_ms);
    body::read(request, payload, site.settings.max_body_bytes, time).await
}

fn read_call(
    request: &HttpRequest,
    body: &[u8],
    visit: &Visit,
    deadline: Instant,
) -> Result<RegistrationRequest, Refusal> {
    let headers = request.headers();
    let media = media_type(
        one(headers, header::CONTENT_TYPE, Refusal::UnsupportedMediaType)?,
        one(
            headers,
            header::CONTENT_ENCODING,
            Refusal::UnsupportedEncoding,
        )?,
        visit.dialect,
    )?;
    Ok(RegistrationRequest {
        registration: read_registration(media, body, visit.dialect)?,
        requester: visit.requester,
        access_token: access_token(request, visit.dialect),
        idempotency_key: idempotency_key(headers)?,
        deadline,
    })
}

/// A field that stands once or not at all, in readable characters.
fn one(headers: &HeaderMap, name: HeaderName, refusal: Refusal) -> Result<Option<&str>, Refusal> {
    let mut lines = headers.get_all(name);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => match line.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(refusal),
        },
        _ => Err(refusal),
    }
}

/// The access token that came along, if any: the `Bearer` prefix is optional, and in the `discuzq` dialect a query
/// parameter stands in for the field (contract section 1). What cannot be a token is passed on and refused there.
fn access_token(request: &HttpRequest, dialect: Dialect) -> Option<SecretString> {
    let field = request.headers().get(header::AUTHORIZATION).map(|value| {
        let text = value.to_str().unwrap_or_default().trim();
        let bare = match text.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim(),
            _ => text,
        };
        bare.chars()
            .take(LONGEST_ACCESS_TOKEN + 1)
            .collect::<String>()
    });
    let query = || {
        let pairs = request.query_string().split('&');
        let token = pairs
            .filter_map(|pair| pair.strip_prefix("token="))
            .next()?;
        (dialect == Dialect::Discuzq && !token.is_empty()).then(|| token.to_owned())
    };
    field.or_else(query).map(Into::into)
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

fn success(visit: &Visit, registered: &Tokens) -> HttpResponse {
    let settings = &visit.tenant.record.settings;
    let offset = settings.utc_offset.0;
    let user = &registered.user;
    let body = token_document(
        &NewAccount {
            user_id: user.id,
            username: &user.display_name,
            nickname: &user.display_name,
            mobile: None,
            union_id: None,
            last_login_ip: &user.last_login_ip,
            created_at: &user.created_at.to_rfc3339(offset),
            updated_at: &user.updated_at.to_rfc3339(offset),
            access_token: registered.access_token.expose_secret(),
            expires_in: settings.tokens.access_seconds,
            refresh_token: registered.refresh_token.expose_secret(),
        },
        visit.dialect,
    );
    let status = match settings.registration.success_status {
        SuccessStatus::Ok => StatusCode::OK,
        SuccessStatus::Created => StatusCode::CREATED,
    };
    document(status, body)
}

/// The RateLimit fields of the address limit (draft-ietf-httpapi-ratelimit-headers, section 3).
fn say_limit(headers: &mut HeaderMap, standing: Standing) {
    let rate = standing.rate;
    let reset = standing.reset.as_secs_f64().ceil();
    let policy = format!("\"address\";q={};w={}", rate.calls, rate.seconds);
    let now = format!("\"address\";r={};t={reset}", standing.remaining);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
