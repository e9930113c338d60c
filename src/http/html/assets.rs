//! The stylesheet, the console's script and the icon: in the binary, each under a name that changes with its content,
//! so that browsers may keep them for ever.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::dialect::Dialect;
use crate::domain::language::Language;
use crate::http::answer::refuse;
use crate::http::error_document::Refusal;
use crate::token::token_digest_hex;

/// The methods of this route.
pub(in crate::http) const METHODS: &str = "GET, HEAD";

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    /// Where it is served: its name with a hash of its content.
    path: String,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        (
            "enroll.css",
            "text/css; charset=utf-8",
            include_str!("../../../assets/enroll.css"),
        ),
        (
            "console.js",
            "text/javascript; charset=utf-8",
            include_str!("../../../assets/console.js"),
        ),
        (
            "mark.svg",
            "image/svg+xml",
            include_str!("../../../assets/mark.svg"),
        ),
    ]
    .map(|(name, kind, text)| {
        let digest = token_digest_hex(text);
        let hash = digest.get(..16).unwrap_or_default();
        Asset {
            name,
            kind,
            text,
            path: format!("/assets/{hash}/{name}"),
        }
    })
});

/// Where an asset is served.
pub(in crate::http) fn path_of(name: &str) -> &'static str {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("", |asset| asset.path.as_str())
}

/// `GET /assets/{hash}/{name}`. A hash of another version is not found, rather than answered with what it did not name.
pub(in crate::http) async fn asset(request: HttpRequest) -> HttpResponse {
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == request.path()) else {
        return refuse(
            &Refusal::RouteNotFound,
            Dialect::Standard,
            Language::default(),
        );
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.kind))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .body(asset.text)
}
