//! Changes a tenant: its name, hosts and settings; suspends, resumes and deletes it.

use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::domain::host_name::HostName;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::Audit;
use crate::store::tenants::{TenantChange, TenantRecord, TenantState};

/// A change as an administrator asks for it; `None` leaves things as they are. No `Debug`: the patch may hold secrets in
/// clear.
#[derive(Default)]
pub struct TenantUpdate {
    /// The name shown to people.
    pub name: Option<String>,
    /// All host names.
    pub hosts: Option<Vec<HostName>>,
    /// A JSON merge patch (RFC 7396) over the current settings, in which `null` switches a limit off; secrets in clear.
    pub settings: Option<Value>,
    /// The version of the settings that the caller has seen; another one is refused.
    pub settings_version: Option<i32>,
}

impl Admin {
    /// Changes the tenant. Its own administrators leave alone what weighs on others: host names and limits.
    ///
    /// # Errors
    /// [`AdminError::Forbidden`], [`AdminError::Settings`] with every fault of the new settings,
    /// [`AdminError::VersionMovedOn`], [`AdminError::HostTaken`], [`AdminError::NotFound`].
    pub async fn change_tenant(
        &self,
        by: &Administrator,
        key: &TenantKey,
        update: TenantUpdate,
    ) -> Result<TenantRecord, AdminError> {
        let limits = update
            .settings
            .as_ref()
            .and_then(|patch| patch.get("limits"));
        if by.role.only_tenant().is_some() && (update.hosts.is_some() || limits.is_some()) {
            return Err(AdminError::Forbidden);
        }
        let audit = Audit {
            administrator: &by.name,
            action: "tenant.change",
        };
        let record = self
            .platform
            .change_tenant(key, &audit, |tenant| {
                if update
                    .settings_version
                    .is_some_and(|seen| seen != tenant.settings_version)
                {
                    return Err(AdminError::VersionMovedOn(tenant.settings_version));
                }
                let settings = update
                    .settings
                    .as_ref()
                    .map(|patch| self.patched_settings(tenant.id, &tenant.settings, patch));
                Ok(TenantChange {
                    name: update.name.clone(),
                    hosts: update.hosts.clone(),
                    settings: settings.transpose()?,
                    state: None,
                })
            })
            .await?;
        self.directory.changed(&record).await;
        Ok(record)
    }

    /// Makes the tenant answer as if it did not exist.
    ///
    /// # Errors
    /// [`AdminError::WrongState`] unless it is active.
    pub async fn suspend_tenant(
        &self,
        by: &Administrator,
        key: &TenantKey,
    ) -> Result<TenantRecord, AdminError> {
        self.move_tenant(
            by,
            key,
            "tenant.suspend",
            &[TenantState::Active],
            TenantState::Suspended,
        )
        .await
    }

    /// Makes a suspended tenant serve again.
    ///
    /// # Errors
    /// [`AdminError::WrongState`] unless it is suspended.
    pub async fn resume_tenant(
        &self,
        by: &Administrator,
        key: &TenantKey,
    ) -> Result<TenantRecord, AdminError> {
        self.move_tenant(
            by,
            key,
            "tenant.resume",
            &[TenantState::Suspended],
            TenantState::Active,
        )
        .await
    }

    /// Ends the tenant. Running requests finish, new ones find nothing; its key stays taken and its rows stay until they
    /// are purged.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn delete_tenant(
        &self,
        by: &Administrator,
        key: &TenantKey,
    ) -> Result<(), AdminError> {
        let from = [TenantState::Active, TenantState::Suspended];
        self.move_tenant(by, key, "tenant.delete", &from, TenantState::Deleted)
            .await
            .map(drop)
    }

    async fn move_tenant(
        &self,
        by: &Administrator,
        key: &TenantKey,
        action: &'static str,
        from: &[TenantState],
        to: TenantState,
    ) -> Result<TenantRecord, AdminError> {
        let audit = Audit {
            administrator: &by.name,
            action,
        };
        let record = self
            .platform
            .change_tenant(key, &audit, |tenant| {
                if !from.contains(&tenant.state) {
                    return Err(AdminError::WrongState(tenant.state.as_str()));
                }
                Ok(TenantChange {
                    state: Some(to),
                    ..TenantChange::default()
                })
            })
            .await?;
        self.directory.changed(&record).await;
        Ok(record)
    }
}
