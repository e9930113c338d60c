//! Group commit for SQLite: writers that come while another one is at work share its transaction, and with it the one
//! wait for the disk.
//!
//! Each writer does its own work, one after the other, under one lock: the first in the transaction itself, those behind
//! it in savepoints of their own or in scripts that undo themselves ([`Undo`]), so that each is kept or undone alone. Then it takes its place at the end of the line for
//! the lock again. Whoever reaches the front and finds the batch open commits it for all. So a batch takes in who waits
//! already and nobody who comes later, and a writer alone waits for nobody. Nobody is answered before the commit.
//!
//! Refused: a task that collects work and lingers for more. It would make the lone writer wait, and a clash of one row
//! would be every writer's.

use std::sync::Arc;

use sea_orm::{DatabaseTransaction, TransactionTrait};
use tokio::sync::{Mutex, MutexGuard, watch};

use super::error::{OfStore, StoreError};
use crate::telemetry::metrics::Metrics;

/// The writers of one database.
#[derive(Clone, Debug)]
pub(super) struct GroupCommit {
    open: Arc<Mutex<Option<Batch>>>,
    metrics: Metrics,
}

/// A transaction that holds the finished work of at least one writer.
#[derive(Debug)]
struct Batch {
    transaction: DatabaseTransaction,
    /// Writers whose work is in it.
    writers: u32,
    outcome: watch::Sender<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    Committed,
    Failed,
}

/// How the work of a writer comes to nothing when it fails, without a trace in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// The batch undoes it, by a savepoint around it.
    BySavepoint,
    /// It undoes itself, as a single statement does. Given up half-way it cannot, and then the batch fails.
    ByItself,
}

impl GroupCommit {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            open: Arc::default(),
            metrics,
        }
    }

    /// Does one writer's work in a transaction, and returns when it is on disk.
    pub(super) async fn write<T, E: OfStore>(
        &self,
        begin: &impl AsyncFn() -> Result<DatabaseTransaction, StoreError>,
        work: &impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
        undo: Undo,
    ) -> Result<T, E> {
        let (done, member) = {
            let mut open = Open {
                batch: self.open.lock().await,
                is_in_doubt: false,
            };
            match open.batch.as_mut() {
                None => {
                    let transaction = begin().await?;
                    // Undone by its drop if the work fails, panics or is given up: nobody else has joined yet.
                    let done = work(&transaction).await?;
                    let outcome = watch::Sender::new(Outcome::Open);
                    let member = self.member(outcome.subscribe());
                    *open.batch = Some(Batch {
                        transaction,
                        writers: 1,
                        outcome,
                    });
                    (done, member)
                }
                Some(batch) => {
                    let joined = match undo {
                        Undo::BySavepoint => join(batch, work).await,
                        Undo::ByItself => {
                            open.is_in_doubt = true;
                            let joined = work(&batch.transaction).await;
                            open.is_in_doubt = false;
                            joined
                        }
                    };
                    let member = self.member(batch.outcome.subscribe());
                    match joined {
                        Ok(done) => {
                            batch.writers += 1;
                            (done, member)
                        }
                        Err(error) => {
                            member.leave();
                            if error.store_error().is_some_and(may_have_ended_all) {
                                // The others learn that nothing of theirs is sure.
                                fail(open.batch.take());
                            }
                            return Err(error);
                        }
                    }
                }
            }
        };
        member.commit().await?;
        Ok(done)
    }

    fn member(&self, outcome: watch::Receiver<Outcome>) -> Member {
        Member {
            group: self.clone(),
            outcome: Some(outcome),
        }
    }

    /// Commits the open batch, if it is the one that `outcome` tells of.
    async fn commit_if_open(&self, outcome: &watch::Receiver<Outcome>) {
        let mut open = self.open.lock().await;
        let is_ours = open
            .as_ref()
            .is_some_and(|batch| batch.outcome.subscribe().same_channel(outcome));
        if !is_ours {
            return;
        }
        let Some(Batch {
            transaction,
            writers,
            outcome,
        }) = open.take()
        else {
            return;
        };
        self.metrics.database_batch(writers);
        // A task of its own: a commit that was begun is not given up because its writer is.
        tokio::spawn(async move {
            let committed = transaction.commit().await;
            if let Err(error) = &committed {
                tracing::error!(%error, "a batch of writes was not committed");
            }
            outcome.send_replace(match committed {
                Ok(()) => Outcome::Committed,
                Err(_) => Outcome::Failed,
            });
        });
    }
}

