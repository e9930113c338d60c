//! The tenant databases' changes.

pub(crate) mod m20261122_000001_create_users;
pub(crate) mod m20261122_000002_protect_rows;
pub(crate) mod m20261122_000003_create_sessions;
pub(crate) mod m20261122_000004_extend_users;
pub(crate) mod m20261122_000005_extend_invite_codes;
pub(crate) mod m20261122_000006_create_identities;
pub(crate) mod m20261122_000007_create_proofs;
pub(crate) mod m20261122_000008_create_counters;
pub(crate) mod m20261122_000009_create_tenant_audit;
pub(crate) mod m20261125_000010_index_union_ids;
pub(crate) mod m20261125_000011_index_user_status;
pub(crate) mod m20261125_000015_batch_invite_codes;
pub(crate) mod m20261125_000016_compare_names_by_bytes;
pub(crate) mod m20261125_000017_create_deleted_users;
