//! What every table of ours has in common.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A table whose text compares byte by byte: MySQL needs to be told, SQLite and PostgreSQL do so unasked. One that is
/// there already is one of a run that broke off, see [`once`].
pub(crate) fn create(manager: &SchemaManager<'_>, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    if manager.get_database_backend() == DbBackend::MySql {
        table
            .engine("InnoDB")
            .character_set("utf8mb4")
            .collate("utf8mb4_bin")
            .if_not_exists();
    }
    table
}

/// A number that every row has.
pub(crate) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// A number that a row may lack.
pub(crate) fn optional_number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}

/// A small number that every row has.
pub(crate) fn small(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).small_integer().not_null().take()
}

/// A count that every row has.
pub(crate) fn count(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().take()
}

/// A count that a row may lack.
pub(crate) fn optional_count(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().null().take()
}

/// A yes or no that every row has.
pub(crate) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

/// A text of at most `length` characters that every row has.
pub(crate) fn text(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).not_null().take()
}

/// A text of at most `length` characters that a row may lack.
pub(crate) fn optional_text(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).null().take()
}

/// A text of any length that every row has.
pub(crate) fn document(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    long_text(manager, name).not_null().take()
}

/// A text of any length that a row may lack.
pub(crate) fn optional_document(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    long_text(manager, name).null().take()
}

/// MySQL's plain TEXT ends at 64 KiB, which a long word list exceeds.
fn long_text(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if manager.get_database_backend() == DbBackend::MySql {
        column.custom("longtext");
    } else {
        column.text();
    }
    column
}

/// On PostgreSQL, lets a connection see only rows of the tenant that it has named in `enroll.tenant_id`, as
/// `m20261122_000002_protect_rows` does for the first tables. Nothing elsewhere.
pub(crate) async fn protect(manager: &SchemaManager<'_>, table: &'static str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let own_rows = "tenant_id = NULLIF(current_setting('enroll.tenant_id', true), '')::bigint";
    // FORCE: the policy binds the table's owner too, which is the role that the server logs in as.
    let statements = format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
         CREATE POLICY one_tenant ON {table} USING ({own_rows}) WITH CHECK ({own_rows});"
    );
    manager
        .get_connection()
        .execute_unprepared(&statements)
        .await?;
    Ok(())
}

/// On PostgreSQL, makes a text column of at most `length` characters compare byte by byte, as everywhere else. Its
/// indexes are built anew.
pub(crate) async fn compare_by_bytes(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
    length: u32,
) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let statement = format!(
        "ALTER TABLE {table} ALTER COLUMN \"{column}\" TYPE varchar({length}) COLLATE \"C\""
    );
    manager
        .get_connection()
        .execute_unprepared(&statement)
        .await?;
    Ok(())
}

/// An index by `tenant_id` and then one more column.
pub(crate) fn index(
    name: &'static str,
    table: &'static str,
    column: &'static str,
) -> IndexCreateStatement {
    Index::create()
        .name(name)
        .table(table)
        .col("tenant_id")
        .col(column)
        .take()
}

/// Makes an index.
pub(crate) async fn create_index(
    manager: &SchemaManager<'_>,
    index: IndexCreateStatement,
) -> Result<(), DbErr> {
    once(manager, manager.create_index(index).await)
}

/// MySQL commits each statement that changes a schema by itself, so a run that was killed in the middle of a change
/// leaves its first statements done and the change unrecorded. When the change is made again, what is there already is
/// taken as done: error 1060 is a column of that name, 1061 an index. The other databases make a change whole or not at
/// all, and there the same error is a fault.
fn once(manager: &SchemaManager<'_>, made: Result<(), DbErr>) -> Result<(), DbErr> {
    match made {
        Err(error) if manager.get_database_backend() == DbBackend::MySql => {
            let text = error.to_string();
            let is_there = [": 1060 (", ": 1061 ("]
                .iter()
                .any(|code| text.contains(code));
            if is_there { Ok(()) } else { Err(error) }
        }
        made => made,
    }
}

/// Adds columns to a table one by one: SQLite takes no more at a time.
pub(crate) async fn add_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> Result<(), DbErr> {
    for column in columns {
        let statement = Table::alter().table(table).add_column(column).take();
        once(manager, manager.alter_table(statement).await)?;
    }
    Ok(())
}
