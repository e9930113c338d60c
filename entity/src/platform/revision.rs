//! Table `platform_revision`: the single counter that orders all changes to tenants.

use sea_orm::entity::prelude::*;

/// A row of `platform_revision`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "platform_revision")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i16,
    /// The number of the last change.
    pub value: i64,
}

impl ActiveModelBehavior for ActiveModel {}
