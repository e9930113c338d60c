//! What the rooms above work with, besides the tenant's rules.

use crate::clock::{Clock, Entropy};
use crate::hashing::TenantHashing;
use crate::provider::TenantProviders;
use crate::store::tenant_db::TenantDb;
use crate::telemetry::usage::{Counter, TenantUsage};

/// A tenant's tools. Cheap to clone: handles.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The tenant's rows, within its share of the database.
    pub db: TenantDb,
    /// Password hashes, within the tenant's own bounds.
    pub hashing: TenantHashing,
    /// WeChat, SMS and captcha, within the tenant's own bounds.
    pub providers: TenantProviders,
    /// What the tenant uses.
    pub usage: TenantUsage,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
}

impl Tools {
    /// Counts one event for the tenant's usage.
    pub fn count(&self, counter: Counter) {
        self.usage.count(counter, self.clock.now().as_millis());
    }
}
