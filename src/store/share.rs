//! A tenant's share of its database: how many of its operations are at work there at one time, and how many wait.
//!
//! Tenants that share a database share its connections. Without shares, one tenant whose statements hang (somebody holds
//! its rows) would soon hold every connection, each for the whole statement timeout.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::error::StoreError;
use super::settings::Backend;
use crate::clock::Clock;
use crate::pressure::{Bulkhead, Place, Refusals, Resource, Stage};

/// Operations of one tenant that wait for a place. Nobody waits longer than the acquire timeout; this bounds their memory.
const MOST_WAITING: usize = 1024;
/// Operations at an SQLite database of the tenant's own. It has one connection, for which they stand in line, but
/// writers in line share a commit, so a small share would only slow the tenant down.
const OWN_FILE: usize = 256;
/// The same where tenants share the file: a neighbour stands behind at most so many.
const SHARED_FILE: usize = 64;
/// The least wait that a refused caller is advised.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The share of one tenant.
#[derive(Debug)]
pub struct DatabaseShare {
    places: Arc<Bulkhead>,
    /// Places that there are where nothing else is set.
    usual: usize,
    /// Places beyond which no connection is left for their work.
    most: usize,
    acquire_timeout: Duration,
    /// Running mean of an operation's time, in nanoseconds.
    mean_nanos: AtomicU64,
    refusals: Refusals,
    clock: Clock,
}

/// A place in the database, for one operation.
#[derive(Debug)]
pub(super) struct AtWork {
    share: Arc<DatabaseShare>,
    begun: Instant,
    _place: Place,
}

impl DatabaseShare {
    /// A share of the usual size. `shared` says that other tenants use the same connections.
    #[must_use]
    pub fn new(
        connection: &Connection,
        shared: bool,
        acquire_timeout: Duration,
        clock: Clock,
    ) -> Arc<Self> {
        let size = usize::try_from(connection.size).unwrap_or(usize::MAX);
        let (usual, most) = match (connection.backend, shared) {
            (Backend::Sqlite, false) => (OWN_FILE, OWN_FILE),
            (Backend::Sqlite, true) => (SHARED_FILE, OWN_FILE),
            (_, false) => (size, size),
            // Half of the pool is left for the neighbours, whatever one tenant does.
            (_, true) => ((size / 2).max(1), size),
        };
        Arc::new(Self {
            places: Bulkhead::new(Some(usual)),
            usual,
            most,
            acquire_timeout,
            mean_nanos: AtomicU64::new(0),
            refusals: Refusals::default(),
            clock,
        })
    }

    /// Sets the tenant's own bound; `None` is the usual one of its placement. Operations at work go on and count.
    pub fn set_bound(&self, bound: Option<NonZeroU32>) {
        let wanted = bound.map_or(self.usual, |bound| {
            usize::try_from(bound.get()).unwrap_or(usize::MAX)
        });
        self.places.set_bound(Some(wanted.min(self.most)));
    }

    /// How it stands.
    #[must_use]
    pub fn resource(&self) -> Resource {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Resource {
            name: "database".into(),
            setting: "limits.database_in_flight",
            stage: Stage::Work,
            in_use: Some(count(self.places.in_use())),
            bound: self.places.bound().map(count),
            waiting: Some(count(self.places.waiting())),
            expected_wait: Some(self.expected_wait()),
            refused: self.refusals.seen(self.clock.monotonic()),
        }
    }

    /// Waits for a place, unless that would take too long.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<AtWork, StoreError> {
        let place = match self.places.enter() {
            Ok(place) => place,
            Err(_) => Box::pin(self.wait()).await?,
        };
        Ok(AtWork {
            share: Arc::clone(self),
            begun: self.clock.monotonic(),
            _place: place,
        })
    }

    async fn wait(self: &Arc<Self>) -> Result<Place, StoreError> {
        let refused = || StoreError::Busy {
            retry_after: self.expected_wait().max(MIN_RETRY_AFTER),
        };
        if self.expected_wait() > self.acquire_timeout {
            return Err(refused());
        }
        let turn = self.places.enter_in_turn(MOST_WAITING);
        let place = tokio::time::timeout(self.acquire_timeout, turn).await;
        place.ok().and_then(Result::ok).ok_or_else(refused)
    }

    /// Counts an operation that was refused, or not served in time.
    pub(super) fn refused(&self) {
        self.refusals.count(self.clock.monotonic());
    }

    /// How long one more operation would wait: none while a place is free.
    fn expected_wait(&self) -> Duration {
        let (in_use, bound) = (self.places.in_use(), self.places.bound().unwrap_or(1));
        if in_use < bound {
            return Duration::ZERO;
        }
        let turns = u64::try_from(self.places.waiting() + 1).unwrap_or(u64::MAX);
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        let mean = self.mean_nanos.load(Ordering::Relaxed);
        Duration::from_nanos(mean.saturating_mul(turns) / bound)
    }
}

