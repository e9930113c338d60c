//! Administrators of the platform and the hashes of their tokens.

use entity::platform::administrator;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::audit::{Audit, AuditEntry};
use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::domain::ids::AdministratorId;

/// Somebody who may use the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// The row's number.
    pub id: AdministratorId,
    /// The name that the audit shows.
    pub name: String,
}

impl PlatformDb {
    /// Adds an administrator who is known by the SHA-256 (hexadecimal) of a token, and audits it.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the name is taken.
    pub async fn create_administrator(
        &self,
        name: &str,
        token_hash: &str,
    ) -> Result<Administrator, StoreError> {
        self.write("create_administrator", async |transaction| {
            let id = self.new_id()?;
            administrator::Entity::insert(administrator::ActiveModel {
                id: Set(id),
                name: Set(name.to_owned()),
                token_hash: Set(token_hash.to_owned()),
                created_at: Set(self.clock.now().as_millis()),
                revoked_at: Set(None),
            })
            .exec_without_returning(transaction)
            .await?;
            let audit = Audit {
                administrator: name,
                action: "administrator.create",
            };
            self.add_audit(transaction, &AuditEntry::of_subject(&audit, None, name))
                .await?;
            Ok(Administrator {
                id: AdministratorId::from_i64(id),
                name: name.to_owned(),
            })
        })
        .await
    }

    /// The administrator whose token has this hash, unless it was revoked.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
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
                Ok(row.map(|row| Administrator {
                    id: AdministratorId::from_i64(row.id),
                    name: row.name,
                }))
            })
            .await
    }
}
