//! What users did to each other's accounts. Not `audit_entries`: that is the platform's table, which may stand in the same
//! database.

use sea_orm_migration::prelude::*;

use crate::table::{self, document, number, optional_number, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "tenant_audit_entries")
                    .col(number("tenant_id"))
                    .col(number("id"))
                    .col(number("at"))
                    .col(optional_number("actor"))
                    .col(text("action", 64))
                    .col(optional_number("subject"))
                    .col(document(manager, "detail"))
                    .col(text("address", 45))
                    .primary_key(Index::create().col("tenant_id").col("id"))
                    .take(),
            )
            .await?;
        table::protect(manager, "tenant_audit_entries").await
    }
}
