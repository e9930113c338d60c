//! The directory: from a tenant's name to an answer of its actor.
//!
//! One launch serves all who wait for it; an idle actor is evicted; a dead one is replaced. Limits and permits are
//! judged here, before anything is sent to the actor.

mod housekeeping;
mod pressure;

pub use self::pressure::Pressure;

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix::{Arbiter, MailboxError};
use governor::clock::QuantaClock;
use tokio::sync::watch;

use super::error::{RETRY_AFTER, TenantError};
use super::invite_hints::InviteHints;
use super::launcher::Launcher;
use super::message::{InvitesIssued, Perform, Register};
use super::names::{Issuers, Names, Tenant};
use super::placement::Databases;
use super::rate_limit::{CallKind, Limited, RateLimits, Standing};
use super::residents::Residents;
use super::settings::TenantsSettings;
use super::slot::{Call, GateMeans, Slot};
use crate::clock::{Clock, Entropy};
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::invite_code::InviteCode;
use crate::domain::master_key::MasterKey;
use crate::domain::tenant_key::TenantKey;
use crate::domain::username::Username;
use crate::hashing::{Customer, HashPool, Purpose};
use crate::pressure::Place;
use crate::provider::ProviderClient;
use crate::registration::error::{ProofError, RegistrationError};
use crate::registration::pipeline::RegistrationRequest;
use crate::session::error::CallError;
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::settings::{Backend, DatabaseSettings, SharedDatabaseSettings};
use crate::store::tenant_db::TenantDb;
use crate::store::tenants::{Placement, TenantRecord};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::usage::{Counter, Usage};
use crate::token::KnownTokens;

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
    /// WeChat, SMS and captcha.
    pub providers: ProviderClient,
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
    /// What tenants use.
    pub usage: Usage,
}

/// The directory of tenants. Cheap to clone; made once, before any HTTP worker.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    settings: TenantsSettings,
    names: Names,
    slots: RwLock<HashMap<TenantId, Arc<Slot>>>,
    residents: Arc<Residents>,
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

