//! Table `console_sessions`: an administrator who is signed in at the console.

use sea_orm::entity::prelude::*;

/// A row of `console_sessions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "console_sessions")]
pub struct Model {
    /// SHA-256 of the cookie's value in hexadecimal; the value itself is nowhere.
    #[sea_orm(primary_key, auto_increment = false)]
    pub cookie_hash: String,
    /// Whose session it is.
    pub administrator_id: i64,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
