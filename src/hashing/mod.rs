//! Password hashing on a bounded pool of threads that keep their memory.
//!
//! A hash costs some 15 ms of a core and 19 MiB, by intent. So there is one pool for the whole
//! server, one thread a core, and a short queue in front; whoever cannot be served in time is
//! refused at once (`docs/threats.md`, rows 49, 54, 55). Taken: plain threads that own their blocks
//! for life, since a fresh buffer for each hash costs a fifth of the rate. Refused:
//! `spawn_blocking`, whose queue has no bound, and actix's `SyncArbiter`, which loses a thread for
//! each panic.
//!
//! Two places wait for something better and hide their choice from everybody else: `queue` decides
//! whose turn it is (first come, first served today), `engine` computes the hash (RustCrypto
//! today).
//!
//! Imports [`crate::domain`], [`crate::telemetry`] and [`crate::clock`].

pub mod engine;
pub mod params;
pub mod pool;
mod queue;
pub mod settings;

pub use self::engine::{PasswordHash, Verified, bare_rate};
pub use self::params::HashParams;
pub use self::pool::{HashPool, HashRefusal, HashingError};
pub use self::settings::HashingSettings;