/// What a call came to, with what the address limit says.
pub struct Outcome<T, E> {
    /// The call's own outcome.
    pub result: Result<T, E>,
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
            providers: parts.providers,
            hints: InviteHints::new(
                settings.invite_hints,
                Duration::from_millis(settings.invite_hint_ttl_ms),
                metrics.clone(),
            ),
            known_tokens: KnownTokens::default(),
            usage: parts.usage,
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
            residents: Residents::new(settings.max_live, settings.max_live_bytes),
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
    ) -> Outcome<Tokens, RegistrationError> {
        let mut standing = None;
        let result = self.admitted(tenant, request, &mut standing).await;
        let outcome = match &result {
            Ok(_) => "registered",
            Err(error) => outcome_name(error),
        };
        // Accounts are counted where they are made.
        if let Some(refusal) = refusal_counter(outcome) {
            let now = self.0.clock.now().as_millis();
            let id = tenant.record.id.as_i64();
            self.0.launcher.usage.count(id, refusal, now);
        }
        self.0
            .metrics
            .registration(tenant.record.key.as_str(), outcome);
        Outcome { result, standing }
    }

    /// Serves a call at a tenant: limits, admission, work on the actor's thread with the tenant's tools and rules.
    pub async fn perform<T, E, F>(
        &self,
        tenant: &Arc<Tenant>,
        kind: CallKind,
        requester: IpAddr,
        work: impl FnOnce(Tools, Arc<TenantRules>) -> F + Send + 'static,
    ) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: From<CallError> + Send + 'static,
        F: Future<Output = Result<T, E>> + 'static,
    {
        let mut standing = None;
        let check = |limits: &RateLimits, standing: &mut Option<Standing>| {
            limits
                .check(kind, requester, || None)
                .map(|now| *standing = now)
                .map_err(|limited| too_many(limited, standing))
        };
        let result = match self.enter_checked(tenant, &mut standing, check).await {
            Ok((call, permit)) => {
                let message = Perform {
                    work: Box::new(move |tools, rules| Box::pin(work(tools, rules))),
                    permit: Some(permit),
                    span: tracing::Span::current(),
                };
                let sent = call.live.address.send(message).await;
                sent.unwrap_or_else(|error| Err(CallError::from(self.lost(error)).into()))
            }
            Err(error) => Err(error.into()),
        };
        Outcome { result, standing }
    }

    /// The tenant's public keys as a JWK set, in JSON.
    ///
    /// # Errors
    /// [`TenantError`] when its actor cannot be reached.
    pub async fn public_keys(&self, tenant: &Arc<Tenant>) -> Result<String, TenantError> {
        self.question(tenant, |tools, rules| async move {
            Ok(rules.keys.ring.jwks(tools.clock.now()).to_string())
        })
        .await
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
        self.question(tenant, |tools, _| question(tools.db)).await
    }

    async fn question<T, F>(
        &self,
        tenant: &Arc<Tenant>,
        question: impl FnOnce(Tools, Arc<TenantRules>) -> F + Send + 'static,
    ) -> Result<T, TenantError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + 'static,
    {
        let call = self.enter(tenant).await?;
        let message = Perform {
            work: Box::new(move |tools, rules| Box::pin(question(tools, rules))),
            permit: None,
            span: tracing::Span::current(),
        };
        Ok(call
            .live
            .address
            .send(message)
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

    /// The names of the shared databases, in order.
    #[must_use]
    pub fn shared_databases(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.launcher.databases.shared.keys().cloned().collect();
        names.sort_unstable();
        names
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
    ) -> Result<Tokens, RegistrationError> {
        let check = |limits: &RateLimits, standing: &mut Option<Standing>| {
            judge(limits, tenant, &request, standing).map(|now| *standing = now)
        };
        if self.is_refused_by_hint(tenant, &request) {
            let slot = self.slot(tenant.record.id);
            if let Some(limits) = slot.limits() {
                slot.touch(self.0.clock.monotonic());
                self.count_limited(&slot, check(&limits, standing))?;
                return Err(RegistrationError::InviteRejected);
            }
        }
        let (call, permit) = self.enter_checked(tenant, standing, check).await?;
        if comes_first(tenant, &request) && request.registration.password.is_some() {
            // As the pipeline would: in a flood, a hop to the actor's thread and back is most of what a refusal costs.
            let customer = customer(tenant);
            let room = call
                .live
                .bulkheads
                .hashing
                .foresee(&customer, request.deadline);
            room.map_err(CallError::from)?;
        }
        let message = Register {
            request,
            permit,
            span: tracing::Span::current(),
        };
        let sent = call.live.address.send(message).await;
        sent.map_err(|error| CallError::from(self.lost(error)))?
    }

    /// Whether the code that came is known to be dead, and nothing that the pipeline looks at before it can matter: then the
    /// call ends at the door, without a permit and without a hop to the actor's thread.
    fn is_refused_by_hint(&self, tenant: &Tenant, request: &RegistrationRequest) -> bool {
        let code = request.registration.invite_code.as_deref();
        let code = code.filter(|_| comes_first(tenant, request));
        code.and_then(InviteCode::parse)
            .is_some_and(|code| self.0.launcher.hints.refuses(tenant.record.id, code))
    }

    /// Through the tenant's door: its limits, its actor, its permits.
    async fn enter_checked(
        &self,
        tenant: &Arc<Tenant>,
        standing: &mut Option<Standing>,
        check: impl Fn(&RateLimits, &mut Option<Standing>) -> Result<(), CallError>,
    ) -> Result<(Call, Place), CallError> {
        let slot = self.slot(tenant.record.id);
        // A tenant that was live before has its limiters still: they are asked before anything is launched for the caller.
        let known = slot.limits();
        if let Some(limits) = &known {
            self.count_limited(&slot, check(limits, standing))?;
        }
        let call = self.enter(tenant).await?;
        if known.is_none() {
            let limits = slot.limits().ok_or_else(|| {
                tracing::error!(tenant = %tenant.record.key, "a live tenant has no limits");
                CallError::Internal
            })?;
            self.count_limited(&slot, check(&limits, standing))?;
        }
        let permit = slot.admission.enter().map_err(|_| {
            self.0.metrics.admission_refusal("in_flight");
            slot.turned_away.by_admission(self.0.clock.monotonic());
            CallError::Overloaded(RETRY_AFTER)
        })?;
        Ok((call, permit))
    }

    /// Counts a limiter's refusal for those who ask what presses the tenant.
    fn count_limited(&self, slot: &Slot, checked: Result<(), CallError>) -> Result<(), CallError> {
        checked.inspect_err(|error| slot.turned_away.by_limit(error, self.0.clock.monotonic()))
    }

    /// The tenant's live actor for one call; launches it when there is none.
    async fn enter(&self, tenant: &Arc<Tenant>) -> Result<Call, TenantError> {
        let slot = self.slot(tenant.record.id);
        if let Some(call) = slot.enter(self.0.clock.monotonic()) {
            return Ok(call);
        }
        let limit = Duration::from_millis(self.0.settings.launch_timeout_ms);
        // Boxed: every call holds this future, and few launch.
        let launch = Box::pin(self.launch(&slot, tenant));
        match tokio::time::timeout(limit, launch).await {
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
        if slot.put(None).is_some() {
            history.died = true;
            tracing::warn!(tenant = %tenant.record.key, "the tenant's actor died and is replaced");
        }
        let place = self.make_room(slot, &tenant.record.placement).await?;
        if std::mem::take(&mut history.died) {
            self.0.metrics.actor_relaunched();
        }
        match self
            .0
            .launcher
            .launch(Arc::clone(slot), Arc::clone(tenant), place)
            .await
        {
            Ok(live) => {
                history.failed_at = None;
                slot.put(Some(Arc::new(live)));
                let call = slot
                    .enter(self.0.clock.monotonic())
                    .ok_or(TenantError::Lost)?;
                call.live.place.settle();
                // The settings may have changed while the actor was starting.
                if let Ok(Some(current)) = self.0.names.by_key(&tenant.record.key).await
                    && current.record.revision > tenant.record.revision
                {
                    self.apply(current).await;
                }
                Ok(call)
            }
            Err(error) => {
                self.0.metrics.actor_launch_failed();
                tracing::error!(tenant = %tenant.record.key, %error, "the tenant does not start");
                history.failed_at = Some(self.0.clock.monotonic());
                Err(TenantError::Unavailable(RETRY_AFTER))
            }
        }
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

/// Whether nothing that only the actor knows is looked at before invite code and hash queue: no token, no saved answer.
fn comes_first(tenant: &Tenant, request: &RegistrationRequest) -> bool {
    let open = tenant.record.settings.registration.open;
    open && request.access_token.is_none() && request.idempotency_key.is_none()
}

/// The tenant as the hash pool knows it when it registers somebody.
fn customer(tenant: &Tenant) -> Customer {
    let limits = &tenant.record.settings.limits;
    Customer::new(tenant.record.id, limits, Purpose::Registration)
}

/// Asks the limiters at the door.
fn judge(
    limits: &RateLimits,
    tenant: &Tenant,
    request: &RegistrationRequest,
    standing: &mut Option<Standing>,
) -> Result<Option<Standing>, CallError> {
    let name = || {
        let raw = request.registration.username.as_deref()?;
        // A name that breaks the rules is counted as it was sent.
        let name = Username::parse(raw, &tenant.record.settings);
        Some(name.map_or_else(|_| raw.to_owned(), |name| name.canonical().to_owned()))
    };
    limits
        .check(CallKind::Register, request.requester.ip(), name)
        .map_err(|limited| too_many(limited, standing))
}

fn too_many(limited: Limited, standing: &mut Option<Standing>) -> CallError {
    *standing = limited.standing;
    CallError::TooMany(limited.kind, limited.retry_after)
}

/// The outcome of a registration in metrics.
fn outcome_name(error: &RegistrationError) -> &'static str {
    match error {
        RegistrationError::AwaitsApproval => "pending",
        RegistrationError::Closed => "closed",
        RegistrationError::InviteRequired | RegistrationError::InviteRejected => "invite",
        RegistrationError::NameBanned => "banned",
        RegistrationError::ReasonMissing | RegistrationError::Invalid(_) => "invalid",
        RegistrationError::SameKeyOtherBody | RegistrationError::SameKeyInProgress => "idempotency",
        RegistrationError::Proof(ProofError::Call(error)) => call_outcome(error),
        RegistrationError::Proof(_) => "proof",
        RegistrationError::Call(error) => call_outcome(error),
    }
}

/// How a refused register call counts for its tenant's usage.
fn refusal_counter(outcome: &str) -> Option<Counter> {
    match outcome {
        "registered" | "pending" => None,
        "closed" | "invite" | "banned" => Some(Counter::RefusedPolicy),
        "limited" => Some(Counter::RefusedLimit),
        "overloaded" | "unavailable" | "internal" => Some(Counter::RefusedRoom),
        _ => Some(Counter::RefusedInput),
    }
}

/// The outcome in metrics of a call that is not served.
fn call_outcome(error: &CallError) -> &'static str {
    match error {
        CallError::NotAuthenticated
        | CallError::TokenRejected
        | CallError::AccountRefused(_)
        | CallError::Forbidden => "token",
        CallError::TooMany(..) => "limited",
        CallError::Overloaded(_) => "overloaded",
        CallError::Unavailable(_) => "unavailable",
        CallError::Internal => "internal",
    }
}
