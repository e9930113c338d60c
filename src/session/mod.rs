//! Sessions: one login of one user, and every token that descends from it.
//!
//! The gate ([`gate`]) is the only way to a token: it takes users whose standing was checked, and nothing else in the
//! house signs one. Taken: a row for each session that every authenticated call looks at, so that a logout or a ban holds
//! at once. Refused: tokens that are good until they expire, whatever happened meanwhile.
//!
//! May import `store`, `hashing`, `provider`, `token`, `domain`, `telemetry` and `clock`.

pub mod accounts;
pub mod authenticate;
pub mod error;
pub mod gate;
pub mod refresh;
pub mod rules;
pub mod tools;
