//! Who is live: how many, how many bytes they are taken for, and who was used least lately.
//!
//! A tenant takes its place before it is launched and gives it back when its actor is gone, so neither number is ever
//! exceeded, however many are launched at once. Finding who makes room costs the logarithm of how many are live: places
//! stand in the order of their tenants' last use as it was when last looked at, and one that was used since moves back
//! when its turn comes.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::slot::Slot;

/// The places of live tenants.
pub(super) struct Residents {
    most: usize,
    most_bytes: usize,
    ledger: Mutex<Ledger>,
    freed: Notify,
}

#[derive(Default)]
struct Ledger {
    places: HashMap<u64, Entry>,
    /// Those who may make room, by last use.
    order: BTreeSet<(u64, u64)>,
    bytes: usize,
    /// Those who are on their way out.
    leaving: usize,
    last_number: u64,
}

struct Entry {
    slot: Arc<Slot>,
    base: usize,
    bytes: usize,
    /// Where it stands in the order; `None` while it is launched or on its way out.
    rank: Option<u64>,
}

/// Room for one live tenant, given back when dropped.
pub(super) struct Place {
    residents: Arc<Residents>,
    number: u64,
}

/// Who shall make room. Dropped, it stands in the order again, unless it is gone by then.
pub(super) struct Leaver {
    residents: Arc<Residents>,
    number: u64,
    pub(super) slot: Arc<Slot>,
}

/// What there is for a newcomer.
pub(super) enum Room {
    /// A place.
    Free(Place),
    /// A place, once this one is gone.
    After(Leaver),
    /// Nobody more can go, but somebody is going: look again when [`Residents::freed`].
    Soon,
    /// Everybody is at work.
    None,
}

impl Residents {
    /// Places for `most` tenants that take `most_bytes` together.
    pub(super) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_bytes,
            ledger: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Room for a tenant that takes `base` bytes beside those of its limits.
    pub(super) fn admit(self: &Arc<Self>, slot: &Arc<Slot>, base: usize) -> Room {
        let mut ledger = self.ledger();
        let bytes = base + slot.limit_bytes();
        // Whoever would be alone is let in, whatever it weighs.
        let fits = ledger.places.is_empty()
            || (ledger.places.len() < self.most && ledger.bytes + bytes <= self.most_bytes);
        if !fits {
            return match ledger.pick() {
                Some((number, slot)) => Room::After(self.leaver(number, slot)),
                None if ledger.leaving > 0 => Room::Soon,
                None => Room::None,
            };
        }
        ledger.last_number += 1;
        let number = ledger.last_number;
        ledger.bytes += bytes;
        let slot = Arc::clone(slot);
        let entry = Entry {
            slot,
            base,
            bytes,
            rank: None,
        };
        ledger.places.insert(number, entry);
        Room::Free(Place {
            residents: Arc::clone(self),
            number,
        })
    }

    /// Weighs everybody anew, since limits remember more with time; gives the one who shall go if that is too much.
    pub(super) fn weigh(self: &Arc<Self>) -> Option<Leaver> {
        let mut ledger = self.ledger();
        let mut sum = 0;
        for entry in ledger.places.values_mut() {
            entry.bytes = entry.base + entry.slot.limit_bytes();
            sum += entry.bytes;
        }
        ledger.bytes = sum;
        if sum <= self.most_bytes || ledger.places.len() < 2 {
            return None;
        }
        let (number, slot) = ledger.pick()?;
        Some(self.leaver(number, slot))
    }

