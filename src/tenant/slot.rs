//! A tenant's place in the directory: its live actor, its limiters and its permits.
//!
//! The slot outlives the actor, so a relaunch forgets no limit.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix::Addr;
use governor::clock::QuantaClock;
use tokio::sync::Mutex;

use super::actor::TenantActor;
use super::pressure::TurnedAway;
use super::rate_limit::RateLimits;
use super::residents::Place;
use crate::domain::ids::TenantId;
use crate::domain::tenant_settings::Limits;
use crate::hashing::TenantHashing;
use crate::pressure::Bulkhead;
use crate::provider::TenantProviders;
use crate::store::connection::PoolWatch;
use crate::store::share::DatabaseShare;
use crate::telemetry::metrics::Metrics;

/// A tenant's place in the directory.
pub(super) struct Slot {
    pub(super) tenant: TenantId,
    /// The live actor, if there is one.
    live: RwLock<Option<Arc<Live>>>,
    /// Held while the actor is launched or drained: one launch serves all who wait.
    pub(super) changing: Mutex<LaunchHistory>,
    /// The limiters at the door; made before the actor, kept when it goes.
    limits: RwLock<Option<Arc<RateLimits>>>,
    /// One place for each call at work.
    pub(super) admission: Arc<Bulkhead>,
    /// Who was turned away at the door.
    pub(super) turned_away: TurnedAway,
    /// Callers between taking the address and the end of their call; no eviction while there are any.
    callers: AtomicUsize,
    /// Milliseconds from `origin` to the last call.
    last_used: AtomicU64,
    origin: Instant,
    means: GateMeans,
}

/// A live actor.
pub(super) struct Live {
    /// The one shared address: clones would each bring a mailbox slot of their own.
    pub(super) address: Addr<TenantActor>,
    /// What bounds its work.
    pub(super) bulkheads: Bulkheads,
    /// Tells how many connections the tenant's own database has; `None` where it shares a pool.
    pub(super) watch: Option<PoolWatch>,
    /// Its room among the live; given back with the last hold on it.
    pub(super) place: Place,
}

/// What bounds the work of a live tenant behind the door. Clones share it.
#[derive(Clone)]
pub(super) struct Bulkheads {
    pub(super) database: Arc<DatabaseShare>,
    /// Its bound travels with each password.
    pub(super) hashing: TenantHashing,
    pub(super) providers: TenantProviders,
}

impl Bulkheads {
    /// Puts the tenant's own bounds in force. What is at work goes on and counts.
    pub(super) fn set_bounds(&self, limits: &Limits) {
        self.database.set_bound(limits.database_in_flight);
        self.providers.set_bound(limits.provider_in_flight);
    }
}

/// What earlier launches came to.
#[derive(Default)]
pub(super) struct LaunchHistory {
    /// When the last launch failed; the next one waits a little, so that a dead database is not stormed.
    pub(super) failed_at: Option<Instant>,
    /// Whether the last actor died, and none was launched since.
    pub(super) died: bool,
}

/// What limiters are made with.
#[derive(Clone)]
pub(super) struct GateMeans {
    pub(super) most_keys: usize,
    pub(super) clock: QuantaClock,
    pub(super) metrics: Metrics,
}

/// About how many bytes a slot takes without an actor and without a key in its limits, measured.
pub(super) const SLOT_BYTES: usize = 1024;

/// A call on its way through a slot.
pub(super) struct Call {
    slot: Arc<Slot>,
    pub(super) live: Arc<Live>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.slot.callers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Slot {
    pub(super) fn new(tenant: TenantId, origin: Instant, means: GateMeans) -> Self {
        Self {
            tenant,
            live: RwLock::new(None),
            changing: Mutex::default(),
            limits: RwLock::new(None),
            admission: Bulkhead::new(None),
            turned_away: TurnedAway::default(),
            callers: AtomicUsize::new(0),
            last_used: AtomicU64::new(0),
            origin,
            means,
        }
    }

    /// Takes the live actor's address for one call; `None` when there is no actor, or a dead one.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Option<Call> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let live = live.as_ref().filter(|live| live.address.connected())?;
        self.callers.fetch_add(1, Ordering::AcqRel);
        self.touch(now);
        Some(Call {
            slot: Arc::clone(self),
            live: Arc::clone(live),
        })
    }

    /// Puts a new actor in place, and gives back what was there.
    pub(super) fn put(&self, live: Option<Arc<Live>>) -> Option<Arc<Live>> {
        std::mem::replace(
            &mut *self.live.write().unwrap_or_else(PoisonError::into_inner),
            live,
        )
    }

    /// Takes the actor out, if nobody is calling it.
    pub(super) fn take_if_unused(&self) -> Option<Arc<Live>> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        // Callers enter under the read lock, so none can while this lock is held.
        if self.callers.load(Ordering::Acquire) > 0 {
            None
        } else {
            live.take()
        }
    }

    /// The live actor, for those who watch it.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes that the tenant is used.
    pub(super) fn touch(&self, now: Instant) {
        self.last_used
            .store(millis(now.duration_since(self.origin)), Ordering::Relaxed);
    }

    /// When somebody called last, on a clock that begins with the process.
    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Whether somebody is calling.
    pub(super) fn is_called(&self) -> bool {
        self.callers.load(Ordering::Acquire) > 0
    }

    /// About how many bytes the slot takes without its actor.
    pub(super) fn limit_bytes(&self) -> usize {
        let limits = self.limits();
        SLOT_BYTES + limits.map_or(0, |limits| limits.key_bytes())
    }

    /// How long nobody has called.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last_used.load(Ordering::Relaxed));
        now.duration_since(self.origin).saturating_sub(last)
    }

    /// The limiters at the door; `None` before the first launch.
    pub(super) fn limits(&self) -> Option<Arc<RateLimits>> {
        self.limits
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts these limits in force, at each launch and by the actor. Limiters stay as they are unless a rate changed, so that
    /// neither a relaunch nor a change of other settings forgets who called; calls at work count under the new bound.
    pub(super) fn open_gate(&self, limits: &Limits) {
        let in_flight = limits.in_flight.map(|most| {
            // More than a machine can hold is no bound.
            usize::try_from(most.get()).unwrap_or(usize::MAX)
        });
        self.admission.set_bound(in_flight);
        let mut kept = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.has_rates_of(limits)) {
            return;
        }
        let GateMeans {
            most_keys,
            clock,
            metrics,
        } = self.means.clone();
        let limits = RateLimits::new(limits.clone(), most_keys, clock, metrics);
        *kept = Some(Arc::new(limits));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
