//! The tests, one file per behaviour.

mod admin_api;
mod architecture;
mod command_line;
mod contract;
mod cors;
mod demo;
mod durability;
mod forum;
mod golden;
mod harness;
mod hostile_input;
mod idempotency;
mod isolation;
mod lifecycle;
mod limits;
mod load_test;
mod naming;
mod operations;
mod outages;
mod panics;
mod races;
mod simulate;
mod store;
mod threats_doc;
mod tokens;
