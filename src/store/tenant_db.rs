//! The handle on one tenant's rows. It is made for one tenant and cannot be asked about another.
//!
//! Every query starts from a constructor in this room that filters by the handle's tenant; on PostgreSQL the database
//! checks it again by row-level security.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend,
    Statement, TransactionTrait,
};

use super::connection::Connection;
use super::error::{OfStore, StoreError};
use super::group_commit::Undo;
use super::lookups::Lines;
use super::settings::Backend;
use crate::clock::{Clock, Entropy};
use crate::domain::ids::{RowIds, TenantId};

/// One tenant's part of a database.
#[derive(Clone, Debug)]
pub struct TenantDb {
    pub(super) tenant: TenantId,
    pub(super) connection: Connection,
    /// Other tenants use the same connections.
    shared: bool,
    pub(super) clock: Clock,
    entropy: Entropy,
    ids: Arc<RowIds>,
    pub(super) lines: Arc<Lines>,
}

/// A place to read from: the pool itself, or a transaction that has named its tenant.
pub(super) enum Reader {
    Pool(DatabaseConnection),
    Scoped(DatabaseTransaction),
}

impl Reader {
    pub(super) fn executor(&self) -> DatabaseExecutor<'_> {
        match self {
            Self::Pool(pool) => pool.into(),
            Self::Scoped(transaction) => transaction.into(),
        }
    }
}

impl TenantDb {
    /// A handle for `tenant`. `shared` says that other tenants use the same connections.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        connection: Connection,
        shared: bool,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self {
            tenant,
            connection,
            shared,
            clock,
            entropy,
            ids: Arc::default(),
            lines: Arc::default(),
        }
    }

    /// The tenant whose rows this handle reaches.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }

    /// Removes every row whose time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the tables after the one that failed keep their rows until the next time.
    pub async fn delete_expired(&self) -> Result<(), StoreError> {
        self.delete_expired_answers().await?;
        self.delete_expired_sessions().await?;
        self.delete_expired_proof_tokens().await?;
        self.delete_expired_sms_codes().await?;
        self.delete_expired_spent_codes().await?;
        self.delete_expired_counters().await?;
        self.purge_deleted_users().await?;
        Ok(())
    }

    /// Gives back memory that is only kept for speed, if this handle's tenant is its only user.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rest(&self) -> Result<(), StoreError> {
        if self.shared {
            return Ok(());
        }
        self.connection.rest().await
    }

    /// Closes the connections, if this handle's tenant is their only user.
    pub async fn close(self) {
        if !self.shared {
            self.connection.close().await;
        }
    }

    /// On connections that many tenants use, PostgreSQL's row-level security must hear the tenant in each transaction.
    fn names_tenant_each_time(&self) -> bool {
        self.shared && self.connection.backend == Backend::Postgres
    }

    pub(super) async fn reader(&self) -> Result<Reader, StoreError> {
        if !self.names_tenant_each_time() {
            return Ok(Reader::Pool(self.connection.pool.current()));
        }
        let transaction = self.connection.pool.current().begin().await?;
        self.name_tenant(&transaction).await?;
        Ok(Reader::Scoped(transaction))
    }

    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let transaction = self.connection.begin().await?;
        if self.names_tenant_each_time() {
            self.name_tenant(&transaction).await?;
        }
        Ok(transaction)
    }

    /// Runs a transaction under the statement timeout; again, if it gave way or drew an id that was taken.
    pub(super) async fn write<T, E: OfStore>(
        &self,
        operation: &'static str,
        work: impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = async || self.begin().await;
        self.connection
            .write(operation, self.entropy, begin, work, Undo::BySavepoint)
            .await
    }

    /// As [`TenantDb::write`], for statements that are known beforehand and of which the caller wants nothing back: all of
    /// them, or none. `statements` makes them anew for each attempt.
    pub(super) async fn write_at_once<E: OfStore>(
        &self,
        operation: &'static str,
        statements: impl Fn() -> Result<Vec<Statement>, E>,
    ) -> Result<(), E> {
        let begin = async || self.begin().await;
        let work = async |transaction: &DatabaseTransaction| {
            Ok(execute_at_once(transaction, statements()?).await?)
        };
        self.connection
            .write(operation, self.entropy, begin, work, Undo::ByItself)
            .await
    }

    /// A number for a new row.
    pub(super) fn new_id(&self) -> Result<i64, StoreError> {
        let random = u16::from_be_bytes(self.entropy.bytes::<2>()?);
        Ok(self.ids.draw(self.clock.now().as_millis(), random))
    }

    async fn name_tenant(&self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        let name = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT set_config('enroll.tenant_id', $1, true)",
            [self.tenant.to_string().into()],
        );
        transaction.execute_raw(name).await?;
        Ok(())
    }
}

/// Runs statements one after the other; on SQLite in one go, since each go means two changes of thread, and so that they
/// leave nothing behind in their transaction if one of them fails.
async fn execute_at_once(
    transaction: &DatabaseTransaction,
    mut statements: Vec<Statement>,
) -> Result<(), StoreError> {
    let backend = transaction.get_database_backend();
    if backend != DbBackend::Sqlite || statements.len() < 2 {
        for statement in statements {
            transaction.execute_raw(statement).await?;
        }
        return Ok(());
    }
    let mut script = vec![format!("SAVEPOINT {SAVEPOINT}")];
    let mut values = Vec::new();
    for statement in statements.drain(..) {
        script.push(statement.sql);
        values.extend(statement.values.into_iter().flat_map(|values| values.0));
    }
    script.push(format!("RELEASE {SAVEPOINT}"));
    let script = Statement::from_sql_and_values(backend, script.join("; "), values);
    let Err(error) = transaction.execute_raw(script).await else {
        return Ok(());
    };
    let undo = format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}");
    transaction
        .execute_unprepared(&undo)
        .await
        // Then nothing is known of the transaction any more.
        .map_err(|_| StoreError::Unavailable(error.to_string()))?;
    Err(error.into())
}

/// None of the driver's own names.
const SAVEPOINT: &str = "at_once";
