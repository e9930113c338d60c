//! Table `saved_answers`: what a request with an `Idempotency-Key` came to.

use sea_orm::entity::prelude::*;

/// A row of `saved_answers`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "saved_answers")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The operation the key was used for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub operation: String,
    /// SHA-256 of the key in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_hash: String,
    /// Keyed hash of the body in hexadecimal; the same key with another body is refused.
    pub fingerprint: String,
    /// The account that was made.
    pub user_id: i64,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch; afterwards the key is free again.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
