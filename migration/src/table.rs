//! What every table of ours has in common.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A table whose text compares byte by byte: MySQL needs to be told, SQLite and PostgreSQL do so unasked.
pub(crate) fn create(manager: &SchemaManager<'_>, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    if manager.get_database_backend() == DbBackend::MySql {
        table
            .engine("InnoDB")
            .character_set("utf8mb4")
            .collate("utf8mb4_bin");
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
