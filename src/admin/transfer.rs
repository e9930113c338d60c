//! Moves users from one place to another: hands them out with their hashes, and takes them in.

use serde_json::json;

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::exports::ExportedUser;
use crate::store::imports::{ImportOutcome, ImportedInvite, ImportedUser};
use crate::tenant::names::Tenant;

/// Rows to take in: codes first, because users may name them.
#[derive(Debug, Default)]
pub struct ImportRequest {
    /// Invite codes.
    pub invites: Vec<ImportedInvite>,
    /// Users.
    pub users: Vec<ImportedUser>,
    /// Only tell what would become of them.
    pub dry_run: bool,
}

/// What became of the rows, each list in the order of the request's.
#[derive(Debug, Default)]
pub struct Imported {
    /// Of the codes.
    pub invites: Vec<ImportOutcome>,
    /// Of the users.
    pub users: Vec<ImportOutcome>,
}

impl Admin {
    /// At most `limit` users whose number is greater than `after`, with their hashes. Each page is audited.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn export_users(
        &self,
        by: &Administrator,
        key: &TenantKey,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<ExportedUser>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let users = self
            .directory
            .ask(&tenant, async move |db| db.export_users(after, limit).await)
            .await?;
        let audit = Audit {
            administrator: &by.name,
            action: "user.export",
        };
        // Before anything leaves.
        let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), key.as_str())
            .with_after(json!({ "after": after.to_string(), "count": users.len() }));
        self.platform.audit(&entry).await?;
        Ok(users)
    }

    /// Takes codes and then users in, those that are not there yet. Each of the two lists is made whole or not at all.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn import(
        &self,
        by: &Administrator,
        key: &TenantKey,
        request: ImportRequest,
    ) -> Result<Imported, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let ImportRequest {
            invites,
            users,
            dry_run,
        } = request;
        let mut imported = Imported::default();
        if !invites.is_empty() {
            let codes: Vec<_> = invites.iter().map(|invite| invite.code.clone()).collect();
            let name = by.name.clone();
            imported.invites = self
                .directory
                .ask(&tenant, async move |db| {
                    db.import_invites(&invites, &name, dry_run).await
                })
                .await?;
            if !dry_run {
                // From now on nobody may be told that these codes are unknown.
                self.directory.invites_issued(&tenant, codes).await?;
                self.audit_import(by, &tenant, "invite.import", &imported.invites)
                    .await?;
            }
        }
        if !users.is_empty() {
            imported.users = self
                .directory
                .ask(&tenant, async move |db| {
                    db.import_users(&users, dry_run).await
                })
                .await?;
            if !dry_run {
                self.audit_import(by, &tenant, "user.import", &imported.users)
                    .await?;
            }
        }
        Ok(imported)
    }

    /// What changed nothing is no effect.
    async fn audit_import(
        &self,
        by: &Administrator,
        tenant: &Tenant,
        action: &'static str,
        outcomes: &[ImportOutcome],
    ) -> Result<(), AdminError> {
        let made = outcomes.iter().filter(|each| **each == ImportOutcome::Made);
        let made = made.count();
        if made == 0 {
            return Ok(());
        }
        let audit = Audit {
            administrator: &by.name,
            action,
        };
        let record = &tenant.record;
        let entry = AuditEntry::of_subject(&audit, Some(record.id), record.key.as_str())
            .with_after(json!({ "made": made }));
        Ok(self.platform.audit(&entry).await?)
    }
}
