//! Table `union_ids`: which user is this WeChat person; one row a person.

use sea_orm::entity::prelude::*;

/// A row of `union_ids`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "union_ids")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The person's name at all apps of one owner.
    #[sea_orm(primary_key, auto_increment = false)]
    pub union_id: String,
    /// The user.
    pub user_id: i64,
}

impl ActiveModelBehavior for ActiveModel {}
