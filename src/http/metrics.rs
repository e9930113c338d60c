//! `GET /metrics` on the operators' listener: Prometheus' text format.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;

use super::answer::refuse;
use super::error_document::Refusal;
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;
use crate::session::error::CallError;
use crate::telemetry::Metrics;

/// The methods of this route.
pub(super) const METHODS: &str = "GET, HEAD";

/// All metrics as they stand.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "health",
    responses((status = 200, description = "Done", body = String, content_type = "text/plain; version=0.0.4")),
)]
pub(super) async fn metrics(metrics: Data<Metrics>) -> HttpResponse {
    match metrics.encode() {
        Ok(text) => HttpResponse::Ok()
            .insert_header((
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            ))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics do not encode");
            refuse(
                &Refusal::Call(CallError::Internal),
                Dialect::Standard,
                Language::English,
            )
        }
    }
}
