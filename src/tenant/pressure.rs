//! Who was turned away at a tenant's door.

use std::time::Instant;

use super::rate_limit::RateLimits;
use crate::domain::tenant_settings::Rate;
use crate::pressure::{Bulkhead, Refusals, Resource, Stage};
use crate::session::error::{CallError, LimitKind};

/// The limits that are judged at the door: their kind, their name, the setting.
const DOOR_LIMITS: [(LimitKind, &str, &str); 6] = [
    (LimitKind::Address, "limit.address", "limits.per_address"),
    (LimitKind::Username, "limit.username", "limits.per_username"),
    (LimitKind::Tenant, "limit.tenant", "limits.per_tenant"),
    (LimitKind::Login, "limit.login", "limits.login_per_address"),
    (LimitKind::Sms, "limit.sms", "limits.sms_per_address"),
    (LimitKind::Call, "limit.call", "limits.calls_per_address"),
];

/// Counts what the door refused, by what it lacked. It outlives the actor, as the door does.
#[derive(Default)]
pub(super) struct TurnedAway {
    admission: Refusals,
    limits: [Refusals; DOOR_LIMITS.len()],
}

impl TurnedAway {
    /// Counts a call that found no place.
    pub(super) fn by_admission(&self, now: Instant) {
        self.admission.count(now);
    }

    /// Counts a call that a limiter refused; other errors are none of the door's.
    pub(super) fn by_limit(&self, error: &CallError, now: Instant) {
        let CallError::TooMany(kind, _) = error else {
            return;
        };
        let counts = DOOR_LIMITS.iter().zip(&self.limits);
        for (_, refusals) in counts.filter(|((of, ..), _)| of == kind) {
            refusals.count(now);
        }
    }

    /// How the door stands: admission, then each limit that is on.
    pub(super) fn resources(
        &self,
        admission: &Bulkhead,
        limits: &RateLimits,
        now: Instant,
    ) -> Vec<Resource> {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let admission = Resource {
            name: "admission".into(),
            setting: "limits.in_flight",
            stage: Stage::Admission,
            in_use: Some(count(admission.in_use())),
            bound: admission.bound().map(count),
            waiting: None,
            expected_wait: None,
            refused: self.admission.seen(now),
        };
        let limit =
            |((kind, name, setting), rate, refusals): ((LimitKind, &str, _), Rate, &Refusals)| {
                Resource {
                    name: name.into(),
                    setting,
                    stage: Stage::Limit,
                    in_use: (kind == LimitKind::Tenant)
                        .then(|| limits.tenant_in_use())
                        .flatten()
                        .map(u64::from),
                    bound: Some(u64::from(rate.calls.get())),
                    waiting: None,
                    expected_wait: None,
                    refused: refusals.seen(now),
                }
            };
        let limits = DOOR_LIMITS
            .into_iter()
            .zip(limits.rates())
            .zip(&self.limits)
            .filter_map(|((of, rate), refusals)| Some((of, rate?, refusals)))
            .map(limit);
        std::iter::once(admission).chain(limits).collect()
    }
}
