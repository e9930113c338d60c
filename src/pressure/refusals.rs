//! Counts what was refused within the last minute, by the second.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Seconds that are remembered.
const MINUTE: usize = 60;
/// Seconds that count as just now.
const LATELY: usize = 10;

/// The refusals of one resource of one tenant. Takes no memory until there is one.
#[derive(Default)]
pub struct Refusals(OnceLock<Box<Mutex<Ring>>>);

/// How many refusals there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Within the last 10 s.
    pub lately: u64,
    /// Within the last 60 s.
    pub last_minute: u64,
}

struct Ring {
    /// A count for each second; the newest at `newest`, older ones before it.
    counts: [u32; MINUTE],
    newest: usize,
    /// When the newest second began.
    begun: Instant,
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, now: Instant) {
        let ring = self.0.get_or_init(|| Box::new(Mutex::new(Ring::new(now))));
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.move_on(now);
        ring.count();
    }

    /// How many there were until now.
    #[must_use]
    pub fn seen(&self, now: Instant) -> Refused {
        let Some(ring) = self.0.get() else {
            return Refused::default();
        };
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.move_on(now);
        Refused {
            lately: ring.sum(LATELY),
            last_minute: ring.sum(MINUTE),
        }
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

impl Ring {
    fn new(now: Instant) -> Self {
        Self {
            counts: [0; MINUTE],
            newest: 0,
            begun: now,
        }
    }

    /// Begins the seconds that have passed, each with a count of zero. A clock read before another thread's is no step back.
    fn move_on(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.begun).as_secs();
        self.begun += Duration::from_secs(passed);
        let passed = usize::try_from(passed).unwrap_or(MINUTE);
        for _ in 0..passed.min(MINUTE) {
            self.newest = (self.newest + 1) % MINUTE;
            if let Some(count) = self.counts.get_mut(self.newest) {
                *count = 0;
            }
        }
    }

    fn count(&mut self) {
        if let Some(count) = self.counts.get_mut(self.newest) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts of the newest so many seconds.
    fn sum(&self, seconds: usize) -> u64 {
        let newest_first = (0..seconds).map(|back| (self.newest + MINUTE - back) % MINUTE);
        newest_first
            .filter_map(|index| self.counts.get(index))
            .map(|count| u64::from(*count))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Refusals, Refused};
    use crate::clock::Clock;

    #[test]
    fn refusals_are_forgotten_after_ten_seconds_and_a_minute() {
        let refusals = Refusals::default();
        let start = Clock::system().monotonic();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seen = |seconds| {
            let Refused {
                lately,
                last_minute,
            } = refusals.seen(at(seconds));
            (lately, last_minute)
        };
        assert_eq!(seen(0), (0, 0));
        assert!(
            refusals.0.get().is_none(),
            "nothing refused takes no memory"
        );
        refusals.count(at(0));
        refusals.count(at(0));
        refusals.count(at(5));
        assert_eq!(seen(5), (3, 3));
        assert_eq!(seen(9), (3, 3));
        assert_eq!(seen(10), (1, 3));
        assert_eq!(seen(15), (0, 3));
        refusals.count(at(59));
        assert_eq!(seen(59), (1, 4));
        assert_eq!(seen(60), (1, 2));
        assert_eq!(seen(65), (1, 1));
        assert_eq!(seen(10_000), (0, 0));
        refusals.count(at(9_999));
        assert_eq!(seen(10_000), (1, 1), "a late clock counts as now");
    }
}
