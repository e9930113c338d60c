//! Every metric of the house, in one typed struct.
//!
//! Taken: a registry of its own for each [`Metrics`], so that two servers in one test process do
//! not count for each other. Refused: the `prometheus` crate's global registry and macros.
//!
//! Labels come from closed sets (`docs/threats.md`, row 114): they are `&'static str`, or a
//! tenant's key under a cap. Text sent by a client is never a label.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::history::Figures;
use super::traces;
use super::tracing::dropped_lines;

/// The tenant label of every tenant beyond the cap.
const OTHER_TENANTS: &str = "other";

/// Upper bounds in seconds for whole requests: from a refusal to the request deadline of 10 s.
const REQUEST_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Upper bounds in seconds for one hash and for the wait before it.
const HASH_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5,
];

/// Upper bounds in seconds for one database operation: from a cached read to the statement deadline
/// of 3 s.
const DATABASE_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
];

/// Upper bounds of writers in one commit.
const BATCH_WRITERS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Upper bounds in seconds for one operation with a provider: from a neighbour to its deadline of 3 s and beyond.
const PROVIDER_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0];

/// Upper bounds in seconds for an application's age: from a minute to thirty days.
const APPLICATION_SECONDS: &[f64] = &[
    60.0,
    300.0,
    1800.0,
    3600.0,
    14_400.0,
    43_200.0,
    86_400.0,
    259_200.0,
    604_800.0,
    2_592_000.0,
];

/// Counters that are there from the start, at nought, with every value of their label: an alert on a rise would miss the
/// first one of a series that comes with it.
const LIMITS: &[&str] = &[
    "address",
    "username",
    "tenant",
    "login",
    "sms",
    "call",
    "sms_limit",
    "sms_budget",
];
const ADMISSION_REFUSALS: &[&str] = &["in_flight", "in_flight_process", "live_tenants"];
const HASH_REFUSALS: &[&str] = &["busy", "deadline", "stopped", "failed", "left"];
const DATABASE_ERRORS: &[&str] = &[
    "unavailable",
    "busy",
    "duplicate",
    "gave_way",
    "corrupt",
    "failed",
];

/// The counters and gauges of one server. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    series: Arc<Series>,
}

#[derive(Debug)]
struct Series {
    registry: Registry,
    http_requests: IntCounterVec,
    http_request_seconds: HistogramVec,
    registrations: IntCounterVec,
    applications: IntGaugeVec,
    oldest_application: IntGaugeVec,
    application_seconds: Histogram,
    tenants: Mutex<TenantSeries>,
    hash_queue_depth: IntGauge,
    hash_wait_seconds: Histogram,
    hash_seconds: Histogram,
    hash_refusals: IntCounterVec,
    hash_engine: IntGaugeVec,
    hash_engine_mismatch: IntGauge,
    hash_threads: IntGauge,
    hash_memory_bytes: IntGauge,
    hashes: IntCounter,
    live_actors: IntGauge,
    live_bytes: IntGauge,
    limits_forgotten: IntCounter,
    actor_launches: IntCounter,
    actor_relaunches: IntCounter,
    actor_evictions: IntCounter,
    actor_launch_failures: IntCounter,
    request_panics: IntCounter,
    admission_refusals: IntCounterVec,
    limiter_refusals: IntCounterVec,
    limiter_keys: IntGaugeVec,
    database_connections: IntGaugeVec,
    database_connections_max: IntGauge,
    database_errors: IntCounterVec,
    database_seconds: HistogramVec,
    database_batch_writers: Histogram,
    invite_hints: IntCounterVec,
    invite_hint_entries: IntGauge,
    provider_calls: IntCounterVec,
    provider_seconds: HistogramVec,
    provider_breakers_open: IntGaugeVec,
    ready: Gauge,
    schema_behind: IntGauge,
    oldest_signing_key: IntGaugeVec,
    synced: IntGauge,
    log_lines_dropped: IntCounter,
    trace_spans: IntCounterVec,
    counting_spans: Mutex<()>,
    /// How many dropped lines `log_lines_dropped` already holds; the log itself counts for the
    /// whole process.
    dropped_lines_seen: AtomicU64,
}

