//! The platform database's changes.

pub(crate) mod m20261122_000001_create_platform;
pub(crate) mod m20261125_000002_give_roles;
pub(crate) mod m20261125_000003_time_signing_keys;
pub(crate) mod m20261125_000004_create_usage;
pub(crate) mod m20261125_000005_create_console_sessions;
pub(crate) mod m20261125_000006_index_tenants;
