//! On PostgreSQL the database itself keeps tenants apart: a connection sees only rows of the tenant it has named in
//! `enroll.tenant_id`, even if a query forgets its filter. Other databases have no such guard; there the filter inside
//! the store's query constructors stands alone.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let own_rows = "tenant_id = NULLIF(current_setting('enroll.tenant_id', true), '')::bigint";
        for table in ["users", "invite_codes", "refresh_tokens", "saved_answers"] {
            // FORCE: the policy binds the tables' owner too, which is the role that the server logs in as.
            let statements = format!(
                "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
                 ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
                 CREATE POLICY one_tenant ON {table} USING ({own_rows}) WITH CHECK ({own_rows});"
            );
            manager
                .get_connection()
                .execute_unprepared(&statements)
                .await?;
        }
        Ok(())
    }
}
