//! The tests, one file per behaviour.

mod admin_api;
mod architecture;
mod harness;
