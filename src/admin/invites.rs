//! Issues, finds, lists and revokes a tenant's invite codes.

use serde_json::json;

use super::Admin;
use super::error::AdminError;
use crate::clock::Timestamp;
use crate::domain::ids::InviteId;
use crate::domain::invite_code::InviteCode;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::error::StoreError;
use crate::store::invite_codes::{Invite, InviteFilter, NewInvites};
use crate::tenant::error::TenantError;

/// Invites as an administrator asks for them.
#[derive(Debug)]
pub struct InviteRequest {
    /// The code's text; `None` for generated ones.
    pub code: Option<InviteCode>,
    /// How many codes; more than one only without a text.
    pub count: usize,
    /// How many accounts each may bring.
    pub max_uses: i32,
    /// From when on they are refused.
    pub expires_at: Option<Timestamp>,
    /// For the administrator.
    pub note: String,
    /// The group of the accounts they bring; `None` for the tenant's default.
    pub group_id: Option<i32>,
}

impl Admin {
    /// Issues the codes, all or none.
    ///
    /// # Errors
    /// [`AdminError::CodeTaken`] when the tenant has the code already, [`AdminError::UnknownGroup`].
    pub async fn issue_invites(
        &self,
        by: &Administrator,
        key: &TenantKey,
        request: InviteRequest,
    ) -> Result<Vec<Invite>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let settings = &tenant.record.settings;
        if request
            .group_id
            .is_some_and(|id| settings.group(id).is_none())
        {
            return Err(AdminError::UnknownGroup);
        }
        let codes = match request.code {
            Some(code) => vec![code],
            None => (0..request.count)
                .map(|_| Ok(InviteCode::from_random(self.entropy.bytes::<20>()?)))
                .collect::<Result<Vec<_>, AdminError>>()?,
        };
        let new = NewInvites {
            codes: codes.clone(),
            max_uses: request.max_uses,
            expires_at: request.expires_at,
            note: request.note,
            created_by: by.name.clone(),
            group_id: request.group_id,
            issued_by: None,
            batch: None,
        };
        let issued = self
            .directory
            .ask(&tenant, async move |db| db.issue_invites(&new).await)
            .await;
        let issued = match issued {
            Err(TenantError::Store(StoreError::Duplicate(_))) => return Err(AdminError::CodeTaken),
            other => other?,
        };
        // From now on nobody may be told that these codes are unknown.
        self.directory.invites_issued(&tenant, codes).await?;
        let audit = Audit {
            administrator: &by.name,
            action: "invite.issue",
        };
        let entry =
            AuditEntry::of_subject(&audit, Some(tenant.record.id), tenant.record.key.as_str())
                .with_after(json!({
                    "count": issued.len(),
                    "max_uses": request.max_uses,
                    "group_id": request.group_id,
                }));
        self.platform.audit(&entry).await?;
        Ok(issued)
    }

    /// The invite with this code.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when the tenant has none.
    pub async fn get_invite(
        &self,
        key: &TenantKey,
        code: &InviteCode,
    ) -> Result<Invite, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let code = code.clone();
        let found = self
            .directory
            .ask(&tenant, async move |db| db.find_invite(&code).await)
            .await?;
        found.ok_or(AdminError::NotFound("invite"))
    }

    /// At most `limit` such invites whose number is greater than `after`.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_invites(
        &self,
        key: &TenantKey,
        filter: InviteFilter,
        after: InviteId,
        limit: u64,
    ) -> Result<Vec<Invite>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        Ok(self
            .directory
            .ask(&tenant, async move |db| {
                db.list_invites(&filter, after, limit).await
            })
            .await?)
    }

    /// Ends a code.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when the tenant has none of this text.
    pub async fn revoke_invite(
        &self,
        by: &Administrator,
        key: &TenantKey,
        code: &InviteCode,
    ) -> Result<Invite, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let wanted = code.clone();
        let revoked = self
            .directory
            .ask(&tenant, async move |db| db.revoke_invite(&wanted).await)
            .await?;
        let invite = revoked.ok_or(AdminError::NotFound("invite"))?;
        let audit = Audit {
            administrator: &by.name,
            action: "invite.revoke",
        };
        let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), code.as_str());
        self.platform.audit(&entry).await?;
        Ok(invite)
    }

    /// The time by which invites are judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
