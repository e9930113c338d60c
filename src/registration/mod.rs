//! The room `registration`.
