//! Table `tenants`: a tenant of this platform.

use sea_orm::entity::prelude::*;

/// A row of `tenants`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    /// The tenant's number; names its rows and its files.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The short name in hosts, headers and paths; unique, also among deleted tenants until they are purged.
    pub key: String,
    /// The name shown to people.
    pub name: String,
    /// 0 active, 1 suspended, 2 deleted.
    pub state: i16,
    /// 0 `own`, 1 `shared`.
    pub placement_kind: i16,
    /// For `shared`: the name of the configured database.
    pub placement_database: Option<String>,
    /// For `own` outside the data directory: the database URL, sealed with the master key.
    pub placement_url_sealed: Option<Vec<u8>>,
    /// The current settings as JSON.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// The number of the current settings, counted from 1.
    pub settings_version: i32,
    /// The platform revision at which this row last changed; other processes ask for what is newer.
    pub revision: i64,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// When it was deleted.
    pub deleted_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
