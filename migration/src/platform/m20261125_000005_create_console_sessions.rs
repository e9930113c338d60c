//! Who is signed in at the console: one row a session, known by the hash of its cookie, so that every replica knows it and
//! a sign-out ends it everywhere.

use sea_orm_migration::prelude::*;

use crate::table::{self, number, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "console_sessions")
                    .col(text("cookie_hash", 64).primary_key())
                    .col(number("administrator_id"))
                    .col(number("created_at"))
                    .col(number("expires_at"))
                    .take(),
            )
            .await?;
        table::create_index(
            manager,
            Index::create()
                .name("ix_console_sessions_expires_at")
                .table("console_sessions")
                .col("expires_at")
                .take(),
        )
        .await
    }
}
