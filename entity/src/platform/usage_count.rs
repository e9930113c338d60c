//! Table `usage_counts`: what a tenant used in an hour or a day.

use sea_orm::entity::prelude::*;

/// A row of `usage_counts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_counts")]
pub struct Model {
    /// 0: an hour; 1: a day (UTC).
    #[sea_orm(primary_key, auto_increment = false)]
    pub step: i16,
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// Milliseconds since the Unix epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub starts_at: i64,
    /// Accounts made.
    pub registrations: i64,
    /// Register calls refused for what they brought.
    pub refused_input: i64,
    /// Register calls refused by the tenant's rules.
    pub refused_policy: i64,
    /// Register calls refused by a limit.
    pub refused_limit: i64,
    /// Register calls refused for want of room, or by a fault.
    pub refused_room: i64,
    /// Logins.
    pub logins: i64,
    /// Passwords and codes that were wrong, and locked names.
    pub failed_logins: i64,
    /// Text messages sent.
    pub sms_sent: i64,
    /// Password hashes computed.
    pub hashes: i64,
}

impl ActiveModelBehavior for ActiveModel {}
