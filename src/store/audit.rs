//! The audit: one line for each effect of an administrator, written with the effect. Only ever added.

use entity::platform::audit_entry;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::Value;

use super::error::StoreError;
use super::platform_db::PlatformDb;
use super::tenants::TenantRecord;
use crate::clock::Timestamp;
use crate::domain::ids::{AuditEntryId, TenantId};

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

/// A line of the audit as it is read.
#[derive(Clone, Debug)]
pub struct AuditLine {
    /// The row's number; grows with time.
    pub id: AuditEntryId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub administrator: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// At which tenant.
    pub tenant: Option<TenantId>,
    /// To what: a key, a code.
    pub subject: String,
    /// The state before, without secrets.
    pub before: Option<Value>,
    /// The state after, without secrets.
    pub after: Option<Value>,
}

/// Which lines are asked for, and in which order; what is `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this administrator.
    pub administrator: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// The newest line first, else the oldest.
    pub newest_first: bool,
}

impl AuditLine {
    fn from_row(row: audit_entry::Model) -> Result<Self, StoreError> {
        let document = |text: Option<String>| {
            text.map(|text| serde_json::from_str(&text))
                .transpose()
                .map_err(|_| StoreError::Corrupt("a line of the audit is no JSON"))
        };
        Ok(Self {
            id: AuditEntryId::from_i64(row.id),
            at: Timestamp::from_millis(row.at),
            administrator: row.administrator,
            action: row.action,
            tenant: row.tenant_id.map(TenantId::from_i64),
            subject: row.subject,
            before: document(row.before)?,
            after: document(row.after)?,
        })
    }
}

impl PlatformDb {
    /// At most `limit` lines that come behind the one numbered `after` in the filter's order; 0 is before the first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: AuditEntryId,
        limit: u64,
    ) -> Result<Vec<AuditLine>, StoreError> {
        use audit_entry::Column;

        self.connection
            .within("list_audit", async {
                let after = after.as_i64();
                let lines = audit_entry::Entity::find();
                let mut query = match filter.newest_first {
                    true if after == 0 => lines.order_by_desc(Column::Id),
                    true => lines.filter(Column::Id.lt(after)).order_by_desc(Column::Id),
                    false => lines.filter(Column::Id.gt(after)).order_by_asc(Column::Id),
                };
                if let Some(tenant) = filter.tenant {
                    query = query.filter(Column::TenantId.eq(tenant.as_i64()));
                }
                if let Some(administrator) = &filter.administrator {
                    query = query.filter(Column::Administrator.eq(administrator));
                }
                if let Some(action) = &filter.action {
                    query = query.filter(Column::Action.eq(action));
                }
                if let Some(since) = filter.since {
                    query = query.filter(Column::At.gte(since.as_millis()));
                }
                if let Some(until) = filter.until {
                    query = query.filter(Column::At.lt(until.as_millis()));
                }
                let rows = query
                    .limit(limit)
                    .all(&self.connection.pool.current())
                    .await?;
                rows.into_iter().map(AuditLine::from_row).collect()
            })
            .await
    }

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

    /// As [`PlatformDb::audit`], for many effects at once.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then none is written.
    pub async fn audit_all(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write("audit", async |transaction| {
            let rows = entries.iter().map(|entry| self.audit_row(entry));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            audit_entry::Entity::insert_many(rows)
                .exec_without_returning(transaction)
                .await?;
            Ok(())
        })
        .await
    }

    pub(super) async fn add_audit(
        &self,
        transaction: &DatabaseTransaction,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        audit_entry::Entity::insert(self.audit_row(entry)?)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }

    fn audit_row(&self, entry: &AuditEntry) -> Result<audit_entry::ActiveModel, StoreError> {
        Ok(audit_entry::ActiveModel {
            id: Set(self.new_id()?),
            at: Set(self.clock.now().as_millis()),
            administrator: Set(entry.administrator.clone()),
            action: Set(entry.action.to_owned()),
            tenant_id: Set(entry.tenant.map(TenantId::as_i64)),
            subject: Set(entry.subject.clone()),
            before: Set(entry.before.as_ref().map(Value::to_string)),
            after: Set(entry.after.as_ref().map(Value::to_string)),
        })
    }
}
