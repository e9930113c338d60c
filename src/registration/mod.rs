//! The pipeline that turns a request into an account.
//!
//! Taken: one function that reads like the order of the contract's refusals, over values that are parsed once. Refused:
//! a chain of pluggable steps, whose order nobody could read in one place. May import `store`, `hashing`, `token`,
//! `domain`, `telemetry` and `clock`.
//!
//! Invariants: no hash and no remote call inside a transaction; nothing answered before the commit; a refused
//! registration spends no invite.

mod account;
pub mod automatic;
pub mod captcha;
pub mod error;
mod fingerprint;
mod invitation;
pub mod pipeline;
pub mod policy;
pub mod proofs;
