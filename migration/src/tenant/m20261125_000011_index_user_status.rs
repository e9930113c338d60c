//! Applications that wait are found without reading everybody.

use sea_orm_migration::prelude::*;

use crate::table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create_index(
            manager,
            Index::create()
                .name("ix_users_status")
                .table("users")
                .col("tenant_id")
                .col("status")
                .col("id")
                .take(),
        )
        .await
    }
}
