//! Lists and shows a tenant's users, and ends their sessions.

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::users::{User, UserFilter};

impl Admin {
    /// At most `limit` users after the user `after`: of this standing, and with a name that begins so in any spelling of it,
    /// which puts them in the order of their names.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant, [`AdminError::PageGone`].
    pub async fn list_users(
        &self,
        key: &TenantKey,
        status: Option<UserStatus>,
        name_begins: Option<&str>,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<User>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let filter = UserFilter {
            status,
            name_begins: name_begins.map(Username::to_look_up),
        };
        let found = self
            .directory
            .ask(&tenant, async move |db| {
                db.list_users(&filter, after, limit).await
            })
            .await?;
        found.ok_or(AdminError::PageGone)
    }

    /// The user of this number.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant or user.
    pub async fn get_user(&self, key: &TenantKey, id: UserId) -> Result<User, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let found = self
            .directory
            .ask(&tenant, async move |db| db.find_user(id).await)
            .await?;
        found.ok_or(AdminError::NotFound("user"))
    }

    /// Ends every session of a user, whose tokens open nothing from then on. How many there were.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant or user.
    pub async fn end_sessions(
        &self,
        by: &Administrator,
        key: &TenantKey,
        id: UserId,
    ) -> Result<u64, AdminError> {
        self.get_user(key, id).await?;
        let tenant = self.live_tenant(key).await?;
        let ended = self
            .directory
            .ask(&tenant, async move |db| db.end_sessions_of(id).await)
            .await?;
        let audit = Audit {
            administrator: &by.name,
            action: "user.end_sessions",
        };
        let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), &id.to_string());
        self.platform.audit(&entry).await?;
        Ok(ended)
    }
}
