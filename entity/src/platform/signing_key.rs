//! Table `signing_keys`: a key that signs a tenant's access tokens.

use sea_orm::entity::prelude::*;

/// A row of `signing_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The key id in token headers and in the JWKS.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    /// The JWS algorithm: EdDSA, ES256 or RS256.
    pub algorithm: String,
    /// PKCS#8, sealed with the master key.
    pub private_key_sealed: Vec<u8>,
    /// The public key as a JWK (RFC 7517).
    #[sea_orm(column_type = "Text")]
    pub public_jwk: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// From when it signs, until another does; milliseconds since the Unix epoch.
    pub signs_from: i64,
    /// From when its signatures count no more; milliseconds since the Unix epoch.
    pub retires_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
