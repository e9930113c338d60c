//! What every request passes: a bound on their number, a deadline, a net under panics, a count and a request id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpResponse};
use futures_util::FutureExt;
use ipnet::IpNet;
use tracing::Instrument;
use tracing::field::Empty;

use super::answer::refuse;
use super::cors::AllowedOrigin;
use super::error_document::Refusal;
use super::language::choose;
use super::requester::is_trusted;
use super::routes::label;
use super::site::languages;
use crate::clock::{Clock, Entropy};
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;
use crate::session::error::CallError;
use crate::telemetry::{Metrics, traces};

/// What the guard of one listener works with.
#[derive(Clone)]
pub struct Guard {
    /// The listener's name in metrics.
    listener: &'static str,
    most: usize,
    timeout: Duration,
    /// Who may say to which trace a request belongs.
    trusted_proxies: Vec<IpNet>,
    clock: Clock,
    metrics: Metrics,
    /// Where the request ids begin; drawn at the start.
    first_id: u64,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    in_flight: AtomicUsize,
    /// Requests so far.
    requests: AtomicU64,
    closing: AtomicBool,
}

/// One request at work.
struct AtWork(Arc<State>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Guard {
    /// A guard that lets `most` requests work at one time, each for at most `timeout`; of `trusted_proxies` it believes to
    /// which trace a request belongs.
    #[must_use]
    pub fn new(
        listener: &'static str,
        most: usize,
        timeout: Duration,
        trusted_proxies: Vec<IpNet>,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> Self {
        Self {
            listener,
            most,
            timeout,
            trusted_proxies,
            clock,
            metrics,
            first_id: u64::from_be_bytes(entropy.bytes().unwrap_or_default()),
            state: Arc::default(),
        }
    }

    /// Requests at work now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::Acquire)
    }

    /// From now on every answer closes its connection.
    pub fn close_connections(&self) {
        self.state.closing.store(true, Ordering::Release);
    }

    fn enter(&self) -> Option<AtWork> {
        let before = self.state.in_flight.fetch_add(1, Ordering::AcqRel);
        let at_work = AtWork(Arc::clone(&self.state));
        (before < self.most).then_some(at_work)
    }

    /// What every answer of this listener carries.
    fn mark(&self, response: &mut HttpResponse<BoxBody>, id: &str, origin: &AllowedOrigin) {
        if self.state.closing.load(Ordering::Acquire) {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        headers.insert(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        );
        origin.mark(headers);
    }

    /// What a trusted proxy says about the trace of a request. From anybody else it would let strangers choose what is traced.
    fn traceparent<'a>(&self, request: &'a ServiceRequest) -> Option<&'a str> {
        let peer = request.peer_addr()?.ip();
        if !is_trusted(peer, &self.trusted_proxies) {
            return None;
        }
        let mut lines = request.headers().get_all("traceparent");
        let line = lines.next()?.to_str().ok();
        line.filter(|_| lines.next().is_none())
    }

    /// A name that no other request of this listener has, and hardly any of another process: no secret, so one draw at
    /// the start is enough. An odd factor visits every number once.
    fn request_id(&self) -> String {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let number = self.state.requests.fetch_add(1, Ordering::Relaxed);
        let id = self.first_id.wrapping_add(number.wrapping_mul(STEP));
        format!("{id:016x}")
    }
}

/// Runs a request under its listener's guard.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(guard) = request.app_data::<Data<Guard>>().cloned() else {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body);
    };
    let begun = guard.clock.monotonic();
    let method = method_label(request.method().as_str());
    let languages = languages(request.headers());
    let id = guard.request_id();
    let span = tracing::info_span!("request", id, method, trace_id = Empty);
    traces::begin(&span, guard.traceparent(&request));
    let origin = AllowedOrigin::default();
    request.extensions_mut().insert(origin.clone());
    let outcome = match guard.enter() {
        Some(_at_work) => run(&guard, request, next).instrument(span.clone()).await,
        None => {
            guard.metrics.admission_refusal("in_flight_process");
            Err(Refusal::TooManyInFlight)
        }
    };
    let seconds = guard.clock.monotonic().duration_since(begun).as_secs_f64();
    let count = |route, status: StatusCode| {
        guard
            .metrics
            .http_request(guard.listener, route, method, status.as_u16(), seconds);
        traces::answered(&span, method, route, status.as_u16());
    };
    match outcome {
        Ok(mut response) => {
            count(
                label(response.request().match_pattern().as_deref()),
                response.status(),
            );
            guard.mark(response.response_mut(), &id, &origin);
            Ok(response)
        }
        // The request went into the handler and did not come back, so its route is not known any more.
        Err(refusal) => {
            let language = choose(languages.as_deref(), Language::default());
            let mut response = refuse(&refusal, Dialect::Standard, language);
            count("none", response.status());
            guard.mark(&mut response, &id, &origin);
            Err(InternalError::from_response("refused by the guard", response).into())
        }
    }
}

async fn run(
    guard: &Guard,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Refusal> {
    let work = AssertUnwindSafe(next.call(request)).catch_unwind();
    match tokio::time::timeout(guard.timeout, work).await {
        Ok(Ok(Ok(response))) => Ok(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "a handler failed");
            Err(Refusal::Call(CallError::Internal))
        }
        Ok(Err(_panic)) => {
            guard.metrics.request_panicked();
            Err(Refusal::Call(CallError::Internal))
        }
        Err(_) => Err(Refusal::Deadline),
    }
}

/// The methods that metrics know; a client can invent any other.
fn method_label(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
