//! The tests, one file per behaviour.

mod admin_api;
mod architecture;
mod command_line;
mod contract;
mod demo;
mod harness;
mod load_test;
mod operations;
mod threats_doc;
