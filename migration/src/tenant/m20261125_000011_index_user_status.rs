//! Applications that wait are found without reading everybody.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
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
