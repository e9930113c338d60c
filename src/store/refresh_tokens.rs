//! Refresh tokens of one tenant, known by their hashes alone.

use entity::tenant::refresh_token;
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;

/// A refresh token to keep.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// SHA-256 of the token, in hexadecimal.
    pub hash: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl TenantDb {
    /// Keeps a token that starts a new family for this user: the retry of an answered registration.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_refresh_token(
        &self,
        user: UserId,
        token: &NewRefreshToken,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write("create_refresh_token", async |transaction| {
            self.insert_refresh_token(transaction, user, token, now)
                .await
        })
        .await
    }

    /// Removes tokens whose time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_refresh_tokens(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_refresh_tokens", async |transaction| {
            let done = refresh_token::Entity::delete_many()
                .filter(refresh_token::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(refresh_token::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    pub(super) async fn insert_refresh_token(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
        token: &NewRefreshToken,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        refresh_token::Entity::insert(refresh_token::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            token_hash: Set(token.hash.clone()),
            user_id: Set(user.as_i64()),
            family_id: Set(self.new_id()?),
            created_at: Set(now.as_millis()),
            expires_at: Set(token.expires_at.as_millis()),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}
