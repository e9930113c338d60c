//! Proof tokens of one tenant: what stands behind a token that proves something, known by its hash. Each is good for one
//! scope and spent once, by the row that it deletes.

use entity::tenant::proof_token;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DeleteMany, EntityTrait, QueryFilter,
    Select,
};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;
use crate::domain::proof::ProofScope;

/// A proof token to keep.
#[derive(Clone, Debug)]
pub struct NewProofToken {
    /// SHA-256 of the token, in hexadecimal.
    pub hash: String,
    /// What it is good for.
    pub scope: ProofScope,
    /// What it proves, as JSON.
    pub payload: String,
    /// The user it belongs to, if that is known.
    pub user: Option<UserId>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A proof token that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofToken {
    /// What it is good for.
    pub scope: ProofScope,
    /// What it proves, as JSON.
    pub payload: String,
    /// The user it belongs to, if that is known.
    pub user: Option<UserId>,
}

impl TryFrom<proof_token::Model> for ProofToken {
    type Error = StoreError;

    fn try_from(row: proof_token::Model) -> Result<Self, StoreError> {
        Ok(Self {
            scope: ProofScope::from_i16(row.scope)
                .ok_or(StoreError::Corrupt("proof_tokens.scope"))?,
            payload: row.payload,
            user: row.user_id.map(UserId::from_i64),
        })
    }
}

impl TenantDb {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_proof_token(&self, new: &NewProofToken) -> Result<(), StoreError> {
        let now = self.clock.now().as_millis();
        self.write("create_proof_token", async |transaction| {
            proof_token::Entity::insert(proof_token::ActiveModel {
                tenant_id: Set(self.tenant.as_i64()),
                token_hash: Set(new.hash.clone()),
                scope: Set(new.scope.as_i16()),
                payload: Set(new.payload.clone()),
                user_id: Set(new.user.map(UserId::as_i64)),
                created_at: Set(now),
                expires_at: Set(new.expires_at.as_millis()),
            })
            .exec_without_returning(transaction)
            .await?;
            Ok(())
        })
        .await
    }

    /// The token with this hash, if it is good for one of these scopes and its time is not over. It stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_proof_token(
        &self,
        hash: &str,
        scopes: &[ProofScope],
    ) -> Result<Option<ProofToken>, StoreError> {
        let scopes: Vec<i16> = scopes.iter().map(|scope| scope.as_i16()).collect();
        self.connection
            .within("find_proof_token", async {
                let reader = self.reader().await?;
                let row = self
                    .living_proof_tokens(hash)
                    .filter(proof_token::Column::Scope.is_in(scopes))
                    .one(&reader.executor())
                    .await?;
                row.map(ProofToken::try_from).transpose()
            })
            .await
    }

    /// Spends the token with this hash and scope. `None` when there is none, or its time is over: of many who try at
    /// once, one gets it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_proof_token(
        &self,
        hash: &str,
        scope: ProofScope,
    ) -> Result<Option<ProofToken>, StoreError> {
        self.write("take_proof_token", async |transaction| {
            let row = self
                .living_proof_tokens(hash)
                .filter(proof_token::Column::Scope.eq(scope.as_i16()))
                .one(transaction)
                .await?;
            if !self.spend_proof_token(transaction, hash, scope).await? {
                return Ok(None);
            }
            row.map(ProofToken::try_from).transpose()
        })
        .await
    }

    /// Changes what a token proves and whose it is. Whether there was one whose time is not over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn update_proof_token(
        &self,
        hash: &str,
        scope: ProofScope,
        payload: &str,
        user: Option<UserId>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("update_proof_token", async |transaction| {
            let done = proof_token::Entity::update_many()
                .set(proof_token::ActiveModel {
                    payload: Set(payload.to_owned()),
                    user_id: Set(user.map(UserId::as_i64)),
                    ..Default::default()
                })
                .filter(proof_token::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(proof_token::Column::TokenHash.eq(hash))
                .filter(proof_token::Column::Scope.eq(scope.as_i16()))
                .filter(proof_token::Column::ExpiresAt.gt(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    /// Removes tokens whose time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_proof_tokens(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_proof_tokens", async |transaction| {
            let done = self
                .proof_tokens_to_delete()
                .filter(proof_token::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    /// Deletes a token that still works: whoever deletes it has spent it.
    pub(super) async fn spend_proof_token(
        &self,
        transaction: &DatabaseTransaction,
        hash: &str,
        scope: ProofScope,
    ) -> Result<bool, StoreError> {
        let done = self
            .proof_tokens_to_delete()
            .filter(proof_token::Column::TokenHash.eq(hash))
            .filter(proof_token::Column::Scope.eq(scope.as_i16()))
            .filter(proof_token::Column::ExpiresAt.gt(self.clock.now().as_millis()))
            .exec(transaction)
            .await?;
        Ok(done.rows_affected > 0)
    }

    fn living_proof_tokens(&self, hash: &str) -> Select<proof_token::Entity> {
        proof_token::Entity::find()
            .filter(proof_token::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(proof_token::Column::TokenHash.eq(hash))
            .filter(proof_token::Column::ExpiresAt.gt(self.clock.now().as_millis()))
    }

    fn proof_tokens_to_delete(&self) -> DeleteMany<proof_token::Entity> {
        proof_token::Entity::delete_many()
            .filter(proof_token::Column::TenantId.eq(self.tenant.as_i64()))
    }
}
