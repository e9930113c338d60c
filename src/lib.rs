//! `enroll`: a registration server for many tenants.
//!
//! The rooms of this house stand on floors; a room imports only from floors below its own (a test reads the source and
//! checks it, see `tests/integration/cases/architecture.rs`). From the top:
//!
//! 1. [`cli`], [`app`], [`shutdown`], [`settings`], [`simulate`]: start, stop, configure, stand in for providers;
//! 2. [`http`]: everything that knows HTTP, status codes and contract texts;
//! 3. [`admin`]: what administrators can do, each effect audited;
//! 4. [`tenant`]: the directory of tenants and the actor of each; the only room that knows actors;
//! 5. [`login`], [`membership`]: ways into an account, and what members may see and do;
//! 6. [`registration`]: the pipeline that turns a request into an account;
//! 7. [`session`]: the gate that every path to a token passes, and the check of tokens that come back;
//! 8. [`store`], [`hashing`], [`provider`], [`token`]: databases, password hashes, other people's services, signed
//!    tokens; they never import each other;
//! 9. [`domain`], [`pressure`], [`telemetry`], [`clock`]: parsed values, bulkheads, what operators see, time and
//!    randomness.
//!
//! `docs/architecture.md` walks through them with one request.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod hashing;
pub mod http;
pub mod login;
pub mod membership;
pub mod pressure;
pub mod provider;
pub mod registration;
pub mod session;
pub mod settings;
pub mod shutdown;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod token;
