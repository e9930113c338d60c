//! What the directory does besides answering: take in changes, evict who is idle, prune limiters, make room.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::MutexGuard;

use super::Directory;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::connection::{PoolUse, PoolWatch};
use crate::store::tenants::TenantState;
use crate::tenant::error::{RETRY_AFTER, TenantError};
use crate::tenant::message::{Drain, Reconfigure};
use crate::tenant::names::Tenant;
use crate::tenant::rate_limit::kind_name;
use crate::tenant::slot::{LaunchHistory, Slot};

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
            if let Ok(changed) = self.0.names.look_for_changes().await {
                for tenant in changed {
                    self.apply(tenant).await;
                }
            }
            self.report_pools();
            let now = self.0.clock.monotonic();
            if now.duration_since(cleaned) >= clean {
                cleaned = now;
                self.clean(now).await;
            }
        }
    }

    /// Evicts the tenant that was idle longest when as many others are live as may be beside this one.
    pub(super) async fn make_room(&self, newcomer: TenantId) -> Result<(), TenantError> {
        let now = self.0.clock.monotonic();
        let live: Vec<Arc<Slot>> = self
            .slots()
            .values()
            // Of the newcomer itself nothing is there but perhaps a dead actor, which takes no room from its successor.
            .filter(|slot| slot.tenant != newcomer && slot.live().is_some())
            .cloned()
            .collect();
        if live.len() < self.0.settings.max_live {
            return Ok(());
        }
        let mut by_idleness = live;
        by_idleness.sort_by_key(|slot| std::cmp::Reverse(slot.idle(now)));
        for slot in by_idleness.iter().take(8) {
            // A slot that is being changed is no candidate; waiting for it could wait for ourselves.
            let Ok(changing) = slot.changing.try_lock() else {
                continue;
            };
            if self.drain_held(slot, false, &changing).await {
                self.0.metrics.actor_evicted();
                return Ok(());
            }
        }
        self.0.metrics.admission_refusal("live_tenants");
        Err(TenantError::Unavailable(RETRY_AFTER))
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
            if let Some(live) = slot.live()
                && live.address.send(Reconfigure(tenant)).await.is_err()
            {
                tracing::warn!(tenant = %slot.tenant, "a dead actor heard no change; its successor will");
            }
            return;
        }
        if tenant.record.state == TenantState::Deleted {
            self.0.metrics.forget_tenant(tenant.record.key.as_str());
        }
        let directory = self.clone();
        actix::spawn(async move { directory.drain_unwanted(&slot, &tenant.record.key).await });
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

    /// Evicts actors that were idle for longer than the setting and than any limiter remembers, and drops slots that
    /// hold nothing any more.
    async fn clean(&self, now: Instant) {
        let idle_after = Duration::from_millis(self.0.settings.idle_after_ms);
        let slots: Vec<Arc<Slot>> = self.slots().values().cloned().collect();
        let mut keys: HashMap<&'static str, usize> = HashMap::new();
        for slot in slots {
            let limits = slot.limits();
            let window = limits
                .as_ref()
                .map_or(Duration::ZERO, |limits| limits.longest_window());
            if slot.idle(now) > idle_after.max(window) {
                if slot.live().is_some() {
                    if self.drain(&slot, false).await {
                        self.0.metrics.actor_evicted();
                    }
                } else {
                    self.0
                        .slots
                        .write()
                        .unwrap_or_else(PoisonError::into_inner)
                        .retain(|id, kept| *id != slot.tenant || Arc::strong_count(kept) > 2);
                }
                continue;
            }
            for (kind, count) in limits.iter().flat_map(|limits| limits.prune()) {
                *keys.entry(kind_name(kind)).or_default() += count;
            }
        }
        for kind in ["address", "username", "login", "sms", "call"] {
            self.0
                .metrics
                .limiter_keys(kind, keys.get(kind).copied().unwrap_or(0));
        }
        self.0.launcher.hints.report();
    }

    fn report_pools(&self) {
        let mut sum = PoolUse::default();
        let own = self
            .slots()
            .values()
            .filter_map(|slot| slot.live())
            .collect::<Vec<_>>();
        let shared = &self.0.launcher.databases.shared_watches;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let watches = own
            .iter()
            .filter_map(|live| live.watch.as_ref())
            .chain(shared.iter());
        for usage in watches.map(PoolWatch::usage) {
            sum.open += usage.open;
            sum.idle += usage.idle;
        }
        self.0.metrics.database_pool(sum.open, sum.idle);
    }
}
