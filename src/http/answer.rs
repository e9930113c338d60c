//! Turns documents and refusals into responses.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use super::error_document::Refusal;
use super::wire::DOCUMENT_MEDIA_TYPE;
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;

/// A refusal as a response.
pub(super) fn refuse(refusal: &Refusal, dialect: Dialect, language: Language) -> HttpResponse {
    let answer = refusal.answer(dialect, language);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.insert_header((HeaderName::from_static(name), value));
        }
    }
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.body(answer.body)
}

/// Done, and nothing to say.
pub(super) fn no_content() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Sends a browser elsewhere. An address that cannot stand in a header field is a fault of ours.
pub(super) fn redirect(to: &str) -> HttpResponse {
    match HeaderValue::from_str(to) {
        Ok(location) => HttpResponse::Found()
            .insert_header((header::LOCATION, location))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// A document as a response that no cache keeps.
pub(super) fn document(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, DOCUMENT_MEDIA_TYPE))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}
