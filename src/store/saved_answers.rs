//! What requests with an `Idempotency-Key` came to, kept for a day.

use entity::tenant::saved_answer;
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;

/// The operation that a key was used for; the same key may serve another operation.
const REGISTER: &str = "register";

/// An outcome to keep with the account it belongs to.
#[derive(Clone, Debug)]
pub struct NewSavedAnswer {
    /// SHA-256 of the key, in hexadecimal.
    pub key_hash: String,
    /// Keyed hash of the body, in hexadecimal.
    pub fingerprint: String,
    /// When the key becomes free again.
    pub expires_at: Timestamp,
}

/// A kept outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAnswer {
    /// Keyed hash of the body that the key came with.
    pub fingerprint: String,
    /// The account that was made.
    pub user: UserId,
}

impl TenantDb {
    /// The outcome kept for this key, unless its time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_saved_answer(
        &self,
        key_hash: &str,
    ) -> Result<Option<SavedAnswer>, StoreError> {
        let now = self.clock.now().as_millis();
        self.connection
            .within("find_saved_answer", async {
                let reader = self.reader().await?;
                let row = saved_answer::Entity::find()
                    .filter(saved_answer::Column::TenantId.eq(self.tenant.as_i64()))
                    .filter(saved_answer::Column::Operation.eq(REGISTER))
                    .filter(saved_answer::Column::KeyHash.eq(key_hash))
                    .filter(saved_answer::Column::ExpiresAt.gt(now))
                    .one(&reader.executor())
                    .await?;
                Ok(row.map(|row| SavedAnswer {
                    fingerprint: row.fingerprint,
                    user: UserId::from_i64(row.user_id),
                }))
            })
            .await
    }

    /// Removes outcomes whose time is over, so that the table holds a day's worth at most.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_answers(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_answers", async |transaction| {
            let done = saved_answer::Entity::delete_many()
                .filter(saved_answer::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(saved_answer::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    /// Keeps an outcome in the account's own transaction. [`StoreError::Duplicate`] when the key is in use.
    pub(super) async fn insert_answer(
        &self,
        transaction: &DatabaseTransaction,
        answer: &NewSavedAnswer,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        saved_answer::Entity::delete_many()
            .filter(saved_answer::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(saved_answer::Column::Operation.eq(REGISTER))
            .filter(saved_answer::Column::KeyHash.eq(answer.key_hash.as_str()))
            .filter(saved_answer::Column::ExpiresAt.lte(now.as_millis()))
            .exec(transaction)
            .await?;
        saved_answer::Entity::insert(saved_answer::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            operation: Set(REGISTER.to_owned()),
            key_hash: Set(answer.key_hash.clone()),
            fingerprint: Set(answer.fingerprint.clone()),
            user_id: Set(user.as_i64()),
            created_at: Set(now.as_millis()),
            expires_at: Set(answer.expires_at.as_millis()),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}