/// The open batch, while a writer works in it.
struct Open<'a> {
    batch: MutexGuard<'a, Option<Batch>>,
    /// The writer's work is half done, and undoes itself only if it is not given up.
    is_in_doubt: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.is_in_doubt {
            fail(self.batch.take());
        }
    }
}

/// Works in a savepoint of the batch.
async fn join<T, E: OfStore>(
    batch: &Batch,
    work: &impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
) -> Result<T, E> {
    let savepoint = batch.transaction.begin().await.map_err(StoreError::from)?;
    let done = work(&savepoint).await?;
    savepoint.commit().await.map_err(StoreError::from)?;
    Ok(done)
}

/// Whether SQLite may have undone the whole transaction with the statement that failed (a full disk, a failed read or
/// write, an interrupt): its documentation of `ROLLBACK`, "Response To Errors Within A Transaction".
fn may_have_ended_all(error: &StoreError) -> bool {
    !matches!(
        error,
        StoreError::Duplicate(_)
            | StoreError::GaveWay
            | StoreError::Corrupt(_)
            | StoreError::NoEntropy(_)
    )
}

fn fail(batch: Option<Batch>) {
    if let Some(batch) = batch {
        batch.outcome.send_replace(Outcome::Failed);
    }
}

/// A writer whose work is in a batch.
struct Member {
    group: GroupCommit,
    /// Taken when there is nothing more to see to.
    outcome: Option<watch::Receiver<Outcome>>,
}

impl Member {
    fn leave(mut self) {
        self.outcome = None;
    }

    /// Waits until the batch is on disk; commits it if it is this writer's turn.
    async fn commit(mut self) -> Result<(), StoreError> {
        let Some(outcome) = &mut self.outcome else {
            return Ok(());
        };
        let seen = outcome.clone();
        {
            let mut told = std::pin::pin!(outcome.wait_for(|outcome| *outcome != Outcome::Open));
            let turn = std::pin::pin!(self.group.commit_if_open(&seen));
            futures_util::future::select(&mut told, turn).await;
        }
        let told = outcome.wait_for(|outcome| *outcome != Outcome::Open).await;
        let committed = told.is_ok_and(|outcome| *outcome == Outcome::Committed);
        self.outcome = None;
        if committed {
            Ok(())
        } else {
            let text = "the batch that this write was part of was not committed";
            Err(StoreError::Unavailable(text.into()))
        }
    }
}

impl Drop for Member {
    /// A writer that is given up still has its work in a batch, which must not stay open.
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            let group = self.group.clone();
            // Without a runtime the process is at its end, and the batch ends with its connection.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { group.commit_if_open(&outcome).await });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use sea_orm::{ConnectionTrait, DatabaseTransaction};

    use super::{StoreError, Undo};
    use crate::clock::{Clock, Entropy};
    use crate::store::connection::{Connect, Connection, PoolBounds, open};
    use crate::store::settings::DatabaseUrl;
    use crate::telemetry::metrics::Metrics;

    struct Ground {
        connection: Connection,
        metrics: Metrics,
        _folder: tempfile::TempDir,
    }

