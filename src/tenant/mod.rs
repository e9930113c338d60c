//! The room `tenant`.

pub mod settings;
