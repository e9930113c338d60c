//! The passwords that wait for a hash thread, and whose turn is next.
//!
//! Taken: a round over the tenants that wait, each of which has as many turns as its weight (deficit round robin; a job
//! is worth one turn, or more if it takes longer, which its tenant then owes), first come, first served within a tenant. However many passwords one
//! tenant sends, another waits for one round; and a tenant that comes anew has its first turns before all who were there,
//! then its place in the round, which it keeps until its next turn even if it wants nothing (after fq_codel's new flows,
//! RFC 8290, section 4.2: nobody gains by coming again and again). Two such rounds, one for logins and one for
//! registrations: while both have work, every fourth turn is a login's, so that a flood of one leaves room for the other;
//! a newcomer of the one goes before those of the other who were there, but no two in a row. Refused: one line with
//! quotas, in which a quiet tenant's password still stands behind a hundred others.
//!
//! Bounds: so many jobs in all, so many of one tenant. Callers who left are taken out when room is wanted.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::engine::{PasswordHash, Verified};
use super::pool::HashRefusal;
use crate::domain::ids::TenantId;
use crate::domain::tenant_settings::Limits;

/// On whose behalf a password is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The tenant.
    pub tenant: TenantId,
    /// Turns that the tenant has in one round.
    pub weight: NonZeroU32,
    /// Most of the tenant's passwords that wait, within the server's own bound; `None` is that bound.
    pub most_waiting: Option<NonZeroU32>,
    /// What the password is for.
    pub purpose: Purpose,
}

impl Customer {
    /// The tenant as its limits make it.
    #[must_use]
    pub const fn new(tenant: TenantId, limits: &Limits, purpose: Purpose) -> Self {
        Self {
            tenant,
            weight: limits.hash_weight,
            most_waiting: limits.hash_waiting,
            purpose,
        }
    }
}

/// What a password is worked on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Somebody logs in.
    Login,
    /// Somebody registers, or sets a new password.
    Registration,
}

/// While both purposes wait, every so manyth turn is a login's, those of newcomers not counted.
const TURNS_FOR_ONE_LOGIN: u32 = 4;

/// One password to work on. Dropped, it wipes the password and tells its caller that nothing will
/// come.
pub(super) struct Job {
    /// On whose behalf.
    pub(super) customer: Customer,
    /// The password.
    pub(super) password: SecretString,
    /// Since when it waits.
    pub(super) queued_at: Instant,
    /// From when on it is too late to begin.
    pub(super) start_by: Instant,
    /// Shared with the caller: settles whether the thread begins or the caller leaves.
    pub(super) claim: Claim,
    /// Turns that its work is worth, at least 1: a hash from elsewhere may take as long as many of ours.
    pub(super) turns: u32,
    /// What to do with it.
    pub(super) task: Task,
}

/// What to do with a password, and where the outcome goes.
pub(super) enum Task {
    /// Make a hash to store.
    Hash(Answer<PasswordHash>),
    /// Hold it against a stored hash; `None` stands for an account that has none.
    Verify(Option<SecretString>, Answer<Verified>),
}

/// Where an outcome goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, HashRefusal>>;

impl Job {
    /// Whether its caller waited long enough, or is gone.
    fn is_abandoned(&self) -> bool {
        self.claim.is_taken() || self.task.is_abandoned()
    }
}

impl Task {
    /// Whether nobody waits for the outcome any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash(answer) => answer.is_closed(),
            Self::Verify(_, answer) => answer.is_closed(),
        }
    }
}

/// Goes to the first of two who takes it: to the thread, which then hashes, or to the caller, who
/// then leaves.
#[derive(Clone, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Whether the claim is ours now.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a job was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotQueued {
    /// As many wait as may, in all or of this tenant.
    Full,
    /// The pool stops.
    Closed,
}

/// How many jobs may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// In all.
    pub(super) total: usize,
    /// Of one tenant.
    pub(super) per_tenant: usize,
}

/// A bounded queue that threads wait on.
pub(super) struct Queue {
    line: Mutex<Line>,
    /// Told of each new job, and of the end.
    changed: Condvar,
    bounds: Bounds,
}

/// All that waits.
#[derive(Default)]
struct Line {
    logins: Round,
    registrations: Round,
    /// Turns of registrations since a login had one while both waited; below zero after a login that was worth several.
    since_login: i64,
    /// Whether the last turn was a newcomer's whose purpose it was not.
    let_in: bool,
    closed: bool,
}

/// The tenants that wait, in the order of their turns.
#[derive(Default)]
struct Round {
    /// Everybody who stands in one of the two lists.
    tenants: HashMap<TenantId, Waiting>,
    /// Those who came anew; their turns are before the others'.
    newcomers: VecDeque<TenantId>,
    turns: VecDeque<TenantId>,
    waiting: usize,
    /// Turns that all of them are worth.
    work: usize,
}

