//! Table `sessions`: one login of one user and every token that descends from it.

use sea_orm::entity::prelude::*;

/// A row of `sessions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// 32 hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Whose it is.
    pub user_id: i64,
    /// SHA-256 of the present refresh token, in hexadecimal.
    pub token_hash: String,
    /// SHA-256 of the refresh token before it.
    pub previous_hash: Option<String>,
    /// Grows with each rotation; the first is 1.
    pub generation: i32,
    /// The last generation whose answer was lost; its access token is dead.
    pub skipped_generation: Option<i32>,
    /// Whether an access token of the present generation was used.
    pub confirmed: bool,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Of the last rotation; milliseconds since the Unix epoch.
    pub refreshed_at: i64,
    /// Milliseconds since the Unix epoch.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
