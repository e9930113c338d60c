//! The room `registration`.

pub mod censor;
