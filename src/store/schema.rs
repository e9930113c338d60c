//! Brings a database to the shape that this version needs, and tells whether it has it.

use std::sync::OnceLock;

use migration::{MigratorTrait, PlatformMigrator, TenantMigrator};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, Statement};

use super::connection::Connection;
use super::error::StoreError;
use super::settings::Backend;
use crate::clock::Timestamp;

/// Which of the two histories a database follows. Both may stand in one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Tenants, keys, administrators.
    Platform,
    /// Users, invites, tokens.
    Tenant,
}

/// The number that PostgreSQL's advisory lock knows the migrator by; the lock is the database's own.
const LOCK_NUMBER: i64 = 0x656e_726f_6c6c;
/// The name that MySQL's `GET_LOCK` knows it by. Such a lock is the server's, so the database's name is part of it,
/// hashed because a lock's name has room for 64 characters.
const LOCK_NAME: &str = "CONCAT('enroll.migrate.', MD5(DATABASE()))";
/// How long a second migrator waits for the first, in seconds.
const LOCK_SECONDS: i64 = 30;
/// How long one statement of a change may work, in seconds: an index over all rows of a large table.
const CHANGE_SECONDS: i64 = 3600;

/// Applies the changes that are still missing. Safe to run from several processes at once: one works, the others wait.
///
/// Killed at any moment it leaves what the next run goes on from: SQLite and PostgreSQL keep all changes or none, MySQL
/// keeps the statements that ended, and changes begun there can be made again.
///
/// # Errors
/// [`StoreError`] when the database does not answer or refuses a change, or when a newer version has changed it and it
/// lacks changes of this one all the same.
pub async fn migrate(connection: &Connection, schema: Schema) -> Result<(), StoreError> {
    let state = state(connection, schema).await?;
    if state.is_current() {
        return Ok(());
    }
    if let [first, ..] = state.unknown.as_slice() {
        let text = format!(
            "a version that this one does not know has changed it ({first}): that version must change it further"
        );
        return Err(StoreError::Failed(text));
    }
    let transaction = connection.begin().await?;
    lock(&transaction, connection).await?;
    let changed = match schema {
        Schema::Platform => PlatformMigrator::up(&transaction, None).await,
        Schema::Tenant if connection.backend == Backend::Sqlite => {
            return Ok(migrate_tenant_file(transaction).await?);
        }
        Schema::Tenant => TenantMigrator::up(&transaction, None).await,
    };
    if connection.backend == Backend::Mysql {
        // MySQL ties this lock to the connection, which goes back to the pool, whatever became of the change.
        transaction
            .execute_unprepared(&format!("SELECT RELEASE_LOCK({LOCK_NAME})"))
            .await?;
    }
    changed?;
    Ok(transaction.commit().await?)
}

/// The statements that make an empty SQLite database what all changes make of it, once this process has seen that.
/// Tenants' files are many, and applying the changes one by one costs each ten times as much.
static TENANT_FILE: OnceLock<String> = OnceLock::new();

async fn migrate_tenant_file(transaction: DatabaseTransaction) -> Result<(), DbErr> {
    let made = statements_of(&transaction).await?;
    match (made.is_empty(), TENANT_FILE.get()) {
        (true, Some(script)) => {
            transaction.execute_unprepared(script).await?;
        }
        (was_empty, _) => {
            TenantMigrator::up(&transaction, None).await?;
            if was_empty {
                // Whoever was quicker has seen the same.
                let _ = TENANT_FILE.set(script_of(&transaction).await?);
            }
        }
    }
    transaction.commit().await
}

/// What was stated to make the tables and indexes of an SQLite database, in that order.
async fn statements_of(transaction: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";
    let query = Statement::from_string(DbBackend::Sqlite, sql);
    let rows = transaction.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get("", "sql")).collect()
}

async fn script_of(transaction: &DatabaseTransaction) -> Result<String, DbErr> {
    let mut script = statements_of(transaction).await?;
    // Names of changes are names of files: no quotes in them.
    script.extend(names::<TenantMigrator>().iter().map(|name| {
        format!(
            "INSERT INTO tenant_migrations (version, applied_at) VALUES ('{name}', unixepoch())"
        )
    }));
    Ok(script.join(";\n"))
}

/// How a database stands with one of the two histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaState {
    /// The change that was applied last, by its name and the time of its end; `None` in an empty database.
    pub last: Option<(String, Timestamp)>,
    /// The changes of this version that are still missing, in their order.
    pub missing: Vec<String>,
    /// Changes that a newer version made. Changes only expand, so this version goes on with them.
    pub unknown: Vec<String>,
}

