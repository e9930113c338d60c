//! Who is signed in at the console. A session ends with its time, with a sign-out, and with its administrator's token.

use entity::platform::{administrator, console_session};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::administrators::Administrator;
use super::audit::{Audit, AuditEntry};
use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::clock::Timestamp;

impl PlatformDb {
    /// Begins a session, and audits it. Sessions that are over are forgotten at this time.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_console_session(
        &self,
        administrator: &Administrator,
        cookie_hash: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("create_console_session", async |transaction| {
            let now = self.clock.now().as_millis();
            console_session::Entity::delete_many()
                .filter(console_session::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            let row = console_session::Model {
                cookie_hash: cookie_hash.to_owned(),
                administrator_id: administrator.id.as_i64(),
                created_at: now,
                expires_at: expires_at.as_millis(),
            };
            console_session::Entity::insert(console_session::ActiveModel::from(row))
                .exec_without_returning(transaction)
                .await?;
            let audit = Audit {
                administrator: &administrator.name,
                action: "console.sign_in",
            };
            let tenant = administrator.role.only_tenant();
            let entry = AuditEntry::of_subject(&audit, tenant, &administrator.name);
            self.add_audit(transaction, &entry).await?;
            Ok(())
        })
        .await
    }

    /// Whose session it is, unless it is over or the administrator's token was revoked.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_console_session(
        &self,
        cookie_hash: &str,
    ) -> Result<Option<Administrator>, StoreError> {
        self.connection
            .within("find_console_session", async {
                let pool = self.connection.pool.current();
                let session = console_session::Entity::find_by_id(cookie_hash.to_owned())
                    .filter(console_session::Column::ExpiresAt.gt(self.clock.now().as_millis()))
                    .one(&pool)
                    .await?;
                let Some(session) = session else {
                    return Ok(None);
                };
                let row = administrator::Entity::find_by_id(session.administrator_id)
                    .filter(administrator::Column::RevokedAt.is_null())
                    .one(&pool)
                    .await?;
                row.map(Administrator::from_row).transpose()
            })
            .await
    }

    /// Ends a session, and audits it; nothing for one that is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_console_session(
        &self,
        administrator: &Administrator,
        cookie_hash: &str,
    ) -> Result<(), StoreError> {
        self.write("delete_console_session", async |transaction| {
            let deleted = console_session::Entity::delete_by_id(cookie_hash.to_owned())
                .exec(transaction)
                .await?;
            if deleted.rows_affected > 0 {
                let audit = Audit {
                    administrator: &administrator.name,
                    action: "console.sign_out",
                };
                let tenant = administrator.role.only_tenant();
                let entry = AuditEntry::of_subject(&audit, tenant, &administrator.name);
                self.add_audit(transaction, &entry).await?;
            }
            Ok(())
        })
        .await
    }
}
