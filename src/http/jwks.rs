//! `GET /.well-known/jwks.json`: the public keys that a tenant's access tokens are verified with (RFC 7517).

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::answer::refuse;
use super::openapi::public_schemas;
use super::site::{Site, Unserved, unavailable};

/// The methods of this route.
pub(super) const METHODS: &str = "GET, HEAD";

/// The tenant's key set. Clients may keep it for five minutes.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "getKeys",
    tag = "sessions",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    responses((status = 200, description = "Done", body = public_schemas::JwkSet, content_type = "application/jwk-set+json")),
)]
pub(super) async fn jwks(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let visit = match site.visit(&request).await {
        Ok(visit) => visit,
        Err(Unserved {
            refusal,
            dialect,
            language,
        }) => return refuse(&refusal, dialect, language),
    };
    match site.directory.public_keys(&visit.tenant).await {
        Ok(keys) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "application/jwk-set+json"))
            .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
            .body(keys),
        Err(error) => refuse(&unavailable(error), visit.dialect, visit.language),
    }
}
