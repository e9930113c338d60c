//! Settings of logs, metrics and traces.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// Section `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// The form of log lines.
    pub log_format: LogFormat,
    /// The least important events that are logged.
    pub log_level: LogLevel,
    /// Most tenants with metric series of their own; the others are counted together.
    pub max_tenant_series: usize,
    /// Milliseconds between two writes of what tenants used.
    pub usage_flush_ms: u64,
    /// Days for which it is kept by the hour.
    pub usage_hours_days: u32,
    /// Days for which it is kept by the day.
    pub usage_days: u32,
    /// Where a collector takes traces, without the path. Empty: none are made.
    pub otlp_endpoint: String,
    /// Requests traced of a million.
    pub trace_ppm: u32,
    /// Most spans that may wait to be sent.
    pub trace_queue: usize,
    /// Milliseconds for one message to the collector.
    pub trace_timeout_ms: u64,
}

impl TelemetrySettings {
    /// The address to which traces are posted, if there is a collector and its address can stand.
    pub(super) fn collector(&self) -> Option<String> {
        let address = reqwest::Url::parse(&self.otlp_endpoint).ok()?;
        let is_plain = matches!(address.scheme(), "http" | "https")
            && address.has_host()
            // A secret in an address comes into messages of errors.
            && address.username().is_empty()
            && address.password().is_none()
            && address.query().is_none()
            && address.fragment().is_none();
        let base = self.otlp_endpoint.trim_end_matches('/');
        is_plain.then(|| format!("{base}/v1/traces"))
    }

    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let rules = [
            // A tenant has a score of series; ten thousand tenants are what one scrape still carries.
            (
                "max_tenant_series",
                self.max_tenant_series <= 10_000,
                "must be 0 to 10000",
            ),
            (
                "usage_flush_ms",
                (100..=3_600_000).contains(&self.usage_flush_ms),
                "must be 100 to 3600000",
            ),
            (
                "usage_hours_days",
                (1..=400).contains(&self.usage_hours_days),
                "must be 1 to 400",
            ),
            (
                "usage_days",
                (1..=4000).contains(&self.usage_days),
                "must be 1 to 4000",
            ),
            (
                "otlp_endpoint",
                self.otlp_endpoint.is_empty() || self.collector().is_some(),
                "must be http or https and a host, without user, password and query",
            ),
            (
                "trace_ppm",
                self.trace_ppm <= 1_000_000,
                "must be 0 to 1000000",
            ),
            (
                "trace_queue",
                (1..=1_000_000).contains(&self.trace_queue),
                "must be 1 to 1000000",
            ),
            (
                "trace_timeout_ms",
                (10..=60_000).contains(&self.trace_timeout_ms),
                "must be 10 to 60000",
            ),
        ];
        let faults = rules.into_iter().filter(|(_, holds, _)| !holds);
        faults.map(|(key, _, text)| (key, text)).collect()
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people at a terminal.
    Pretty,
    /// One JSON object a line, for collectors.
    Json,
}

/// The importance of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something may break.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}
