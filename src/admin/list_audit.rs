//! Reads the audit.

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::AuditEntryId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{AuditFilter, AuditLine};

/// Lines of one part of an export. Few: a line can hold two versions of a tenant's settings with their word lists, of
/// almost a megabyte each, and two parts of an export are in memory.
const LINES_A_PART: u64 = 25;

/// A walk through the audit.
pub struct AuditWalk {
    admin: Admin,
    by: Administrator,
    tenant: Option<TenantKey>,
    filter: AuditFilter,
    after: AuditEntryId,
    over: bool,
}

impl AuditWalk {
    /// The next lines. None after the last one.
    ///
    /// # Errors
    /// As [`Admin::list_audit`].
    pub async fn next_part(&mut self) -> Result<Vec<AuditLine>, AdminError> {
        if self.over {
            return Ok(Vec::new());
        }
        let (tenant, filter) = (self.tenant.as_ref(), self.filter.clone());
        let part = self
            .admin
            .list_audit(&self.by, tenant, filter, self.after, LINES_A_PART)
            .await?;
        self.over = (part.len() as u64) < LINES_A_PART;
        if let Some(last) = part.last() {
            self.after = last.id;
        }
        Ok(part)
    }
}

impl Admin {
    /// All lines that [`Admin::list_audit`] would list.
    #[must_use]
    pub fn walk_audit(
        &self,
        by: Administrator,
        tenant: Option<TenantKey>,
        filter: AuditFilter,
    ) -> AuditWalk {
        AuditWalk {
            admin: self.clone(),
            by,
            tenant,
            filter,
            after: AuditEntryId::from_i64(0),
            over: false,
        }
    }

    /// At most `limit` lines that come behind the one numbered `after` in the filter's order, 0 being before the first; of the tenant with this key, where one is
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
