//! Reads the audit.

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::AuditEntryId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{AuditFilter, AuditLine};

impl Admin {
    /// At most `limit` lines whose number is greater than `after`, oldest first; of the tenant with this key, where one is
    /// given, deleted ones included. A tenant's administrator gets those of its tenant, whatever is asked for.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there never was such a tenant, or it is not the administrator's.
    pub async fn list_audit(
        &self,
        by: &Administrator,
        tenant: Option<&TenantKey>,
        mut filter: AuditFilter,
        after: AuditEntryId,
        limit: u64,
    ) -> Result<Vec<AuditLine>, AdminError> {
        let own = by.role.only_tenant();
        filter.tenant = own;
        if let Some(key) = tenant {
            let found = self.platform.find_tenant(key).await?;
            let found = found
                .map(|record| record.id)
                .filter(|id| own.is_none_or(|own| own == *id));
            filter.tenant = Some(found.ok_or(AdminError::NotFound("tenant"))?);
        }
        Ok(self.platform.list_audit(&filter, after, limit).await?)
    }
}
