//! Table `identities`: an account at WeChat that belongs to a user.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A row of `identities`. `deleted_users` keeps it as JSON: a column that comes later needs a default.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The row's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The WeChat app that knows the account by this `open_id`.
    pub app_id: String,
    /// The account's name at that app; unique with it.
    pub open_id: String,
    /// The person's name at all apps of one owner, where WeChat told it.
    pub union_id: Option<String>,
    /// Whose it is; a user has one account of an app.
    pub user_id: i64,
    /// The shown name.
    pub nickname: String,
    /// Address of the picture.
    pub avatar_url: String,
    /// 1 male, 2 female, 0 unknown.
    pub sex: i16,
    /// As WeChat writes it.
    pub province: String,
    /// As WeChat writes it.
    pub city: String,
    /// As WeChat writes it.
    pub country: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
