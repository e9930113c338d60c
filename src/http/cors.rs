//! Which pages of other origins may call from a browser (CORS; the Fetch standard, section 3.3), told by each tenant's list.
//!
//! The list holds whole origins and is compared byte by byte: a look-alike is another text. `*` is never answered, and
//! neither is an origin that the tenant did not list (`docs/contract.md`, section 1.2; `docs/threats.md`, row 109).

use std::cell::OnceCell;
use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};

use super::site::Site;

/// What an allowed page may do. The browser may keep a preflight's answer for ten minutes, after which a change of the
/// list is in force.
const ALLOWED: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, POST, PATCH, PUT, OPTIONS, DELETE",
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Origin, Content-Type, Cookie, X-CSRF-TOKEN, Accept, Authorization, X-XSRF-TOKEN, X-HTTP-Method-Override, \
         Idempotency-Key, X-Tenant-Id, Accept-Language",
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Authorization, authenticated, RateLimit, RateLimit-Policy, Retry-After",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

/// The origin that may read the answer to a request, once it is known. The guard holds it too, so that its own refusals
/// (a missed deadline) can be read as well.
#[derive(Clone, Default)]
pub(super) struct AllowedOrigin(Rc<OnceCell<HeaderValue>>);

impl AllowedOrigin {
    /// Tells the browser that the page may read this answer; nothing for any other page.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let Some(origin) = self.0.get() else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, value) in ALLOWED {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Judges the origin of a request on the public listener, and answers every OPTIONS itself.
pub(super) async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Some(origin) = allowed_origin(&request).await
        && let Some(allowed) = request.extensions().get::<AllowedOrigin>()
    {
        allowed.0.get_or_init(|| origin);
    }
    let mut response = if request.method() == Method::OPTIONS {
        request.into_response(HttpResponse::Ok().finish())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    // On every answer, also to a request without the field: a cache must not give it to another page.
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("Origin"));
    Ok(response)
}

/// The request's origin, if the tenant that the request names has it on its list. A preflight carries no `X-Tenant-Id`, so
/// host and path name the tenant there.
async fn allowed_origin(request: &ServiceRequest) -> Option<HeaderValue> {
    let mut lines = request.headers().get_all(header::ORIGIN);
    let (Some(origin), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let site = request.app_data::<Data<Site>>()?;
    // The route is not chosen yet, so the key is taken from the path itself.
    let path_key = request
        .match_info()
        .as_str()
        .strip_prefix("/t/")
        .and_then(|rest| rest.split_once('/'))
        .map(|(key, _)| key);
    let tenant = site.find_tenant(request.request(), path_key).await.ok()?;
    let listed = &tenant.record.settings.cors.origins;
    listed
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}
