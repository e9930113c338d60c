//! Every version of a tenant's settings, kept since the tenant was made.

use entity::platform::tenant_settings;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::tenant_settings::TenantSettings;

/// Who made a version of the settings, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsVersion {
    /// Counted from 1.
    pub version: i32,
    /// The administrator's name.
    pub changed_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl PlatformDb {
    /// At most `limit` versions after `after`, in their order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_settings_versions(
        &self,
        tenant: TenantId,
        after: i32,
        limit: u64,
    ) -> Result<Vec<SettingsVersion>, StoreError> {
        use tenant_settings::Column;

        self.connection
            .within("list_settings_versions", async {
                let rows: Vec<(i32, String, i64)> = tenant_settings::Entity::find()
                    .select_only()
                    .columns([Column::Version, Column::ChangedBy, Column::CreatedAt])
                    .filter(Column::TenantId.eq(tenant.as_i64()))
                    .filter(Column::Version.gt(after))
                    .order_by_asc(Column::Version)
                    .limit(limit)
                    .into_tuple()
                    .all(&self.connection.pool.current())
                    .await?;
                let versions = rows.into_iter();
                Ok(versions
                    .map(|(version, changed_by, created_at)| SettingsVersion {
                        version,
                        changed_by,
                        created_at: Timestamp::from_millis(created_at),
                    })
                    .collect())
            })
            .await
    }

    /// One version, with the settings as they were.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_settings_version(
        &self,
        tenant: TenantId,
        version: i32,
    ) -> Result<Option<(SettingsVersion, TenantSettings)>, StoreError> {
        self.connection
            .within("find_settings_version", async {
                let row = tenant_settings::Entity::find_by_id((tenant.as_i64(), version))
                    .one(&self.connection.pool.current())
                    .await?;
                let Some(row) = row else {
                    return Ok(None);
                };
                let settings = TenantSettings::from_stored(&row.settings)
                    .map_err(|_| StoreError::Corrupt("tenant_settings.settings"))?;
                let version = SettingsVersion {
                    version: row.version,
                    changed_by: row.changed_by,
                    created_at: Timestamp::from_millis(row.created_at),
                };
                Ok(Some((version, settings)))
            })
            .await
    }
}
