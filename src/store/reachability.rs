//! Whether a database with a server can be reached, as the last calls for a connection tell.
//!
//! While it cannot, one operation at a time tries and the others are refused at once. Refused: to let all of them wait
//! for a connection. They would wait in a line in which each one's turn comes just before its own time is up, too late
//! to connect, and under steady load that line would outlive the outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of one pool's database. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reachability(Arc<Signs>);

#[derive(Debug, Default)]
struct Signs {
    /// How often a live connection was handed out.
    handed_out: AtomicU64,
    /// An operation failed while none was.
    lost: AtomicBool,
    /// An operation is trying whether the database came back.
    trying: AtomicBool,
    /// Such a trial failed: the pool itself may be at fault, for connections that froze keep their places in it.
    pool_failed: AtomicBool,
}

/// An operation that may ask for a connection.
pub(super) struct Attempt {
    signs: Arc<Signs>,
    handed_out_before: u64,
    is_trial: bool,
}

impl Reachability {
    /// A live connection is handed out.
    pub(super) fn handed_out(&self) {
        self.0.handed_out.fetch_add(1, Ordering::AcqRel);
        self.0.lost.store(false, Ordering::Release);
        self.0.pool_failed.store(false, Ordering::Release);
    }

    /// Lets an operation begin; `None` while the database is lost and another operation tries.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        let is_trial = self.0.lost.load(Ordering::Acquire);
        if is_trial && self.0.trying.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Attempt {
            signs: Arc::clone(&self.0),
            handed_out_before: self.0.handed_out.load(Ordering::Acquire),
            is_trial,
        })
    }
}

impl Attempt {
    /// The operation failed: if nobody got a connection since it began, there are none to get.
    pub(super) fn failed(&self) {
        if self.signs.handed_out.load(Ordering::Acquire) == self.handed_out_before {
            self.signs.lost.store(true, Ordering::Release);
            if self.is_trial {
                self.signs.pool_failed.store(true, Ordering::Release);
            }
        }
    }

    /// Whether this is a trial after one that failed. A trial has the pool to itself, so it need not be tried again.
    pub(super) fn needs_new_pool(&self) -> bool {
        self.is_trial && self.signs.pool_failed.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Attempt {
    /// Also when the operation's caller has gone: then the next one tries.
    fn drop(&mut self) {
        if self.is_trial {
            self.signs.trying.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reachability;

    #[test]
    fn one_at_a_time_tries_a_lost_database_until_a_connection_is_handed_out() {
        let reachability = Reachability::default();
        let first = reachability.attempt().unwrap();
        let second = reachability.attempt().unwrap();
        first.failed();
        let trial = reachability.attempt().unwrap();
        assert!(reachability.attempt().is_none());
        assert!(!trial.needs_new_pool());
        trial.failed();
        drop(trial);
        let trial = reachability.attempt().unwrap();
        assert!(trial.needs_new_pool());
        assert!(reachability.attempt().is_none());
        reachability.handed_out();
        assert!(reachability.attempt().is_some());
        // Waited for the same outage, and says nothing about now.
        second.failed();
        trial.failed();
        assert!(reachability.attempt().is_some());
    }

    #[test]
    fn a_failure_with_a_connection_in_hand_is_no_sign_of_loss() {
        let reachability = Reachability::default();
        let attempt = reachability.attempt().unwrap();
        reachability.handed_out();
        attempt.failed();
        let one = reachability.attempt();
        assert!(one.is_some() && reachability.attempt().is_some());
    }
}
