//! What tenants used, by the hour and by the day. Processes add to each other's rows.

use sea_orm_migration::prelude::*;

use crate::table::{self, number, small};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = table::create(manager, "usage_counts");
        table
            .col(small("step"))
            .col(number("tenant_id"))
            .col(number("starts_at"));
        for counter in [
            "registrations",
            "refused_input",
            "refused_policy",
            "refused_limit",
            "refused_room",
            "logins",
            "failed_logins",
            "sms_sent",
            "hashes",
        ] {
            table.col(number(counter));
        }
        // A tenant's steps lie together, and tenants in the order in which totals are paged.
        let key = Index::create()
            .col("step")
            .col("tenant_id")
            .col("starts_at")
            .take();
        manager
            .create_table(table.primary_key(&mut key.clone()).take())
            .await?;
        // What is too old is found without reading the rest.
        table::create_index(
            manager,
            Index::create()
                .name("ix_usage_counts_starts_at")
                .table("usage_counts")
                .col("step")
                .col("starts_at")
                .take(),
        )
        .await
    }
}
