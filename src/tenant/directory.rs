//! The directory: from a tenant's name to an answer of its actor.
//!
//! One launch serves all who wait for it; an idle actor is evicted; a dead one is replaced. Limits and permits are
//! judged here, before anything is sent to the actor.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix::{Arbiter, MailboxError};
use governor::clock::QuantaClock;
use tokio::sync::{MutexGuard, watch};

use super::error::{RETRY_AFTER, TenantError};
use super::invite_hints::InviteHints;
use super::launcher::Launcher;
use super::message::{Ask, Drain, InvitesIssued, PublicKeys, Reconfigure, Register};
use super::names::{Issuers, Names, Tenant};
use super::placement::Databases;
use super::rate_limit::{Limited, Standing, kind_name};
use super::settings::TenantsSettings;
use super::slot::{Call, Gate, GateMeans, LaunchHistory, Slot};
use crate::clock::{Clock, Entropy};
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::invite_code::InviteCode;
use crate::domain::master_key::MasterKey;
use crate::domain::tenant_key::TenantKey;
use crate::domain::username::Username;
use crate::hashing::HashPool;
use crate::registration::error::RegistrationError;
use crate::registration::pipeline::{Registered, RegistrationRequest};
use crate::store::connection::PoolUse;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::settings::{Backend, DatabaseSettings, SharedDatabaseSettings};
use crate::store::tenant_db::TenantDb;
use crate::store::tenants::{Placement, TenantRecord, TenantState};
use crate::telemetry::metrics::Metrics;

/// What the directory is made of.
pub struct DirectoryParts {
    /// Its own settings.
    pub settings: TenantsSettings,
    /// What holds for every tenant's database.
    pub database: DatabaseSettings,
    /// The shared databases by name.
    pub shared: HashMap<String, SharedDatabaseSettings>,
    /// The folder of the tenants' SQLite files.
    pub folder: PathBuf,
    /// How `iss` is made.
    pub issuers: Issuers,
    /// Where tenants and keys are known.
    pub platform: PlatformDb,
    /// Password hashes.
    pub hashing: HashPool,
    /// How long a request may take; a drain waits a little longer.
    pub request_timeout: Duration,
    /// Opens private keys and database URLs.
    pub master_key: Arc<MasterKey>,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// What operators see.
    pub metrics: Metrics,
}

/// The directory of tenants. Cheap to clone; made once, before any HTTP worker.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    settings: TenantsSettings,
    names: Names,
    slots: RwLock<HashMap<TenantId, Arc<Slot>>>,
    launcher: Launcher,
    gate_means: GateMeans,
    clock: Clock,
    origin: Instant,
    metrics: Metrics,
    /// Set when the process stops: nothing is launched any more.
    closing: AtomicBool,
    /// The arbiters' own handles, for stopping them.
    arbiters: Mutex<Vec<Arbiter>>,
    stop: watch::Sender<bool>,
    drain_timeout: Duration,
}

/// What a register call came to, with what the address limit says.
pub struct RegisterOutcome {
    /// The account, or why there is none.
    pub result: Result<Registered, RegistrationError>,
    /// For the RateLimit fields; `None` where the tenant has no limit per address.
    pub standing: Option<Standing>,
}

/// How long a failed launch keeps the next one away.
const LAUNCH_PAUSE: Duration = Duration::from_millis(250);
/// How much longer than a request a drain may take.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);