    /// Waits for the next place that is given back. Call it before [`Residents::admit`], await it after.
    pub(super) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.freed.notified()
    }

    /// Everybody who has a place.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        let ledger = self.ledger();
        let slots = ledger.places.values().map(|entry| &entry.slot);
        slots.cloned().collect()
    }

    /// How many have a place, and for how many bytes they are taken.
    pub(super) fn load(&self) -> (usize, usize) {
        let ledger = self.ledger();
        (ledger.places.len(), ledger.bytes)
    }

    fn leaver(self: &Arc<Self>, number: u64, slot: Arc<Slot>) -> Leaver {
        Leaver {
            residents: Arc::clone(self),
            number,
            slot,
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Takes the one that was used least lately and works for nobody out of the order.
    fn pick(&mut self) -> Option<(u64, Arc<Slot>)> {
        let mut from = Bound::Unbounded;
        loop {
            let standing = *self.order.range((from, Bound::Unbounded)).next()?;
            let (rank, number) = standing;
            let entry = self.places.get_mut(&number)?;
            let used = entry.slot.last_used();
            if used > rank {
                entry.rank = Some(used);
                self.order.remove(&standing);
                self.order.insert((used, number));
            } else if entry.slot.is_called() {
                from = Bound::Excluded(standing);
            } else {
                entry.rank = None;
                let slot = Arc::clone(&entry.slot);
                self.order.remove(&standing);
                self.leaving += 1;
                return Some((number, slot));
            }
        }
    }

    /// Puts a tenant in its place in the order.
    fn stand(&mut self, number: u64) {
        if let Some(entry) = self.places.get_mut(&number) {
            let used = entry.slot.last_used();
            if let Some(rank) = entry.rank.replace(used) {
                self.order.remove(&(rank, number));
            }
            self.order.insert((used, number));
        }
    }
}

impl Place {
    /// The tenant is live: from now on it may be asked to make room.
    pub(super) fn settle(&self) {
        self.residents.ledger().stand(self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut ledger = self.residents.ledger();
        let gone = ledger.places.remove(&self.number);
        if let Some(entry) = &gone {
            ledger.bytes = ledger.bytes.saturating_sub(entry.bytes);
            if let Some(rank) = entry.rank {
                ledger.order.remove(&(rank, self.number));
            }
        }
        drop(ledger);
        // Outside the lock: it may be the last hold on the slot.
        drop(gone);
        self.residents.freed.notify_waiters();
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        let mut ledger = self.residents.ledger();
        ledger.leaving = ledger.leaving.saturating_sub(1);
        ledger.stand(self.number);
        drop(ledger);
        self.residents.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use governor::clock::QuantaClock;

    use super::{Place, Residents, Room};
    use crate::clock::Clock;
    use crate::domain::ids::TenantId;
    use crate::telemetry::metrics::Metrics;
    use crate::tenant::slot::{GateMeans, SLOT_BYTES, Slot};

    const BASE: usize = 10_000;
    const EACH: usize = BASE + SLOT_BYTES;

    struct Ground {
        start: Instant,
        means: GateMeans,
    }

    impl Ground {
        fn new() -> Self {
            Self {
                start: Clock::system().monotonic(),
                means: GateMeans {
                    most_keys: 10,
                    clock: QuantaClock::default(),
                    metrics: Metrics::new(0).unwrap(),
                },
            }
        }

        fn slot(&self, number: i64) -> Arc<Slot> {
            let id = TenantId::from_i64(number);
            Arc::new(Slot::new(id, self.start, self.means.clone()))
        }

        fn touch(&self, slot: &Slot, second: u64) {
            slot.touch(self.start + Duration::from_secs(second));
        }

        /// Lets tenants in, each used in the second of its number.
        fn full(&self, residents: &Arc<Residents>, count: i64) -> Vec<(Arc<Slot>, Place)> {
            let enter = |number: i64| {
                let slot = self.slot(number);
                let Room::Free(place) = residents.admit(&slot, BASE) else {
                    panic!("no place for {number}");
                };
                self.touch(&slot, number.unsigned_abs());
                place.settle();
                (slot, place)
            };
            (1..=count).map(enter).collect()
        }
    }

    fn who_goes(room: Room) -> Option<i64> {
        match room {
            Room::After(leaver) => Some(leaver.slot.tenant.as_i64()),
            Room::Free(_) | Room::Soon | Room::None => None,
        }
    }

    #[test]
    fn whoever_was_used_least_lately_makes_room_by_count_and_by_bytes() {
        let ground = Ground::new();
        for residents in [
            Residents::new(3, usize::MAX),
            Residents::new(usize::MAX, 3 * EACH + EACH / 2),
        ] {
            let mut live = ground.full(&residents, 3);
            assert_eq!(residents.load(), (3, 3 * EACH));
            let newcomer = ground.slot(9);
            assert_eq!(who_goes(residents.admit(&newcomer, BASE)), Some(1));
            ground.touch(&live[0].0, 4);
            assert_eq!(who_goes(residents.admit(&newcomer, BASE)), Some(2));
            ground.touch(&live[1].0, 5);
            ground.touch(&live[2].0, 6);
            assert_eq!(who_goes(residents.admit(&newcomer, BASE)), Some(1));
            live.remove(1);
            let Room::Free(place) = residents.admit(&newcomer, BASE) else {
                panic!("a place was given back");
            };
            assert_eq!(residents.load(), (3, 3 * EACH));
            drop((live, place));
            assert_eq!(residents.load(), (0, 0));
        }
    }

    #[test]
    fn one_that_is_asked_to_go_is_not_asked_twice_and_others_wait_for_it() {
        let ground = Ground::new();
        let residents = Residents::new(2, usize::MAX);
        let mut live = ground.full(&residents, 2);
        let (one, two) = (ground.slot(8), ground.slot(9));
        let Room::After(first) = residents.admit(&one, BASE) else {
            panic!("nobody makes room");
        };
        let Room::After(second) = residents.admit(&two, BASE) else {
            panic!("nobody else makes room");
        };
        assert_eq!(first.slot.tenant.as_i64(), 1);
        assert_eq!(second.slot.tenant.as_i64(), 2);
        let third = ground.slot(10);
        assert!(matches!(residents.admit(&third, BASE), Room::Soon));
        // The second stays after all, the first is gone.
        drop(second);
        live.remove(0);
        drop(first);
        let Room::Free(place) = residents.admit(&one, BASE) else {
            panic!("the first has gone");
        };
        assert_eq!(who_goes(residents.admit(&two, BASE)), Some(2));
        // Whoever is still launched is no candidate.
        drop(live);
        let Room::Free(other) = residents.admit(&two, BASE) else {
            panic!("the second has gone");
        };
        assert!(matches!(residents.admit(&third, BASE), Room::None));
        drop((place, other));
    }

    #[test]
    fn whoever_would_be_alone_is_let_in_whatever_it_weighs() {
        let ground = Ground::new();
        let residents = Residents::new(10, EACH);
        let giant = ground.slot(1);
        let Room::Free(place) = residents.admit(&giant, 100 * EACH) else {
            panic!("nobody else is there");
        };
        place.settle();
        assert!(residents.weigh().is_none(), "nobody else would be left");
        assert_eq!(who_goes(residents.admit(&ground.slot(2), BASE)), Some(1));
    }

    #[test]
    fn limits_that_grew_are_weighed_and_cost_the_least_used_its_place() {
        use crate::domain::tenant_settings::Limits;
        use crate::tenant::rate_limit::CallKind;

        let mut ground = Ground::new();
        ground.means.most_keys = 100_000;
        let residents = Residents::new(10, 2 * EACH + EACH / 2);
        let live = ground.full(&residents, 2);
        assert!(residents.weigh().is_none());
        let (busy, _) = &live[1];
        busy.open_gate(&Limits::default());
        let limits = busy.limits().unwrap();
        for number in 0..1000_u32 {
            let address = std::net::IpAddr::V4(number.into());
            limits.check(CallKind::Login, address, || None).unwrap();
        }
        limits.prune();
        let leaver = residents.weigh().expect("somebody must go");
        assert_eq!(leaver.slot.tenant.as_i64(), 1);
        let (_, bytes) = residents.load();
        assert!(bytes > 2 * EACH + 16_000, "{bytes} bytes for 1000 keys");
    }
}
