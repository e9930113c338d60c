//! Table `tenant_settings`: one version of a tenant's settings; never changed, only added.

use sea_orm::entity::prelude::*;

/// A row of `tenant_settings`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_settings")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// Counted from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// The whole settings object as JSON.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// The administrator's name.
    pub changed_by: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