/// The tenants that have series of their own, with the counter of each outcome seen.
#[derive(Debug)]
struct TenantSeries {
    max: usize,
    known: HashMap<String, HashMap<&'static str, IntCounter>>,
    /// Register calls of all tenants, also of those that were deleted since.
    totals: BTreeMap<&'static str, u64>,
}

impl TenantSeries {
    /// Gives a tenant series of its own while there is room.
    fn make_known(&mut self, tenant: &str) {
        let has_room = self.known.len() < self.max && tenant != OTHER_TENANTS;
        if has_room && !self.known.contains_key(tenant) {
            self.known.insert(tenant.to_owned(), HashMap::new());
        }
    }
}

impl Metrics {
    /// Builds and registers every metric. At most `max_tenant_series` tenants get series of their
    /// own; the others share the label `other`.
    ///
    /// # Errors
    /// When a metric cannot be registered: two share a name, or a name breaks the grammar.
    pub fn new(max_tenant_series: usize) -> Result<Self, Error> {
        let build = Build {
            registry: Registry::new(),
        };
        build.process()?;
        build.info()?;
        let series = Series {
            http_requests: build.counters(
                "http_requests_total",
                "HTTP requests answered.",
                &["listener", "route", "method", "status"],
            )?,
            http_request_seconds: build.histograms(
                "http_request_seconds",
                "Time from a request's head to its answer, in seconds.",
                &["listener", "route"],
                REQUEST_SECONDS,
            )?,
            registrations: build.counters(
                "registrations_total",
                "Register calls by how they ended; tenants beyond the cap count as `other`.",
                &["tenant", "outcome"],
            )?,
            applications: build.gauges(
                "applications_pending",
                "Users who await approval, as counted when the tenant was last live and called; tenants beyond the cap have none.",
                &["tenant"],
            )?,
            oldest_application: build.gauges(
                "applications_oldest_timestamp_seconds",
                "When the oldest of them registered, in seconds since the Unix epoch; absent while nobody waits.",
                &["tenant"],
            )?,
            application_seconds: build.histogram(
                "application_decision_age_seconds",
                "Time from a registration to the decision about it, in seconds.",
                APPLICATION_SECONDS,
            )?,
            tenants: Mutex::new(TenantSeries {
                max: max_tenant_series,
                known: HashMap::new(),
                totals: BTreeMap::new(),
            }),
            hash_queue_depth: build
                .gauge("hash_queue_depth", "Passwords that wait for a hash thread.")?,
            hash_wait_seconds: build.histogram(
                "hash_wait_seconds",
                "Time a password waited for a hash thread, in seconds.",
                HASH_SECONDS,
            )?,
            hash_seconds: build.histogram(
                "hash_seconds",
                "Time of one password hash on its thread, in seconds.",
                HASH_SECONDS,
            )?,
            hash_refusals: build.known_counters(
                "hash_refusals_total",
                "Passwords that were not hashed, by reason.",
                "reason",
                HASH_REFUSALS,
            )?,
            hash_engine: build.gauges(
                "hash_engine",
                "1 for the code that computes hashes.",
                &["engine"],
            )?,
            hash_engine_mismatch: build.gauge(
                "hash_engine_mismatch",
                "1 if the fast code computed wrong hashes at start and the reference took its place.",
            )?,
            hash_threads: build.gauge("hash_threads", "Threads of the hash pool.")?,
            hash_memory_bytes: build.gauge(
                "hash_memory_bytes",
                "Memory that the hash threads keep for their blocks, in bytes.",
            )?,
            hashes: build.counter("hashes_total", "Password hashes finished.")?,
            live_actors: build.gauge("live_actors", "Tenant actors that run.")?,
            live_bytes: build.gauge("live_bytes", "Bytes for which live tenants are taken.")?,
            limits_forgotten: build.counter(
                "limits_forgotten_total",
                "Tenants that are not live whose limits were forgotten to make room.",
            )?,
            actor_launches: build.counter("actor_launches_total", "Tenant actors started.")?,
            actor_relaunches: build.counter(
                "actor_relaunches_total",
                "Tenant actors started again after they died.",
            )?,
            actor_evictions: build.counter(
                "actor_evictions_total",
                "Idle tenant actors stopped to make room.",
            )?,
            actor_launch_failures: build.counter(
                "actor_launch_failures_total",
                "Tenant actors that could not be started.",
            )?,
            request_panics: build
                .counter("request_panics_total", "Requests that ended in a panic.")?,
            admission_refusals: build.known_counters(
                "admission_refusals_total",
                "Requests refused before any work, by reason.",
                "reason",
                ADMISSION_REFUSALS,
            )?,
            limiter_refusals: build.known_counters(
                "limiter_refusals_total",
                "Requests refused by a rate limit, by limit.",
                "limit",
                LIMITS,
            )?,
            limiter_keys: build.gauges(
                "limiter_keys",
                "Keys that a rate limit remembers, by limit.",
                &["limit"],
            )?,
            database_connections: build.gauges(
                "database_connections",
                "Open database connections, by state.",
                &["state"],
            )?,
            database_connections_max: build.gauge(
                "database_connections_max",
                "Most connections that the pools which are open now may have.",
            )?,
            database_errors: build.known_counters(
                "database_errors_total",
                "Database operations that failed, by kind of error.",
                "kind",
                DATABASE_ERRORS,
            )?,
            database_seconds: build.histograms(
                "database_seconds",
                "Time of one database operation, in seconds.",
                &["operation"],
                DATABASE_SECONDS,
            )?,
            database_batch_writers: build.histogram(
                "database_batch_writers",
                "Writers that shared one commit of an SQLite database.",
                BATCH_WRITERS,
            )?,
            invite_hints: build.counters(
                "invite_hints_total",
                "Look-ups in the cache of invite hints, by result.",
                &["result"],
            )?,
            invite_hint_entries: build.gauge(
                "invite_hint_entries",
                "Entries in the cache of invite hints.",
            )?,
            provider_calls: build.counters(
                "provider_calls_total",
                "Operations with a provider by how they ended.",
                &["provider", "outcome"],
            )?,
            provider_seconds: build.histograms(
                "provider_seconds",
                "Time of one operation with a provider, in seconds.",
                &["provider"],
                PROVIDER_SECONDS,
            )?,
            provider_breakers_open: build.gauges(
                "provider_breakers_open",
                "Tenants whose breaker for a provider is open.",
                &["provider"],
            )?,
            ready: build.register(Gauge::new(
                full_name("ready"),
                "1 while the server takes work, else 0.",
            )?)?,
            schema_behind: build.gauge(
                "schema_behind",
                "1 while the platform database lacks changes of this version, as readiness last saw it.",
            )?,
            oldest_signing_key: build.gauges(
                "signing_key_oldest_timestamp_seconds",
                "When the newest signing key was made of the tenant that renewed its keys least lately, in seconds since the Unix epoch; absent while there is no tenant.",
                &[],
            )?,
            synced: build.gauge(
                "tenants_synced_timestamp_seconds",
                "When changes of tenants were last taken in, in seconds since the Unix epoch.",
            )?,
            trace_spans: build.counters(
                "trace_spans_total",
                "Spans of traces by what became of them.",
                &["outcome"],
            )?,
            counting_spans: Mutex::default(),
            log_lines_dropped: build.counter(
                "log_lines_dropped_total",
                "Log lines lost because standard error was full or closed.",
            )?,
            dropped_lines_seen: AtomicU64::new(0),
            registry: build.registry,
        };
        Ok(Self {
            series: Arc::new(series),
        })
    }

