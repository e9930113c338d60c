//! Users, invite codes, refresh tokens, saved answers. `tenant_id` leads every primary key and every unique index.

use sea_orm_migration::prelude::*;

use crate::table::{self, count, number, optional_number, optional_text, small, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_users(manager).await?;
        create_invite_codes(manager).await?;
        create_refresh_tokens(manager).await?;
        create_saved_answers(manager).await
    }
}

async fn create_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table::create(manager, "users")
                .col(number("tenant_id"))
                .col(number("id"))
                .col(text("username", 255))
                .col(text("display_name", 255))
                .col(optional_text("skeleton", 512))
                .col(optional_text("password_hash", 255))
                .col(small("status"))
                .col(optional_text("register_reason", 255))
                .col(text("register_ip", 45))
                .col(count("register_port"))
                .col(optional_number("invite_id"))
                .col(optional_number("invited_by"))
                .col(text("last_login_ip", 45))
                .col(number("login_at"))
                .col(number("created_at"))
                .col(number("updated_at"))
                .primary_key(Index::create().col("tenant_id").col("id"))
                .take(),
        )
        .await?;
    for (name, column) in [
        ("uq_users_username", "username"),
        ("uq_users_skeleton", "skeleton"),
    ] {
        table::create_index(
            manager,
            Index::create()
                .name(name)
                .table("users")
                .col("tenant_id")
                .col(column)
                .unique()
                .take(),
        )
        .await?;
    }
    Ok(())
}

async fn create_invite_codes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table::create(manager, "invite_codes")
                .col(number("tenant_id"))
                .col(number("id"))
                .col(text("code", 64))
                .col(count("max_uses"))
                .col(count("uses"))
                .col(optional_number("expires_at"))
                .col(optional_number("revoked_at"))
                .col(text("note", 200))
                .col(text("created_by", 100))
                .col(number("created_at"))
                .primary_key(Index::create().col("tenant_id").col("id"))
                .check(Expr::col("uses").lte(Expr::col("max_uses")))
                .take(),
        )
        .await?;
    table::create_index(
        manager,
        Index::create()
            .name("uq_invite_codes_code")
            .table("invite_codes")
            .col("tenant_id")
            .col("code")
            .unique()
            .take(),
    )
    .await
}

async fn create_refresh_tokens(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table::create(manager, "refresh_tokens")
                .col(number("tenant_id"))
                .col(text("token_hash", 64))
                .col(number("user_id"))
                .col(number("family_id"))
                .col(number("created_at"))
                .col(number("expires_at"))
                .primary_key(Index::create().col("tenant_id").col("token_hash"))
                .take(),
        )
        .await?;
    for (name, column) in [
        ("ix_refresh_tokens_user_id", "user_id"),
        ("ix_refresh_tokens_expires_at", "expires_at"),
    ] {
        table::create_index(
            manager,
            Index::create()
                .name(name)
                .table("refresh_tokens")
                .col("tenant_id")
                .col(column)
                .take(),
        )
        .await?;
    }
    Ok(())
}

async fn create_saved_answers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table::create(manager, "saved_answers")
                .col(number("tenant_id"))
                .col(text("operation", 32))
                .col(text("key_hash", 64))
                .col(text("fingerprint", 64))
                .col(number("user_id"))
                .col(number("created_at"))
                .col(number("expires_at"))
                .primary_key(
                    Index::create()
                        .col("tenant_id")
                        .col("operation")
                        .col("key_hash"),
                )
                .take(),
        )
        .await?;
    table::create_index(
        manager,
        Index::create()
            .name("ix_saved_answers_expires_at")
            .table("saved_answers")
            .col("tenant_id")
            .col("expires_at")
            .take(),
    )
    .await
}
