//! Password hashing on a bounded pool of threads that keep their memory.
//!
//! A hash costs some 15 ms of a core and 19 MiB, by intent. So there is one pool for the whole
//! server, one thread a core, and a short queue in front; whoever cannot be served in time is
//! refused at once (`docs/threats.md`, rows 49, 54, 55). Taken: plain threads that own their blocks
//! for life, since a fresh buffer for each hash costs a fifth of the rate. Refused:
//! `spawn_blocking`, whose queue has no bound, and actix's `SyncArbiter`, which loses a thread for
//! each panic.
//!
//! Two places hide their choice from everybody else: `queue` decides whose turn it is, `kernel` which
//! code computes the hash.
//!
//! Imports [`crate::domain`], [`crate::pressure`], [`crate::telemetry`] and [`crate::clock`].

mod bcrypt;
pub mod engine;
pub mod kernel;
mod outbox;
pub mod params;
pub mod pool;
mod queue;
pub mod settings;
mod tenant;

pub use self::engine::{EngineError, PasswordHash, Verified, bare_rate, opens, time_of_one};
pub use self::kernel::EngineKind;
pub use self::params::HashParams;
pub use self::pool::{HashPool, HashRefusal, HashingError, choose_engine};
pub use self::queue::{Customer, Purpose};
pub use self::settings::{EngineSetting, HashingSettings};
pub use self::tenant::TenantHashing;
