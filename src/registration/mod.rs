//! The pipeline that turns a request into an account.
//!
//! Taken: one function that reads like the order of the contract's refusals, over values that are parsed once. Refused:
//! a chain of pluggable steps, whose order nobody could read in one place. May import `store`, `hashing`, `token`,
//! `domain`, `telemetry` and `clock`.
//!
//! Invariants: no hash and no remote call inside a transaction; nothing answered before the commit; a refused
//! registration spends no invite.

pub mod censor;
pub mod error;
mod fingerprint;
pub mod pipeline;
pub mod policy;
pub mod rules;
