//! What each tenant used, by the hour, until it is written to the platform database (`store/usage.rs`).
//!
//! Counting takes a lock for an addition and asks nobody. What is counted is taken out whole at each flush, so a tenant that
//! sleeps takes nothing; [`MOST`] bounds what waits for a database that does not answer. Time is handed in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Milliseconds of an hour.
pub const HOUR: i64 = 3_600_000;
/// Most hours of tenants that are kept, about 150 bytes each. Beyond it the newcomers' events are lost, and counted as lost.
const MOST: usize = 100_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Accounts made, by the register call or by themselves, those that wait for approval included.
    Registrations,
    /// Register calls refused for what they brought.
    RefusedInput,
    /// Register calls refused by the tenant's rules: closed, no good invite, a banned word.
    RefusedPolicy,
    /// Register calls refused by a limit.
    RefusedLimit,
    /// Register calls refused for want of room, or by a fault.
    RefusedRoom,
    /// Logins.
    Logins,
    /// Passwords and codes that were wrong, and locked names.
    FailedLogins,
    /// Text messages that the provider took.
    SmsSent,
    /// Password hashes computed.
    Hashes,
}

impl Counter {
    /// All of them, in the order of [`Counts`].
    pub const ALL: [Self; 9] = [
        Self::Registrations,
        Self::RefusedInput,
        Self::RefusedPolicy,
        Self::RefusedLimit,
        Self::RefusedRoom,
        Self::Logins,
        Self::FailedLogins,
        Self::SmsSent,
        Self::Hashes,
    ];

    /// Its name in the database and in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::RefusedInput => "refused_input",
            Self::RefusedPolicy => "refused_policy",
            Self::RefusedLimit => "refused_limit",
            Self::RefusedRoom => "refused_room",
            Self::Logins => "logins",
            Self::FailedLogins => "failed_logins",
            Self::SmsSent => "sms_sent",
            Self::Hashes => "hashes",
        }
    }
}

/// How often each thing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([i64; Counter::ALL.len()]);

impl Counts {
    /// How often this happened.
    #[must_use]
    pub fn get(&self, counter: Counter) -> i64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Counts some more.
    pub fn add(&mut self, counter: Counter, more: i64) {
        if let Some(count) = self.0.get_mut(counter as usize) {
            *count = count.saturating_add(more);
        }
    }

    /// Counts all of it.
    pub fn add_all(&mut self, more: &Self) {
        for counter in Counter::ALL {
            self.add(counter, more.get(counter));
        }
    }
}

/// What one tenant used in one hour, at this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfTenant {
    /// The tenant's number.
    pub tenant: i64,
    /// When the hour began, in milliseconds since the Unix epoch.
    pub hour: i64,
    /// What was counted.
    pub counts: Counts,
}

/// What was counted since the last flush. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    hours: HashMap<(i64, i64), Counts>,
    lost: u64,
}

impl Book {
    fn add(&mut self, tenant: i64, hour: i64, counts: &Counts) {
        let full = self.hours.len() >= MOST;
        match self.hours.entry((tenant, hour)) {
            Entry::Occupied(known) => known.into_mut().add_all(counts),
            Entry::Vacant(new) if !full => {
                new.insert(*counts);
            }
            Entry::Vacant(_) => self.lost = self.lost.saturating_add(1),
        }
    }
}

impl Usage {
    /// Counts one event of a tenant at `now`, in milliseconds since the Unix epoch.
    pub fn count(&self, tenant: i64, counter: Counter, now: i64) {
        let mut one = Counts::default();
        one.add(counter, 1);
        let hour = now.div_euclid(HOUR).saturating_mul(HOUR);
        self.book().add(tenant, hour, &one);
    }

    /// One tenant's way to count.
    #[must_use]
    pub fn of_tenant(&self, tenant: i64) -> TenantUsage {
        TenantUsage {
            usage: self.clone(),
            tenant,
        }
    }

    /// Takes out what was counted, in the order of the keys, and how many events were lost for want of room.
    #[must_use]
    pub fn take(&self) -> (Vec<HourOfTenant>, u64) {
        let taken = std::mem::take(&mut *self.book());
        let hour_of = |((tenant, hour), counts)| HourOfTenant {
            tenant,
            hour,
            counts,
        };
        let mut hours: Vec<_> = taken.hours.into_iter().map(hour_of).collect();
        hours.sort_unstable_by_key(|hour| (hour.tenant, hour.hour));
        (hours, taken.lost)
    }

    /// Puts back what could not be written.
    pub fn give_back(&self, hours: &[HourOfTenant]) {
        let mut book = self.book();
        for HourOfTenant {
            tenant,
            hour,
            counts,
        } in hours
        {
            book.add(*tenant, *hour, counts);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One tenant's way to count. Clones share the book.
#[derive(Clone, Debug)]
pub struct TenantUsage {
    usage: Usage,
    tenant: i64,
}

impl TenantUsage {
    /// Counts one event at `now`, in milliseconds since the Unix epoch.
    pub fn count(&self, counter: Counter, now: i64) {
        self.usage.count(self.tenant, counter, now);
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Counts, HOUR, HourOfTenant, MOST, Usage};

    #[test]
    fn events_are_counted_by_tenant_and_hour_and_taken_once() {
        let usage = Usage::default();
        usage.count(7, Counter::Logins, 5 * HOUR + 1);
        usage.of_tenant(7).count(Counter::Logins, 6 * HOUR - 1);
        usage.count(7, Counter::Hashes, 6 * HOUR);
        usage.count(3, Counter::Registrations, 6 * HOUR);
        let (hours, lost) = usage.take();
        let found: Vec<_> = hours
            .iter()
            .map(|each| (each.tenant, each.hour / HOUR))
            .collect();
        assert_eq!((found, lost), (vec![(3, 6), (7, 5), (7, 6)], 0));
        assert_eq!(hours[1].counts.get(Counter::Logins), 2);
        assert_eq!(hours[1].counts.get(Counter::Hashes), 0);
        assert_eq!(usage.take(), (vec![], 0), "what sleeps takes nothing");
        usage.give_back(&hours[1..]);
        usage.count(7, Counter::Logins, 5 * HOUR);
        assert_eq!(usage.take().0[0].counts.get(Counter::Logins), 3);
    }

    #[test]
    fn a_full_book_goes_on_with_whom_it_knows_and_says_what_is_lost() {
        let usage = Usage::default();
        let hour = |tenant| HourOfTenant {
            tenant,
            hour: 0,
            counts: Counts::default(),
        };
        let many = i64::try_from(MOST).unwrap();
        usage.give_back(&(0..many).map(hour).collect::<Vec<_>>());
        usage.count(many, Counter::Logins, 0);
        usage.count(1, Counter::Logins, 0);
        let (hours, lost) = usage.take();
        assert_eq!((hours.len(), lost), (MOST, 1));
        assert_eq!(hours[1].counts.get(Counter::Logins), 1);
    }

    #[test]
    fn every_counter_has_its_own_place() {
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
        }
    }
}
