//! Table `invite_codes`: an invite code and how often it was spent.

use sea_orm::entity::prelude::*;

/// A row of `invite_codes`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invite_codes")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The row's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Canonical form; unique within the tenant.
    pub code: String,
    /// How many accounts it may bring.
    pub max_uses: i32,
    /// How many it brought; never more than `max_uses`.
    pub uses: i32,
    /// Milliseconds since the Unix epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the Unix epoch.
    pub revoked_at: Option<i64>,
    /// For the administrator.
    pub note: String,
    /// The administrator's name.
    pub created_by: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// The group of the accounts it brings; null for the tenant's default.
    pub group_id: Option<i32>,
    /// The member who issued it.
    pub issued_by: Option<i64>,
    /// The batch it was made in.
    pub batch: Option<String>,
    /// Its place in the batch, from 1; unique there.
    pub batch_position: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}
