//! Sessions in place of refresh tokens: one row a login, which knows its present refresh token and the one before. Who is
//! logged in by an old refresh token logs in again.

use sea_orm_migration::prelude::*;

use crate::table::{self, count, flag, number, optional_count, optional_text, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("refresh_tokens").if_exists().take())
            .await?;
        manager
            .create_table(
                table::create(manager, "sessions")
                    .col(number("tenant_id"))
                    .col(text("id", 32))
                    .col(number("user_id"))
                    .col(text("token_hash", 64))
                    .col(optional_text("previous_hash", 64))
                    .col(count("generation"))
                    .col(optional_count("skipped_generation"))
                    .col(flag("confirmed"))
                    .col(number("created_at"))
                    .col(number("refreshed_at"))
                    .col(number("expires_at"))
                    .primary_key(Index::create().col("tenant_id").col("id"))
                    .take(),
            )
            .await?;
        table::create_index(
            manager,
            table::index("ix_sessions_user_id", "sessions", "user_id"),
        )
        .await?;
        table::create_index(
            manager,
            table::index("ix_sessions_expires_at", "sessions", "expires_at"),
        )
        .await?;
        table::protect(manager, "sessions").await
    }
}
