//! Limits that hold across processes: how often something was done in a window of time.

use sea_orm_migration::prelude::*;

use crate::table::{self, count, number, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "counters")
                    .col(number("tenant_id"))
                    .col(text("subject", 160))
                    .col(number("window_start"))
                    .col(count("used"))
                    .col(number("expires_at"))
                    .primary_key(
                        Index::create()
                            .col("tenant_id")
                            .col("subject")
                            .col("window_start"),
                    )
                    .take(),
            )
            .await?;
        table::create_index(
            manager,
            table::index("ix_counters_expires_at", "counters", "expires_at"),
        )
        .await?;
        table::protect(manager, "counters").await
    }
}
