//! The room `http`.

pub mod error_document;
pub mod language;
pub mod messages;
pub mod naming;
pub mod requester;
pub mod settings;
pub mod wire;
