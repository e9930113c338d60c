//! A user's union ids are found without reading everybody's.

use sea_orm_migration::prelude::*;

use crate::table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create_index(
            manager,
            table::index("ix_union_ids_user_id", "union_ids", "user_id"),
        )
        .await
    }
}
