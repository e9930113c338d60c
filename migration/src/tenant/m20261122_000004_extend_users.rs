//! What an account is besides its name: a phone number, a group, a picture, why it was refused. Every account there is
//! becomes an ordinary member (group 10).

use sea_orm_migration::prelude::*;

use crate::table::{self, count, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            optional_text("phone", 16),
            count("group_id").default(10).take(),
            optional_text("avatar_url", 512),
            optional_text("refuse_message", 255),
        ];
        table::add_columns(manager, "users", columns).await?;
        table::create_index(
            manager,
            table::index("uq_users_phone", "users", "phone")
                .unique()
                .take(),
        )
        .await
    }
}
