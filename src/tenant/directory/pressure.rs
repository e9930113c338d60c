//! How hard a tenant presses on what bounds it, as this process sees it.

use super::{Directory, customer};
use crate::pressure::Resource;
use crate::tenant::names::Tenant;

/// A tenant's bounded resources at a moment, in one process.
pub struct Pressure {
    /// Whether its actor is live here.
    pub live: bool,
    /// What callers meet, in that order. Of a tenant that is not live only the door, and nothing if it never was.
    pub resources: Vec<Resource>,
}

impl Directory {
    /// Looks at a tenant's bulkheads and limits. Wakes nobody, and asks neither actor nor database, so it tells when those
    /// do not answer.
    #[must_use]
    pub fn pressure(&self, tenant: &Tenant) -> Pressure {
        let record = &tenant.record;
        let Some(slot) = self.slots().get(&record.id).cloned() else {
            return Pressure {
                live: false,
                resources: Vec::new(),
            };
        };
        let now = self.0.clock.monotonic();
        let mut resources = slot.limits().map_or_else(Vec::new, |limits| {
            slot.turned_away.resources(&slot.admission, &limits, now)
        });
        let live = slot.live().filter(|live| live.address.connected());
        if let Some(live) = &live {
            let customer = customer(tenant);
            let bulkheads = &live.bulkheads;
            resources.push(bulkheads.hashing.resource(&customer));
            resources.push(bulkheads.database.resource());
            resources.extend(bulkheads.providers.resources());
        }
        Pressure {
            live: live.is_some(),
            resources,
        }
    }
}
