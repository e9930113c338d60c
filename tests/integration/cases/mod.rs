//! The tests, one file per behaviour.

mod durability;
mod harness;
mod idempotency;
mod isolation;
mod lifecycle;
mod limits;
mod outages;
mod panics;
mod races;
