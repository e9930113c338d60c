//! Opens databases with the house's own bounds: no wait without a deadline, no statement in a log.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnectionType, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use tracing::Instrument;

use super::error::{DuplicateOf, OfStore, StoreError};
use super::group_commit::{GroupCommit, Undo};
use super::pool::Pool;
use super::reachability::Reachability;
use super::settings::{Backend, DatabaseSettings, DatabaseUrl};
use super::share::DatabaseShare;
use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::telemetry::TRACE;
use crate::telemetry::metrics::Metrics;

/// How a pool of connections behaves.
#[derive(Clone, Copy, Debug)]
pub struct PoolBounds {
    /// Most connections at one time. SQLite has one writer whatever is asked for.
    pub size: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// How long one operation (a transaction counts as one) may take.
    pub statement_timeout: Duration,
    /// After how long an unused connection is closed.
    pub idle_timeout: Duration,
}

impl PoolBounds {
    /// A pool of `size` connections under the settings of section `[database]`.
    #[must_use]
    pub fn new(settings: &DatabaseSettings, size: u32) -> Self {
        Self {
            size,
            acquire_timeout: Duration::from_millis(settings.acquire_timeout_ms),
            statement_timeout: Duration::from_millis(settings.statement_timeout_ms),
            idle_timeout: Duration::from_millis(settings.idle_timeout_ms),
        }
    }
}

/// An open database: a pool that belongs to the thread that opened it.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) pool: Arc<Pool>,
    pub(super) backend: Backend,
    /// Most connections.
    pub(super) size: u32,
    /// What one tenant may take of it, at that tenant's handle.
    share: Option<Arc<DatabaseShare>>,
    pub(super) statement_timeout: Duration,
    /// `None` for SQLite: a file is always reached, and a busy one must be waited for.
    reachability: Option<Reachability>,
    /// SQLite alone: its writers stand in line for one connection as it is, and each commit waits for the disk.
    group_commit: Option<GroupCommit>,
    clock: Clock,
    metrics: Metrics,
}

/// When the first connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// While opening, so that a database that does not answer is found at once.
    AtOnce,
    /// With the first operation, so that a process can start before its database.
    WhenNeeded,
}

/// Opens the pool.
///
/// `only_tenant` names the tenant that every connection of this pool serves (placement `own`); PostgreSQL's row-level
/// security is then told once per connection instead of once per transaction.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database does not answer within the acquire timeout.
pub async fn open(
    url: &DatabaseUrl,
    bounds: PoolBounds,
    when: Connect,
    only_tenant: Option<TenantId>,
    clock: Clock,
    metrics: Metrics,
) -> Result<Connection, StoreError> {
    let backend = url.backend();
    let reachability = (backend != Backend::Sqlite).then(Reachability::default);
    let signs = reachability.clone().unwrap_or_default();
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(if backend == Backend::Sqlite {
            1
        } else {
            bounds.size
        })
        .min_connections(u32::from(backend == Backend::Sqlite))
        .acquire_timeout(bounds.acquire_timeout)
        .connect_timeout(bounds.acquire_timeout)
        .connect_lazy(when == Connect::WhenNeeded)
        .sqlx_logging(false);
    match backend {
        Backend::Sqlite => {
            options
                .idle_timeout(None::<Duration>)
                .max_lifetime(None::<Duration>)
                // The database is in this process: a sign of life would be two more changes of thread for nothing.
                .test_before_acquire(false);
            // An answered registration survives a power cut only if each commit reaches the disk: FULL, not NORMAL.
            options.map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(bounds.statement_timeout)
            });
        }
        Backend::Postgres => {
            options
                .idle_timeout(bounds.idle_timeout)
                .map_sqlx_postgres_pool_opts(move |pool| {
                    let connected = signs.clone();
                    alive_only(pool, &signs).after_connect(move |_, _| {
                        connected.handed_out();
                        Box::pin(async { Ok(()) })
                    })
                });
            let statement_timeout = bounds.statement_timeout.as_millis().to_string();
            options.map_sqlx_postgres_opts(move |postgres| {
                let tenant = only_tenant.map(|tenant| ("enroll.tenant_id", tenant.to_string()));
                postgres
                    .application_name("enroll")
                    .options([("statement_timeout", statement_timeout.clone())])
                    .options(tenant)
            });
        }
        Backend::Mysql => {
            let lock_seconds = bounds.statement_timeout.as_secs().max(1);
            options
                .idle_timeout(bounds.idle_timeout)
                .map_sqlx_mysql_pool_opts(move |pool| {
                    let connected = signs.clone();
                    alive_only(pool, &signs).after_connect(move |connection, _| {
                        let connected = connected.clone();
                        Box::pin(async move {
                            // Nobody waits longer here; left to itself, the server would wait 50 s for a row and a day
                            // for a table.
                            let sql = format!(
                                "SET SESSION innodb_lock_wait_timeout = {lock_seconds}, lock_wait_timeout = {lock_seconds}"
                            );
                            sqlx::Executor::execute(connection, sqlx::AssertSqlSafe(sql)).await?;
                            connected.handed_out();
                            Ok(())
                        })
                    })
                });
        }
    }
    let pool = tokio::time::timeout(bounds.acquire_timeout, open_pool(options, backend))
        .await
        .map_err(|_| StoreError::Unavailable("no connection in time".into()))?
        // The driver quotes an address that it cannot read, with its password.
        .map_err(|error| {
            let text = error.to_string().replace(url.expose(), &url.to_string());
            StoreError::Unavailable(text)
        })?;
    Ok(Connection {
        pool: Arc::new(pool),
        backend,
        size: bounds.size,
        share: None,
        statement_timeout: bounds.statement_timeout,
        reachability,
        group_commit: (backend == Backend::Sqlite).then(|| GroupCommit::new(metrics.clone())),
        clock,
        metrics,
    })
}

