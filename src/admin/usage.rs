//! What tenants used.

use super::Admin;
use super::error::AdminError;
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::usage::{Period, UsageOfStep, UsageOfTenant};

impl Admin {
    /// At most `limit` steps of a tenant after the one that begins at `after`. Wakes no tenant.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_usage(
        &self,
        key: &TenantKey,
        period: Period,
        after: Timestamp,
        limit: u64,
    ) -> Result<Vec<UsageOfStep>, AdminError> {
        let tenant = self.live_tenant(key).await?.record.id;
        Ok(self
            .platform
            .list_usage(tenant, period, after, limit)
            .await?)
    }

    /// What at most `limit` tenants used in the period, of those whose number is greater than `after`; deleted ones too.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the database does not answer.
    pub async fn total_usage(
        &self,
        period: Period,
        after: TenantId,
        limit: u64,
    ) -> Result<Vec<UsageOfTenant>, AdminError> {
        Ok(self.platform.total_usage(period, after, limit).await?)
    }
}
