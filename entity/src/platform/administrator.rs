//! Table `administrators`: somebody who may use the admin API.

use sea_orm::entity::prelude::*;

/// A row of `administrators`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "administrators")]
pub struct Model {
    /// The row's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Shown in the audit; unique.
    pub name: String,
    /// SHA-256 of the bearer token in hexadecimal; the token itself is nowhere.
    pub token_hash: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When the token stopped working.
    pub revoked_at: Option<i64>,
    /// What the administrator may do: 0 everything, 1 read everything, 2 one tenant.
    pub role: i16,
    /// The one tenant of role 2.
    pub tenant_id: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
