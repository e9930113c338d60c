//! The schema changes of enroll: one file a change, named `m{date}_{seq}_{verb_noun}`.
//!
//! Two histories: the platform database's and the tenant databases'. Both may stand in one database, so each keeps its
//! own table of applied changes. A change never imports the entities: it must go on meaning what it meant when it was
//! written. Changes only expand; what contracts waits until no running version reads the old shape.

#![allow(
    missing_docs,
    reason = "a change is documented by its file; the derives make items of their own"
)]

use sea_orm_migration::prelude::*;

/// What runs a history.
pub use sea_orm_migration::MigratorTrait;

mod platform;
mod table;
mod tenant;

/// The history of the platform database.
pub struct PlatformMigrator;

#[async_trait::async_trait]
impl MigratorTrait for PlatformMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(platform::m20261122_000001_create_platform::Migration),
            Box::new(platform::m20261125_000002_give_roles::Migration),
            Box::new(platform::m20261125_000003_time_signing_keys::Migration),
            Box::new(platform::m20261125_000004_create_usage::Migration),
            Box::new(platform::m20261125_000005_create_console_sessions::Migration),
            Box::new(platform::m20261125_000006_index_tenants::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "platform_migrations".into_iden()
    }
}

/// The history of every tenant database, `own` or `shared`.
pub struct TenantMigrator;

#[async_trait::async_trait]
impl MigratorTrait for TenantMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(tenant::m20261122_000001_create_users::Migration),
            Box::new(tenant::m20261122_000002_protect_rows::Migration),
            Box::new(tenant::m20261122_000003_create_sessions::Migration),
            Box::new(tenant::m20261122_000004_extend_users::Migration),
            Box::new(tenant::m20261122_000005_extend_invite_codes::Migration),
            Box::new(tenant::m20261122_000006_create_identities::Migration),
            Box::new(tenant::m20261122_000007_create_proofs::Migration),
            Box::new(tenant::m20261122_000008_create_counters::Migration),
            Box::new(tenant::m20261122_000009_create_tenant_audit::Migration),
            Box::new(tenant::m20261125_000010_index_union_ids::Migration),
            Box::new(tenant::m20261125_000011_index_user_status::Migration),
            Box::new(tenant::m20261125_000015_batch_invite_codes::Migration),
            Box::new(tenant::m20261125_000016_compare_names_by_bytes::Migration),
            Box::new(tenant::m20261125_000017_create_deleted_users::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "tenant_migrations".into_iden()
    }
}