/// One tenant's jobs of one purpose. Empty when it wants no more, or when its callers left: then it only keeps its place
/// until its turn comes.
struct Waiting {
    jobs: VecDeque<Job>,
    /// Turns that they are worth.
    work: usize,
    weight: u32,
    /// Turns left in this round.
    credit: u32,
    /// Turns to pass on, because a job was worth more than there were left.
    owed: u32,
}

impl Queue {
    /// An open queue.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            line: Mutex::default(),
            changed: Condvar::new(),
            bounds,
        }
    }

    /// Puts a job at the end of its tenant's line.
    pub(super) fn push(&self, job: Job) -> Result<(), NotQueued> {
        let mut line = self.line();
        if line.closed {
            return Err(NotQueued::Closed);
        }
        if !self.makes_room(&mut line, &job.customer) {
            return Err(NotQueued::Full);
        }
        line.round(job.customer.purpose).push(job);
        drop(line);
        self.changed.notify_one();
        Ok(())
    }

    /// Whether a job of this customer would find a place now.
    pub(super) fn has_room(&self, customer: &Customer) -> bool {
        self.makes_room(&mut self.line(), customer)
    }

    /// Whether there is a place for a job of this customer, once those who left are out of the way.
    fn makes_room(&self, line: &mut Line, customer: &Customer) -> bool {
        let bounds = Bounds {
            per_tenant: self.bound_of(customer),
            ..self.bounds
        };
        let tenant = customer.tenant;
        line.has_room(bounds, tenant) || {
            line.drop_abandoned();
            line.has_room(bounds, tenant)
        }
    }

    /// The job whose turn is next, if one waits.
    pub(super) fn try_pop(&self) -> Option<Job> {
        self.line().next()
    }

    /// Waits for the job whose turn is next; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<Job> {
        let mut line = self.line();
        loop {
            if let Some(job) = line.next() {
                return Some(job);
            }
            if line.closed {
                return None;
            }
            line = self
                .changed
                .wait(line)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many jobs wait.
    pub(super) fn depth(&self) -> usize {
        self.line().waiting()
    }

    /// How many jobs of a tenant wait.
    pub(super) fn waiting_of(&self, tenant: TenantId) -> usize {
        self.line().waiting_of(tenant)
    }

    /// Most jobs of this customer's tenant that may wait.
    pub(super) fn bound_of(&self, customer: &Customer) -> usize {
        let own = customer.most_waiting.map_or(usize::MAX, |most| {
            usize::try_from(most.get()).unwrap_or(usize::MAX)
        });
        own.min(self.bounds.per_tenant)
    }

    /// About how many turns would come before that of a new job of this customer; with jobs of one turn each, at most so
    /// many.
    pub(super) fn ahead_of(&self, customer: &Customer) -> usize {
        self.line().ahead_of(customer)
    }

    /// Takes no more jobs; those that wait are still handed out.
    pub(super) fn close(&self) {
        self.line().closed = true;
        self.changed.notify_all();
    }

    /// A panic elsewhere cannot leave the line half changed, so its lock is good even when
    /// poisoned.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn waiting(&self) -> usize {
        self.logins.waiting + self.registrations.waiting
    }

    fn round(&mut self, purpose: Purpose) -> &mut Round {
        match purpose {
            Purpose::Login => &mut self.logins,
            Purpose::Registration => &mut self.registrations,
        }
    }

    fn has_room(&self, bounds: Bounds, tenant: TenantId) -> bool {
        self.waiting() < bounds.total && self.waiting_of(tenant) < bounds.per_tenant
    }

    fn waiting_of(&self, tenant: TenantId) -> usize {
        self.logins.of(tenant) + self.registrations.of(tenant)
    }

    fn drop_abandoned(&mut self) {
        self.logins.drop_abandoned();
        self.registrations.drop_abandoned();
    }

    fn next(&mut self) -> Option<Job> {
        if self.logins.waiting == 0 || self.registrations.waiting == 0 {
            self.since_login = 0;
            return self.logins.next().or_else(|| self.registrations.next());
        }
        let is_logins = self.since_login + 1 >= i64::from(TURNS_FOR_ONE_LOGIN);
        let (whose, other) = if is_logins {
            (&mut self.logins, &mut self.registrations)
        } else {
            (&mut self.registrations, &mut self.logins)
        };
        // Two in a row would take the turn away.
        self.let_in = !self.let_in && !other.newcomers.is_empty() && whose.newcomers.is_empty();
        if self.let_in {
            let job = other.next()?;
            if !is_logins {
                self.since_login -= registrations_for(&job) - REGISTRATIONS_FOR_ONE_LOGIN;
            }
            return Some(job);
        }
        let job = whose.next()?;
        self.since_login = if is_logins {
            REGISTRATIONS_FOR_ONE_LOGIN - registrations_for(&job)
        } else {
            self.since_login + 1
        };
        Some(job)
    }

    fn ahead_of(&self, customer: &Customer) -> usize {
        let (own, other, share) = match customer.purpose {
            Purpose::Login => (&self.logins, &self.registrations, TURNS_FOR_ONE_LOGIN - 1),
            Purpose::Registration => (&self.registrations, &self.logins, 1),
        };
        let ahead = own.ahead_of(customer);
        // Of the other purpose: for each of ours at most `share` turns, rounded up to a whole round of turns.
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let between = match customer.purpose {
            Purpose::Login => (ahead + 1).saturating_mul(share),
            Purpose::Registration => ahead / 3 + 1,
        };
        ahead + (between + other.newcomers_turns()).min(other.work)
    }
}

