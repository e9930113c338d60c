//! The types of the wire contract (`docs/contract.md`): bodies as they come in, documents as they go out.
//!
//! A body is read once, into `domain::registration::Registration`; whatever the contract does not name is dropped here
//! and cannot reach a database. Nothing in here knows actix-web.

pub mod attributes;
pub mod form;
pub mod invite_document;
pub mod json;
pub mod media_type;
pub mod query;
pub mod registration;
pub mod token_document;
pub mod user_document;

/// The media type of every document and error document that the server sends.
pub const DOCUMENT_MEDIA_TYPE: &str = "application/vnd.api+json";
