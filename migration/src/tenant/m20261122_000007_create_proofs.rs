//! What users have shown and not yet used: proof tokens, SMS codes; and the WeChat codes that were used.

use sea_orm_migration::prelude::*;

use crate::table::{self, count, document, number, optional_number, small, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "proof_tokens")
                    .col(number("tenant_id"))
                    .col(text("token_hash", 64))
                    .col(small("scope"))
                    .col(document(manager, "payload"))
                    .col(optional_number("user_id"))
                    .col(number("created_at"))
                    .col(number("expires_at"))
                    .primary_key(Index::create().col("tenant_id").col("token_hash"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "sms_codes")
                    .col(number("tenant_id"))
                    .col(text("phone", 16))
                    .col(small("purpose"))
                    .col(text("code_hash", 64))
                    .col(count("tries"))
                    .col(number("created_at"))
                    .col(number("expires_at"))
                    .primary_key(Index::create().col("tenant_id").col("phone").col("purpose"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "spent_codes")
                    .col(number("tenant_id"))
                    .col(text("code_hash", 64))
                    .col(number("expires_at"))
                    .primary_key(Index::create().col("tenant_id").col("code_hash"))
                    .take(),
            )
            .await?;
        for (name, table) in [
            ("ix_proof_tokens_expires_at", "proof_tokens"),
            ("ix_sms_codes_expires_at", "sms_codes"),
            ("ix_spent_codes_expires_at", "spent_codes"),
        ] {
            table::create_index(manager, table::index(name, table, "expires_at")).await?;
            table::protect(manager, table).await?;
        }
        Ok(())
    }
}
