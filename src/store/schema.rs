//! Brings a database to the shape that this version needs, and tells whether it has it.

use std::sync::OnceLock;

use migration::{MigratorTrait, PlatformMigrator, TenantMigrator};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::connection::Connection;
use super::error::StoreError;
use super::settings::Backend;

/// Which of the two histories a database follows. Both may stand in one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Tenants, keys, administrators.
    Platform,
    /// Users, invites, tokens.
    Tenant,
}

/// The number that PostgreSQL's advisory lock and the name that MySQL's `GET_LOCK` know the migrator by.
const LOCK_NUMBER: i64 = 0x656e_726f_6c6c;
const LOCK_NAME: &str = "enroll.migrate";
/// How long a second migrator waits for the first, in seconds.
const LOCK_SECONDS: i64 = 30;

/// Applies the changes that are still missing. Safe to run from several processes at once: one works, the others wait.
///
/// # Errors
/// [`StoreError`] when the database does not answer or refuses a change.
pub async fn migrate(connection: &Connection, schema: Schema) -> Result<(), StoreError> {
    if is_current(connection, schema).await? {
        return Ok(());
    }
    let transaction = connection.begin().await?;
    lock(&transaction, connection.backend).await?;
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
            .execute_unprepared(&format!("SELECT RELEASE_LOCK('{LOCK_NAME}')"))
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

/// Whether every change of this version has been applied.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database does not answer.
pub async fn is_current(connection: &Connection, schema: Schema) -> Result<bool, StoreError> {
    let (table, wanted) = match schema {
        Schema::Platform => ("platform_migrations", names::<PlatformMigrator>()),
        Schema::Tenant => ("tenant_migrations", names::<TenantMigrator>()),
    };
    let query = Statement::from_string(
        connection.sea_backend(),
        format!("SELECT version FROM {table}"),
    );
    let rows = connection
        .within("schema", async {
            Ok::<_, StoreError>(connection.pool.current().query_all_raw(query).await?)
        })
        .await;
    match rows {
        Ok(rows) => {
            let applied: Vec<String> = rows
                .iter()
                .filter_map(|row| row.try_get("", "version").ok())
                .collect();
            Ok(wanted.iter().all(|name| applied.contains(name)))
        }
        // The table is not there yet: nothing has been applied.
        Err(StoreError::Failed(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn names<M: MigratorTrait>() -> Vec<String> {
    M::migrations()
        .iter()
        .map(|change| change.name().to_owned())
        .collect()
}

/// SQLite's write lock is held already; the other two get one of their own until the transaction or the caller ends it.
async fn lock(transaction: &DatabaseTransaction, backend: Backend) -> Result<(), StoreError> {
    match backend {
        Backend::Sqlite => {}
        Backend::Postgres => {
            // Waiting for the lock is a statement, and a change of the schema may be a long one: the bound that suits
            // registrations does not suit these.
            let sql = format!(
                "SET LOCAL statement_timeout = '{LOCK_SECONDS}s'; SELECT pg_advisory_xact_lock({LOCK_NUMBER})"
            );
            transaction.execute_unprepared(&sql).await?;
        }
        Backend::Mysql => {
            let sql = format!("SELECT GET_LOCK('{LOCK_NAME}', {LOCK_SECONDS}) AS granted");
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
