//! What members of a tenant may see and do: profiles, applications, invites.
//!
//! Rights hang on the caller's group (`groups` of the tenant's settings), never on what a client says. May import
//! `registration`, `session` and what lies below.

pub mod error;
pub mod invites;
pub mod moderation;
pub mod profile;
