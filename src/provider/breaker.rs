//! The gate before one provider of one tenant: a bulkhead, which bounds the calls under way, and a breaker, which spares
//! a provider that has failed several times in a row.
//!
//! Nobody waits at the gate. An open breaker lets one call through when its time is up; that one decides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::ProviderSettings;
use crate::pressure::{Bulkhead, Place, Refusals, Resource, Stage};
use crate::telemetry::metrics::Metrics;

/// One provider of one tenant.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    places: Arc<Bulkhead>,
    refusals: Refusals,
    /// Failures in a row that open the breaker.
    failures: u32,
    /// How long it stays open.
    open_for: Duration,
    provider: &'static str,
    metrics: Metrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls pass; so many failed since the last that did not.
    Closed { failures: u32 },
    /// No call passes until then.
    Open { until: Instant },
    /// One call is through to try.
    Trial,
}

/// Why a call does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BreakerOpen,
    BulkheadFull,
}

impl Refusal {
    /// The label of the metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::BreakerOpen => "breaker_open",
            Self::BulkheadFull => "bulkhead_full",
        }
    }
}

/// A call that passed the gate. Dropped unfinished, it gives its place back, and a trial is left to the next call.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    _place: Place,
    /// When it passed, if it is the trial and has not finished.
    trial: Option<Instant>,
}

impl Gate {
    pub(super) fn new(
        settings: &ProviderSettings,
        in_flight: usize,
        provider: &'static str,
        metrics: Metrics,
    ) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            places: Bulkhead::new(Some(in_flight)),
            refusals: Refusals::default(),
            failures: settings.breaker_failures,
            open_for: Duration::from_millis(settings.breaker_open_ms),
            provider,
            metrics,
        }
    }

    /// Lets a call pass, or says at once why not.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Result<Pass, Refusal> {
        let place = self.places.enter().map_err(|_| Refusal::BulkheadFull)?;
        let mut state = self.state();
        let trial = match *state {
            State::Closed { .. } => None,
            State::Open { until } if until <= now => {
                *state = State::Trial;
                Some(now)
            }
            State::Open { .. } | State::Trial => return Err(Refusal::BreakerOpen),
        };
        drop(state);
        Ok(Pass {
            gate: self.clone(),
            _place: place,
            trial,
        })
    }

    /// Sets how many calls may be under way; those that are go on and count.
    pub(super) fn set_bound(&self, in_flight: usize) {
        self.places.set_bound(Some(in_flight));
    }

    /// Counts a call that was turned away, or whose answer did not come.
    pub(super) fn refused(&self, now: Instant) {
        self.refusals.count(now);
    }

    /// How the gate stands.
    pub(super) fn resource(&self, now: Instant) -> Resource {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Resource {
            name: format!("provider.{}", self.provider),
            setting: "limits.provider_in_flight",
            stage: Stage::Work,
            in_use: Some(count(self.places.in_use())),
            bound: self.places.bound().map(count),
            waiting: None,
            expected_wait: None,
            refused: self.refusals.seen(now),
        }
    }

    fn finished(&self, is_trial: bool, has_succeeded: bool, now: Instant) {
        let mut state = self.state();
        let open = State::Open {
            until: now + self.open_for,
        };
        let next = match *state {
            _ if has_succeeded => State::Closed { failures: 0 },
            State::Closed { failures } if failures + 1 < self.failures => State::Closed {
                failures: failures + 1,
            },
            State::Closed { .. } => open,
            State::Trial if is_trial => open,
            // A call from before the breaker opened says nothing new.
            State::Open { .. } | State::Trial => *state,
        };
        match (is_closed(*state), is_closed(next)) {
            (true, false) => {
                self.metrics.provider_breaker_opened(self.provider);
                tracing::warn!(provider = self.provider, "a breaker opens");
            }
            (false, true) => {
                self.metrics.provider_breaker_closed(self.provider);
                tracing::info!(provider = self.provider, "a breaker closes");
            }
            _ => {}
        }
        *state = next;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // The tenant's actor has ended: an open breaker of its is no more.
        if !is_closed(*self.state()) {
            self.metrics.provider_breaker_closed(self.provider);
        }
    }
}

const fn is_closed(state: State) -> bool {
    matches!(state, State::Closed { .. })
}

impl Pass {
    /// Ends the call; `has_succeeded` says whether the provider works, whatever it answered.
    pub(super) fn finish(mut self, has_succeeded: bool, now: Instant) {
        let is_trial = self.trial.take().is_some();
        self.gate.finished(is_trial, has_succeeded, now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(passed_at) = self.trial else { return };
        let mut state = self.gate.state();
        if *state == State::Trial {
            *state = State::Open { until: passed_at };
        }
    }
}
