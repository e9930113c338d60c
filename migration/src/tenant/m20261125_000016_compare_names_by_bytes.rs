//! Names are compared byte by byte on PostgreSQL too, whatever the database's own collation: their index then serves what
//! begins with some letters, in the order of the names. The index is built anew, about a second for a million users, in which
//! the table waits. SQLite and MySQL do so from the beginning.

use sea_orm_migration::prelude::*;

use crate::table;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::compare_by_bytes(manager, "users", "username", 255).await
    }
}
