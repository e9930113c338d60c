//! Databases: the only room that knows SeaORM.
//!
//! Two handles: [`platform_db::PlatformDb`] on tenants, keys, administrators and audit, and [`tenant_db::TenantDb`] on
//! the rows of one tenant. Each table has one file here.
//!
//! Taken: uniqueness, invite quotas and idempotency are decided by indexes and conditional updates. Refused: deciding
//! them in memory, since other processes write too. May import `domain`, `pressure`, `telemetry` and `clock`.
//!
//! Invariants: an account, its invite use, its proofs, its session and its saved answer are committed together or not at all;
//! no operation outlasts the statement timeout; no tenant has more operations at work than its share; no handle reaches
//! another tenant's rows.

mod account_changes;
pub mod administrators;
pub mod audit;
pub mod bindings;
pub mod connection;
mod console_sessions;
mod copies;
pub mod counters;
pub mod deleted_users;
pub mod discuzq;
pub mod error;
pub mod exports;
mod group_commit;
pub mod identities;
pub mod imports;
pub mod inspection;
pub mod invite_codes;
mod logins;
mod lookups;
pub mod moderation;
pub mod placements;
pub mod platform_db;
mod pool;
pub mod proof_tokens;
mod reachability;
pub mod registration;
pub mod saved_answers;
pub mod schema;
pub mod sessions;
pub mod settings;
pub mod settings_versions;
pub mod share;
pub mod signing_keys;
pub mod sms_codes;
mod spent_codes;
mod tenant_audit;
pub mod tenant_db;
pub mod tenants;
pub mod usage;
pub mod users;
