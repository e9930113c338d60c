//! From when to when a signing key counts, so that it can be replaced while its tokens live on.
//!
//! Keys of before have signed ever since and have no end. A server of before signs with the newest key, which it also
//! publishes: its tokens hold on both.

use sea_orm_migration::prelude::*;

use crate::table::{self, optional_number};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let signs_from = ColumnDef::new("signs_from")
            .big_integer()
            .not_null()
            .default(0)
            .take();
        table::add_columns(
            manager,
            "signing_keys",
            [signs_from, optional_number("retires_at")],
        )
        .await
    }
}
