//! Finished hashes that wait a moment for company.
//!
//! A hash runs through more memory than the processor's inner caches hold. Whatever runs after it on the same core, an
//! actor, the database's thread, an HTTP worker, begins cold, and for a lone answer costs several times what it costs when
//! a few come together. So while a tenant has others in the line, its finished hash is kept back until there are a few,
//! from whatever tenant, or until it has waited long enough. Nobody loses by it: the threads hash on meanwhile, and a
//! tenant that has nothing more in the line gets its answer at once, and takes along what is kept.
//!
//! Bounds: [`COMPANY`] answers, [`PATIENCE`]. A thread that finds no work hands out everything before it waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::{PasswordHash, Verified};
use super::pool::HashRefusal;
use super::queue::Answer;

/// So many answers go out together.
const COMPANY: usize = 8;

/// The longest that an answer is kept back. Hashes so dear that the next one would end later are never kept.
const PATIENCE: Duration = Duration::from_millis(40);

/// An outcome and whom it is for.
pub(super) enum Finished {
    Hash(Answer<PasswordHash>, Result<PasswordHash, HashRefusal>),
    Verify(Answer<Verified>, Result<Verified, HashRefusal>),
}

impl Finished {
    /// Whoever left while the hash ran does not want it.
    fn deliver(self) {
        match self {
            Self::Hash(answer, outcome) => drop(answer.send(outcome)),
            Self::Verify(answer, outcome) => drop(answer.send(outcome)),
        }
    }
}

/// What all threads keep back together.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: Vec<Finished>,
    /// When the first of them was finished.
    since: Option<Instant>,
}

impl Outbox {
    /// Takes an answer that was finished at `now`. `waiting` others of its tenant are in the line, and a hash takes `mean`.
    pub(super) fn put(&self, answer: Finished, waiting: usize, now: Instant, mean: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.push(answer);
        let since = *kept.since.get_or_insert(now);
        let next_ends = now.saturating_duration_since(since) + mean;
        if waiting < COMPANY || kept.answers.len() >= COMPANY || next_ends > PATIENCE {
            let ready = std::mem::take(&mut *kept);
            drop(kept);
            ready.deliver();
        }
    }

    /// Hands out whatever is kept.
    pub(super) fn empty(&self) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        kept.deliver();
    }
}

impl Kept {
    fn deliver(self) {
        self.answers.into_iter().for_each(Finished::deliver);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::{COMPANY, Finished, Outbox, PATIENCE};
    use crate::clock::Clock;
    use crate::hashing::engine::Verified;
    use crate::hashing::pool::HashRefusal;

    type Receiver = oneshot::Receiver<Result<Verified, HashRefusal>>;

    const QUICK: Duration = Duration::from_millis(1);

    fn put(outbox: &Outbox, waiting: usize, now: Instant, mean: Duration) -> Receiver {
        let (answer, receiver) = oneshot::channel();
        let finished = Finished::Verify(answer, Ok(Verified::Right));
        outbox.put(finished, waiting, now, mean);
        receiver
    }

    fn is_out(receiver: &mut Receiver) -> bool {
        receiver.try_recv().is_ok()
    }

    #[test]
    fn answers_of_a_long_line_go_out_together() {
        let (outbox, now) = (Outbox::default(), Clock::system().monotonic());
        let mut kept: Vec<_> = (1..COMPANY)
            .map(|_| put(&outbox, COMPANY, now, QUICK))
            .collect();
        assert!(!kept.iter_mut().any(is_out));
        let mut last = put(&outbox, COMPANY, now, QUICK);
        assert!(is_out(&mut last));
        assert!(kept.iter_mut().all(is_out));
        // And the next ones wait for company again.
        assert!(!is_out(&mut put(&outbox, COMPANY, now, QUICK)));
    }

    #[test]
    fn a_tenant_with_nothing_in_the_line_waits_for_nobody() {
        let (outbox, now) = (Outbox::default(), Clock::system().monotonic());
        let mut kept = put(&outbox, COMPANY, now, QUICK);
        assert!(!is_out(&mut kept));
        assert!(is_out(&mut put(&outbox, 0, now, QUICK)));
        assert!(is_out(&mut kept));
    }

    #[test]
    fn no_answer_is_kept_longer_than_its_patience() {
        let (outbox, now) = (Outbox::default(), Clock::system().monotonic());
        let mut first = put(&outbox, COMPANY, now, QUICK);
        let mut second = put(&outbox, COMPANY, now + PATIENCE, QUICK);
        assert!(is_out(&mut first) && is_out(&mut second));
        // A hash that takes longer than that is never kept.
        assert!(is_out(&mut put(&outbox, COMPANY, now, PATIENCE + QUICK)));
    }

    #[test]
    fn an_emptied_outbox_keeps_nothing() {
        let (outbox, now) = (Outbox::default(), Clock::system().monotonic());
        let mut kept = put(&outbox, COMPANY, now, QUICK);
        outbox.empty();
        assert!(is_out(&mut kept));
        outbox.empty();
    }
}
