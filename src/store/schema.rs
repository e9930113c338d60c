//! Brings a database to the shape that this version needs, and tells whether it has it.

use migration::{MigratorTrait, PlatformMigrator, TenantMigrator};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

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
