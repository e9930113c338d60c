//! The tests, one file per behaviour.

mod harness;
