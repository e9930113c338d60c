//! Lists a tenant's users.

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::store::users::User;

impl Admin {
    /// At most `limit` users whose number is greater than `after`.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_users(
        &self,
        key: &TenantKey,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<User>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        Ok(self
            .directory
            .ask(&tenant, async move |db| db.list_users(after, limit).await)
            .await?)
    }
}
