//! Changes a tenant's user: group and standing. By this the first moderator of a tenant is made.

use serde_json::json;

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::moderation::UserChange;
use crate::store::users::User;

impl Admin {
    /// Changes the user. A standing other than the normal one ends the user's sessions.
    ///
    /// # Errors
    /// [`AdminError::UnknownGroup`] when the tenant has no such group, [`AdminError::NotFound`].
    pub async fn change_user(
        &self,
        by: &Administrator,
        key: &TenantKey,
        id: UserId,
        change: UserChange,
    ) -> Result<User, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let settings = &tenant.record.settings;
        if change
            .group_id
            .is_some_and(|id| settings.group(id).is_none())
        {
            return Err(AdminError::UnknownGroup);
        }
        let after = json!({
            "group_id": change.group_id,
            "status": change.status.map(|status| status.as_i16()),
            "refuse_message": change.refuse_message,
        });
        let changed = self
            .directory
            .ask(&tenant, async move |db| db.change_user(id, &change).await)
            .await?;
        let user = changed.ok_or(AdminError::NotFound("user"))?;
        let audit = Audit {
            administrator: &by.name,
            action: "user.change",
        };
        let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), &id.to_string())
            .with_after(after);
        self.platform.audit(&entry).await?;
        Ok(user)
    }
}
