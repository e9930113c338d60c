//! Users who were deleted. Such a user is in no other table: the whole account lies here as JSON, so that no way in can find
//! it by mistake, and goes back as it was when it is restored (`docs/decisions/0030-deleted-users-move-out.md`).

use std::time::Duration;

use entity::tenant::{deleted_user, identity, proof_token, union_id, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde::{Deserialize, Serialize};

use super::error::{DuplicateOf, OfStore, StoreError};
use super::tenant_db::TenantDb;
use super::users::User;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;

/// A user who was deleted and can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedUser {
    /// The user, as it was.
    pub user: User,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// From then on the user cannot be restored, and is removed.
    pub purge_at: Timestamp,
}

/// Why a user was not restored.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// No deleted user has this number, or no longer.
    #[error("there is no such deleted user")]
    NotFound,
    /// Somebody has this by now: what it is.
    #[error("another user has the {0}")]
    Taken(&'static str),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for NotRestored {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// What is kept of an account: its rows, which the constraints of their tables hold together again.
#[derive(Serialize, Deserialize)]
struct Account {
    user: user::Model,
    identities: Vec<identity::Model>,
    /// The WeChat persons that the user is.
    union_ids: Vec<String>,
}

impl DeletedUser {
    fn read(row: &deleted_user::Model) -> Result<Self, StoreError> {
        Ok(Self {
            user: account(row)?.user.try_into()?,
            deleted_at: Timestamp::from_millis(row.deleted_at),
            purge_at: Timestamp::from_millis(row.purge_at),
        })
    }
}

fn account(row: &deleted_user::Model) -> Result<Account, StoreError> {
    serde_json::from_str(&row.account).map_err(|_| StoreError::Corrupt("deleted_users.account"))
}

impl TenantDb {
    /// Deletes a user: ends the sessions, forgets half-finished logins, and keeps the account for `keep`, in which nobody
    /// else gets the name. Phone number and WeChat accounts are free at once. `None` when the tenant has no such user.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing is deleted.
    pub async fn delete_user(
        &self,
        id: UserId,
        keep: Duration,
    ) -> Result<Option<DeletedUser>, StoreError> {
        let (tenant, id) = (self.tenant.as_i64(), id.as_i64());
        self.write("delete_user", async |transaction| {
            let now = self.clock.now();
            // The user's row first, as everybody who binds or logs in does: of two who come at once, one waits, and the
            // other then finds all of what was bound, or nobody.
            let held = user::ActiveModel {
                updated_at: Set(now.as_millis()),
                ..Default::default()
            };
            self.update_user(transaction, UserId::from_i64(id), held)
                .await?;
            let row = self.users().filter(user::Column::Id.eq(id));
            let Some(user) = row.one(transaction).await? else {
                return Ok(None);
            };
            let account = Account {
                identities: identity::Entity::find()
                    .filter(identity::Column::TenantId.eq(tenant))
                    .filter(identity::Column::UserId.eq(id))
                    .order_by_asc(identity::Column::Id)
                    .all(transaction)
                    .await?,
                union_ids: union_id::Entity::find()
                    .select_only()
                    .column(union_id::Column::UnionId)
                    .filter(union_id::Column::TenantId.eq(tenant))
                    .filter(union_id::Column::UserId.eq(id))
                    .into_tuple()
                    .all(transaction)
                    .await?,
                user,
            };
            let text = serde_json::to_string(&account)
                .map_err(|error| StoreError::Failed(error.to_string()))?;
            let kept = deleted_user::Model {
                tenant_id: tenant,
                id,
                username: account.user.username.clone(),
                skeleton: account.user.skeleton.clone(),
                account: text,
                deleted_at: now.as_millis(),
                purge_at: now.plus(keep).as_millis(),
            };
            let deleted = DeletedUser::read(&kept)?;
            // An import may have given the number again after the time of its first user was over.
            self.drop_kept(transaction, id).await?;
            deleted_user::Entity::insert(deleted_user::ActiveModel::from(kept))
                .exec_without_returning(transaction)
                .await?;
            self.remove_account(transaction, id).await?;
            Ok(Some(deleted))
        })
        .await
    }

    /// Everything that opens an account or points to it as somebody's who is here.
    async fn remove_account(
        &self,
        transaction: &DatabaseTransaction,
        id: i64,
    ) -> Result<(), StoreError> {
        let tenant = self.tenant.as_i64();
        self.delete_sessions_of(transaction, UserId::from_i64(id))
            .await?;
        proof_token::Entity::delete_many()
            .filter(proof_token::Column::TenantId.eq(tenant))
            .filter(proof_token::Column::UserId.eq(id))
            .exec(transaction)
            .await?;
        identity::Entity::delete_many()
            .filter(identity::Column::TenantId.eq(tenant))
            .filter(identity::Column::UserId.eq(id))
            .exec(transaction)
            .await?;
        union_id::Entity::delete_many()
            .filter(union_id::Column::TenantId.eq(tenant))
            .filter(union_id::Column::UserId.eq(id))
            .exec(transaction)
            .await?;
        user::Entity::delete_many()
            .filter(user::Column::TenantId.eq(tenant))
            .filter(user::Column::Id.eq(id))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Makes a deleted user a user again, with all that it had but its sessions.
    ///
    /// # Errors
    /// [`NotRestored`]; then the user stays deleted.
    pub async fn restore_user(&self, id: UserId) -> Result<User, NotRestored> {
        let tenant = self.tenant.as_i64();
        self.write("restore_user", async |transaction| {
            let now = self.clock.now();
            let row = self
                .restorable(now)
                .filter(deleted_user::Column::Id.eq(id.as_i64()))
                .one(transaction)
                .await
                .map_err(StoreError::from)?;
            let row = row.ok_or(NotRestored::NotFound)?;
            // Of two who restore the same user at once, one does.
            if self.drop_kept(transaction, row.id).await? == 0 {
                return Err(NotRestored::NotFound);
            }
            let account = account(&row)?;
            let restored = user::Model {
                tenant_id: tenant,
                updated_at: now.as_millis(),
                ..account.user
            };
            user::Entity::insert(user::ActiveModel::from(restored.clone()))
                .exec_without_returning(transaction)
                .await
                .map_err(|error| match StoreError::from(error) {
                    StoreError::Duplicate(DuplicateOf::Phone) => NotRestored::Taken("phone number"),
                    StoreError::Duplicate(DuplicateOf::PrimaryKey) => NotRestored::Taken("number"),
                    StoreError::Duplicate(_) => NotRestored::Taken("name"),
                    error => error.into(),
                })?;
            let wechat_taken = |error| match StoreError::from(error) {
                StoreError::Duplicate(_) => NotRestored::Taken("WeChat account"),
                error => error.into(),
            };
            for person in account.union_ids {
                union_id::Entity::insert(union_id::ActiveModel {
                    tenant_id: Set(tenant),
                    union_id: Set(person),
                    user_id: Set(row.id),
                })
                .exec_without_returning(transaction)
                .await
                .map_err(wechat_taken)?;
            }
            for identity in account.identities {
                identity::Entity::insert(identity::ActiveModel::from(identity::Model {
                    tenant_id: tenant,
                    ..identity
                }))
                .exec_without_returning(transaction)
                .await
                .map_err(wechat_taken)?;
            }
            // Of a login that was under way when the user was deleted.
            self.delete_sessions_of(transaction, id).await?;
            Ok(User::try_from(restored)?)
        })
        .await
    }

    /// Removes a deleted user for good. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn erase_user(&self, id: UserId) -> Result<bool, StoreError> {
        self.write("erase_user", async |transaction| {
            Ok(self.drop_kept(transaction, id.as_i64()).await? > 0)
        })
        .await
    }

    async fn drop_kept(
        &self,
        transaction: &DatabaseTransaction,
        id: i64,
    ) -> Result<u64, StoreError> {
        let done = deleted_user::Entity::delete_many()
            .filter(deleted_user::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(deleted_user::Column::Id.eq(id))
            .exec(transaction)
            .await?;
        Ok(done.rows_affected)
    }

    /// At most `limit` deleted users whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_deleted_users(
        &self,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<DeletedUser>, StoreError> {
        self.connection
            .within("list_deleted_users", async {
                let reader = self.reader().await?;
                let rows = self
                    .restorable(self.clock.now())
                    .filter(deleted_user::Column::Id.gt(after.as_i64()))
                    .order_by_asc(deleted_user::Column::Id)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                rows.iter().map(DeletedUser::read).collect()
            })
            .await
    }

    /// Removes the deleted users whose time to be restored is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn purge_deleted_users(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("purge_deleted_users", async |transaction| {
            let done = deleted_user::Entity::delete_many()
                .filter(deleted_user::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(deleted_user::Column::PurgeAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    /// The deleted users who can still be restored.
    pub(super) fn restorable(&self, now: Timestamp) -> Select<deleted_user::Entity> {
        deleted_user::Entity::find()
            .filter(deleted_user::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(deleted_user::Column::PurgeAt.gt(now.as_millis()))
    }
}