impl Directory {
    /// Makes the arbiters and an empty directory. Must be called on a thread of the actix system.
    #[must_use]
    pub fn new(parts: DirectoryParts) -> Self {
        let DirectoryParts {
            settings,
            metrics,
            clock,
            ..
        } = parts;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if settings.arbiters == 0 {
            cores
        } else {
            settings.arbiters
        };
        let arbiters: Vec<Arbiter> = (0..count).map(|_| Arbiter::new()).collect();
        let databases = Databases {
            own: parts.database,
            shared: Arc::new(parts.shared),
            folder: parts.folder,
            master_key: parts.master_key,
            clock: clock.clone(),
            entropy: parts.entropy,
            metrics: metrics.clone(),
            shared_watches: Arc::default(),
        };
        let launcher = Launcher {
            arbiters: arbiters.iter().map(Arbiter::handle).collect(),
            databases,
            platform: parts.platform.clone(),
            hashing: parts.hashing,
            hints: InviteHints::new(
                settings.invite_hints,
                Duration::from_millis(settings.invite_hint_ttl_ms),
                metrics.clone(),
            ),
            housekeeping: Duration::from_millis(settings.housekeeping_ms),
        };
        let names = Names::new(
            parts.platform,
            parts.issuers,
            settings.names,
            Duration::from_millis(settings.sync_ms),
        );
        let gate_means = GateMeans {
            most_keys: settings.limiter_keys,
            clock: QuantaClock::default(),
            metrics: metrics.clone(),
        };
        Self(Arc::new(Inner {
            names,
            slots: RwLock::default(),
            launcher,
            gate_means,
            origin: clock.monotonic(),
            clock,
            metrics,
            closing: AtomicBool::new(false),
            arbiters: Mutex::new(arbiters),
            stop: watch::Sender::new(false),
            drain_timeout: parts.request_timeout + DRAIN_MARGIN,
            settings,
        }))
    }

    /// The tenant with this key, whatever its state.
    ///
    /// # Errors
    /// [`TenantError::Unavailable`] when the platform database does not tell.
    pub async fn find(&self, key: &TenantKey) -> Result<Option<Arc<Tenant>>, TenantError> {
        self.0.names.by_key(key).await
    }

    /// The tenant that this host names, whatever its state.
    ///
    /// # Errors
    /// [`TenantError::Unavailable`] when the platform database does not tell.
    pub async fn find_by_host(&self, host: &HostName) -> Result<Option<Arc<Tenant>>, TenantError> {
        self.0.names.by_host(host).await
    }

    /// Registers a user at a tenant: limits, admission, actor.
    pub async fn register(
        &self,
        tenant: &Arc<Tenant>,
        request: RegistrationRequest,
    ) -> RegisterOutcome {
        let mut standing = None;
        let result = self.admitted(tenant, request, &mut standing).await;
        let outcome = match &result {
            Ok(_) => "registered",
            Err(error) => outcome_name(error),
        };
        self.0
            .metrics
            .registration(tenant.record.key.as_str(), outcome);
        RegisterOutcome { result, standing }
    }

    /// The tenant's public keys as a JWK set.
    ///
    /// # Errors
    /// [`TenantError`] when its actor cannot be reached.
    pub async fn public_keys(
        &self,
        tenant: &Arc<Tenant>,
    ) -> Result<serde_json::Value, TenantError> {
        let call = self.enter(tenant).await?;
        call.live
            .address
            .send(PublicKeys)
            .await
            .map_err(|error| self.lost(error))
    }

    /// Asks the tenant's database on an administrator's behalf.
    ///
    /// # Errors
    /// [`TenantError`] when its actor cannot be reached or the database fails.
    pub async fn ask<T, F>(
        &self,
        tenant: &Arc<Tenant>,
        question: impl FnOnce(TenantDb) -> F + Send + 'static,
    ) -> Result<T, TenantError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + 'static,
    {
        let call = self.enter(tenant).await?;
        let ask = Ask(Box::new(move |db| Box::pin(question(db))));
        Ok(call
            .live
            .address
            .send(ask)
            .await
            .map_err(|error| self.lost(error))??)
    }

    /// Tells the tenant's actor that these codes exist now.
    ///
    /// # Errors
    /// [`TenantError`] when its actor cannot be reached.
    pub async fn invites_issued(
        &self,
        tenant: &Arc<Tenant>,
        codes: Vec<InviteCode>,
    ) -> Result<(), TenantError> {
        let call = self.enter(tenant).await?;
        call.live
            .address
            .send(InvitesIssued(codes))
            .await
            .map_err(|error| self.lost(error))
    }

