//! What the directory does besides answering: take in changes, evict who is idle, prune limiters, make room.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::MutexGuard;

use super::Directory;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::connection::{PoolUse, PoolWatch};
use crate::store::tenants::{Placement, TenantState};
use crate::tenant::error::{RETRY_AFTER, TenantError};
use crate::tenant::message::{Drain, Reconfigure};
use crate::tenant::names::Tenant;
use crate::tenant::rate_limit::kind_name;
use crate::tenant::residents::{Leaver, Place, Room};
use crate::tenant::slot::{LaunchHistory, Live, SLOT_BYTES, Slot};

/// How often a launch tries to make room before its caller is told to come back.
const EVICTION_TRIES: u32 = 8;
/// The pause between two tries.
const EVICTION_PAUSE: Duration = Duration::from_millis(1);
/// Slots without an actor may take this part of what the live may.
const KEPT_SHARE: usize = 4;

impl Directory {
    /// Looks for changes, evicts who is idle and prunes limiters, until [`Directory::close`].
    pub async fn keep_house(self) {
        let mut stop = self.0.stop.subscribe();
        let look = Duration::from_millis(self.0.settings.sync_ms);
        let clean = Duration::from_millis(self.0.settings.housekeeping_ms);
        let mut cleaned = self.0.clock.monotonic();
        loop {
            tokio::select! {
                () = tokio::time::sleep(look) => {}
                _ = stop.changed() => return,
            }
            let is_live = |tenant| {
                self.slots()
                    .get(&tenant)
                    .is_some_and(|slot| slot.live().is_some())
            };
            if let Ok(changed) = self.0.names.look_for_changes(is_live).await {
                let now = self.0.clock.now().as_millis() / 1000;
                self.0.metrics.tenants_synced(now);
                for tenant in changed {
                    self.apply(tenant).await;
                }
            }
            self.report_residents();
            let now = self.0.clock.monotonic();
            if now.duration_since(cleaned) >= clean {
                cleaned = now;
                self.clean(now).await;
            } else if self.is_crowded() {
                self.forget_slots(now);
            }
        }
    }

    /// A place among the live for this tenant. If there is none, those make room that were used least lately.
    pub(super) async fn make_room(
        &self,
        newcomer: &Arc<Slot>,
        placement: &Placement,
    ) -> Result<Place, TenantError> {
        let residents = &self.0.residents;
        let base = self.0.launcher.databases.live_bytes(placement);
        let mut tries = 0..EVICTION_TRIES;
        loop {
            let freed = residents.freed();
            match residents.admit(newcomer, base) {
                Room::Free(place) => return Ok(place),
                Room::After(leaver) => {
                    if !self.evict(leaver).await {
                        if tries.next().is_none() {
                            break;
                        }
                        tokio::time::sleep(EVICTION_PAUSE).await;
                    }
                }
                Room::Soon => freed.await,
                Room::None => break,
            }
        }
        self.0.metrics.admission_refusal("live_tenants");
        Err(TenantError::Unavailable(RETRY_AFTER))
    }

    /// Drains the actor of one that shall make room; tells whether it did. It may have got a caller meanwhile.
    async fn evict(&self, leaver: Leaver) -> bool {
        let directory = self.clone();
        // A task of its own: once begun it is ended, whoever stops waiting.
        let evicted = actix::spawn(async move {
            // Whoever is being changed is spared; waiting for it could be waiting for ourselves.
            let Ok(changing) = leaver.slot.changing.try_lock() else {
                return false;
            };
            directory.drain_held(&leaver.slot, false, &changing).await
        });
        let evicted = evicted.await.unwrap_or(false);
        if evicted {
            self.0.metrics.actor_evicted();
        }
        evicted
    }

    /// Drains a slot's actor; with `insist`, waits until nobody calls it. Tells whether an actor was drained.
    pub(super) async fn drain(&self, slot: &Arc<Slot>, insist: bool) -> bool {
        let changing = slot.changing.lock().await;
        self.drain_held(slot, insist, &changing).await
    }

