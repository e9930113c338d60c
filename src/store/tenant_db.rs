//! The handle on one tenant's rows. It is made for one tenant and cannot be asked about another.
//!
//! Every query starts from a constructor in this room that filters by the handle's tenant; on PostgreSQL the database
//! checks it again by row-level security.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend,
    Statement, TransactionTrait,
};

use super::connection::Connection;
use super::error::{DuplicateOf, OfStore, StoreError};
use super::settings::Backend;
use crate::clock::{Clock, Entropy};
use crate::domain::ids::{TenantId, new_row_id};

/// One tenant's part of a database.
#[derive(Clone, Debug)]
pub struct TenantDb {
    pub(super) tenant: TenantId,
    pub(super) connection: Connection,
    /// Other tenants use the same connections.
    shared: bool,
    pub(super) clock: Clock,
    entropy: Entropy,
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

/// Attempts at a transaction that lost against another one, or drew an id that was taken.
const ATTEMPTS: u32 = 8;

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
        self.connection
            .within(operation, async {
                let mut attempt = 0;
                loop {
                    attempt += 1;
                    let outcome = self.attempt(&work).await;
                    let again = match &outcome {
                        Err(error) if attempt < ATTEMPTS => error.store_error().is_some_and(passes),
                        _ => false,
                    };
                    if !again {
                        return outcome;
                    }
                    tokio::time::sleep(self.pause(attempt)).await;
                }
            })
            .await
    }

    async fn attempt<T, E: OfStore>(
        &self,
        work: &impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin().await?;
        match work(&transaction).await {
            Ok(done) => {
                transaction.commit().await.map_err(StoreError::from)?;
                Ok(done)
            }
            Err(error) => {
                // The first error is the one that counts; a connection that cannot roll back is closed by the pool.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// A short random pause, so that transactions that collided do not collide again in step.
    fn pause(&self, attempt: u32) -> Duration {
        let [random] = self.entropy.bytes::<1>().unwrap_or([128]);
        Duration::from_micros(u64::from(random) * 20 * u64::from(attempt))
    }

    /// A number for a new row.
    pub(super) fn new_id(&self) -> Result<i64, StoreError> {
        let random = u16::from_be_bytes(self.entropy.bytes::<2>()?);
        Ok(new_row_id(self.clock.now().as_millis(), random))
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

/// Whether trying the whole transaction again can help.
fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::GaveWay | StoreError::Duplicate(DuplicateOf::PrimaryKey)
    )
}
