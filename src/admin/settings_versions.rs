//! Lists, shows and compares the versions of a tenant's settings, goes back to one, and tells what a change would come to.

use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::{SettingsDifference, TenantSettings};
use crate::store::administrators::Administrator;
use crate::store::audit::Audit;
use crate::store::settings_versions::SettingsVersion;
use crate::store::tenants::{TenantChange, TenantRecord};

impl Admin {
    /// At most `limit` versions after `after`.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_settings_versions(
        &self,
        key: &TenantKey,
        after: i32,
        limit: u64,
    ) -> Result<Vec<SettingsVersion>, AdminError> {
        let tenant = self.get_tenant(key).await?.id;
        let versions = self.platform.list_settings_versions(tenant, after, limit);
        Ok(versions.await?)
    }

    /// A version of the settings, and how it differs from another one.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant or version.
    pub async fn get_settings_version(
        &self,
        key: &TenantKey,
        version: i32,
        against: Option<i32>,
    ) -> Result<(SettingsVersion, TenantSettings, Vec<SettingsDifference>), AdminError> {
        let tenant = self.get_tenant(key).await?.id;
        let find = async |version| {
            let found = self.platform.find_settings_version(tenant, version).await?;
            found.ok_or(AdminError::NotFound("settings version"))
        };
        let (shown, settings) = find(version).await?;
        let differences = match against {
            Some(against) => settings.differences_from(&find(against).await?.1),
            None => Vec::new(),
        };
        Ok((shown, settings, differences))
    }

    /// What a merge patch of the settings, with secrets in clear, would come to: the tenant as it stands, its settings as they
    /// would be, and how those differ. Nothing changes.
    ///
    /// # Errors
    /// [`AdminError::Settings`] with every fault of the new settings, [`AdminError::NotFound`].
    pub async fn preview_settings(
        &self,
        key: &TenantKey,
        patch: &Value,
    ) -> Result<(TenantRecord, TenantSettings, Vec<SettingsDifference>), AdminError> {
        let tenant = self.get_tenant(key).await?;
        let settings = self.patched_settings(tenant.id, &tenant.settings, patch)?;
        let differences = settings.differences_from(&tenant.settings);
        Ok((tenant, settings, differences))
    }

    /// Makes the settings what they were in an earlier version, as a new version. They must still be good; and a tenant's
    /// own administrator goes back to no other limits.
    ///
    /// # Errors
    /// [`AdminError::Settings`], [`AdminError::Forbidden`], [`AdminError::NotFound`].
    pub async fn restore_settings(
        &self,
        by: &Administrator,
        key: &TenantKey,
        version: i32,
    ) -> Result<TenantRecord, AdminError> {
        let tenant = self.get_tenant(key).await?.id;
        let found = self.platform.find_settings_version(tenant, version).await?;
        let (_, settings) = found.ok_or(AdminError::NotFound("settings version"))?;
        let faults = settings.validate();
        if !faults.is_empty() {
            return Err(AdminError::Settings(faults));
        }
        let audit = Audit {
            administrator: &by.name,
            action: "tenant.restore_settings",
        };
        let record = self
            .platform
            .change_tenant(key, &audit, |tenant| {
                if by.role.only_tenant().is_some() && tenant.settings.limits != settings.limits {
                    return Err(AdminError::Forbidden);
                }
                Ok(TenantChange {
                    settings: Some(settings.clone()),
                    ..TenantChange::default()
                })
            })
            .await?;
        self.directory.changed(&record).await;
        Ok(record)
    }
}
