//! The tables of enroll as SeaORM entities, one file a table.
//!
//! Only the room `store` reads this crate. Times are milliseconds since the Unix epoch, so that all three databases
//! compare them alike.

#![allow(
    missing_docs,
    reason = "the derives make items that no comment of ours can reach; every column has its own"
)]

pub mod platform;
pub mod tenant;
