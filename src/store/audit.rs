//! The audit: one line for each effect of an administrator, written with the effect. Only ever added.

use entity::platform::audit_entry;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait};
use serde_json::Value;

use super::error::StoreError;
use super::platform_db::PlatformDb;
use super::tenants::TenantRecord;
use crate::domain::ids::TenantId;

/// Who does what.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    /// The administrator's name.
    pub administrator: &'a str,
    /// `noun.verb`.
    pub action: &'static str,
}

/// One line of the audit.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    administrator: String,
    action: &'static str,
    tenant: Option<TenantId>,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl AuditEntry {
    /// A change to a tenant.
    #[must_use]
    pub fn of_tenant(
        audit: &Audit<'_>,
        before: Option<&TenantRecord>,
        after: &TenantRecord,
    ) -> Self {
        Self {
            administrator: audit.administrator.to_owned(),
            action: audit.action,
            tenant: Some(after.id),
            subject: after.key.as_str().to_owned(),
            before: before.map(TenantRecord::for_audit),
            after: Some(after.for_audit()),
        }
    }

    /// A change to something that its name describes well enough.
    #[must_use]
    pub fn of_subject(audit: &Audit<'_>, tenant: Option<TenantId>, subject: &str) -> Self {
        Self {
            administrator: audit.administrator.to_owned(),
            action: audit.action,
            tenant,
            subject: subject.chars().take(255).collect(),
            before: None,
            after: None,
        }
    }

    /// The same line with what came of it.
    #[must_use]
    pub fn with_after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }
}

impl PlatformDb {
    /// Audits an effect that happened in another database.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.write("audit", async |transaction| {
            self.add_audit(transaction, entry).await
        })
        .await
    }

    pub(super) async fn add_audit(
        &self,
        transaction: &DatabaseTransaction,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        audit_entry::Entity::insert(audit_entry::ActiveModel {
            id: Set(self.new_id()?),
            at: Set(self.clock.now().as_millis()),
            administrator: Set(entry.administrator.clone()),
            action: Set(entry.action.to_owned()),
            tenant_id: Set(entry.tenant.map(TenantId::as_i64)),
            subject: Set(entry.subject.clone()),
            before: Set(entry.before.as_ref().map(Value::to_string)),
            after: Set(entry.after.as_ref().map(Value::to_string)),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}
