//! The room `store`.

pub mod settings;
