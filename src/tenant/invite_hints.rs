//! Codes that were refused a moment ago: refused again without a query.
//!
//! One bounded moka stands behind the views that the actors own, keyed by (tenant, code); an instance of its own would
//! cost each tenant 33 KB even when empty. A hint never lets anybody in, and is believed for about a second only,
//! because another process may issue the very code meanwhile.

use std::time::Duration;

use moka::sync::Cache;

use crate::domain::ids::TenantId;
use crate::domain::invite_code::InviteCode;
use crate::telemetry::metrics::Metrics;

/// The cache behind all views.
#[derive(Clone)]
pub(super) struct InviteHints {
    refused: Cache<(TenantId, InviteCode), ()>,
    metrics: Metrics,
}

impl InviteHints {
    pub(super) fn new(entries: u64, life: Duration, metrics: Metrics) -> Self {
        let refused = Cache::builder()
            .max_capacity(entries)
            .time_to_live(life)
            .build();
        Self { refused, metrics }
    }

    /// The view of one tenant.
    pub(super) fn of(&self, tenant: TenantId) -> TenantInviteHints {
        TenantInviteHints {
            tenant,
            hints: self.clone(),
        }
    }

    /// Whether a call ends at the door because of this code. What does not is looked at, and counted, by the actor.
    pub(super) fn refuses(&self, tenant: TenantId, code: InviteCode) -> bool {
        let dead = self.refused.contains_key(&(tenant, code));
        if dead {
            self.metrics.invite_hint("hit");
        }
        dead
    }

    /// Shows the number of hints to operators.
    pub(super) fn report(&self) {
        self.metrics.invite_hint_entries(self.refused.entry_count());
    }
}

/// One tenant's view: it cannot ask about another tenant's codes.
#[derive(Clone)]
pub(super) struct TenantInviteHints {
    tenant: TenantId,
    hints: InviteHints,
}

impl TenantInviteHints {
    /// Whether this code was refused a moment ago.
    pub(super) fn is_dead(&self, code: &InviteCode) -> bool {
        let dead = self
            .hints
            .refused
            .contains_key(&(self.tenant, code.clone()));
        self.hints
            .metrics
            .invite_hint(if dead { "hit" } else { "miss" });
        dead
    }

    /// Remembers that this code was refused.
    pub(super) fn refused(&self, code: InviteCode) {
        self.hints.refused.insert((self.tenant, code), ());
    }

    /// Forgets a code that was issued just now.
    pub(super) fn issued(&self, code: &InviteCode) {
        self.hints.refused.invalidate(&(self.tenant, code.clone()));
    }
}
