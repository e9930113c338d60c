//! What presses on a tenant.

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::tenant::directory::Pressure;

impl Admin {
    /// A tenant's bounded resources in this process, with the tenant's id. Wakes no tenant.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn pressure(&self, key: &TenantKey) -> Result<(TenantId, Pressure), AdminError> {
        let tenant = self.live_tenant(key).await?;
        Ok((tenant.record.id, self.directory.pressure(&tenant)))
    }
}