    /// All metrics in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    /// When a metric cannot be written; none here can.
    pub fn encode(&self) -> Result<String, Error> {
        let dropped = dropped_lines();
        let seen = self
            .series
            .dropped_lines_seen
            .fetch_max(dropped, Ordering::Relaxed);
        self.series
            .log_lines_dropped
            .inc_by(dropped.saturating_sub(seen));
        self.count_spans();
        TextEncoder::new().encode_to_string(&self.series.registry.gather())
    }

    /// Brings the counters to what the whole process has counted.
    fn count_spans(&self) {
        // Two at once would add the same twice.
        let alone = self.series.counting_spans.lock();
        let _alone = alone.unwrap_or_else(PoisonError::into_inner);
        for (outcome, count) in traces::spans() {
            let counter = self.series.trace_spans.with_label_values(&[outcome]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// The figures that the console shows.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            outcomes: self.tenants().totals.clone(),
            hash_queue_depth: self.series.hash_queue_depth.get(),
            live_tenants: self.series.live_actors.get(),
        }
    }

    /// Counts an answered request and its time. `route` is the pattern of the route table, never
    /// the path sent.
    pub fn http_request(
        &self,
        listener: &'static str,
        route: &'static str,
        method: &'static str,
        status: u16,
        seconds: f64,
    ) {
        let status = status.to_string();
        self.series
            .http_requests
            .with_label_values(&[listener, route, method, &status])
            .inc();
        self.series
            .http_request_seconds
            .with_label_values(&[listener, route])
            .observe(seconds);
    }

    /// Counts a register call of a known tenant. Beyond the cap of tenants it counts as tenant
    /// `other`.
    pub fn registration(&self, tenant: &str, outcome: &'static str) {
        let mut tenants = self.tenants();
        *tenants.totals.entry(outcome).or_default() += 1;
        tenants.make_known(tenant);
        let counters = &self.series.registrations;
        match tenants
            .known
            .get_mut(tenant)
            .map(|outcomes| outcomes.entry(outcome))
        {
            Some(Entry::Occupied(counter)) => counter.get().inc(),
            Some(Entry::Vacant(place)) => {
                place
                    .insert(counters.with_label_values(&[tenant, outcome]))
                    .inc();
            }
            None => counters.with_label_values(&[OTHER_TENANTS, outcome]).inc(),
        }
    }

    /// How many users of a tenant await approval, and when the oldest of them registered, in seconds since the Unix epoch.
    /// Tenants beyond the cap are not told, for a sum over those that were counted at different times says nothing.
    pub fn applications(&self, tenant: &str, waiting: u64, oldest: Option<i64>) {
        let mut tenants = self.tenants();
        // A tenant that asks for no approval needs no place.
        if waiting > 0 {
            tenants.make_known(tenant);
        }
        if !tenants.known.contains_key(tenant) {
            return;
        }
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        let gauge = self.series.applications.with_label_values(&[tenant]);
        gauge.set(waiting);
        match oldest {
            Some(at) => {
                let gauge = self.series.oldest_application.with_label_values(&[tenant]);
                gauge.set(at);
            }
            // What is not there needs no removal.
            None => drop(
                self.series
                    .oldest_application
                    .remove_label_values(&[tenant]),
            ),
        }
    }

    /// Counts a decision about a user who had waited for so many seconds.
    pub fn application_decided(&self, seconds: f64) {
        self.series.application_seconds.observe(seconds);
    }

    /// Removes the series of a deleted tenant and frees its place for another.
    pub fn forget_tenant(&self, tenant: &str) {
        // The lock is held to the end, so that no count in between leaves a series nobody would
        // remove.
        let mut tenants = self.tenants();
        for gauges in [&self.series.applications, &self.series.oldest_application] {
            // What is not there needs no removal.
            drop(gauges.remove_label_values(&[tenant]));
        }
        for outcome in tenants
            .known
            .remove(tenant)
            .into_iter()
            .flat_map(HashMap::into_keys)
        {
            if let Err(error) = self
                .series
                .registrations
                .remove_label_values(&[tenant, outcome])
            {
                tracing::warn!(%error, "a deleted tenant's series stays");
            }
        }
    }

    /// How many passwords wait for a hash thread.
    pub fn hash_queue_depth(&self, depth: usize) {
        self.series.hash_queue_depth.set(to_gauge(depth));
    }

    /// How long a password waited for a hash thread.
    pub fn hash_wait(&self, seconds: f64) {
        self.series.hash_wait_seconds.observe(seconds);
    }

    /// Counts a finished hash and its time.
    pub fn hash_finished(&self, seconds: f64) {
        self.series.hashes.inc();
        self.series.hash_seconds.observe(seconds);
    }

    /// Counts a password that was not hashed.
    pub fn hash_refusal(&self, reason: &'static str) {
        self.series.hash_refusals.with_label_values(&[reason]).inc();
    }

    /// Says which code computes hashes, and whether the fast one failed its check.
    pub fn hash_engine(&self, engine: &'static str, mismatch: bool) {
        self.series.hash_engine.with_label_values(&[engine]).set(1);
        self.series.hash_engine_mismatch.set(i64::from(mismatch));
    }

    /// The size of the hash pool: its threads and the memory they keep.
    pub fn hash_pool(&self, threads: usize, memory_bytes: usize) {
        self.series.hash_threads.set(to_gauge(threads));
        self.series.hash_memory_bytes.set(to_gauge(memory_bytes));
    }

    /// Counts a tenant actor that started: one more lives.
    pub fn actor_launched(&self) {
        self.series.actor_launches.inc();
        self.series.live_actors.inc();
    }

    /// Counts a tenant actor that ended, for whatever reason: one fewer lives.
    pub fn actor_ended(&self) {
        self.series.live_actors.dec();
    }

    /// Counts a start that follows an actor's death; [`Metrics::actor_launched`] counts the start
    /// itself.
    pub fn actor_relaunched(&self) {
        self.series.actor_relaunches.inc();
    }

    /// Counts an idle actor stopped to make room; [`Metrics::actor_ended`] counts its end.
    pub fn actor_evicted(&self) {
        self.series.actor_evictions.inc();
    }

    /// For how many bytes the live tenants are taken.
    pub fn live_bytes(&self, bytes: usize) {
        self.series.live_bytes.set(to_gauge(bytes));
    }

    /// Counts tenants without an actor whose limits were forgotten to make room.
    pub fn limits_forgotten(&self, tenants: usize) {
        self.series
            .limits_forgotten
            .inc_by(u64::try_from(tenants).unwrap_or(u64::MAX));
    }

    /// Counts a tenant actor that could not be started.
    pub fn actor_launch_failed(&self) {
        self.series.actor_launch_failures.inc();
    }

    /// Counts a request that ended in a panic.
    pub fn request_panicked(&self) {
        self.series.request_panics.inc();
    }

    /// Counts a request refused before any work.
    pub fn admission_refusal(&self, reason: &'static str) {
        self.series
            .admission_refusals
            .with_label_values(&[reason])
            .inc();
    }

    /// Counts a request refused by a rate limit: `address`, `username`, `tenant`, `login`, `sms` or `call`.
    pub fn limiter_refusal(&self, limit: &'static str) {
        self.series
            .limiter_refusals
            .with_label_values(&[limit])
            .inc();
    }

    /// How many keys a rate limit remembers.
    pub fn limiter_keys(&self, limit: &'static str, keys: usize) {
        self.series
            .limiter_keys
            .with_label_values(&[limit])
            .set(to_gauge(keys));
    }

    /// The state of the database pools: open connections, how many of these are idle, and how many there may be.
    pub fn database_pool(&self, open: usize, idle: usize, most: usize) {
        self.series.database_connections_max.set(to_gauge(most));
        let connections = &self.series.database_connections;
        connections.with_label_values(&["idle"]).set(to_gauge(idle));
        connections
            .with_label_values(&["used"])
            .set(to_gauge(open.saturating_sub(idle)));
    }

    /// Counts a database operation that failed.
    pub fn database_error(&self, kind: &'static str) {
        self.series.database_errors.with_label_values(&[kind]).inc();
    }

    /// How long one database operation took.
    pub fn database_operation(&self, operation: &'static str, seconds: f64) {
        self.series
            .database_seconds
            .with_label_values(&[operation])
            .observe(seconds);
    }

    /// How many writers shared one commit.
    pub fn database_batch(&self, writers: u32) {
        self.series.database_batch_writers.observe(writers.into());
    }

    /// Counts a look-up in the cache of invite hints: `hit` or `miss`.
    pub fn invite_hint(&self, result: &'static str) {
        self.series.invite_hints.with_label_values(&[result]).inc();
    }

    /// How many entries the cache of invite hints holds.
    pub fn invite_hint_entries(&self, entries: u64) {
        self.series
            .invite_hint_entries
            .set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Counts an operation with a provider, and its time: `ok`, `refused`, `busy` or `unavailable`.
    pub fn provider_call(&self, provider: &'static str, outcome: &'static str, seconds: f64) {
        self.provider_refusal(provider, outcome);
        self.series
            .provider_seconds
            .with_label_values(&[provider])
            .observe(seconds);
    }

    /// Counts an operation that was not begun: `breaker_open` or `bulkhead_full`.
    pub fn provider_refusal(&self, provider: &'static str, outcome: &'static str) {
        self.series
            .provider_calls
            .with_label_values(&[provider, outcome])
            .inc();
    }

    /// Counts a tenant's breaker that opened.
    pub fn provider_breaker_opened(&self, provider: &'static str) {
        self.series
            .provider_breakers_open
            .with_label_values(&[provider])
            .inc();
    }

    /// Counts an open breaker that closed, or whose tenant is no longer live.
    pub fn provider_breaker_closed(&self, provider: &'static str) {
        self.series
            .provider_breakers_open
            .with_label_values(&[provider])
            .dec();
    }

    /// Whether the server takes work.
    pub fn ready(&self, ready: bool) {
        self.series.ready.set(f64::from(u8::from(ready)));
    }

    /// Whether the platform database lacks changes of this version.
    pub fn schema_behind(&self, is_behind: bool) {
        self.series.schema_behind.set(i64::from(is_behind));
    }

    /// When the tenant that renewed its signing keys least lately did so, in seconds since the Unix epoch; `None` while
    /// there is no tenant.
    pub fn oldest_signing_key(&self, made: Option<i64>) {
        match made {
            Some(at) => self
                .series
                .oldest_signing_key
                .with_label_values::<&str>(&[])
                .set(at),
            None => self.series.oldest_signing_key.reset(),
        }
    }

    /// Changes of tenants were taken in, at this second since the Unix epoch.
    pub fn tenants_synced(&self, at: i64) {
        self.series.synced.set(at);
    }

    fn tenants(&self) -> std::sync::MutexGuard<'_, TenantSeries> {
        self.series
            .tenants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn full_name(name: &str) -> String {
    format!("enroll_{name}")
}

/// Makes metrics and registers them.
struct Build {
    registry: Registry,
}

impl Build {
    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// Memory, processor time and descriptors of this process, under Prometheus' usual `process_`
    /// names.
    #[cfg(target_os = "linux")]
    fn process(&self) -> Result<(), Error> {
        use prometheus::process_collector::ProcessCollector;
        self.registry
            .register(Box::new(ProcessCollector::for_self()))
    }

    /// Only Linux tells a process about itself in the form that the `prometheus` crate reads.
    #[cfg(not(target_os = "linux"))]
    fn process(&self) -> Result<(), Error> {
        Ok(())
    }

    fn info(&self) -> Result<(), Error> {
        let info = self.gauges("build_info", "1, labelled with the version.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.register(IntCounter::new(full_name(name), help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(
            Opts::new(full_name(name), help),
            labels,
        )?)
    }

    /// Counters of one label whose values are all known.
    fn known_counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[&str],
    ) -> Result<IntCounterVec, Error> {
        let counters = self.counters(name, help, &[label])?;
        for value in values {
            counters.with_label_values(&[value]);
        }
        Ok(counters)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.register(IntGauge::new(full_name(name), help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(Opts::new(full_name(name), help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let opts = HistogramOpts::new(full_name(name), help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let opts = HistogramOpts::new(full_name(name), help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    fn lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
        let text = metrics.encode().unwrap();
        let mut found: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        found.sort();
        found
    }

    #[test]
    fn tenants_beyond_the_cap_share_one_label() {
        let metrics = Metrics::new(2).unwrap();
        for tenant in ["alpha", "beta", "gamma", "delta", "alpha", "other"] {
            metrics.registration(tenant, "registered");
        }
        assert_eq!(
            lines(&metrics, "enroll_registrations_total"),
            [
                "enroll_registrations_total{outcome=\"registered\",tenant=\"alpha\"} 2",
                "enroll_registrations_total{outcome=\"registered\",tenant=\"beta\"} 1",
                "enroll_registrations_total{outcome=\"registered\",tenant=\"other\"} 3",
            ]
        );
    }

    #[test]
    fn a_forgotten_tenant_frees_its_place() {
        let metrics = Metrics::new(1).unwrap();
        metrics.registration("alpha", "registered");
        metrics.registration("alpha", "refused");
        metrics.forget_tenant("alpha");
        metrics.forget_tenant("never-seen");
        metrics.registration("beta", "refused");
        assert_eq!(
            lines(&metrics, "enroll_registrations_total"),
            ["enroll_registrations_total{outcome=\"refused\",tenant=\"beta\"} 1"]
        );
    }

    #[test]
    fn applications_are_told_by_tenant_under_the_cap_and_go_with_it() {
        let metrics = Metrics::new(1).unwrap();
        metrics.applications("idle", 0, None);
        metrics.applications("alpha", 3, Some(7));
        metrics.applications("beta", 2, Some(8));
        let told = || lines(&metrics, "enroll_applications_");
        assert_eq!(
            told(),
            [
                "enroll_applications_oldest_timestamp_seconds{tenant=\"alpha\"} 7",
                "enroll_applications_pending{tenant=\"alpha\"} 3",
            ]
        );
        metrics.applications("alpha", 0, None);
        assert_eq!(told(), ["enroll_applications_pending{tenant=\"alpha\"} 0"]);
        metrics.forget_tenant("alpha");
        assert_eq!(told(), [""; 0]);
    }

    #[test]
    fn used_connections_are_the_open_ones_that_are_not_idle() {
        let metrics = Metrics::new(0).unwrap();
        metrics.database_pool(5, 2, 8);
        assert_eq!(
            lines(&metrics, "enroll_database_connections_max "),
            ["enroll_database_connections_max 8"]
        );
        assert_eq!(
            lines(&metrics, "enroll_database_connections{"),
            [
                "enroll_database_connections{state=\"idle\"} 2",
                "enroll_database_connections{state=\"used\"} 3",
            ]
        );
    }

    #[test]
    fn the_age_of_keys_is_absent_without_tenants() {
        let metrics = Metrics::new(0).unwrap();
        let told = || lines(&metrics, "enroll_signing_key_oldest_timestamp_seconds");
        assert_eq!(told(), [""; 0]);
        metrics.oldest_signing_key(Some(7));
        assert_eq!(told(), ["enroll_signing_key_oldest_timestamp_seconds 7"]);
        metrics.oldest_signing_key(None);
        assert_eq!(told(), [""; 0]);
    }

    #[test]
    fn what_alerts_count_is_there_at_nought() {
        let metrics = Metrics::new(0).unwrap();
        for (name, values) in [
            ("enroll_limiter_refusals_total{", super::LIMITS),
            (
                "enroll_admission_refusals_total{",
                super::ADMISSION_REFUSALS,
            ),
            ("enroll_hash_refusals_total{", super::HASH_REFUSALS),
            ("enroll_database_errors_total{", super::DATABASE_ERRORS),
        ] {
            let told = lines(&metrics, name);
            assert_eq!(told.len(), values.len(), "{told:?}");
            assert!(told.iter().all(|line| line.ends_with("} 0")), "{told:?}");
        }
    }

    #[test]
    fn clones_count_together_and_registries_apart() {
        let metrics = Metrics::new(0).unwrap();
        metrics
            .clone()
            .http_request("public", "/api/register", "POST", 200, 0.02);
        metrics.ready(true);
        assert_eq!(
            lines(&metrics, "enroll_http_requests_total{"),
            [
                "enroll_http_requests_total{listener=\"public\",method=\"POST\",route=\"/api/register\",status=\"200\"} 1"
            ]
        );
        assert_eq!(lines(&metrics, "enroll_ready "), ["enroll_ready 1"]);
        assert_eq!(
            lines(&Metrics::new(0).unwrap(), "enroll_http_requests_total{"),
            [""; 0]
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_shows_its_memory_and_descriptors() {
        let metrics = Metrics::new(0).unwrap();
        assert_eq!(lines(&metrics, "process_resident_memory_bytes").len(), 1);
        assert_eq!(lines(&metrics, "process_open_fds").len(), 1);
    }
}