impl Drop for AtWork {
    /// Notes the time of the operation, also of one that was given up: each with a weight of an eighth.
    fn drop(&mut self) {
        let took = self.share.clock.monotonic() - self.begun;
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.share.mean_nanos.load(Ordering::Relaxed);
        let mean = (mean - mean / 8).saturating_add(took / 8);
        self.share.mean_nanos.store(mean, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::poll;

    use super::{DatabaseShare, MIN_RETRY_AFTER, MOST_WAITING, OWN_FILE, SHARED_FILE};
    use crate::clock::Clock;
    use crate::store::connection::{Connect, Connection, PoolBounds, open};
    use crate::store::error::StoreError;
    use crate::store::settings::DatabaseUrl;
    use crate::telemetry::metrics::Metrics;

    /// A pool that connects to nothing.
    async fn pool(url: &str, size: u32) -> Connection {
        let bounds = PoolBounds {
            size,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
        };
        open(
            &DatabaseUrl::parse(url).unwrap(),
            bounds,
            Connect::WhenNeeded,
            None,
            Clock::system(),
            Metrics::new(0).unwrap(),
        )
        .await
        .unwrap()
    }

    async fn share(url: &str, size: u32, shared: bool) -> Arc<DatabaseShare> {
        let patience = Duration::from_millis(30);
        DatabaseShare::new(&pool(url, size).await, shared, patience, Clock::system())
    }

    const POSTGRES: &str = "postgres://u:p@127.0.0.1:1/d";

    #[tokio::test]
    async fn the_usual_share_leaves_half_of_a_shared_pool_to_others() {
        let bound = async |url, size, shared, own| {
            let share = share(url, size, shared).await;
            share.set_bound(NonZeroU32::new(own));
            share.resource().bound.unwrap()
        };
        for (size, usual) in [(1, 1), (2, 1), (3, 1), (8, 4), (1000, 500)] {
            assert_eq!(bound(POSTGRES, size, true, 0).await, usual);
        }
        assert_eq!(bound(POSTGRES, 8, true, 3).await, 3);
        assert_eq!(bound(POSTGRES, 8, true, 8).await, 8);
        assert_eq!(
            bound(POSTGRES, 8, true, 9).await,
            8,
            "no more than there are"
        );
        assert_eq!(bound("mysql://u:p@127.0.0.1:1/d", 4, false, 0).await, 4);
        let (own, shared) = (OWN_FILE as u64, SHARED_FILE as u64);
        assert_eq!(bound("sqlite::memory:", 8, false, 0).await, own);
        assert_eq!(bound("sqlite::memory:", 8, true, 0).await, shared);
        assert_eq!(bound("sqlite::memory:", 8, true, 1000).await, own);
    }

    #[tokio::test]
    async fn who_finds_no_place_in_time_is_told_when_to_come_back() {
        let share = share(POSTGRES, 2, true).await;
        let place = share.enter().await.unwrap();
        let Err(StoreError::Busy { retry_after }) = share.enter().await else {
            panic!("there is one place");
        };
        assert_eq!(retry_after, MIN_RETRY_AFTER);
        let mut waiting = Box::pin(share.enter());
        assert!(poll!(&mut waiting).is_pending());
        let seen = share.resource();
        assert_eq!(
            (seen.in_use, seen.bound, seen.waiting),
            (Some(1), Some(1), Some(1))
        );
        drop(place);
        assert!(waiting.await.is_ok());
        assert_eq!(share.resource().in_use, Some(0));
    }

    #[tokio::test]
    async fn who_would_wait_too_long_does_not_begin_to_wait() {
        let share = share(POSTGRES, 2, true).await;
        let slow = share.enter().await.unwrap();
        // An eighth of it is the mean: more than anybody waits.
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(slow);
        let _place = share.enter().await.unwrap();
        let mut refused = Box::pin(share.enter());
        assert!(
            poll!(&mut refused).is_ready(),
            "expected to wait {:?}",
            share.resource().expected_wait
        );
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let share = share(POSTGRES, 2, true).await;
        let _place = share.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(share.enter())).collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let mut refused = Box::pin(share.enter());
        assert!(poll!(&mut refused).is_ready());
    }
}