    async fn ground() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/t.sqlite?mode=rwc", folder.path().display());
        let bounds = PoolBounds {
            size: 1,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        };
        let metrics = Metrics::new(0).unwrap();
        let connection = open(
            &DatabaseUrl::parse(&url).unwrap(),
            bounds,
            Connect::AtOnce,
            None,
            Clock::system(),
            metrics.clone(),
        )
        .await
        .unwrap();
        let sql = "CREATE TABLE things (id INTEGER PRIMARY KEY)";
        let created = write(&connection, sql).await;
        assert!(created.is_ok(), "{created:?}");
        Ground {
            connection,
            metrics,
            _folder: folder,
        }
    }

    async fn write(connection: &Connection, sql: &str) -> Result<(), StoreError> {
        let begin = async || connection.begin().await;
        let work = async |transaction: &DatabaseTransaction| -> Result<(), StoreError> {
            transaction.execute_unprepared(sql).await?;
            Ok(())
        };
        connection
            .write("test", Entropy, begin, work, Undo::BySavepoint)
            .await
    }

    fn insert(id: u32) -> String {
        format!("INSERT INTO things (id) VALUES ({id})")
    }

    async fn count(connection: &Connection) -> i64 {
        let query = sea_orm::Statement::from_string(
            sea_orm::DbBackend::Sqlite,
            "SELECT count(*) AS n FROM things",
        );
        let row = connection.pool.current().query_one_raw(query).await;
        row.unwrap().unwrap().try_get("", "n").unwrap()
    }

    fn commits(metrics: &Metrics) -> u64 {
        let text = metrics.encode().unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("enroll_database_batch_writers_count "));
        line.unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn writers_at_once_share_commits_and_each_keeps_its_own() {
        let ground = ground().await;
        let before = commits(&ground.metrics);
        let sqls: Vec<String> = (0..64).map(insert).collect();
        let done = join_all(sqls.iter().map(|sql| write(&ground.connection, sql))).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(count(&ground.connection).await, 64);
        assert!(commits(&ground.metrics) - before < 8);
    }

    #[tokio::test]
    async fn a_writer_that_fails_undoes_nobody_elses_work() {
        let ground = ground().await;
        // Every second one clashes with the one before.
        let sqls: Vec<String> = (0..32).map(|number| insert(number / 2)).collect();
        let done = join_all(sqls.iter().map(|sql| write(&ground.connection, sql))).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 16);
        assert_eq!(count(&ground.connection).await, 16);
    }

    #[tokio::test]
    async fn a_writer_that_gives_way_costs_nobody_their_batch() {
        let ground = ground().await;
        let giving_way = async {
            let begin = async || ground.connection.begin().await;
            let work = async |transaction: &DatabaseTransaction| -> Result<(), StoreError> {
                transaction.execute_unprepared(&insert(1000)).await?;
                Err(StoreError::GaveWay)
            };
            ground
                .connection
                .write("test", Entropy, begin, work, Undo::BySavepoint)
                .await
        };
        let sqls: Vec<String> = (0..16).map(insert).collect();
        let others = join_all(sqls.iter().map(|sql| write(&ground.connection, sql)));
        let (others, gave_way) = futures_util::join!(others, giving_way);
        assert!(matches!(gave_way, Err(StoreError::GaveWay)));
        assert!(others.iter().all(Result::is_ok), "{others:?}");
        assert_eq!(count(&ground.connection).await, 16);
    }

    #[tokio::test]
    async fn a_writer_alone_commits_at_once() {
        let ground = ground().await;
        let before = commits(&ground.metrics);
        for id in 0..3 {
            write(&ground.connection, &insert(id)).await.unwrap();
        }
        assert_eq!(commits(&ground.metrics) - before, 3);
    }

    #[tokio::test]
    async fn a_writer_that_is_given_up_leaves_no_batch_open() {
        let ground = ground().await;
        let connection = ground.connection.clone();
        // Given up at every point in turn: after none, one, two … of its steps.
        for steps in 0..40_u32 {
            let sql = insert(steps);
            let mut writing = Box::pin(write(&connection, &sql));
            for _ in 0..steps {
                if futures_util::poll!(&mut writing).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(writing);
            // Whatever became of it, the next writer is served.
            write(&connection, &insert(1000 + steps)).await.unwrap();
        }
        assert!(count(&connection).await >= 40);
    }

    #[tokio::test]
    async fn a_panic_in_the_work_undoes_that_work_alone() {
        let ground = ground().await;
        let connection = ground.connection.clone();
        let panicking = async move {
            let begin = async || connection.begin().await;
            let work = async |transaction: &DatabaseTransaction| -> Result<(), StoreError> {
                transaction.execute_unprepared(&insert(1)).await?;
                panic!("in the middle");
            };
            connection
                .write("test", Entropy, begin, work, Undo::BySavepoint)
                .await
        };
        let local = tokio::task::LocalSet::new();
        assert!(
            local
                .run_until(async { tokio::task::spawn_local(panicking).await })
                .await
                .is_err()
        );
        write(&ground.connection, &insert(2)).await.unwrap();
        assert_eq!(count(&ground.connection).await, 1);
    }
}