    /// Opens and closes a database as this placement would: whether it can work.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub async fn try_placement(
        &self,
        tenant: TenantId,
        placement: Placement,
    ) -> Result<(), StoreError> {
        let limit = Duration::from_millis(self.0.settings.launch_timeout_ms);
        let tried =
            tokio::time::timeout(limit, self.0.launcher.try_placement(tenant, placement)).await;
        tried.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
    }

    /// The kind of a shared database; `None` when none of this name is configured.
    #[must_use]
    pub fn shared_backend(&self, name: &str) -> Option<Backend> {
        let shared = self.0.launcher.databases.shared.get(name)?;
        Some(shared.url.backend())
    }

    /// The shared databases that give no sign of life.
    pub async fn missing_databases(&self) -> Vec<String> {
        self.0.launcher.missing_databases().await
    }

    /// Takes in a change of a tenant that this process made; returns when the change is in force here.
    pub async fn changed(&self, record: &TenantRecord) {
        let tenant = self.0.names.changed(record).await;
        self.apply(tenant).await;
    }

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

    /// Drains every actor, closes every tenant database, stops the arbiters. Call it when no caller is left.
    pub async fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.stop.send_replace(true);
        let slots: Vec<Arc<Slot>> = self.slots().values().cloned().collect();
        futures_util::future::join_all(slots.iter().map(|slot| self.drain(slot, true))).await;
        self.0.launcher.close_shared().await;
        let arbiters = std::mem::take(
            &mut *self
                .0
                .arbiters
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for arbiter in &arbiters {
            arbiter.stop();
        }
        for arbiter in arbiters {
            // A thread that panicked on its way out has nothing left to lose.
            let _ = arbiter.join();
        }
    }

    async fn admitted(
        &self,
        tenant: &Arc<Tenant>,
        request: RegistrationRequest,
        standing: &mut Option<Standing>,
    ) -> Result<Registered, RegistrationError> {
        let slot = self.slot(tenant.record.id);
        // A tenant that was live before has its limiters still: they are asked before anything is launched for the caller.
        let mut judged = false;
        if let Some(gate) = slot.gate() {
            *standing = judge(&gate, tenant, &request, standing)?;
            judged = true;
        }
        let call = self.enter(tenant).await.map_err(unreachable_tenant)?;
        let gate = slot.gate().ok_or_else(|| {
            tracing::error!(tenant = %tenant.record.key, "a live tenant has no gate");
            RegistrationError::Internal
        })?;
        if !judged {
            *standing = judge(&gate, tenant, &request, standing)?;
        }
        let permit = gate.admit().map_err(|_| {
            self.0.metrics.admission_refusal("in_flight");
            RegistrationError::Overloaded(RETRY_AFTER)
        })?;
        let message = Register {
            request,
            permit,
            span: tracing::Span::current(),
        };
        let sent = call.live.address.send(message).await;
        sent.map_err(|error| unreachable_tenant(self.lost(error)))?
    }

    /// The tenant's live actor for one call; launches it when there is none.
    async fn enter(&self, tenant: &Arc<Tenant>) -> Result<Call, TenantError> {
        let slot = self.slot(tenant.record.id);
        if let Some(call) = slot.enter(self.0.clock.monotonic()) {
            return Ok(call);
        }
        let limit = Duration::from_millis(self.0.settings.launch_timeout_ms);
        match tokio::time::timeout(limit, self.launch(&slot, tenant)).await {
            Ok(launched) => launched,
            Err(_) => Err(TenantError::Unavailable(RETRY_AFTER)),
        }
    }

    async fn launch(&self, slot: &Arc<Slot>, tenant: &Arc<Tenant>) -> Result<Call, TenantError> {
        let mut history = slot.changing.lock().await;
        let now = self.0.clock.monotonic();
        // Who waited for the lock finds what the holder launched.
        if let Some(call) = slot.enter(now) {
            return Ok(call);
        }
        let lately = history
            .failed_at
            .is_some_and(|at| now.duration_since(at) < LAUNCH_PAUSE);
        if lately || self.0.closing.load(Ordering::Acquire) {
            return Err(TenantError::Unavailable(RETRY_AFTER));
        }
        self.make_room(slot.tenant).await?;
        if history.launched_before && slot.live().is_some() {
            self.0.metrics.actor_relaunched();
            tracing::warn!(tenant = %tenant.record.key, "the tenant's actor died and is replaced");
        }
        match self
            .0
            .launcher
            .launch(Arc::clone(slot), Arc::clone(tenant))
            .await
        {
            Ok(live) => {
                history.launched_before = true;
                history.failed_at = None;
                slot.put(Some(Arc::new(live)));
                // The settings may have changed while the actor was starting.
                if let Ok(Some(current)) = self.0.names.by_key(&tenant.record.key).await
                    && current.record.revision > tenant.record.revision
                    && let Some(live) = slot.live()
                {
                    let _ = live.address.send(Reconfigure(current)).await;
                }
                slot.enter(self.0.clock.monotonic())
                    .ok_or(TenantError::Lost)
            }
            Err(error) => {
                self.0.metrics.actor_launch_failed();
                tracing::error!(tenant = %tenant.record.key, %error, "the tenant does not start");
                history.failed_at = Some(self.0.clock.monotonic());
                Err(TenantError::Unavailable(RETRY_AFTER))
            }
        }
    }

    /// Evicts the tenant that was idle longest when as many others are live as may be beside this one.
    async fn make_room(&self, newcomer: TenantId) -> Result<(), TenantError> {
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
    async fn drain(&self, slot: &Arc<Slot>, insist: bool) -> bool {
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
    async fn apply(&self, tenant: Arc<Tenant>) {
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
            let gate = slot.gate();
            let window = gate
                .as_ref()
                .map_or(Duration::ZERO, |gate| gate.limits.longest_window());
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
            for (kind, count) in gate.iter().flat_map(|gate| gate.limits.prune()) {
                *keys.entry(kind_name(kind)).or_default() += count;
            }
        }
        for kind in ["address", "username"] {
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
        for usage in watches.map(crate::store::connection::PoolWatch::usage) {
            sum.open += usage.open;
            sum.idle += usage.idle;
        }
        self.0.metrics.database_pool(sum.open, sum.idle);
    }

    fn slot(&self, tenant: TenantId) -> Arc<Slot> {
        if let Some(slot) = self.slots().get(&tenant) {
            return Arc::clone(slot);
        }
        let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(tenant).or_insert_with(|| {
            Arc::new(Slot::new(tenant, self.0.origin, self.0.gate_means.clone()))
        }))
    }

    fn slots(&self) -> std::sync::RwLockReadGuard<'_, HashMap<TenantId, Arc<Slot>>> {
        self.0.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message without an answer: the request's future panicked, or the actor died with it.
    fn lost(&self, error: MailboxError) -> TenantError {
        self.0.metrics.request_panicked();
        tracing::error!(%error, "work was lost in a tenant's actor");
        TenantError::Lost
    }
}

