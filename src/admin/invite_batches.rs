//! Makes batches of invite codes, and walks through a tenant's invites, part by part.
//!
//! Taken: each part is a transaction of its own, and a code has its place in its batch, which an index keeps unique. So a call
//! that breaks off leaves whole codes behind, and the same call made again hands those out first and makes the rest: none is
//! made twice, not even by two calls at once. Refused: one transaction for the batch, which would keep registrations waiting.

use serde_json::json;

use super::Admin;
use super::error::AdminError;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::invite_batch::BatchName;
use crate::domain::invite_code::InviteCode;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::error::{DuplicateOf, StoreError};
use crate::store::invite_codes::{BatchPart, Invite, InviteFilter, NewInvites};
use crate::store::users::User;
use crate::tenant::error::TenantError;

/// Codes of one part: a transaction that keeps a registration waiting for some milliseconds at most.
const CODES_A_PART: i32 = 500;

/// A batch as an administrator asks for it.
#[derive(Clone, Debug)]
pub struct BatchRequest {
    /// Its name.
    pub name: BatchName,
    /// How many codes it has in the end, at least 1.
    pub count: i32,
    /// How many accounts each code may bring.
    pub max_uses: i32,
    /// From when on they are refused.
    pub expires_at: Option<Timestamp>,
    /// For the administrator.
    pub note: String,
    /// The group of the accounts they bring; `None` for the tenant's default.
    pub group_id: Option<i32>,
}

impl BatchRequest {
    fn is_of(&self, invite: &Invite) -> bool {
        let Self {
            max_uses,
            expires_at,
            note,
            group_id,
            ..
        } = self;
        (
            invite.max_uses,
            invite.expires_at,
            &invite.note,
            invite.group_id,
        ) == (*max_uses, *expires_at, note, *group_id)
    }
}

/// A batch at work.
pub struct BatchWork {
    admin: Admin,
    by: Administrator,
    key: TenantKey,
    request: BatchRequest,
    /// How many codes were handed out.
    given: i32,
    /// No code is known to stand after those.
    at_end: bool,
    audited: bool,
}

/// A walk through a tenant's invites.
pub struct InviteWalk {
    admin: Admin,
    key: TenantKey,
    filter: InviteFilter,
    after: InviteId,
    over: bool,
}

impl Admin {
    /// Begins or goes on with a batch; [`BatchWork::next_part`] does the work.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant, [`AdminError::UnknownGroup`].
    pub async fn make_batch(
        &self,
        by: &Administrator,
        key: &TenantKey,
        request: BatchRequest,
    ) -> Result<BatchWork, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let known = |id| tenant.record.settings.group(id).is_some();
        if !request.group_id.is_none_or(known) {
            return Err(AdminError::UnknownGroup);
        }
        Ok(BatchWork {
            admin: self.clone(),
            by: by.clone(),
            key: key.clone(),
            request,
            given: 0,
            at_end: false,
            audited: false,
        })
    }

    /// A walk through the tenant's invites of this kind.
    #[must_use]
    pub fn walk_invites(&self, key: &TenantKey, filter: InviteFilter) -> InviteWalk {
        InviteWalk {
            admin: self.clone(),
            key: key.clone(),
            filter,
            after: InviteId::from_i64(0),
            over: false,
        }
    }

    /// At most `limit` users whom the invite brought and whose number is greater than `after`.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant or invite.
    pub async fn list_registrations_by(
        &self,
        key: &TenantKey,
        code: &InviteCode,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<User>, AdminError> {
        let invite = self.get_invite(key, code).await?.id;
        let tenant = self.live_tenant(key).await?;
        let brought = self.directory.ask(&tenant, async move |db| {
            db.list_registrations_by(invite, after, limit).await
        });
        Ok(brought.await?)
    }
}

impl BatchWork {
    /// The next codes of the batch: those that are there, then new ones. None after the last one.
    ///
    /// # Errors
    /// [`AdminError::BatchDiffers`] when the batch has codes of another kind. What was handed out before exists.
    pub async fn next_part(&mut self) -> Result<Vec<Invite>, AdminError> {
        loop {
            let size = (self.request.count - self.given).min(CODES_A_PART);
            let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
                return Ok(Vec::new());
            };
            let part = if self.at_end {
                let Some(issued) = self.issue(size).await? else {
                    // Another call makes the same batch: its codes are this one's too.
                    self.at_end = false;
                    continue;
                };
                issued
            } else {
                self.find(size).await?
            };
            self.given += i32::try_from(part.len()).unwrap_or(i32::MAX);
            if !part.is_empty() {
                return Ok(part);
            }
            self.at_end = true;
        }
    }

    async fn find(&self, size: usize) -> Result<Vec<Invite>, AdminError> {
        let tenant = self.admin.live_tenant(&self.key).await?;
        let (name, before) = (self.request.name.clone(), self.given);
        let found = self.admin.directory.ask(&tenant, async move |db| {
            db.list_batch(&name, before, size as u64).await
        });
        let found = found.await?;
        if found.iter().all(|invite| self.request.is_of(invite)) {
            Ok(found)
        } else {
            Err(AdminError::BatchDiffers)
        }
    }

    /// `None` when somebody made them meanwhile.
    async fn issue(&mut self, size: usize) -> Result<Option<Vec<Invite>>, AdminError> {
        let Self {
            admin,
            by,
            key,
            request,
            ..
        } = self;
        let tenant = admin.live_tenant(key).await?;
        if !self.audited {
            // Before the first code: however the call ends, nothing was made that the audit does not tell of.
            let audit = Audit {
                administrator: &by.name,
                action: "invite.issue",
            };
            let entry = AuditEntry::of_subject(&audit, Some(tenant.record.id), key.as_str());
            let entry = entry.with_after(json!({
                "batch": request.name.as_str(),
                "count": request.count - self.given,
                "max_uses": request.max_uses,
                "group_id": request.group_id,
            }));
            admin.platform.audit(&entry).await?;
            self.audited = true;
        }
        let codes = (0..size).map(|_| Ok(InviteCode::from_random(admin.entropy.bytes::<20>()?)));
        let codes = codes.collect::<Result<Vec<_>, AdminError>>()?;
        let new = NewInvites {
            codes: codes.clone(),
            max_uses: request.max_uses,
            expires_at: request.expires_at,
            note: request.note.clone(),
            created_by: by.name.clone(),
            group_id: request.group_id,
            issued_by: None,
            batch: Some(BatchPart {
                name: request.name.clone(),
                before: self.given,
            }),
        };
        let issued = admin
            .directory
            .ask(&tenant, async move |db| db.issue_invites(&new).await)
            .await;
        let issued = match issued {
            Err(TenantError::Store(StoreError::Duplicate(DuplicateOf::BatchPosition))) => {
                return Ok(None);
            }
            issued => issued?,
        };
        // From now on nobody may be told that these codes are unknown.
        admin.directory.invites_issued(&tenant, codes).await?;
        Ok(Some(issued))
    }
}

impl InviteWalk {
    /// The next invites. None after the last one.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn next_part(&mut self) -> Result<Vec<Invite>, AdminError> {
        let Self {
            admin,
            key,
            filter,
            after,
            over,
        } = self;
        if *over {
            return Ok(Vec::new());
        }
        let size = CODES_A_PART.unsigned_abs().into();
        let part = admin
            .list_invites(key, filter.clone(), *after, size)
            .await?;
        *over = (part.len() as u64) < size;
        if let Some(last) = part.last() {
            *after = last.id;
        }
        Ok(part)
    }
}
