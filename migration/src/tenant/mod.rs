//! The tenant databases' changes.

pub(crate) mod m20261122_000001_create_users;
pub(crate) mod m20261122_000002_protect_rows;
