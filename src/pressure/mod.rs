//! Bulkheads that keep a tenant within its part of what all share, and what tells how hard it presses on them.
//!
//! Taken: bounds that hand out places without a hop or a wait where one is free, and that can be moved while work goes
//! on; counts of refusals that take no memory until there is one. Refused: a new semaphore for each new bound, which
//! forgets what holds a place of the old one.
//!
//! Rooms that own a resource have its bulkhead and count its refusals; the room `tenant` gathers what they tell. Imports
//! nothing: time is handed in.

mod bulkhead;
mod refusals;
mod resource;

pub use self::bulkhead::{Bulkhead, Full, Place};
pub use self::refusals::{Refusals, Refused};
pub use self::resource::{Resource, Stage, limiting};
