//! The directory of tenants and the actor of each: the only room that knows actors.
//!
//! A tenant's actor owns its database handle, its view of the invite hints and its rate limiters; it routes and holds
//! budgets. It is not the source of truth: uniqueness, quotas and single use are decided in the database, because other
//! processes serve the same tenant.
//!
//! Taken: admission by permits at the door, so that the mailbox, which actix does not bound for cloned addresses, never
//! holds more than the permits allow. Refused: `AtomicResponse` and `ResponseActFuture` around I/O, which stop or slow
//! the whole actor, and `do_send` for work, which forgets its caller.
//!
//! May import `registration`, `store`, `hashing`, `provider`, `token`, `domain`, `pressure`, `telemetry` and `clock`.
//! Invariants: at most one live actor a tenant in this process; limiters outlive the actor; no answer is lost by an
//! eviction.

mod actor;
pub mod directory;
pub mod error;
mod invite_hints;
mod launcher;
mod message;
pub mod names;
mod placement;
mod pressure;
pub mod rate_limit;
mod residents;
pub mod settings;
mod slot;
