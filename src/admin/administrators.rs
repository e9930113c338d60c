//! Makes, lists and revokes administrators.

use super::error::AdminError;
use super::{Admin, AdministratorToken, create_administrator};
use crate::domain::ids::AdministratorId;
use crate::domain::role::Role;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::error::StoreError;

/// A role as it is asked for: the tenant by its key.
#[derive(Debug)]
pub enum RoleRequest {
    /// Everything.
    Platform,
    /// Reads everything.
    Auditor,
    /// One tenant.
    Tenant(TenantKey),
}

impl Admin {
    /// Makes an administrator and its token, which is shown once.
    ///
    /// # Errors
    /// [`AdminError::NameTaken`]; [`AdminError::NotFound`] when there is no such tenant.
    pub async fn create_administrator(
        &self,
        by: &Administrator,
        name: &str,
        role: RoleRequest,
    ) -> Result<(Administrator, AdministratorToken), AdminError> {
        let role = match role {
            RoleRequest::Platform => Role::Platform,
            RoleRequest::Auditor => Role::Auditor,
            RoleRequest::Tenant(key) => Role::Tenant(self.get_tenant(&key).await?.id),
        };
        let made = create_administrator(&self.platform, self.entropy, Some(&by.name), name, role);
        match made.await {
            Err(StoreError::Duplicate(_)) => Err(AdminError::NameTaken),
            other => Ok(other?),
        }
    }

    /// At most `limit` administrators whose number is greater than `after`.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the database does not answer.
    pub async fn list_administrators(
        &self,
        after: AdministratorId,
        limit: u64,
    ) -> Result<Vec<Administrator>, AdminError> {
        Ok(self.platform.list_administrators(after, limit).await?)
    }

    /// Ends an administrator's token. Nobody ends their own, so that somebody is always left.
    ///
    /// # Errors
    /// [`AdminError::OwnToken`], [`AdminError::NotFound`].
    pub async fn revoke_administrator(
        &self,
        by: &Administrator,
        id: AdministratorId,
    ) -> Result<(), AdminError> {
        if by.id == id {
            return Err(AdminError::OwnToken);
        }
        let revoked = self.platform.revoke_administrator(&by.name, id).await?;
        revoked
            .map(drop)
            .ok_or(AdminError::NotFound("administrator"))
    }
}
