//! Tenants are found by their state and by the beginning of key or name without reading all of them. On PostgreSQL keys and
//! names are compared byte by byte from now on, as they are on SQLite and MySQL.

use sea_orm_migration::prelude::*;

use crate::table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::compare_by_bytes(manager, "tenants", "key", 63).await?;
        table::compare_by_bytes(manager, "tenants", "name", 200).await?;
        for (name, column) in [("ix_tenants_state", "state"), ("ix_tenants_name", "name")] {
            table::create_index(
                manager,
                Index::create()
                    .name(name)
                    .table("tenants")
                    .col(column)
                    .col("id")
                    .take(),
            )
            .await?;
        }
        Ok(())
    }
}
