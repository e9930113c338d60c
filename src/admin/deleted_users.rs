//! Deletes a tenant's users, restores them within their time, or erases them before it is over.

use std::time::Duration;

use serde_json::{Value, json};

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::deleted_users::{DeletedUser, NotRestored};
use crate::store::users::User;
use crate::tenant::names::Tenant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Admin {
    /// Deletes the user, who can be restored for as many days as the tenant's settings say. The user's sessions end, and
    /// nobody else gets the name meanwhile; phone number and WeChat accounts are free at once.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant or user.
    pub async fn delete_user(
        &self,
        by: &Administrator,
        key: &TenantKey,
        id: UserId,
    ) -> Result<DeletedUser, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let keep = DAY * tenant.record.settings.users.restore_days;
        let deleted = self
            .directory
            .ask(&tenant, async move |db| db.delete_user(id, keep).await)
            .await?;
        let deleted = deleted.ok_or(AdminError::NotFound("user"))?;
        let after = json!({
            "username": deleted.user.username,
            "purge_at": deleted.purge_at.to_rfc3339(0),
        });
        self.tell_of_user(by, &tenant, "user.delete", id, Some(after))
            .await?;
        Ok(deleted)
    }

    /// At most `limit` deleted users after the one of the number `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_deleted_users(
        &self,
        key: &TenantKey,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<DeletedUser>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let users = self
            .directory
            .ask(&tenant, async move |db| {
                db.list_deleted_users(after, limit).await
            })
            .await?;
        Ok(users)
    }

    /// Makes a deleted user a user again, with name, password, phone number, WeChat accounts, group and standing; the
    /// sessions stay ended.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant, or no deleted user of this number any more;
    /// [`AdminError::NotRestorable`].
    pub async fn restore_user(
        &self,
        by: &Administrator,
        key: &TenantKey,
        id: UserId,
    ) -> Result<User, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let restored = self
            .directory
            .ask(&tenant, async move |db| match db.restore_user(id).await {
                Err(NotRestored::Store(error)) => Err(error),
                restored => Ok(restored),
            })
            .await?;
        let user = restored?;
        self.tell_of_user(by, &tenant, "user.restore", id, None)
            .await?;
        Ok(user)
    }

    /// Removes a deleted user for good.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant, or no deleted user of this number.
    pub async fn erase_user(
        &self,
        by: &Administrator,
        key: &TenantKey,
        id: UserId,
    ) -> Result<(), AdminError> {
        let tenant = self.live_tenant(key).await?;
        let erased = self
            .directory
            .ask(&tenant, async move |db| db.erase_user(id).await)
            .await?;
        if !erased {
            return Err(AdminError::NotFound("deleted user"));
        }
        self.tell_of_user(by, &tenant, "user.erase", id, None).await
    }

    async fn tell_of_user(
        &self,
        by: &Administrator,
        tenant: &Tenant,
        action: &'static str,
        id: UserId,
        after: Option<Value>,
    ) -> Result<(), AdminError> {
        let audit = Audit {
            administrator: &by.name,
            action,
        };
        let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), &id.to_string());
        let entry = match after {
            Some(after) => entry.with_after(after),
            None => entry,
        };
        Ok(self.platform.audit(&entry).await?)
    }
}
