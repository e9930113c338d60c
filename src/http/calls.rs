//! One call of a tenant's user, from socket to answer: what every operation on the public listener has in common.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;

use super::answer::refuse;
use super::body;
use super::error_document::Refusal;
use super::site::{Site, Unserved, Visit};
use super::wire::attributes::Attributes;
use super::wire::media_type::{MediaType, media_type};
use crate::domain::dialect::Dialect;
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::tenant::rate_limit::{CallKind, Standing};

const LONGEST_ACCESS_TOKEN: usize = 8 * 1024;

/// A call whose tenant is known.
pub(super) struct Incoming {
    pub(super) visit: Visit,
    /// When an answer comes too late.
    pub(super) deadline: Instant,
    /// An access token that came along.
    pub(super) access_token: Option<SecretString>,
}

/// A call's body, and how to read it.
pub(super) struct Body {
    pub(super) media: MediaType,
    pub(super) bytes: Vec<u8>,
}

impl Incoming {
    /// A call without a body.
    ///
    /// # Errors
    /// The refusal, ready to send.
    pub(super) async fn read(request: &HttpRequest, site: &Site) -> Result<Self, HttpResponse> {
        let deadline = site.clock.monotonic() + site.request_timeout();
        let visit = site.visit(request).await.map_err(unserved)?;
        Ok(Self {
            access_token: access_token(request, visit.dialect),
            visit,
            deadline,
        })
    }

    /// A call with a body. The body is read before anything is refused, since a connection with an unread body cannot be
    /// used again.
    ///
    /// # Errors
    /// The refusal, ready to send.
    pub(super) async fn read_with_body(
        request: &HttpRequest,
        payload: Payload,
        site: &Site,
    ) -> Result<(Self, Body), HttpResponse> {
        let deadline = site.clock.monotonic() + site.request_timeout();
        let time = Duration::from_millis(site.settings.body_timeout_ms);
        let bytes = body::read(request, payload, site.settings.max_body_bytes, time).await;
        let visit = site.visit(request).await.map_err(unserved)?;
        let call = Self {
            access_token: access_token(request, visit.dialect),
            visit,
            deadline,
        };
        let body = bytes.and_then(|bytes| {
            let headers = request.headers();
            let media = media_type(
                one(headers, header::CONTENT_TYPE, Refusal::UnsupportedMediaType)?,
                one(
                    headers,
                    header::CONTENT_ENCODING,
                    Refusal::UnsupportedEncoding,
                )?,
                call.visit.dialect,
            )?;
            Ok(Body { media, bytes })
        });
        match body {
            Ok(body) => Ok((call, body)),
            Err(refusal) => Err(call.refuse(&refusal)),
        }
    }

    /// A call with attributes.
    ///
    /// # Errors
    /// The refusal, ready to send.
    pub(super) async fn read_attributes(
        request: &HttpRequest,
        payload: Payload,
        site: &Site,
    ) -> Result<(Self, Attributes), HttpResponse> {
        let (call, body) = Self::read_with_body(request, payload, site).await?;
        match Attributes::read(body.media, &body.bytes, call.visit.dialect) {
            Ok(attributes) => Ok((call, attributes)),
            Err(refusal) => Err(call.refuse(&refusal)),
        }
    }

    /// Who asks.
    pub(super) fn requester(&self) -> SocketAddr {
        self.visit.requester
    }

    /// A refusal, as this visitor reads it.
    pub(super) fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        refuse(refusal, self.visit.dialect, self.visit.language)
    }

    /// Has the tenant's actor do the work, and answers with what it comes to.
    pub(super) async fn answer<T, E, F>(
        &self,
        site: &Site,
        kind: CallKind,
        work: impl FnOnce(Tools, Arc<TenantRules>) -> F + Send + 'static,
        success: impl FnOnce(&Visit, T) -> HttpResponse,
    ) -> HttpResponse
    where
        T: Send + 'static,
        E: From<CallError> + Into<Refusal> + Send + 'static,
        F: Future<Output = Result<T, E>> + 'static,
    {
        let outcome = site
            .directory
            .perform(&self.visit.tenant, kind, self.requester().ip(), work)
            .await;
        let mut response = match outcome.result {
            Ok(done) => success(&self.visit, done),
            Err(error) => self.refuse(&error.into()),
        };
        if let Some(standing) = outcome.standing {
            say_limit(response.headers_mut(), standing);
        }
        response
    }
}

fn unserved(unserved: Unserved) -> HttpResponse {
    refuse(&unserved.refusal, unserved.dialect, unserved.language)
}

/// A field that stands once or not at all, in readable characters.
pub(super) fn one(
    headers: &HeaderMap,
    name: HeaderName,
    refusal: Refusal,
) -> Result<Option<&str>, Refusal> {
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

/// The RateLimit fields of the address limit (draft-ietf-httpapi-ratelimit-headers, section 3).
pub(super) fn say_limit(headers: &mut HeaderMap, standing: Standing) {
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