    /// As [`Directory::drain`], for whoever holds the slot's lock already.
    async fn drain_held(
        &self,
        slot: &Arc<Slot>,
        insist: bool,
        _changing: &MutexGuard<'_, LaunchHistory>,
    ) -> bool {
        let begun = self.0.clock.monotonic();
        let live = loop {
            match slot.take_if_unused() {
                Some(live) => break live,
                None if !insist || slot.live().is_none() => return false,
                None if self.0.clock.monotonic().duration_since(begun) > self.0.drain_timeout => {
                    match slot.put(None) {
                        Some(live) => break live,
                        None => return false,
                    }
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        // The last address goes with `live`, and the actor with it.
        if tokio::time::timeout(self.0.drain_timeout, live.address.send(Drain))
            .await
            .is_err()
        {
            tracing::error!(tenant = %slot.tenant, "a tenant did not finish its work in time");
        }
        true
    }

    /// Puts a change in force at the live actor, if there is one.
    pub(super) async fn apply(&self, tenant: Arc<Tenant>) {
        let Some(slot) = self.slots().get(&tenant.record.id).cloned() else {
            return;
        };
        if tenant.record.state == TenantState::Active {
            if let Some(live) = slot.live() {
                self.reconfigure(&live, tenant).await;
            }
            return;
        }
        if tenant.record.state == TenantState::Deleted {
            self.0.metrics.forget_tenant(tenant.record.key.as_str());
        }
        let directory = self.clone();
        actix::spawn(async move { directory.drain_unwanted(&slot, &tenant.record.key).await });
    }

    /// Tells a live actor its tenant's settings and keys. Keys that cannot be read are tried again at the next look for
    /// changes.
    async fn reconfigure(&self, live: &Live, tenant: Arc<Tenant>) {
        let opened = self.0.launcher.open_keys(tenant.record.id).await;
        let keys = opened
            .inspect_err(|error| {
                tracing::warn!(%error, tenant = %tenant.record.key, "the signing keys cannot be read anew");
                self.0.names.look_again(&tenant.record);
            })
            .ok();
        if let Some(late) = delay_of_change() {
            tokio::time::sleep(late).await;
        }
        let key = tenant.record.key.clone();
        let change = Reconfigure { tenant, keys };
        if live.address.send(change).await.is_err() {
            tracing::warn!(tenant = %key, "a dead actor heard no change; its successor will");
        }
    }

    /// Drains the actor of a tenant that does not serve, as soon as its last caller is answered; unless it serves again
    /// before, for then new callers keep coming.
    async fn drain_unwanted(&self, slot: &Arc<Slot>, key: &TenantKey) {
        while slot.live().is_some() && !self.drain(slot, false).await {
            if let Ok(Some(tenant)) = self.0.names.by_key(key).await
                && tenant.record.state == TenantState::Active
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Prunes limiters, evicts actors that were idle for longer than the setting and than any limiter remembers, and more
    /// if those who stay take too many bytes, and drops slots that hold nothing any more.
    async fn clean(&self, now: Instant) {
        self.prune();
        for slot in self.0.residents.slots() {
            if self.is_over(&slot, now) && self.drain(&slot, false).await {
                self.0.metrics.actor_evicted();
            }
        }
        while let Some(leaver) = self.0.residents.weigh() {
            if !self.evict(leaver).await {
                break;
            }
        }
        self.forget_slots(now);
        self.0.launcher.hints.report();
        self.report_keys().await;
    }

    /// Shows operators how old signing keys are. While the platform database does not tell, the last figure stands.
    async fn report_keys(&self) {
        match self.0.launcher.platform.oldest_signing_key().await {
            Ok(made) => {
                let made = made.map(|made| made.as_millis() / 1000);
                self.0.metrics.oldest_signing_key(made);
            }
            Err(error) => tracing::warn!(%error, "the age of signing keys cannot be read"),
        }
    }

    /// Whether a tenant was idle for so long that neither its actor nor its limits are of use.
    fn is_over(&self, slot: &Slot, now: Instant) -> bool {
        let idle_after = Duration::from_millis(self.0.settings.idle_after_ms);
        let window = slot
            .limits()
            .map_or(Duration::ZERO, |limits| limits.longest_window());
        slot.idle(now) > idle_after.max(window)
    }

    fn prune(&self) {
        let slots: Vec<Arc<Slot>> = self.slots().values().cloned().collect();
        let mut keys: HashMap<&'static str, usize> = HashMap::new();
        for limits in slots.iter().filter_map(|slot| slot.limits()) {
            for (kind, count) in limits.prune() {
                *keys.entry(kind_name(kind)).or_default() += count;
            }
        }
        for kind in ["address", "username", "login", "sms", "call"] {
            self.0
                .metrics
                .limiter_keys(kind, keys.get(kind).copied().unwrap_or(0));
        }
    }

    /// Drops slots without an actor: those that hold nothing any more, and beyond their bytes those that were used least
    /// lately, whose limits are forgotten.
    fn forget_slots(&self, now: Instant) {
        let slots: Vec<Arc<Slot>> = self.slots().values().cloned().collect();
        let mut kept: Vec<(u64, TenantId, usize, bool)> = slots
            .iter()
            .filter(|slot| slot.live().is_none())
            .map(|slot| {
                let over = self.is_over(slot, now);
                (slot.last_used(), slot.tenant, slot.limit_bytes(), over)
            })
            .collect();
        drop(slots);
        kept.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let (mut over, mut crowded_out, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (_, tenant, weight, is_over) in kept {
            if is_over {
                over.push(tenant);
            } else if bytes + weight > self.kept_bytes() {
                crowded_out.push(tenant);
            } else {
                bytes += weight;
            }
        }
        self.drop_slots(&over);
        let forgotten = self.drop_slots(&crowded_out);
        self.0.metrics.limits_forgotten(forgotten);
    }

    /// Drops slots that nobody holds; tells how many.
    fn drop_slots(&self, tenants: &[TenantId]) -> usize {
        let mut dropped = Vec::new();
        // A few at a time: callers wait for this lock.
        for some in tenants.chunks(256) {
            let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
            for tenant in some {
                // Callers take their hold under this lock, so none can while it is held.
                if slots
                    .get(tenant)
                    .is_some_and(|slot| Arc::strong_count(slot) == 1)
                {
                    dropped.extend(slots.remove(tenant));
                }
            }
        }
        dropped.len()
    }

    /// Most bytes of slots without an actor.
    fn kept_bytes(&self) -> usize {
        self.0.settings.max_live_bytes / KEPT_SHARE
    }

    /// Whether so many slots without an actor came together that the next round would come too late.
    fn is_crowded(&self) -> bool {
        let (live, _) = self.0.residents.load();
        self.slots().len().saturating_sub(live) * SLOT_BYTES > self.kept_bytes()
    }

    /// Shows operators what the live tenants take.
    fn report_residents(&self) {
        let mut sum = PoolUse::default();
        let own: Vec<Arc<Live>> = self
            .0
            .residents
            .slots()
            .iter()
            .filter_map(|slot| slot.live())
            .collect();
        let shared = &self.0.launcher.databases.shared_watches;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let watches = own
            .iter()
            .filter_map(|live| live.watch.as_ref())
            .chain(shared.iter());
        for usage in watches.map(PoolWatch::usage) {
            sum.open += usage.open;
            sum.idle += usage.idle;
            sum.most += usage.most;
        }
        self.0.metrics.database_pool(sum.open, sum.idle, sum.most);
        let (_, bytes) = self.0.residents.load();
        self.0.metrics.live_bytes(bytes);
    }
}

/// For how long a change stays on its way to its actor; a newer one may pass it meanwhile. Only tests ask for that.
fn delay_of_change() -> Option<Duration> {
    fail::fail_point!("reconfigure", |millis: Option<String>| {
        millis?.parse().ok().map(Duration::from_millis)
    });
    None
}
