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
