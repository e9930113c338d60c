//! The tests, one file per behaviour.

mod admin_api;
mod architecture;
mod command_line;
mod contract;
mod demo;
mod harness;
mod hostile_input;
mod load_test;
mod naming;
mod operations;
mod threats_doc;
mod tokens;
