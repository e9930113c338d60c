//! Administrators of the platform and the hashes of their tokens.

use entity::platform::administrator;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde_json::json;

use super::audit::{Audit, AuditEntry};
use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::clock::Timestamp;
use crate::domain::ids::{AdministratorId, TenantId};
use crate::domain::role::Role;

/// Somebody who may use the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// The row's number.
    pub id: AdministratorId,
    /// The name that the audit shows.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Since when the token works.
    pub created_at: Timestamp,
    /// Since when it does not.
    pub revoked_at: Option<Timestamp>,
}

impl Administrator {
    pub(super) fn from_row(row: administrator::Model) -> Result<Self, StoreError> {
        let role = Role::from_row(row.role, row.tenant_id);
        Ok(Self {
            id: AdministratorId::from_i64(row.id),
            role: role.ok_or(StoreError::Corrupt("an administrator has an unknown role"))?,
            name: row.name,
            created_at: Timestamp::from_millis(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        })
    }
}

impl PlatformDb {
    /// Adds an administrator who is known by the SHA-256 (hexadecimal) of a token, and audits it: as done by `by`, or by
    /// the newcomer itself where nobody is there before it.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the name is taken.
    pub async fn create_administrator(
        &self,
        by: Option<&str>,
        name: &str,
        role: Role,
        token_hash: &str,
    ) -> Result<Administrator, StoreError> {
        self.write("create_administrator", async |transaction| {
            let (number, tenant_id) = role.to_row();
            let row = administrator::Model {
                id: self.new_id()?,
                name: name.to_owned(),
                token_hash: token_hash.to_owned(),
                created_at: self.clock.now().as_millis(),
                revoked_at: None,
                role: number,
                tenant_id,
            };
            administrator::Entity::insert(administrator::ActiveModel::from(row.clone()))
                .exec_without_returning(transaction)
                .await?;
            let audit = Audit {
                administrator: by.unwrap_or(name),
                action: "administrator.create",
            };
            let tenant = tenant_id.map(TenantId::from_i64);
            let entry = AuditEntry::of_subject(&audit, tenant, name)
                .with_after(json!({ "role": role.as_str() }));
            self.add_audit(transaction, &entry).await?;
            Administrator::from_row(row)
        })
        .await
    }

    /// Ends an administrator's token, and audits it; `None` when there is none of this number. Of one that was revoked before,
    /// the first time stays.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_administrator(
        &self,
        by: &str,
        id: AdministratorId,
    ) -> Result<Option<Administrator>, StoreError> {
        self.write("revoke_administrator", async |transaction| {
            let now = self.clock.now().as_millis();
            let revoked = administrator::Entity::update_many()
                .col_expr(administrator::Column::RevokedAt, Expr::value(now))
                .filter(administrator::Column::Id.eq(id.as_i64()))
                .filter(administrator::Column::RevokedAt.is_null())
                .exec(transaction)
                .await?;
            let row = administrator::Entity::find_by_id(id.as_i64())
                .one(transaction)
                .await?;
            let Some(administrator) = row.map(Administrator::from_row).transpose()? else {
                return Ok(None);
            };
            if revoked.rows_affected > 0 {
                let audit = Audit {
                    administrator: by,
                    action: "administrator.revoke",
                };
                let tenant = administrator.role.only_tenant();
                let entry = AuditEntry::of_subject(&audit, tenant, &administrator.name);
                self.add_audit(transaction, &entry).await?;
            }
            Ok(Some(administrator))
        })
        .await
    }

    /// At most `limit` administrators whose number is greater than `after`, the revoked ones included.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_administrators(
        &self,
        after: AdministratorId,
        limit: u64,
    ) -> Result<Vec<Administrator>, StoreError> {
        self.connection
            .within("list_administrators", async {
                let rows = administrator::Entity::find()
                    .filter(administrator::Column::Id.gt(after.as_i64()))
                    .order_by_asc(administrator::Column::Id)
                    .limit(limit)
                    .all(&self.connection.pool.current())
                    .await?;
                rows.into_iter().map(Administrator::from_row).collect()
            })
            .await
    }

    /// The administrator whose token has this hash, unless it was revoked.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, or the role is of a newer version.
    pub async fn find_administrator(
        &self,
        token_hash: &str,
    ) -> Result<Option<Administrator>, StoreError> {
        self.connection
            .within("find_administrator", async {
                let row = administrator::Entity::find()
                    .filter(administrator::Column::TokenHash.eq(token_hash))
                    .filter(administrator::Column::RevokedAt.is_null())
                    .one(&self.connection.pool.current())
                    .await?;
                row.map(Administrator::from_row).transpose()
            })
            .await
    }
}
