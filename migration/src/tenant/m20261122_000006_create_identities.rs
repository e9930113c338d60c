//! Who users are at WeChat. The primary key of `union_ids` gives one WeChat person one account, whichever apps they use.

use sea_orm_migration::prelude::*;

use crate::table::{self, number, optional_text, small, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "identities")
                    .col(number("tenant_id"))
                    .col(number("id"))
                    .col(text("app_id", 64))
                    .col(text("open_id", 128))
                    .col(optional_text("union_id", 128))
                    .col(number("user_id"))
                    .col(text("nickname", 255))
                    .col(text("avatar_url", 512))
                    .col(small("sex"))
                    .col(text("province", 64))
                    .col(text("city", 64))
                    .col(text("country", 64))
                    .col(number("created_at"))
                    .col(number("updated_at"))
                    .primary_key(Index::create().col("tenant_id").col("id"))
                    .take(),
            )
            .await?;
        for index in [
            table::index("uq_identities_open_id", "identities", "app_id")
                .col("open_id")
                .unique()
                .take(),
            table::index("uq_identities_user_id", "identities", "user_id")
                .col("app_id")
                .unique()
                .take(),
            table::index("ix_identities_union_id", "identities", "union_id"),
        ] {
            table::create_index(manager, index).await?;
        }
        manager
            .create_table(
                table::create(manager, "union_ids")
                    .col(number("tenant_id"))
                    .col(text("union_id", 128))
                    .col(number("user_id"))
                    .primary_key(Index::create().col("tenant_id").col("union_id"))
                    .take(),
            )
            .await?;
        table::protect(manager, "identities").await?;
        table::protect(manager, "union_ids").await
    }
}
