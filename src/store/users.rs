//! Users of one tenant.

use entity::tenant::user;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::UserId;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;

/// A stored user, without the password hash: nothing outside the store needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub id: UserId,
    /// The canonical name.
    pub username: String,
    /// The name as the user wrote it.
    pub display_name: String,
    /// The user's standing.
    pub status: UserStatus,
    /// Why the user wants to join.
    pub register_reason: Option<String>,
    /// The address that registered.
    pub register_ip: String,
    /// The address of the last login.
    pub last_login_ip: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl TryFrom<user::Model> for User {
    type Error = StoreError;

    fn try_from(row: user::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId::from_i64(row.id),
            username: row.username,
            display_name: row.display_name,
            status: UserStatus::from_i16(row.status).ok_or(StoreError::Corrupt("users.status"))?,
            register_reason: row.register_reason,
            register_ip: row.register_ip,
            last_login_ip: row.last_login_ip,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        })
    }
}

impl TenantDb {
    /// The user with this number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.connection
            .within("find_user", async {
                let reader = self.reader().await?;
                let row = self
                    .users()
                    .filter(user::Column::Id.eq(id.as_i64()))
                    .one(&reader.executor())
                    .await?;
                row.map(User::try_from).transpose()
            })
            .await
    }

    /// Whether an account has this name already, or one that looks the same. A hint: the unique indexes decide.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn name_is_taken(&self, name: &Username) -> Result<bool, StoreError> {
        let mut same = Condition::any().add(user::Column::Username.eq(name.canonical()));
        if let Some(skeleton) = name.skeleton() {
            same = same.add(user::Column::Skeleton.eq(skeleton));
        }
        self.connection
            .within("name_is_taken", async {
                let reader = self.reader().await?;
                let row: Option<i64> = self
                    .users()
                    .select_only()
                    .column(user::Column::Id)
                    .filter(same)
                    .limit(1)
                    .into_tuple()
                    .one(&reader.executor())
                    .await?;
                Ok(row.is_some())
            })
            .await
    }

    /// At most `limit` users whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_users(&self, after: UserId, limit: u64) -> Result<Vec<User>, StoreError> {
        self.connection
            .within("list_users", async {
                let reader = self.reader().await?;
                let rows = self
                    .users()
                    .filter(user::Column::Id.gt(after.as_i64()))
                    .order_by_asc(user::Column::Id)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                rows.into_iter().map(User::try_from).collect()
            })
            .await
    }

    fn users(&self) -> Select<user::Entity> {
        user::Entity::find().filter(user::Column::TenantId.eq(self.tenant.as_i64()))
    }
}
