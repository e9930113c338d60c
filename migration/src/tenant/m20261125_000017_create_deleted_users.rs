//! Deleted users, each whole, until their time to be restored is over (`docs/decisions/0030-deleted-users-move-out.md`).

use sea_orm_migration::prelude::*;

use crate::table::{self, document, number, optional_text, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "deleted_users")
                    .col(number("tenant_id"))
                    .col(number("id"))
                    .col(text("username", 255))
                    .col(optional_text("skeleton", 512))
                    .col(document(manager, "account"))
                    .col(number("deleted_at"))
                    .col(number("purge_at"))
                    .primary_key(Index::create().col("tenant_id").col("id"))
                    .take(),
            )
            .await?;
        // With the time, or SQLite would rather read everybody who can still be restored.
        for (name, column) in [
            ("ix_deleted_users_username", "username"),
            ("ix_deleted_users_skeleton", "skeleton"),
        ] {
            let mut index = table::index(name, "deleted_users", column);
            table::create_index(manager, index.col("purge_at").take()).await?;
        }
        let by_time = table::index("ix_deleted_users_purge_at", "deleted_users", "purge_at");
        table::create_index(manager, by_time).await?;
        table::protect(manager, "deleted_users").await
    }
}
