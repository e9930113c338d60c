//! Traces of requests, sent to a collector by OTLP over HTTP when one is configured.
//!
//! Spans are those of the crate `tracing`; what is for traces alone has the target [`TRACE`], which the log never takes, so
//! that without a collector such a span costs one look at a number. Taken: a bounded line and one thread, which batches,
//! encodes and sends. Refused: the exporter and the batches of the OpenTelemetry SDK, which read settings of their own from
//! the environment, tell nobody what they drop, and send on no thread of ours; and events within spans, since texts of the
//! log belong into the log (`docs/decisions/0043-traces-that-cost-nothing-when-off.md`).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, SpanData,
    SpanProcessor,
};
use prost::Message;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::settings::TelemetrySettings;

/// The target of spans that are for traces alone; their level is `TRACE`.
pub const TRACE: &str = "trace";

/// The span around a whole request, which the log has, too.
const REQUEST: &str = "request";
/// Spans of one message to the collector; at some 300 bytes each, a quarter of the 4 MiB that collectors take.
const BATCH: usize = 512;
/// How long a span may wait for others to be sent with.
const GATHERING: Duration = Duration::from_secs(1);

const METHOD: &str = "http.request.method";
const ROUTE: &str = "http.route";
const STATUS: &str = "http.response.status_code";
const TENANT: &str = "enroll.tenant";

/// Whether anything is traced in this process.
static ON: AtomicBool = AtomicBool::new(false);
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// What became of spans since the process started, by outcome: taken by the collector; lost because the line was full;
/// lost because the collector did not take them in time.
#[must_use]
pub fn spans() -> [(&'static str, u64); 3] {
    [
        ("exported", EXPORTED.load(Ordering::Relaxed)),
        ("dropped", DROPPED.load(Ordering::Relaxed)),
        ("failed", FAILED.load(Ordering::Relaxed)),
    ]
}

/// Begins the trace of a request: a new one, or the one that `traceparent` (W3C Trace Context) names, which must come from
/// somebody who may choose what is traced. The log's lines of the request show the id of a trace that is sent.
pub fn begin(request: &Span, traceparent: Option<&str>) {
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    if let Some(parent) = traceparent.and_then(read_traceparent) {
        // Fails only for a span that is not traced or has begun, and then nothing is lost.
        let _ = request.set_parent(Context::new().with_remote_span_context(parent));
    }
    let context = request.context();
    let context = context.span().span_context().clone();
    if context.is_sampled() {
        request.record("trace_id", tracing::field::display(context.trace_id()));
    }
}

/// Notes how a request was answered: `route` is a pattern, never the path that was asked for.
pub fn answered(request: &Span, method: &'static str, route: &'static str, status: u16) {
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    request.set_attribute(METHOD, method);
    request.set_attribute(ROUTE, route);
    request.set_attribute(STATUS, i64::from(status));
    if status >= 500 {
        request.set_status(Status::error(""));
    }
}

/// Notes which tenant the current request is for; only for one that exists, so that nobody invents values.
pub fn of_tenant(key: &str) {
    if ON.load(Ordering::Relaxed) {
        Span::current().set_attribute(TENANT, key.to_owned());
    }
}

/// The trace and the span that a `traceparent` of version 00 names, or of a later one that begins alike. `None` when it is
/// malformed; the specification then wants a new trace.
fn read_traceparent(text: &str) -> Option<SpanContext> {
    let mut parts = text.splitn(5, '-');
    let mut part = |length: usize| {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts
            .next()
            .filter(|part| part.len() == length && part.bytes().all(is_hex))
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// Starts the thread that sends, and gives the layer that makes traces of spans; nothing of both without a collector.
///
/// # Errors
/// When the operating system gives no thread.
pub(super) fn start<S>(
    settings: &TelemetrySettings,
) -> io::Result<(Option<impl Layer<S> + use<S>>, Option<TracesGuard>)>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let Some(address) = settings.collector() else {
        return Ok((None, None));
    };
    let line = Arc::new(Line::new(settings.trace_queue));
    let timeout = Duration::from_millis(settings.trace_timeout_ms);
    let resource = Resource::builder_empty()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let sender = Sender::new(address, timeout, &resource)?;
    let of_thread = Arc::clone(&line);
    std::thread::Builder::new()
        .name("traces".to_owned())
        .spawn(move || send_all(&of_thread, sender))?;
    let ratio = f64::from(settings.trace_ppm) / 1e6;
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Requests(
            Sampler::TraceIdRatioBased(ratio),
        ))))
        .with_resource(resource)
        .with_span_processor(Processor(Arc::clone(&line)))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(is_traced));
    ON.store(true, Ordering::Relaxed);
    Ok((Some(layer), Some(TracesGuard { line, timeout })))
}

/// Decides about traces that begin here. Only requests do: what the house does by itself is told by metrics.
#[derive(Clone, Debug)]
struct Requests(Sampler);

impl ShouldSample for Requests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        if name == REQUEST {
            return self
                .0
                .should_sample(parent, trace, name, kind, attributes, links);
        }
        SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: TraceState::NONE,
        }
    }
}

fn is_traced(what: &Metadata<'_>) -> bool {
    let is_request = what.name() == REQUEST && what.target().starts_with("enroll::");
    what.is_span() && (what.target() == TRACE || is_request)
}