impl SchemaState {
    /// A database with nothing in it.
    #[must_use]
    pub fn empty(schema: Schema) -> Self {
        Self::of(schema, Vec::new())
    }

    /// Whether every change of this version has been applied.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.missing.is_empty()
    }

    fn of(schema: Schema, mut applied: Vec<(String, i64)>) -> Self {
        let known = match schema {
            Schema::Platform => names::<PlatformMigrator>(),
            Schema::Tenant => names::<TenantMigrator>(),
        };
        // Changes made together end in the same second; their names go on in the order of the changes.
        applied
            .sort_unstable_by(|(name, at), (other, other_at)| (at, name).cmp(&(other_at, other)));
        let last = applied.last().cloned();
        let is_applied = |name: &String| applied.iter().any(|(other, _)| other == name);
        let missing = known.iter().filter(|name| !is_applied(name)).cloned();
        Self {
            missing: missing.collect(),
            last: last.map(|(name, at)| {
                let millis = at.saturating_mul(1000);
                (name, Timestamp::from_millis(millis))
            }),
            unknown: applied
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| !known.contains(name))
                .collect(),
        }
    }
}

/// Reads how a database stands.
///
/// # Errors
/// [`StoreError`] when the database does not answer, or does not let us read.
pub async fn state(connection: &Connection, schema: Schema) -> Result<SchemaState, StoreError> {
    let table = match schema {
        Schema::Platform => "platform_migrations",
        Schema::Tenant => "tenant_migrations",
    };
    let query = Statement::from_string(
        connection.sea_backend(),
        format!("SELECT version, applied_at FROM {table}"),
    );
    let applied = connection
        .within("schema", async {
            let rows = match connection.pool.current().query_all_raw(query).await {
                Err(error) if is_absence_of_table(&error) => Vec::new(),
                rows => rows?,
            };
            rows.iter()
                .map(|row| Ok((row.try_get("", "version")?, row.try_get("", "applied_at")?)))
                .collect::<Result<Vec<(String, i64)>, StoreError>>()
        })
        .await?;
    Ok(SchemaState::of(schema, applied))
}

/// Whether every change of this version has been applied.
///
/// # Errors
/// As [`state`].
pub async fn is_current(connection: &Connection, schema: Schema) -> Result<bool, StoreError> {
    Ok(state(connection, schema).await?.is_current())
}

/// Whether a question failed because its table is not there yet. PostgreSQL and MySQL have a code for that, SQLite a
/// text.
fn is_absence_of_table(error: &DbErr) -> bool {
    let DbErr::Query(RuntimeErr::SqlxError(cause)) = error else {
        return false;
    };
    cause.as_database_error().is_some_and(|error| {
        matches!(error.code().as_deref(), Some("42P01" | "42S02"))
            || error.message().starts_with("no such table")
    })
}

fn names<M: MigratorTrait>() -> Vec<String> {
    M::migrations()
        .iter()
        .map(|change| change.name().to_owned())
        .collect()
}

/// SQLite's write lock is held already; the other two get one of their own until the transaction or the caller ends it.
async fn lock(
    transaction: &DatabaseTransaction,
    connection: &Connection,
) -> Result<(), StoreError> {
    match connection.backend {
        Backend::Sqlite => {}
        Backend::Postgres => {
            // A change may work for long, but it waits for a table no longer than anybody else does: whoever comes
            // behind it in that line waits too.
            let wait = connection.statement_timeout.as_millis();
            let sql = format!(
                "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{LOCK_SECONDS}s';
                 SELECT pg_advisory_xact_lock({LOCK_NUMBER});
                 SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = '{CHANGE_SECONDS}s'"
            );
            transaction.execute_unprepared(&sql).await?;
        }
        Backend::Mysql => {
            let sql = format!("SELECT GET_LOCK({LOCK_NAME}, {LOCK_SECONDS}) AS granted");
            let query = Statement::from_string(DbBackend::MySql, sql);
            let row = transaction.query_one_raw(query).await?;
            let granted: Option<i64> = match row {
                Some(row) => row.try_get("", "granted")?,
                None => None,
            };
            if granted != Some(1) {
                let text = "another process is still changing the schema";
                return Err(StoreError::Unavailable(text.into()));
            }
        }
    }
    Ok(())
}
