//! The pool as one tenant uses it: the same pool, and a count of what it refused to this tenant.

use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;

use super::engine::{PasswordHash, Verified};
use super::pool::{HashPool, HashRefusal};
use super::queue::Customer;
use crate::pressure::{Refusals, Resource, Stage};
use crate::telemetry::usage::{Counter, TenantUsage};

/// One tenant's way to the pool. Clones share the counts.
#[derive(Clone, Debug)]
pub struct TenantHashing {
    pool: HashPool,
    refusals: Arc<Refusals>,
    usage: TenantUsage,
}

impl HashPool {
    /// The pool for one tenant, to which nothing was refused yet.
    #[must_use]
    pub fn for_tenant(&self, usage: TenantUsage) -> TenantHashing {
        TenantHashing {
            pool: self.clone(),
            refusals: Arc::default(),
            usage,
        }
    }
}

impl TenantHashing {
    /// As [`HashPool::hash`].
    ///
    /// # Errors
    /// As there.
    pub async fn hash(
        &self,
        customer: Customer,
        password: SecretString,
        deadline: Instant,
    ) -> Result<PasswordHash, HashRefusal> {
        let hashed = self.pool.hash(customer, password, deadline).await;
        self.used(hashed)
    }

    /// As [`HashPool::verify`].
    ///
    /// # Errors
    /// As there.
    pub async fn verify(
        &self,
        customer: Customer,
        password: SecretString,
        stored: Option<SecretString>,
        deadline: Instant,
    ) -> Result<Verified, HashRefusal> {
        let verified = self.pool.verify(customer, password, stored, deadline).await;
        self.used(verified)
    }

    /// As [`HashPool::foresee`].
    ///
    /// # Errors
    /// As there.
    pub fn foresee(&self, customer: &Customer, deadline: Instant) -> Result<(), HashRefusal> {
        self.counted(self.pool.foresee(customer, deadline))
    }

    /// How the tenant's part of the queue stands.
    #[must_use]
    pub fn resource(&self, customer: &Customer) -> Resource {
        let line = self.pool.line_of(customer);
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Resource {
            name: "hash_queue".into(),
            setting: "limits.hash_waiting",
            stage: Stage::Work,
            in_use: Some(count(line.waiting)),
            bound: Some(count(line.bound)),
            waiting: Some(count(line.waiting)),
            expected_wait: Some(line.expected_wait),
            refused: self.refusals.seen(self.pool.now()),
        }
    }

    fn used<T>(&self, done: Result<T, HashRefusal>) -> Result<T, HashRefusal> {
        if done.is_ok() {
            self.usage.count(Counter::Hashes, self.pool.today());
        }
        self.counted(done)
    }

    fn counted<T>(&self, done: Result<T, HashRefusal>) -> Result<T, HashRefusal> {
        // Not a pool that stops, nor a hash that fails: those are no want of room or time.
        if let Err(HashRefusal::Busy { .. } | HashRefusal::Deadline) = &done {
            self.refusals.count(self.pool.now());
        }
        done
    }
}
