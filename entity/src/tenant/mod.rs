//! A tenant database: users and who they are elsewhere, sessions, invite codes, proofs, counters, audit. `tenant_id` comes
//! first in every primary key and unique index.

pub mod audit_entry;
pub mod counter;
pub mod deleted_user;
pub mod identity;
pub mod invite_code;
pub mod proof_token;
pub mod saved_answer;
pub mod session;
pub mod sms_code;
pub mod spent_code;
pub mod union_id;
pub mod user;
