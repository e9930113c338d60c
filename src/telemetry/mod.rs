//! What operators see: counters on the operators' listener, log lines on standard error, traces at a collector.
//!
//! Imports nothing of the house. Two promises: no label, no line and no span carries a secret, and neither counting nor
//! logging nor tracing ever makes a request wait.

pub mod history;
pub mod metrics;
pub mod settings;
pub mod traces;
pub mod tracing;
pub mod usage;

pub use self::history::History;
pub use self::metrics::Metrics;
pub use self::settings::{LogFormat, TelemetrySettings};
pub use self::traces::TRACE;
pub use self::tracing::{LogGuard, TelemetryError};
