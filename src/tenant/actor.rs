//! A tenant's actor: owns the tenant's database handle, its view of the invite hints and its rate limiters.
//!
//! Every handler decides in its synchronous part and returns a `ResponseFuture` over cloned handles: a panic in that
//! future fails the one request alone, and requests run side by side.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, ResponseFuture};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::invite_hints::TenantInviteHints;
use super::message::{Drain, InvitesIssued, Perform, Reconfigure, Register};
use super::slot::{Bulkheads, Slot};
use crate::clock::Timestamp;
use crate::domain::invite_code::InviteCode;
use crate::domain::master_key::MasterKey;
use crate::domain::tenant_key::TenantKey;
use crate::registration::error::RegistrationError;
use crate::registration::pipeline;
use crate::session::accounts::ProviderAccounts;
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::tenant_db::TenantDb;
use crate::telemetry::TRACE;
use crate::telemetry::metrics::Metrics;

/// The actor of one tenant.
pub(super) struct TenantActor {
    /// Where the door looks for this tenant's limiters and permits.
    slot: Arc<Slot>,
    /// Settings and keys; replaced as a whole when the settings change.
    rules: Arc<TenantRules>,
    /// The revision of the tenant that the rules are of.
    revision: i64,
    /// The database handle and what else the pipeline works with.
    tools: Tools,
    /// What bounds those tools, to be moved when the settings change.
    bulkheads: Bulkheads,
    /// Codes refused a moment ago.
    hints: TenantInviteHints,
    /// Idempotency keys of requests at work: a second one with the same key is refused, not run beside the first.
    in_progress: InProgress,
    /// Requests begun and not ended; a drain waits for none.
    running: Running,
    /// Removes expired rows now and then. Not an interval of the actor's context: that would keep the context, and with
    /// it the actor, alive after its last address is gone.
    housekeeper: JoinHandle<()>,
    /// Opens the secrets of settings that change.
    master_key: Arc<MasterKey>,
    /// Taken by a drain once the database is closed, else dropped with the actor.
    alive: Rc<Cell<Option<Alive>>>,
}

/// Counts among the live until it is dropped.
struct Alive(Metrics);

impl Alive {
    fn new(metrics: Metrics) -> Self {
        metrics.actor_launched();
        Self(metrics)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.actor_ended();
    }
}

/// What an actor is made of.
pub(super) struct ActorParts {
    pub(super) slot: Arc<Slot>,
    pub(super) rules: TenantRules,
    pub(super) revision: i64,
    pub(super) tools: Tools,
    pub(super) bulkheads: Bulkheads,
    pub(super) hints: TenantInviteHints,
    /// The pause between two rounds of removing expired rows.
    pub(super) housekeeping: Duration,
    pub(super) master_key: Arc<MasterKey>,
    pub(super) metrics: Metrics,
}

type InProgress = Rc<RefCell<HashSet<String>>>;

impl TenantActor {
    /// The span of one message of a request, in traces alone.
    fn span(&self, request: &Span) -> Span {
        let tenant = tracing::field::display(&self.rules.key);
        tracing::trace_span!(target: TRACE, parent: request, "actor", enroll.tenant = tenant)
    }

    pub(super) fn new(parts: ActorParts) -> Self {
        let ActorParts {
            slot,
            rules,
            revision,
            tools,
            bulkheads,
            hints,
            housekeeping,
            master_key,
            metrics,
        } = parts;
        // Before anybody has the actor's address: who has it may go through the gate.
        slot.open_gate(&rules.settings.limits);
        bulkheads.set_bounds(&rules.settings.limits);
        let running = Running::default();
        Self {
            housekeeper: actix::spawn(keep_house(
                tools.db.clone(),
                running.clone(),
                housekeeping,
                metrics.clone(),
                rules.key.clone(),
            )),
            slot,
            rules: Arc::new(rules),
            revision,
            tools,
            bulkheads,
            hints,
            in_progress: InProgress::default(),
            running,
            master_key,
            alive: Rc::new(Cell::new(Some(Alive::new(metrics)))),
        }
    }
}

impl Actor for TenantActor {
    type Context = Context<Self>;
}

impl Drop for TenantActor {
    fn drop(&mut self) {
        self.housekeeper.abort();
    }
}

async fn keep_house(
    db: TenantDb,
    running: Running,
    every: Duration,
    metrics: Metrics,
    key: TenantKey,
) {
    let mut seen = running.begun();
    let mut rests = false;
    loop {
        tokio::time::sleep(every).await;
        let begun = running.begun();
        if begun == seen {
            // Nobody called for a whole round: what is expired can wait for the next call, and memory is better spent on
            // others.
            if !rests {
                let _running = running.begin();
                rests = Box::pin(db.rest()).await.is_ok();
                seen = running.begun();
            }
            continue;
        }
        rests = false;
        let _running = running.begin();
        seen = running.begun();
        // Boxed: a tenant sleeps here most of its life, and the work would take twenty times the room of the sleep.
        if let Err(error) = Box::pin(db.delete_expired()).await {
            tracing::warn!(%error, "expired rows stay until the next round");
        }
        // Only calls make or decide applications, so those of a tenant that nobody calls need no counting.
        match Box::pin(db.count_applications()).await {
            Ok((waiting, oldest)) => {
                let oldest = oldest.map(Timestamp::as_seconds);
                metrics.applications(key.as_str(), waiting, oldest);
            }
            Err(error) => tracing::warn!(%error, "applications are counted in the next round"),
        }
    }
}

