//! Table `deleted_users`: a user who was deleted and can be restored for some time.

use sea_orm::entity::prelude::*;

/// A row of `deleted_users`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deleted_users")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The user's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The user's canonical name, which nobody else gets meanwhile.
    pub username: String,
    /// Its skeleton, likewise.
    pub skeleton: Option<String>,
    /// JSON: the rows of `users`, `identities` and `union_ids`.
    pub account: String,
    /// Milliseconds since the Unix epoch.
    pub deleted_at: i64,
    /// Until when the user can be restored, in milliseconds since the Unix epoch.
    pub purge_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
