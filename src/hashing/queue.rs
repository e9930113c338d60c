//! The passwords that wait for a hash thread, and whose turn is next.
//!
//! Today: first come, first served, with one bound for all tenants. A policy that is fair between
//! tenants replaces the `VecDeque` here and nothing else: each job says whose it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::engine::{PasswordHash, Verified};
use super::pool::HashRefusal;
use crate::domain::ids::TenantId;

/// One password to work on. Dropped, it wipes the password and tells its caller that nothing will
/// come.
pub(super) struct Job {
    /// On whose behalf.
    pub(super) tenant: TenantId,
    /// The password.
    pub(super) password: SecretString,
    /// Since when it waits.
    pub(super) queued_at: Instant,
    /// From when on it is too late to begin.
    pub(super) start_by: Instant,
    /// Shared with the caller: settles whether the thread begins or the caller leaves.
    pub(super) claim: Claim,
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
}

/// Why a job was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotQueued {
    /// As many wait as may.
    Full,
    /// The pool stops.
    Closed,
}

/// A bounded queue that threads wait on.
pub(super) struct Queue {
    line: Mutex<Line>,
    /// Told of each new job, and of the end.
    changed: Condvar,
    capacity: usize,
}

struct Line {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// An open queue with room for `capacity` jobs.
    pub(super) fn new(capacity: usize) -> Self {
        let line = Line {
            jobs: VecDeque::new(),
            closed: false,
        };
        Self {
            line: Mutex::new(line),
            changed: Condvar::new(),
            capacity,
        }
    }

    /// Puts a job at the end of the line.
    pub(super) fn push(&self, job: Job) -> Result<(), NotQueued> {
        let mut line = self.line();
        if line.closed {
            return Err(NotQueued::Closed);
        }
        if line.jobs.len() >= self.capacity {
            return Err(NotQueued::Full);
        }
        line.jobs.push_back(job);
        drop(line);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the job whose turn is next; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<Job> {
        let mut line = self.line();
        loop {
            if let Some(job) = line.jobs.pop_front() {
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
        self.line().jobs.len()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::{Claim, Job, NotQueued, Queue};
    use crate::clock::Clock;
    use crate::domain::ids::TenantId;

    fn job(tenant: i64) -> Job {
        let now = Clock::system().monotonic();
        Job {
            tenant: TenantId::from_i64(tenant),
            password: "secret".into(),
            queued_at: now,
            start_by: now + Duration::from_secs(1),
            claim: Claim::default(),
            task: super::Task::Hash(oneshot::channel().0),
        }
    }

    #[test]
    fn jobs_leave_in_the_order_they_came() {
        let queue = Queue::new(3);
        for tenant in 1..=3 {
            queue.push(job(tenant)).unwrap();
        }
        assert_eq!(queue.push(job(4)), Err(NotQueued::Full));
        let order: Vec<_> = (0..3)
            .map(|_| queue.pop().unwrap().tenant.as_i64())
            .collect();
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(queue.depth(), 0);
    }

    #[test]
    fn a_closed_queue_empties_and_then_ends() {
        let queue = Queue::new(3);
        queue.push(job(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(job(2)), Err(NotQueued::Closed));
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_none());
    }

    #[test]
    fn closing_wakes_every_thread_that_waits() {
        let queue = Arc::new(Queue::new(1));
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || queue.pop().is_none())
            })
            .collect();
        queue.close();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
    }

    #[test]
    fn a_poisoned_lock_still_works() {
        let queue = Arc::new(Queue::new(1));
        let other = Arc::clone(&queue);
        let died = std::thread::spawn(move || {
            let _line = other.line();
            panic!("while holding the lock");
        });
        assert!(died.join().is_err());
        queue.push(job(1)).unwrap();
        assert_eq!(queue.depth(), 1);
    }

    #[test]
    fn a_claim_goes_to_the_first_taker_only() {
        let claim = Claim::default();
        let other = claim.clone();
        assert!(claim.take());
        assert!(!other.take());
    }
}
