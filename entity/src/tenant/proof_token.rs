//! Table `proof_tokens`: what stands behind a token that proves something; spent by deleting it.

use sea_orm::entity::prelude::*;

/// A row of `proof_tokens`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "proof_tokens")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// SHA-256 of the token, in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    /// See `ProofScope`.
    pub scope: i16,
    /// What it proves, as JSON.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// The user it belongs to, once that is known.
    pub user_id: Option<i64>,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
