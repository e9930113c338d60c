//! What all simulated vendors share: reading parameters, writing answers, and behaving badly.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;

use actix_web::web::{Bytes, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::Value;

use super::modes::{Failure, Lie, Manner, Service};
use super::world::World;
use crate::clock::NoEntropy;

/// Parameters by name; of a name that comes twice, the last.
pub(super) type Parameters = BTreeMap<String, String>;

pub(super) type Answer = Result<HttpResponse, NoEntropy>;

/// Reads `a=b&c=d` (application/x-www-form-urlencoded); nothing when it is none.
pub(super) fn parameters(text: &str) -> Parameters {
    Query::<Parameters>::from_query(text)
        .map(Query::into_inner)
        .unwrap_or_default()
}

pub(super) fn parameter<'a>(parameters: &'a Parameters, name: &str) -> &'a str {
    parameters.get(name).map_or("", String::as_str)
}

/// A header's value as text; empty when it is absent or none.
pub(super) fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Escapes all but the unreserved characters (RFC 3986 section 2.3).
pub(super) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// 200 with a JSON document.
pub(super) fn json(document: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json; charset=utf-8")
        .body(document.to_string())
}

/// The path to which [`Lie::Redirect`] leads; whoever follows is counted.
pub(super) const ELSEWHERE: &str = "/elsewhere";

/// Counts the call and answers it in the manner of the moment. `refused` is the vendor's word for "not now"; `work` makes
/// the true answer, or the one with the given lie in it.
pub(super) async fn serve(
    world: &World,
    service: Service,
    endpoint: &'static str,
    refused: impl FnOnce() -> Answer,
    work: impl FnOnce(Option<Lie>) -> Answer,
) -> HttpResponse {
    let answer = match world.meet(service, endpoint) {
        Manner::Good => work(None),
        Manner::Slow(delay) => {
            tokio::time::sleep(delay).await;
            work(None)
        }
        Manner::Failing(Failure::Status) => Ok(broken()),
        Manner::Failing(Failure::Refused) => refused(),
        Manner::Lying(Lie::Json) => Ok(HttpResponse::Ok()
            .content_type("application/json")
            .body("{\"openid\":\"o6_bm\", \"Response\": {\"Send")),
        Manner::Lying(Lie::Huge) => Ok(huge()),
        Manner::Lying(Lie::Redirect) => Ok(HttpResponse::Found()
            .insert_header(("location", ELSEWHERE))
            .finish()),
        Manner::Lying(Lie::Errcode) if service != Service::Wechat => refused(),
        Manner::Lying(lie) => work(Some(lie)),
    };
    answer.unwrap_or_else(|_| broken())
}

/// The page of a gateway whose back end is gone.
fn broken() -> HttpResponse {
    HttpResponse::InternalServerError()
        .content_type("text/html")
        .body("<html><head><title>500 Internal Server Error</title></head><body>500</body></html>")
}

/// A document of 10 MiB, made while it is read.
fn huge() -> HttpResponse {
    const CHUNK: &[u8] = &[b'a'; 16 * 1024];
    let chunks = (0..640).map(|_| Bytes::from_static(CHUNK));
    let body = std::iter::once(Bytes::from_static(b"{\"openid\":\""))
        .chain(chunks)
        .chain(std::iter::once(Bytes::from_static(b"\"}")))
        .map(Ok::<_, Infallible>);
    HttpResponse::Ok()
        .content_type("application/json")
        .streaming(stream::iter(body))
}
