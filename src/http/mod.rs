//! The room `http`.

pub mod settings;