const REGISTRATIONS_FOR_ONE_LOGIN: i64 = TURNS_FOR_ONE_LOGIN as i64 - 1;

/// Turns of registrations that make up for a login.
fn registrations_for(login: &Job) -> i64 {
    REGISTRATIONS_FOR_ONE_LOGIN * i64::from(login.turns)
}

impl Round {
    fn of(&self, tenant: TenantId) -> usize {
        self.tenants
            .get(&tenant)
            .map_or(0, |waiting| waiting.jobs.len())
    }

    fn push(&mut self, job: Job) {
        let Customer { tenant, weight, .. } = job.customer;
        let (weight, turns) = (weight.get(), wide(job.turns));
        let waiting = self.tenants.entry(tenant).or_insert_with(|| {
            self.newcomers.push_back(tenant);
            Waiting {
                jobs: VecDeque::new(),
                work: 0,
                weight,
                credit: weight,
                owed: 0,
            }
        });
        waiting.weight = weight;
        waiting.jobs.push_back(job);
        waiting.work += turns;
        self.waiting += 1;
        self.work += turns;
    }

    fn next(&mut self) -> Option<Job> {
        loop {
            let newcomer = self.newcomers.pop_front();
            let is_new = newcomer.is_some();
            let tenant = newcomer.or_else(|| self.turns.pop_front())?;
            let waiting = self.tenants.get_mut(&tenant)?;
            if waiting.owed > 0 {
                // Also of a tenant that wants no more: nobody gains by leaving. Where nobody else waits, all is paid at once.
                waiting.owed = waiting.owed.saturating_sub(waiting.weight);
                self.turns.push_back(tenant);
                continue;
            }
            let Some(job) = waiting.jobs.pop_front() else {
                self.tenants.remove(&tenant);
                continue;
            };
            let turns = wide(job.turns);
            self.waiting -= 1;
            self.work -= turns;
            waiting.work -= turns;
            waiting.owed = job.turns.saturating_sub(waiting.credit);
            waiting.credit = waiting.credit.saturating_sub(job.turns);
            if waiting.credit > 0 && !waiting.jobs.is_empty() {
                let list = if is_new {
                    &mut self.newcomers
                } else {
                    &mut self.turns
                };
                list.push_front(tenant);
            } else {
                waiting.credit = waiting.weight;
                self.turns.push_back(tenant);
            }
            return Some(job);
        }
    }

    /// Turns that newcomers have before all others.
    fn newcomers_turns(&self) -> usize {
        let newcomers = self.newcomers.iter();
        let waiting = newcomers.filter_map(|tenant| self.tenants.get(tenant));
        waiting
            .map(|waiting| waiting.work.min(wide(waiting.credit)))
            .sum()
    }

    fn drop_abandoned(&mut self) {
        (self.waiting, self.work) = (0, 0);
        for waiting in self.tenants.values_mut() {
            waiting.jobs.retain(|job| !job.is_abandoned());
            waiting.work = waiting.jobs.iter().map(|job| wide(job.turns)).sum();
            self.waiting += waiting.jobs.len();
            self.work += waiting.work;
        }
    }

    /// Turns of this purpose before a new job's: the tenant's own, and in each of the rounds that those take, the others'.
    fn ahead_of(&self, customer: &Customer) -> usize {
        let own = self.tenants.get(&customer.tenant);
        let own = own.map_or(0, |waiting| waiting.work + wide(waiting.owed));
        let weight = wide(customer.weight.get());
        let rounds = own / weight + 1;
        let others = self
            .tenants
            .iter()
            .filter(|(tenant, _)| **tenant != customer.tenant);
        let others: usize = others
            .map(|(_, waiting)| {
                let weight = wide(waiting.weight);
                waiting.work.min(rounds.saturating_mul(weight))
            })
            .sum();
        own + others
    }
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
