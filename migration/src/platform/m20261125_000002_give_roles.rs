//! What an administrator may do, and at which tenant; the audit of one tenant without reading everybody's.
//!
//! Administrators of before may do everything, as they did. A server of before takes a row of after for one of those, so
//! such tokens are handed out once no old server runs (docs/operations.md, "Administrators").

use sea_orm_migration::prelude::*;

use crate::table::{self, optional_number};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let role = ColumnDef::new("role")
            .small_integer()
            .not_null()
            .default(0)
            .take();
        table::add_columns(
            manager,
            "administrators",
            [role, optional_number("tenant_id")],
        )
        .await?;
        table::create_index(
            manager,
            Index::create()
                .name("ix_audit_entries_tenant_id")
                .table("audit_entries")
                .col("tenant_id")
                .col("id")
                .take(),
        )
        .await
    }
}
