//! Table `counters`: how often something was done in one window of time.

use sea_orm::entity::prelude::*;

/// A row of `counters`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "counters")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// What is counted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// A multiple of the window; milliseconds since the Unix epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub window_start: i64,
    /// How often.
    pub used: i32,
    /// The end of the window; milliseconds since the Unix epoch.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
