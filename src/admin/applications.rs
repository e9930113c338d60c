//! Lists who awaits approval at a tenant, and decides about them by the hundred.
//!
//! Taken: a decision is made in parts, each a transaction of its own that keeps registrations waiting for some milliseconds.
//! So a call that fails half-way has decided about whole parts; made again, it tells of those that they wait no longer, and
//! goes on with the rest.

use serde_json::json;

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::UserId;
use crate::domain::tenant_key::TenantKey;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;
use crate::store::administrators::Administrator;
use crate::store::audit::{Audit, AuditEntry};
use crate::store::moderation::{Application, Decided};

/// Users of one transaction.
const USERS_A_PART: usize = 100;

/// A decision about applications.
#[derive(Clone, Debug)]
pub struct ApplicationDecision {
    /// About whom; each once.
    pub users: Vec<UserId>,
    /// Their new standing.
    pub to: UserStatus,
    /// What the users are told; at most 255 characters.
    pub message: Option<String>,
}

impl Admin {
    /// At most `limit` users who await approval and whose number is greater than `after`, oldest first, with a name that
    /// begins so in any spelling of it.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant.
    pub async fn list_applications(
        &self,
        key: &TenantKey,
        name_begins: Option<&str>,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<Application>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let beginnings = name_begins.map(Username::to_look_up);
        Ok(self
            .directory
            .ask(&tenant, async move |db| {
                db.list_applications(beginnings.as_deref(), after, limit)
                    .await
            })
            .await?)
    }

    /// Decides about those who wait still. What became of each, in their order.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such tenant; [`AdminError::Unavailable`] after which some may be decided.
    pub async fn decide_applications(
        &self,
        by: &Administrator,
        key: &TenantKey,
        decision: &ApplicationDecision,
    ) -> Result<Vec<(UserId, Decided)>, AdminError> {
        let tenant = self.live_tenant(key).await?;
        let ApplicationDecision { users, to, message } = decision;
        let audit = Audit {
            administrator: &by.name,
            action: "user.decide",
        };
        let after = json!({ "status": to.as_i16(), "refuse_message": message });
        let mut outcomes = Vec::with_capacity(users.len());
        for part in users.chunks(USERS_A_PART) {
            let (part, to, message) = (part.to_vec(), *to, message.clone());
            let decided = self
                .directory
                .ask(&tenant, async move |db| {
                    db.decide_applications(&part, to, message.as_deref()).await
                })
                .await?;
            let lines = decided
                .iter()
                .filter(|(_, outcome)| *outcome == Decided::Now)
                .map(|(user, _)| {
                    AuditEntry::of_subject(&audit, Some(tenant.record.id), &user.to_string())
                        .with_after(after.clone())
                });
            self.platform.audit_all(&lines.collect::<Vec<_>>()).await?;
            outcomes.extend(decided);
        }
        Ok(outcomes)
    }
}