/// Spans that ended and wait to be sent.
#[derive(Debug)]
struct Line {
    state: Mutex<State>,
    news: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<SpanData>,
    /// No more come; what waits is sent at once.
    is_ending: bool,
    /// The thread has sent what it could.
    has_ended: bool,
}

impl Line {
    fn new(most: usize) -> Self {
        Self {
            state: Mutex::default(),
            news: Condvar::new(),
            most,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a span, or counts it as lost; never waits for more than another such call.
    fn push(&self, span: SpanData) {
        let mut state = self.state();
        if state.waiting.len() >= self.most || state.has_ended {
            drop(state);
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.push(span);
        let is_batch = state.waiting.len() == BATCH;
        drop(state);
        if is_batch {
            self.news.notify_all();
        }
    }

    /// The next batch: when there are enough, or some have waited long enough; `None` after the last one.
    fn next(&self) -> Option<Vec<SpanData>> {
        let mut state = self.state();
        if state.waiting.len() < BATCH && !state.is_ending {
            let gathering = |state: &mut State| state.waiting.len() < BATCH && !state.is_ending;
            state = self
                .news
                .wait_timeout_while(state, GATHERING, gathering)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.waiting.is_empty() && state.is_ending {
            state.has_ended = true;
            drop(state);
            self.news.notify_all();
            return None;
        }
        let count = state.waiting.len().min(BATCH);
        Some(state.waiting.drain(..count).collect())
    }
}

/// Puts spans that ended into the line.
#[derive(Debug)]
struct Processor(Arc<Line>);

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.name == REQUEST {
            dress(&mut span);
        }
        self.0.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// [`TracesGuard`] ends the line.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Names a request as OpenTelemetry's conventions want it, and takes off what only the log needs.
fn dress(span: &mut SpanData) {
    span.span_kind = SpanKind::Server;
    span.attributes
        .retain(|pair| !matches!(pair.key.as_str(), "method" | "trace_id"));
    let value = |key| {
        let mut pairs = span.attributes.iter();
        let found = pairs.find(|pair| pair.key.as_str() == key);
        found.map(|pair| pair.value.as_str().into_owned())
    };
    if let (Some(method), Some(route)) = (value(METHOD), value(ROUTE)) {
        span.name = format!("{method} {route}").into();
    }
}

/// Sends messages to the collector, from a thread of its own.
struct Sender {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    address: String,
    resource: ResourceAttributesWithSchema,
}

impl Sender {
    fn new(address: String, timeout: Duration, resource: &Resource) -> io::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .build()
            .map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            client,
            address,
            resource: resource.into(),
        })
    }

    /// Sends one message, once.
    fn send(&self, batch: Vec<SpanData>) -> Result<(), String> {
        let message = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let request = self
            .client
            .post(&self.address)
            .header("content-type", "application/x-protobuf")
            .body(message.encode_to_vec());
        // Its timer wants the runtime from the first moment on.
        match self.runtime.block_on(async { request.send().await }) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("status {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

/// The thread: the only one that may wait for the collector.
fn send_all(line: &Line, sender: Sender) {
    let mut is_well = true;
    while let Some(batch) = line.next() {
        if batch.is_empty() {
            continue;
        }
        let count = u64::try_from(batch.len()).unwrap_or_default();
        let sent = sender.send(batch);
        let outcome = if sent.is_ok() { &EXPORTED } else { &FAILED };
        outcome.fetch_add(count, Ordering::Relaxed);
        // Told when it changes, not for each batch.
        match &sent {
            Err(reason) if is_well => {
                tracing::warn!(reason, "the collector takes no traces; they are lost");
            }
            Ok(()) if !is_well => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        is_well = sent.is_ok();
    }
    // A look-up of a name may hang; nobody waits for it.
    sender.runtime.shutdown_background();
}

/// Gives the thread one timeout to send what waits, when dropped at the end of the process.
#[derive(Debug)]
pub(super) struct TracesGuard {
    line: Arc<Line>,
    timeout: Duration,
}

impl Drop for TracesGuard {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.is_ending = true;
        self.line.news.notify_all();
        let state = self
            .line
            .news
            .wait_timeout_while(state, self.timeout, |state| !state.has_ended)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        let has_ended = state.has_ended;
        drop(state);
        if !has_ended {
            tracing::warn!("the last traces were not sent in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use std::time::UNIX_EPOCH;

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceId};
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

    use super::{DROPPED, Line, read_traceparent};

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = read_traceparent(good).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        let id = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
        assert_eq!(context.trace_id(), id);
        let unsampled = good.replace("-01", "-00");
        assert!(!read_traceparent(&unsampled).unwrap().is_sampled());
        // A later version may have more at its end.
        assert!(read_traceparent(&format!("{}-what", good.replacen("00", "01", 1))).is_some());
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replacen("00", "ff", 1),
            &format!("{good}-what"),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &good.replace("4bf9", "+bf9"),
            &good.replace('-', "_"),
            good.strip_suffix('1').unwrap(),
        ] {
            assert!(read_traceparent(bad).is_none(), "{bad}");
        }
    }

    fn span() -> SpanData {
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "hash".into(),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_full_line_takes_no_more_and_says_so() {
        let line = Line::new(2);
        let before = DROPPED.load(Ordering::Relaxed);
        for _ in 0..5 {
            line.push(span());
        }
        assert_eq!(DROPPED.load(Ordering::Relaxed), before + 3);
        assert_eq!(line.next().unwrap().len(), 2);
        line.state().is_ending = true;
        assert!(line.next().is_none());
    }
}
