//! Lists, shows and compares the versions of a tenant's settings, and goes back to one.

use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::TenantSettings;
use crate::store::administrators::Administrator;
use crate::store::audit::Audit;
use crate::store::settings_versions::SettingsVersion;
use crate::store::tenants::{TenantChange, TenantRecord};

/// One setting that differs between two versions. Secrets are masked, and told to differ all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsDifference {
    /// Dotted, as `registration.open`.
    pub path: String,
    /// In the version compared with.
    pub before: Value,
    /// In the version compared.
    pub after: Value,
}

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
            Some(against) => differences(&find(against).await?.1, &settings),
            None => Vec::new(),
        };
        Ok((shown, settings, differences))
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

/// What differs, in the order of the settings. Lists are compared as a whole.
fn differences(before: &TenantSettings, after: &TenantSettings) -> Vec<SettingsDifference> {
    let stored = |settings: &TenantSettings| serde_json::to_value(settings).unwrap_or_default();
    let mut found = Vec::new();
    let sides = [before, after].map(|settings| (stored(settings), settings.masked()));
    let [(old, old_shown), (new, new_shown)] = &sides;
    compare("", [old, new], [old_shown, new_shown], &mut found);
    found
}

fn compare(
    path: &str,
    [old, new]: [&Value; 2],
    [old_shown, new_shown]: [&Value; 2],
    found: &mut Vec<SettingsDifference>,
) {
    if old == new {
        return;
    }
    let (Value::Object(olds), Value::Object(news)) = (old, new) else {
        found.push(SettingsDifference {
            path: path.to_owned(),
            before: old_shown.clone(),
            after: new_shown.clone(),
        });
        return;
    };
    let added = news.keys().filter(|name| !olds.contains_key(*name));
    for name in olds.keys().chain(added) {
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let of = |value: &'_ Value| value.get(name).cloned().unwrap_or_default();
        let (old, new) = (of(old), of(new));
        let (old_shown, new_shown) = (of(old_shown), of(new_shown));
        compare(&inner, [&old, &new], [&old_shown, &new_shown], found);
    }
}
