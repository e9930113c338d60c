//! The room `registration`.

pub mod error;
