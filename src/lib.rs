//! `enroll`: a registration server for many tenants.
//!
//! The rooms of this house stand on floors; a room imports only from floors below its own (a test reads the source and
//! checks it, see `tests/integration/cases/architecture.rs`). From the top:
//!
//! 1. [`cli`], [`app`], [`shutdown`], [`settings`], [`simulate`]: start, stop, configure, stand in for providers;
//! 2. [`http`]: everything that knows HTTP, status codes and contract texts;
//! 3. [`admin`]: what administrators can do, each effect audited;
//! 4. [`tenant`]: the directory of tenants and the actor of each; the only room that knows actors;
//! 5. [`registration`]: the pipeline that turns a request into an account;
//! 6. [`store`], [`hashing`], [`token`]: databases, password hashes, signed tokens; they never import each other;
//! 7. [`domain`], [`telemetry`], [`clock`]: parsed values, what operators see, time and randomness.
//!
//! `docs/architecture.md` walks through them with one request.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod hashing;
pub mod http;
pub mod registration;
pub mod settings;
pub mod shutdown;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod token;
