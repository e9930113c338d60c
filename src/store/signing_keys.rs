//! Tenants' signing keys; the private part is sealed before it comes here.

use entity::platform::signing_key;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
};

use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;

/// A key to keep.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    /// The key id.
    pub kid: String,
    /// The JWS algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed with the master key.
    pub private_key_sealed: Vec<u8>,
    /// The public key as JWK text.
    pub public_jwk: String,
}

/// A stored key.
#[derive(Clone, Debug)]
pub struct StoredSigningKey {
    /// The key id.
    pub kid: String,
    /// The JWS algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed with the master key.
    pub private_key_sealed: Vec<u8>,
    /// The public key as JWK text.
    pub public_jwk: String,
}

/// The place for which the master key seals a tenant's private key.
#[must_use]
pub fn key_context(tenant: TenantId, kid: &str) -> String {
    format!("signing_key:{tenant}:{kid}")
}

impl PlatformDb {
    /// The tenant's keys, the newest (which signs) first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_signing_keys(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.connection
            .within("list_signing_keys", async {
                let rows = signing_key::Entity::find()
                    .filter(signing_key::Column::TenantId.eq(tenant.as_i64()))
                    .order_by_desc(signing_key::Column::CreatedAt)
                    .order_by_desc(signing_key::Column::Kid)
                    .all(&self.connection.pool.current())
                    .await?;
                Ok(rows
                    .into_iter()
                    .map(|row| StoredSigningKey {
                        kid: row.kid,
                        algorithm: row.algorithm,
                        private_key_sealed: row.private_key_sealed,
                        public_jwk: row.public_jwk,
                    })
                    .collect())
            })
            .await
    }

    pub(super) async fn insert_signing_key(
        &self,
        transaction: &DatabaseTransaction,
        tenant: TenantId,
        key: &NewSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        signing_key::Entity::insert(signing_key::ActiveModel {
            tenant_id: Set(tenant.as_i64()),
            kid: Set(key.kid.clone()),
            algorithm: Set(key.algorithm.clone()),
            private_key_sealed: Set(key.private_key_sealed.clone()),
            public_jwk: Set(key.public_jwk.clone()),
            created_at: Set(now.as_millis()),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}
