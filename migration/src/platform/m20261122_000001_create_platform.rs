//! Tenants, their hosts, settings and keys; administrators; audit; the counter that orders changes.

use sea_orm_migration::prelude::*;

use crate::table::{
    self, count, document, number, optional_document, optional_number, optional_text, small, text,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table::create(manager, "tenants")
                    .col(number("id").primary_key())
                    .col(text("key", 63).unique_key())
                    .col(text("name", 200))
                    .col(small("state"))
                    .col(small("placement_kind"))
                    .col(optional_text("placement_database", 63))
                    .col(
                        ColumnDef::new("placement_url_sealed")
                            .var_binary(4096)
                            .null(),
                    )
                    .col(document(manager, "settings"))
                    .col(count("settings_version"))
                    .col(number("revision"))
                    .col(number("created_at"))
                    .col(number("updated_at"))
                    .col(optional_number("deleted_at"))
                    .take(),
            )
            .await?;
        table::create_index(
            manager,
            Index::create()
                .name("ix_tenants_revision")
                .table("tenants")
                .col("revision")
                .take(),
        )
        .await?;
        manager
            .create_table(
                table::create(manager, "tenant_hosts")
                    .col(text("host", 253).primary_key())
                    .col(number("tenant_id"))
                    .take(),
            )
            .await?;
        table::create_index(
            manager,
            Index::create()
                .name("ix_tenant_hosts_tenant_id")
                .table("tenant_hosts")
                .col("tenant_id")
                .take(),
        )
        .await?;
        manager
            .create_table(
                table::create(manager, "tenant_settings")
                    .col(number("tenant_id"))
                    .col(count("version"))
                    .col(document(manager, "settings"))
                    .col(text("changed_by", 100))
                    .col(number("created_at"))
                    .primary_key(Index::create().col("tenant_id").col("version"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "signing_keys")
                    .col(number("tenant_id"))
                    .col(text("kid", 64))
                    .col(text("algorithm", 16))
                    .col(
                        ColumnDef::new("private_key_sealed")
                            .var_binary(4096)
                            .not_null(),
                    )
                    .col(document(manager, "public_jwk"))
                    .col(number("created_at"))
                    .primary_key(Index::create().col("tenant_id").col("kid"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "administrators")
                    .col(number("id").primary_key())
                    .col(text("name", 100).unique_key())
                    .col(text("token_hash", 64).unique_key())
                    .col(number("created_at"))
                    .col(optional_number("revoked_at"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "audit_entries")
                    .col(number("id").primary_key())
                    .col(number("at"))
                    .col(text("administrator", 100))
                    .col(text("action", 64))
                    .col(optional_number("tenant_id"))
                    .col(text("subject", 255))
                    .col(optional_document(manager, "before"))
                    .col(optional_document(manager, "after"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                table::create(manager, "platform_revision")
                    .col(small("id").primary_key())
                    .col(number("value"))
                    .take(),
            )
            .await?;
        manager
            .exec_stmt(
                Query::insert()
                    .into_table("platform_revision")
                    .columns(["id", "value"])
                    .values_panic([1.into(), 0_i64.into()])
                    // It may be there from a run that broke off.
                    .on_conflict(OnConflict::column("id").do_nothing_on(["id"]).to_owned())
                    .take(),
            )
            .await
    }
}
