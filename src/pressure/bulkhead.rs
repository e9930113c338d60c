//! A number of places, taken for as long as work goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Bounds how much of one kind is at work at one time. The bound can be moved while work goes on: what holds a place
/// keeps it and counts under the new bound.
#[derive(Debug)]
pub struct Bulkhead {
    free: Semaphore,
    /// Places that were taken away while work held them: whoever gives one back pays for one. Changed under `bound`.
    owed: AtomicUsize,
    bound: Mutex<usize>,
    /// Callers in line for a place.
    waiting: AtomicUsize,
}

/// All places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Bulkhead>);

impl Bulkhead {
    /// The bound that stands for none.
    const UNBOUNDED: usize = Semaphore::MAX_PERMITS;

    /// With so many places; `None` sets no bound.
    #[must_use]
    pub fn new(bound: Option<usize>) -> Arc<Self> {
        let bound = Self::places(bound);
        Arc::new(Self {
            free: Semaphore::new(bound),
            owed: AtomicUsize::new(0),
            bound: Mutex::new(bound),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`] when there is none.
    pub fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        // The permit goes on as a place: a plain one borrows the semaphore, and an owned one needs it in an `Arc` of its own.
        self.free.try_acquire().map_err(|_| Full)?.forget();
        Ok(Place(Arc::clone(self)))
    }

    /// Takes a place, in line behind those who wait already. Give it a deadline.
    ///
    /// # Errors
    /// [`Full`] when so many wait already.
    pub async fn enter_in_turn(self: &Arc<Self>, most_waiting: usize) -> Result<Place, Full> {
        if let Ok(place) = self.enter() {
            return Ok(place);
        }
        let in_line = InLine(self);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= most_waiting {
            return Err(Full);
        }
        let permit = self.free.acquire().await.map_err(|_| Full)?;
        permit.forget();
        drop(in_line);
        Ok(Place(Arc::clone(self)))
    }

    /// Sets another bound, in force at once for all who come.
    pub fn set_bound(&self, bound: Option<usize>) {
        let wanted = Self::places(bound);
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = self.owed.load(Ordering::Acquire);
        let fewer = bound.saturating_sub(wanted);
        let more = wanted.saturating_sub(*bound);
        let paid = more.min(owed);
        // Told before the free ones are taken away, so that whoever gives a place back meanwhile pays.
        self.owed.store(owed + fewer - paid, Ordering::Release);
        self.free.add_permits(more - paid);
        self.collect(owed + fewer - paid);
        *bound = wanted;
    }

    /// Places taken.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let bound = *self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        // Every place is free or taken; those owed are taken still.
        let all = bound + self.owed.load(Ordering::Acquire);
        all.saturating_sub(self.free.available_permits())
    }

    /// Places there are; `None` without a bound.
    #[must_use]
    pub fn bound(&self) -> Option<usize> {
        let bound = *self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        (bound != Self::UNBOUNDED).then_some(bound)
    }

    /// Callers in line.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    fn places(bound: Option<usize>) -> usize {
        bound.unwrap_or(Self::UNBOUNDED).min(Self::UNBOUNDED)
    }

    /// Takes free places for what is owed. The lock on `bound` is held.
    fn collect(&self, owed: usize) {
        let paid = self.free.forget_permits(owed);
        self.owed.store(owed - paid, Ordering::Release);
    }

    fn leave(&self) {
        if self.owed.load(Ordering::Acquire) > 0 {
            let _changing = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
            let owed = self.owed.load(Ordering::Acquire);
            if owed > 0 {
                // One more may have become free beside a change of the bound.
                self.collect(owed - 1);
                return;
            }
        }
        self.free.add_permits(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A caller who stands in line, until the place is taken or the caller has gone.
struct InLine<'a>(&'a Bulkhead);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::poll;

    use super::{Bulkhead, Full, Place};

    fn state(bulkhead: &Bulkhead) -> (usize, Option<usize>, usize) {
        (bulkhead.in_use(), bulkhead.bound(), bulkhead.waiting())
    }

    fn taken(bulkhead: &Arc<Bulkhead>, places: usize) -> Vec<Place> {
        (0..places).map(|_| bulkhead.enter().unwrap()).collect()
    }

    #[test]
    fn as_many_enter_as_there_are_places() {
        let bulkhead = Bulkhead::new(Some(2));
        let mut places = taken(&bulkhead, 2);
        assert_eq!(bulkhead.enter().unwrap_err(), Full);
        assert_eq!(state(&bulkhead), (2, Some(2), 0));
        places.pop();
        assert!(bulkhead.enter().is_ok());
        drop(places);
        assert_eq!(state(&bulkhead), (0, Some(2), 0));
    }

    #[test]
    fn a_new_bound_counts_what_is_at_work() {
        let bulkhead = Bulkhead::new(Some(4));
        let mut places = taken(&bulkhead, 4);
        bulkhead.set_bound(Some(2));
        assert_eq!(state(&bulkhead), (4, Some(2), 0));
        places.truncate(2);
        assert!(bulkhead.enter().is_err(), "two are at work still");
        places.truncate(1);
        let other = bulkhead.enter().unwrap();
        assert!(bulkhead.enter().is_err());
        bulkhead.set_bound(Some(3));
        places.extend(taken(&bulkhead, 1));
        assert!(bulkhead.enter().is_err());
        drop((other, places));
        assert_eq!(state(&bulkhead), (0, Some(3), 0));
        assert_eq!(taken(&bulkhead, 3).len(), 3);
    }

    #[test]
    fn a_bound_that_grows_again_while_places_are_owed_gives_no_place_twice() {
        let bulkhead = Bulkhead::new(Some(5));
        let places = taken(&bulkhead, 5);
        bulkhead.set_bound(Some(1));
        bulkhead.set_bound(Some(6));
        let last = bulkhead.enter().unwrap();
        assert!(bulkhead.enter().is_err());
        drop((places, last));
        assert_eq!(state(&bulkhead), (0, Some(6), 0));
    }

    #[test]
    fn work_is_counted_without_a_bound_too() {
        let bulkhead = Bulkhead::new(None);
        let places = taken(&bulkhead, 1000);
        assert_eq!(state(&bulkhead), (1000, None, 0));
        bulkhead.set_bound(Some(10));
        assert!(bulkhead.enter().is_err());
        bulkhead.set_bound(None);
        assert!(bulkhead.enter().is_ok());
        drop(places);
        assert_eq!(state(&bulkhead), (0, None, 0));
    }

    #[tokio::test]
    async fn a_line_is_bounded_in_order_and_left_by_those_who_go() {
        let bulkhead = Bulkhead::new(Some(1));
        let place = bulkhead.enter().unwrap();
        let mut first = Box::pin(bulkhead.enter_in_turn(2));
        let mut second = Box::pin(bulkhead.enter_in_turn(2));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        assert_eq!(bulkhead.enter_in_turn(2).await.unwrap_err(), Full);
        assert_eq!(state(&bulkhead), (1, Some(1), 2));
        drop(place);
        assert!(bulkhead.enter().is_err(), "the place is the first one's");
        assert!(poll!(&mut second).is_pending());
        let place = first.await.unwrap();
        assert_eq!(state(&bulkhead), (1, Some(1), 1));
        drop(second);
        assert_eq!(state(&bulkhead), (1, Some(1), 0));
        drop(place);
        assert!(bulkhead.enter().is_ok());
    }

    #[tokio::test]
    async fn a_smaller_bound_is_kept_while_others_wait() {
        let bulkhead = Bulkhead::new(Some(2));
        let mut places = taken(&bulkhead, 2);
        let mut waiting = Box::pin(bulkhead.enter_in_turn(8));
        assert!(poll!(&mut waiting).is_pending());
        bulkhead.set_bound(Some(1));
        places.pop();
        assert!(poll!(&mut waiting).is_pending(), "one is at work still");
        places.pop();
        let place = waiting.await.unwrap();
        assert!(bulkhead.enter().is_err());
        bulkhead.set_bound(Some(2));
        assert!(bulkhead.enter().is_ok());
        drop(place);
    }

    #[test]
    fn many_threads_and_moving_bounds_lose_no_place_and_make_none() {
        let bulkhead = Bulkhead::new(Some(8));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        drop(bulkhead.enter());
                    }
                });
            }
            for round in 0..2000 {
                bulkhead.set_bound(Some([8, 1, 3][round % 3]));
            }
        });
        bulkhead.set_bound(Some(2));
        assert_eq!(state(&bulkhead), (0, Some(2), 0));
        let _both = taken(&bulkhead, 2);
        assert!(bulkhead.enter().is_err());
    }
}