impl Handler<Register> for TenantActor {
    type Result = ResponseFuture<Result<Tokens, RegistrationError>>;

    fn handle(&mut self, message: Register, _: &mut Self::Context) -> Self::Result {
        fail::fail_point!("actor_handler");
        let Register {
            request,
            permit,
            span,
        } = message;
        let in_progress = match &request.idempotency_key {
            None => None,
            Some(key) => match KeyInProgress::claim(&self.in_progress, key) {
                Some(claim) => Some(claim),
                None => return Box::pin(async { Err(RegistrationError::SameKeyInProgress) }),
            },
        };
        let code = request
            .registration
            .invite_code
            .as_deref()
            .and_then(InviteCode::parse);
        let dead = code.as_ref().is_some_and(|code| self.hints.is_dead(code));
        let (tools, rules) = (self.tools.clone(), Arc::clone(&self.rules));
        let (hints, running) = (self.hints.clone(), self.running.begin());
        let work = async move {
            let _ends_with_the_work = (permit, running, in_progress);
            fail::fail_point!("request_future");
            let outcome = pipeline::register(&tools, &rules, &request, dead).await;
            // A refusal that rests on the hint does not renew it: a code that others issued since must soon work here.
            if let (Err(RegistrationError::InviteRejected), Some(code), false) =
                (&outcome, code, dead)
            {
                hints.refused(code);
            }
            outcome
        };
        let actor = self.span(&span);
        Box::pin(work.instrument(actor).instrument(span))
    }
}

impl<T: Send + 'static, E: Send + 'static> Handler<Perform<T, E>> for TenantActor {
    type Result = ResponseFuture<Result<T, E>>;

    fn handle(&mut self, message: Perform<T, E>, _: &mut Self::Context) -> Self::Result {
        let Perform { work, permit, span } = message;
        let running = self.running.begin();
        let work = work(self.tools.clone(), Arc::clone(&self.rules));
        let work = async move {
            let _end_with_the_work = (permit, running);
            work.await
        };
        let actor = self.span(&span);
        Box::pin(work.instrument(actor).instrument(span))
    }
}

impl Handler<InvitesIssued> for TenantActor {
    type Result = ();

    fn handle(&mut self, InvitesIssued(codes): InvitesIssued, _: &mut Self::Context) {
        for code in &codes {
            self.hints.issued(code);
        }
    }
}

impl Handler<Reconfigure> for TenantActor {
    type Result = ();

    fn handle(&mut self, change: Reconfigure, _: &mut Self::Context) {
        let Reconfigure { tenant, keys } = change;
        // Two who bring changes read their keys side by side, and the older may come last.
        if tenant.record.revision < self.revision {
            return;
        }
        self.revision = tenant.record.revision;
        let settings = Arc::clone(&tenant.record.settings);
        let accounts = ProviderAccounts::open(&settings, self.rules.id, &self.master_key);
        let rules = self
            .rules
            .changed(settings, accounts, tenant.issuer.clone(), keys);
        self.rules = Arc::new(rules);
        self.slot.open_gate(&self.rules.settings.limits);
        self.bulkheads.set_bounds(&self.rules.settings.limits);
    }
}

impl Handler<Drain> for TenantActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let (running, db) = (self.running.clone(), self.tools.db.clone());
        let alive = Rc::clone(&self.alive);
        Box::pin(async move {
            running.none_left().await;
            db.close().await;
            drop(alive.take());
        })
    }
}

/// An idempotency key whose request is at work.
struct KeyInProgress {
    keys: InProgress,
    key: String,
}

impl KeyInProgress {
    fn claim(keys: &InProgress, key: &str) -> Option<Self> {
        let free = keys.borrow_mut().insert(key.to_owned());
        free.then(|| Self {
            keys: Rc::clone(keys),
            key: key.to_owned(),
        })
    }
}

impl Drop for KeyInProgress {
    fn drop(&mut self) {
        self.keys.borrow_mut().remove(&self.key);
    }
}

/// Counts work on the actor's own thread.
#[derive(Clone, Default)]
struct Running(Rc<Counts>);

#[derive(Default)]
struct Counts {
    running: Cell<usize>,
    begun: Cell<u64>,
    ended: Notify,
}

struct Begun(Running);

impl Running {
    fn begin(&self) -> Begun {
        self.0.running.set(self.0.running.get() + 1);
        self.0.begun.set(self.0.begun.get() + 1);
        Begun(self.clone())
    }

    /// How much was begun in all.
    fn begun(&self) -> u64 {
        self.0.begun.get()
    }

    async fn none_left(&self) {
        while self.0.running.get() > 0 {
            self.0.ended.notified().await;
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Counts { running, ended, .. } = &*self.0.0;
        running.set(running.get().saturating_sub(1));
        ended.notify_waiters();
    }
}