/// Opens a pool. While another process gives a new SQLite file its journal, the file is locked, and SQLite does not wait
/// for that by itself: tried again until the caller's time is over.
async fn open_pool(options: ConnectOptions, backend: Backend) -> Result<Pool, DbErr> {
    loop {
        match Box::pin(Pool::open(options.clone())).await {
            Err(error) if backend == Backend::Sqlite && is_locked(&error) => {
                tokio::time::sleep(LOCKED_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// Whether SQLite says that the database is locked (result code 5, SQLITE_BUSY).
fn is_locked(error: &DbErr) -> bool {
    error.to_string().contains("(code: 5)")
}

/// How long a connection may take for a sign of life: less than a caller waits for a connection, so that one that is
/// dead is replaced while its caller waits.
const LIFE_SIGN_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection that lay idle for less is handed out without a sign of life: under load each would cost a round trip. One
/// that died in that time costs its caller a 503.
const SURELY_ALIVE: Duration = Duration::from_secs(1);

/// Hands out only connections that are alive, and notes that there are some.
fn alive_only<D: sqlx::Database>(
    pool: PoolOptions<D>,
    reachability: &Reachability,
) -> PoolOptions<D> {
    let reachability = reachability.clone();
    pool.test_before_acquire(false)
        .before_acquire(move |connection, lately| {
            let reachability = reachability.clone();
            Box::pin(async move {
                let alive = lately.idle_for < SURELY_ALIVE || is_alive(connection).await?;
                reachability.handed_out();
                Ok(alive)
            })
        })
}

/// Whether the connection answers in time. An error, unlike `false`, makes sqlx drop it without a word to the database.
async fn is_alive(connection: &mut impl sqlx::Connection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(LIFE_SIGN_TIMEOUT, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

impl Connection {
    /// Runs one operation under the statement timeout and counts how it went.
    pub(super) async fn within<T, E: OfStore>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = tracing::trace_span!(target: TRACE, "query", operation);
        self.bounded(operation, work).instrument(span).await
    }

    async fn bounded<T, E: OfStore>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // Boxed: a transaction's future is large, and would be copied into every future around it.
        let work = Box::pin(work);
        let _at_work = match &self.share {
            None => None,
            Some(share) => Some(share.enter().await.map_err(|error| self.refused(error))?),
        };
        let attempt = match &self.reachability {
            None => None,
            Some(reachability) => match reachability.attempt() {
                Some(attempt) => {
                    if attempt.needs_new_pool() {
                        Box::pin(self.pool.replace()).await;
                    }
                    Some(attempt)
                }
                None => {
                    let error = StoreError::Unavailable("it cannot be reached".into());
                    return Err(self.refused(error));
                }
            },
        };
        let begun = self.clock.monotonic();
        let done = tokio::time::timeout(self.statement_timeout, work).await;
        let seconds = self.clock.monotonic().duration_since(begun).as_secs_f64();
        self.metrics.database_operation(operation, seconds);
        let done = done.unwrap_or_else(|_| {
            let late = format!("{operation} took too long");
            Err(StoreError::Unavailable(late).into())
        });
        if let Err(error) = &done {
            if let Some(attempt) = &attempt {
                attempt.failed();
            }
            self.count(error);
        }
        done
    }

    /// Counts a decision about a user who had waited for so many seconds.
    pub(super) fn application_decided(&self, seconds: f64) {
        self.metrics.application_decided(seconds);
    }

    /// Counts an operation that did not begin.
    pub(super) fn refused<E: OfStore>(&self, error: StoreError) -> E {
        let error = E::from(error);
        self.count(&error);
        error
    }

    fn count(&self, error: &impl OfStore) {
        let Some(error) = error.store_error() else {
            return;
        };
        self.metrics.database_error(error.kind());
        if let Some(share) = &self.share
            && error.is_want_of_room_or_time()
        {
            share.refused();
        }
    }

    /// The same connections, as one tenant may use them.
    #[must_use]
    pub fn within_share(&self, share: Arc<DatabaseShare>) -> Self {
        Self {
            share: Some(share),
            ..self.clone()
        }
    }

    /// Runs a transaction under the statement timeout; again, if it gave way or drew an id that was taken. Nothing of it
    /// stays when `work` fails.
    pub(super) async fn write<T, E: OfStore>(
        &self,
        operation: &'static str,
        entropy: Entropy,
        begin: impl AsyncFn() -> Result<DatabaseTransaction, StoreError>,
        work: impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
        undo: Undo,
    ) -> Result<T, E> {
        let span = tracing::trace_span!(target: TRACE, "transaction", operation);
        let work = async {
            let mut attempt = 0;
            loop {
                attempt += 1;
                let outcome = match &self.group_commit {
                    Some(group) => group.write(&begin, &work, undo).await,
                    None => in_transaction(&begin, &work).await,
                };
                let again = match &outcome {
                    Err(error) if attempt < ATTEMPTS => error.store_error().is_some_and(passes),
                    _ => false,
                };
                if !again {
                    return outcome;
                }
                // Random, so that transactions that collided do not collide again in step.
                let [random] = entropy.bytes::<1>().unwrap_or([128]);
                let pause = u64::from(random) * 20 * u64::from(attempt);
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
        };
        self.bounded(operation, work).instrument(span).await
    }

    /// Begins a transaction that means to write.
    ///
    /// SQLite takes its one write lock at once: a read that turns into a write later fails with BUSY whatever the
    /// timeout. The others read what is committed: every guard of ours is an index or a conditional update, and the
    /// stricter levels would only add deadlocks on MySQL.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = match self.backend {
            Backend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            Backend::Postgres | Backend::Mysql => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        };
        Ok(self.pool.current().begin_with_options(options).await?)
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.within("ping", async { Ok(self.pool.current().ping().await?) })
            .await
    }

    /// Gives back the pages that SQLite keeps in memory for speed. Other databases keep none in this process.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rest(&self) -> Result<(), StoreError> {
        if self.backend != Backend::Sqlite {
            return Ok(());
        }
        let pool = self.pool.current();
        self.within("rest", async {
            pool.execute_unprepared("PRAGMA shrink_memory").await?;
            Ok(())
        })
        .await
    }

    /// Closes every connection; later operations fail.
    pub async fn close(self) {
        // Nothing is left to do when closing fails: the process or the actor that owned the pool is going away.
        let _ = tokio::time::timeout(self.statement_timeout, self.pool.current().close()).await;
    }

    /// Something that can count these connections from any thread, and do nothing else with them.
    #[must_use]
    pub fn watch(&self) -> PoolWatch {
        PoolWatch(Arc::clone(&self.pool))
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The database's kind, as SeaORM names it.
    pub(super) fn sea_backend(&self) -> DbBackend {
        self.pool.current().get_database_backend()
    }
}

/// Attempts at a transaction that lost against another one, or drew an id that was taken.
const ATTEMPTS: u32 = 8;

async fn in_transaction<T, E: OfStore>(
    begin: &impl AsyncFn() -> Result<DatabaseTransaction, StoreError>,
    work: &impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = begin().await?;
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

/// Whether trying the whole transaction again can help.
fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::GaveWay | StoreError::Duplicate(DuplicateOf::PrimaryKey)
    )
}

/// Counts a pool's connections.
#[derive(Clone, Debug)]
pub struct PoolWatch(Arc<Pool>);

/// A pool's connections at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections open.
    pub open: usize,
    /// Of these, connections nobody uses.
    pub idle: usize,
    /// Most connections that there may be.
    pub most: usize,
}

impl PoolWatch {
    /// How many connections there are now.
    #[must_use]
    pub fn usage(&self) -> PoolUse {
        let pool = self.0.current();
        let (open, idle) = match &pool.inner {
            DatabaseConnectionType::SqlxSqlitePoolConnection(_) => {
                let pool = pool.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
                let pool = pool.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DatabaseConnectionType::SqlxMySqlPoolConnection(_) => {
                let pool = pool.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
            _ => (0, 0),
        };
        PoolUse {
            open: usize::try_from(open).unwrap_or(usize::MAX),
            idle,
            most: usize::try_from(self.0.most()).unwrap_or(usize::MAX),
        }
    }
}
