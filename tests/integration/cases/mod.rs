//! The tests, one file per behaviour.

mod contract;
mod harness;
mod hostile_input;
mod naming;
