//! The audit of one tenant: what users did to each other's accounts, written with the effect. Only ever added.

use std::net::IpAddr;

use entity::tenant::audit_entry;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::domain::ids::UserId;

/// One line of a tenant's audit.
pub(super) struct TenantAudit<'a> {
    pub(super) actor: Option<UserId>,
    pub(super) action: &'a str,
    pub(super) subject: Option<UserId>,
    pub(super) detail: &'a str,
    pub(super) address: IpAddr,
}

impl TenantDb {
    /// Audits an effect that happened elsewhere: who did what (`noun.verb`, at most 64 characters) to whom, from which
    /// address. `detail` is JSON and holds no secret.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn add_tenant_audit(
        &self,
        actor: Option<UserId>,
        action: &str,
        subject: Option<UserId>,
        detail: &str,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        let line = TenantAudit {
            actor,
            action,
            subject,
            detail,
            address,
        };
        self.write("add_tenant_audit", async |transaction| {
            self.insert_audit(transaction, &line).await
        })
        .await
    }

    pub(super) async fn insert_audit(
        &self,
        transaction: &DatabaseTransaction,
        line: &TenantAudit<'_>,
    ) -> Result<(), StoreError> {
        audit_entry::Entity::insert(audit_entry::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            id: Set(self.new_id()?),
            at: Set(self.clock.now().as_millis()),
            actor: Set(line.actor.map(UserId::as_i64)),
            action: Set(line.action.to_owned()),
            subject: Set(line.subject.map(UserId::as_i64)),
            detail: Set(line.detail.to_owned()),
            address: Set(line.address.to_string()),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}
