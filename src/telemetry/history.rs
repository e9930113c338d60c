//! The last half hour of a few figures of this process, for the console's charts. What operators keep for longer is
//! their monitoring's, which reads `/metrics`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often figures are noted.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// So many samples are kept: half an hour, and the one before it.
const MOST_SAMPLES: usize = 361;

/// What the process has done since its start, and what it is at now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Register calls by how they ended.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Passwords that wait for a hash thread.
    pub hash_queue_depth: i64,
    /// Tenants with a running actor.
    pub live_tenants: i64,
}

/// Figures at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The figures.
    pub figures: Figures,
}

/// A bounded row of samples, the oldest first. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<VecDeque<Sample>>>);

impl History {
    /// Notes figures; the oldest sample makes room.
    pub fn note(&self, at: i64, figures: Figures) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= MOST_SAMPLES {
            samples.pop_front();
        }
        samples.push_back(Sample { at, figures });
    }

    /// The samples, the oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, History, MOST_SAMPLES};

    #[test]
    fn only_the_latest_samples_are_kept() {
        let history = History::default();
        for second in 0..1000 {
            history.clone().note(second, Figures::default());
        }
        let samples = history.samples();
        assert_eq!(samples.len(), MOST_SAMPLES);
        assert_eq!(samples[0].at, 1000 - 361);
        assert_eq!(samples[MOST_SAMPLES - 1].at, 999);
    }
}