/// Asks the limiters at the door.
fn judge(
    gate: &Gate,
    tenant: &Tenant,
    request: &RegistrationRequest,
    standing: &mut Option<Standing>,
) -> Result<Option<Standing>, RegistrationError> {
    let name = request.registration.username.as_deref().map(|raw| {
        // A name that breaks the rules is counted as it was sent.
        Username::parse(raw, &tenant.record.settings)
            .map_or_else(|_| raw.to_owned(), |name| name.canonical().to_owned())
    });
    gate.limits
        .check(request.requester.ip(), name.as_deref())
        .map_err(|limited: Limited| {
            *standing = limited.standing;
            RegistrationError::TooMany(limited.kind, limited.retry_after)
        })
}

fn unreachable_tenant(error: TenantError) -> RegistrationError {
    match error {
        TenantError::Unavailable(retry_after) => RegistrationError::Unavailable(retry_after),
        // Not a fault of the caller, and perhaps gone at the next try: the actor is replaced.
        TenantError::Lost => RegistrationError::Unavailable(RETRY_AFTER),
        TenantError::Store(error) => {
            tracing::error!(%error, "a tenant's store failed by a fault of ours");
            RegistrationError::Internal
        }
    }
}

/// The outcome of a registration in metrics.
fn outcome_name(error: &RegistrationError) -> &'static str {
    match error {
        RegistrationError::AwaitsApproval => "pending",
        RegistrationError::Closed => "closed",
        RegistrationError::InviteRequired | RegistrationError::InviteRejected => "invite",
        RegistrationError::NameBanned => "banned",
        RegistrationError::ReasonMissing | RegistrationError::Invalid(_) => "invalid",
        RegistrationError::TokenRejected | RegistrationError::AccountRefused(_) => "token",
        RegistrationError::SameKeyOtherBody | RegistrationError::SameKeyInProgress => "idempotency",
        RegistrationError::TooMany(..) => "limited",
        RegistrationError::Overloaded(_) => "overloaded",
        RegistrationError::Unavailable(_) => "unavailable",
        RegistrationError::Internal => "internal",
    }
}
