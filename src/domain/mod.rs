//! Parsed values: one type a file. A value of a type in this room has passed that type's checks; nothing is checked twice.
//!
//! Imports nothing of the house. Knows no HTTP, no SQL, no actor.

pub mod automatic_account;
pub mod censor;
pub mod dialect;
pub mod fault;
pub mod host_name;
pub mod identity;
pub mod ids;
pub mod invite_batch;
pub mod invite_code;
pub mod language;
pub mod master_key;
pub mod password;
pub mod phone_number;
pub mod proof;
pub mod register_reason;
pub mod registration;
pub mod role;
pub mod sealed;
pub mod tenant_key;
pub mod tenant_settings;
pub mod text;
pub mod user_status;
pub mod username;
pub mod web_origin;
