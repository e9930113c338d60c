//! Settings of logs and metrics.
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
}

impl TelemetrySettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        // A tenant has a score of series; ten thousand tenants are what one scrape still carries.
        if self.max_tenant_series <= 10_000 {
            return Vec::new();
        }
        vec![("max_tenant_series", "must be 0 to 10000")]
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
