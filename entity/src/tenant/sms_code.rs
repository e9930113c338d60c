//! Table `sms_codes`: the code last sent to a phone number for a purpose.

use sea_orm::entity::prelude::*;

/// A row of `sms_codes`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sms_codes")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// E.164.
    #[sea_orm(primary_key, auto_increment = false)]
    pub phone: String,
    /// See `SmsPurpose`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: i16,
    /// Keyed hash of the code, in hexadecimal.
    pub code_hash: String,
    /// How many guesses were judged.
    pub tries: i32,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
