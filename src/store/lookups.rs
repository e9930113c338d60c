//! Look-ups by key: those that come while a query is at work go together in the next one.
//!
//! Under load a name's or a session's look-up costs less than the way to the database and back. So there is one query of
//! a kind at work for a tenant, and whoever comes meanwhile shares the one after it. A look-up alone goes at once, nobody
//! lingers for company, and no query answers a caller who came after it began: what was committed before the call is seen.
//!
//! Refused: a cache of sessions. An ended session must be ended at once, on every replica (decision 0016).
//!
//! Bounds: [`MOST`] keys a query; a tenant's permits bound how many wait. A caller waits for the query at work and for the
//! next one together no longer than the statement timeout, as for any operation.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::bindings::UnionIdLookup;
use super::error::StoreError;
use super::sessions::SessionLookup;
use super::tenant_db::TenantDb;
use super::users::NameLookup;

/// Most keys of one query.
const MOST: usize = 128;

/// One kind of look-up.
pub(super) trait Lookup: Sized + 'static {
    /// What is looked up.
    type Key: Clone + Eq + Hash + Send + 'static;
    /// What is found.
    type Found: Clone + Send + 'static;
    /// Its name in metrics.
    const OPERATION: &'static str;

    /// The line of those who wait for it.
    fn line(lines: &Lines) -> &Line<Self>;

    /// Asks for all keys at once. What is not there is left out; a row that is corrupt spoils its own key alone.
    fn query(
        db: &TenantDb,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Answers<Self>, StoreError>> + Send;
}

/// What a query came to, by key.
pub(super) type Answers<L> = HashMap<<L as Lookup>::Key, Result<<L as Lookup>::Found, StoreError>>;

/// One tenant's lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) sessions: Line<SessionLookup>,
    pub(super) names: Line<NameLookup>,
    pub(super) union_ids: Line<UnionIdLookup>,
}

/// Who waits for one kind of look-up.
pub(super) struct Line<L: Lookup>(Mutex<Waiting<L>>);

struct Waiting<L: Lookup> {
    callers: Vec<Caller<L>>,
    /// A query is at work, and will take them along next.
    at_work: bool,
}

struct Caller<L: Lookup> {
    key: L::Key,
    answer: oneshot::Sender<Result<Option<L::Found>, StoreError>>,
}

impl<L: Lookup> Default for Line<L> {
    fn default() -> Self {
        Self(Mutex::new(Waiting {
            callers: Vec::new(),
            at_work: false,
        }))
    }
}

impl<L: Lookup> std::fmt::Debug for Line<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl TenantDb {
    /// Finds one thing, together with whoever asks for the like at the same time.
    pub(super) async fn look_up<L: Lookup>(
        &self,
        key: L::Key,
    ) -> Result<Option<L::Found>, StoreError> {
        let (answer, found) = oneshot::channel();
        if L::line(&self.lines).join(Caller { key, answer }) {
            // A task of its own: the others' answers do not hang on this caller's patience.
            tokio::spawn(serve::<L>(self.clone()));
        }
        match tokio::time::timeout(self.connection.statement_timeout, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(StoreError::Unavailable("a look-up was lost".into())),
            Err(_) => {
                let late = format!("{} waited too long for its turn", L::OPERATION);
                Err(self.connection.refused(StoreError::Unavailable(late)))
            }
        }
    }
}

/// Asks for all who wait, until nobody does.
async fn serve<L: Lookup>(db: TenantDb) {
    let mut turn = Turn {
        line: L::line(&db.lines),
        over: false,
    };
    while let Some(callers) = turn.next() {
        let keys = padded(callers.iter().map(|caller| caller.key.clone()).collect());
        let found = db
            .connection
            .within(L::OPERATION, L::query(&db, &keys))
            .await;
        for Caller { key, answer } in callers {
            let own = match &found {
                Ok(found) => found.get(&key).cloned().transpose(),
                Err(error) => Err(error.clone()),
            };
            // Whoever left does not want it.
            let _ = answer.send(own);
        }
    }
}

