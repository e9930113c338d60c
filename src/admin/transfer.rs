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
#[derive(Debug)]
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

    /// Takes codes and users in, those that are not there yet. Each of the two lists is made whole or not at all.
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
        let codes: Vec<_> = invites.iter().map(|invite| invite.code.clone()).collect();
        let name = by.name.clone();
        let imported = self
            .directory
            .ask(&tenant, async move |db| {
                let invites = match invites.as_slice() {
                    [] => Vec::new(),
                    some => db.import_invites(some, &name, dry_run).await?,
                };
                let users = match users.as_slice() {
                    [] => Vec::new(),
                    some => db.import_users(some, dry_run).await?,
                };
                Ok(Imported { invites, users })
            })
            .await?;
        if dry_run {
            return Ok(imported);
        }
        if !codes.is_empty() {
            // From now on nobody may be told that these codes are unknown.
            self.directory.invites_issued(&tenant, codes).await?;
        }
        let made = |outcomes: &[ImportOutcome]| {
            let made = outcomes.iter().filter(|each| **each == ImportOutcome::Made);
            made.count()
        };
        let (users, invites) = (made(&imported.users), made(&imported.invites));
        if users + invites > 0 {
            let audit = Audit {
                administrator: &by.name,
                action: "user.import",
            };
            let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), key.as_str())
                .with_after(json!({ "users": users, "invites": invites }));
            self.platform.audit(&entry).await?;
        }
        Ok(imported)
    }
}
