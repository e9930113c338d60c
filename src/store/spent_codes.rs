//! WeChat codes that were used: one that is used twice is somebody else's copy.

use entity::tenant::spent_code;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::error::{OfStore, StoreError};
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;

/// Why a code was not claimed.
#[derive(Debug, thiserror::Error)]
enum NotClaimed {
    #[error("the code was used")]
    Used,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for NotClaimed {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Used => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl TenantDb {
    /// Claims a code, given by its hash, until `expires_at`. `false` when somebody has claimed it before.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim_code(
        &self,
        code_hash: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimed = self
            .write("claim_code", async |transaction| {
                let row = spent_code::ActiveModel {
                    tenant_id: Set(self.tenant.as_i64()),
                    code_hash: Set(code_hash.to_owned()),
                    expires_at: Set(expires_at.as_millis()),
                };
                let inserted = spent_code::Entity::insert(row)
                    .exec_without_returning(transaction)
                    .await;
                match inserted.map_err(StoreError::from) {
                    Ok(_) => Ok(()),
                    Err(StoreError::Duplicate(_)) => Err(NotClaimed::Used),
                    Err(error) => Err(NotClaimed::Store(error)),
                }
            })
            .await;
        match claimed {
            Ok(()) => Ok(true),
            Err(NotClaimed::Used) => Ok(false),
            Err(NotClaimed::Store(error)) => Err(error),
        }
    }

    /// Removes codes that WeChat itself refuses by now.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_spent_codes(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_spent_codes", async |transaction| {
            let done = spent_code::Entity::delete_many()
                .filter(spent_code::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(spent_code::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }
}