/// As many keys as the next power of two, the last one repeated: few forms of a statement, so that each is prepared once.
fn padded<K: Clone>(mut keys: Vec<K>) -> Vec<K> {
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    keys
}

/// The task that serves a line.
struct Turn<'a, L: Lookup> {
    line: &'a Line<L>,
    over: bool,
}

impl<L: Lookup> Turn<'_, L> {
    fn next(&mut self) -> Option<Vec<Caller<L>>> {
        let callers = self.line.take();
        self.over = callers.is_none();
        callers
    }
}

impl<L: Lookup> Drop for Turn<'_, L> {
    /// After a panic, those who wait learn that nothing comes, and the next one begins anew.
    fn drop(&mut self) {
        if !self.over {
            let mut waiting = self.line.lock();
            waiting.at_work = false;
            waiting.callers.clear();
        }
    }
}

impl<L: Lookup> Line<L> {
    /// Joins the line; tells whether the caller must see to it that the line is served.
    fn join(&self, caller: Caller<L>) -> bool {
        let mut waiting = self.lock();
        waiting.callers.push(caller);
        !std::mem::replace(&mut waiting.at_work, true)
    }

    /// Those who go together in the next query; `None` when nobody waits, and then nobody serves the line any more.
    fn take(&self) -> Option<Vec<Caller<L>>> {
        let mut waiting = self.lock();
        if waiting.callers.is_empty() {
            waiting.at_work = false;
            return None;
        }
        let count = waiting.callers.len().min(MOST);
        Some(waiting.callers.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<L>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::{StoreError, TenantDb};
    use crate::clock::{Clock, Entropy};
    use crate::domain::ids::{SessionId, TenantId};
    use crate::store::connection::{Connect, PoolBounds, open};
    use crate::store::schema::{Schema, migrate};
    use crate::store::settings::DatabaseUrl;
    use crate::telemetry::metrics::Metrics;

    /// A tenant's own SQLite file.
    pub(crate) struct Ground {
        pub(crate) db: TenantDb,
        _folder: tempfile::TempDir,
    }

    pub(crate) async fn ground() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let second = std::time::Duration::from_secs(1);
        let bounds = PoolBounds {
            size: 1,
            acquire_timeout: 10 * second,
            statement_timeout: 2 * second,
            idle_timeout: 60 * second,
        };
        let connection = open(
            &DatabaseUrl::sqlite_file(&folder.path().join("t.db")),
            bounds,
            Connect::AtOnce,
            None,
            Clock::system(),
            Metrics::new(0).unwrap(),
        )
        .await
        .unwrap();
        migrate(&connection, Schema::Tenant).await.unwrap();
        let tenant = TenantId::from_i64(1);
        Ground {
            db: TenantDb::new(tenant, connection, false, Clock::system(), Entropy),
            _folder: folder,
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_beyond_the_statement_timeout() {
        let ground = ground().await;
        let id = SessionId::from_random([7; 16]);
        // A query is at work that never ends.
        ground.db.lines.sessions.lock().at_work = true;
        let limit = std::time::Duration::from_secs(60);
        let waited = tokio::time::timeout(limit, ground.db.find_session(id)).await;
        assert!(
            matches!(waited, Ok(Err(StoreError::Unavailable(_)))),
            "{waited:?}"
        );
        // Whoever comes after it has ended is served, and those who left are in nobody's way.
        ground.db.lines.sessions.lock().at_work = false;
        assert_eq!(ground.db.find_session(id).await.unwrap(), None);
    }

    /// How SQLite would go about a query, step by step.
    pub(crate) async fn plan(ground: &Ground, query: Statement) -> Vec<String> {
        let explained = Statement {
            sql: format!("EXPLAIN QUERY PLAN {}", query.sql),
            values: query.values,
            db_backend: DbBackend::Sqlite,
        };
        let pool = ground.db.connection.pool.current();
        let rows = pool.query_all_raw(explained).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect()
    }
}
