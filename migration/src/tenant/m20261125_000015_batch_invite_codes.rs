//! Invite codes of one batch, counted from 1, so that a batch that broke off is made whole; longer notes; the users whom an
//! invite brought, without reading everybody.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::table::{self, optional_count, optional_text, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [optional_text("batch", 64), optional_count("batch_position")];
        table::add_columns(manager, "invite_codes", columns).await?;
        // Two codes without a batch do not meet here: null equals nothing.
        let batch = table::index("uq_invite_codes_batch", "invite_codes", "batch");
        table::create_index(manager, batch.clone().col("batch_position").unique().take()).await?;
        // SQLite measures no text.
        if manager.get_database_backend() != DbBackend::Sqlite {
            let note = Table::alter()
                .table("invite_codes")
                .modify_column(text("note", 255))
                .take();
            manager.alter_table(note).await?;
        }
        let mut invite = table::index("ix_users_invite_id", "users", "invite_id");
        invite.col("id");
        // Who came without an invite costs no entry, except on MySQL, whose indexes hold every row.
        if manager.get_database_backend() != DbBackend::MySql {
            invite.and_where(Expr::col("invite_id").is_not_null());
        }
        table::create_index(manager, invite).await
    }
}
