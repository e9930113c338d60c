//! `/livez` and `/readyz` on the operators' listener.
//!
//! Liveness answers from the process alone, so that a dead database never makes an orchestrator kill healthy processes.
//! Readiness answers from a verdict that a task renews, so that probes cost the databases nothing.

use super::openapi::schemas;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

/// The methods of these routes.
pub(super) const METHODS: &str = "GET, HEAD";

/// What is missing before the process can serve; empty when it is ready.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<RwLock<Vec<String>>>);

impl Default for Readiness {
    /// Not ready: nothing has been looked at yet.
    fn default() -> Self {
        Self(Arc::new(RwLock::new(vec!["starting".to_owned()])))
    }
}

impl Readiness {
    /// Renews the verdict.
    pub fn set(&self, missing: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    /// What is missing now.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The process runs.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "health",
    responses((status = 200, description = "Done", body = schemas::Health, content_type = "application/json")),
    extensions(("x-plain-json" = json!(true)))
)]
pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The process can serve, or what it lacks.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    responses((status = 200, description = "Done", body = schemas::Health, content_type = "application/json"), (status = 503, description = "Not ready", body = schemas::Health, content_type = "application/json")),
    extensions(("x-plain-json" = json!(true)))
)]
pub(super) async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    let missing = readiness.missing();
    if missing.is_empty() {
        HttpResponse::Ok().json(json!({ "status": "ok", "missing": [] }))
    } else {
        HttpResponse::ServiceUnavailable()
            .insert_header(("retry-after", "1"))
            .json(json!({ "status": "not_ready", "missing": missing }))
    }
}
