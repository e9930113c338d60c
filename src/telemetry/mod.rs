//! What operators see: metrics and traces.

pub mod settings;
