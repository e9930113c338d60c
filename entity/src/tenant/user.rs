//! Table `users`: a user of a tenant.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A row of `users`. `deleted_users` keeps it as JSON: a column that comes later needs a default for those who were deleted
/// before.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The user's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Canonical form; unique within the tenant, compared byte by byte.
    pub username: String,
    /// As the user wrote it.
    pub display_name: String,
    /// UTS 39 skeleton; unique within the tenant, null where look-alikes are allowed.
    pub skeleton: Option<String>,
    /// PHC string; null for an account without a password.
    pub password_hash: Option<String>,
    /// See `UserStatus`.
    pub status: i16,
    /// Why the user wants to join.
    pub register_reason: Option<String>,
    /// The requester's address.
    pub register_ip: String,
    /// The requester's port.
    pub register_port: i32,
    /// The invite code that was spent.
    pub invite_id: Option<i64>,
    /// The member whose number came as the invite code.
    pub invited_by: Option<i64>,
    /// The address of the last login; registration counts as one.
    pub last_login_ip: String,
    /// Milliseconds since the Unix epoch.
    pub login_at: i64,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// E.164; unique within the tenant.
    pub phone: Option<String>,
    /// The user's group; 10 is an ordinary member.
    pub group_id: i32,
    /// Address of the user's picture.
    pub avatar_url: Option<String>,
    /// What the user is told about a refusal.
    pub refuse_message: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
