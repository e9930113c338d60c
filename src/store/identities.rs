//! WeChat accounts of one tenant's users, to be read. Only [`super::bindings`] writes them.

use entity::tenant::identity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::domain::ids::UserId;

/// A WeChat account of a user: what is shown of it, without the names by which WeChat knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The row's number.
    pub id: i64,
    /// The shown name.
    pub nickname: String,
    /// Address of the picture.
    pub avatar_url: String,
    /// 1 male, 2 female, 0 unknown.
    pub sex: i16,
    /// As WeChat writes it.
    pub province: String,
    /// As WeChat writes it.
    pub city: String,
    /// As WeChat writes it.
    pub country: String,
}

impl TenantDb {
    /// A user's WeChat accounts: at most one of each app.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        self.connection
            .within("list_identities", async {
                let reader = self.reader().await?;
                let rows = identity::Entity::find()
                    .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
                    .filter(identity::Column::UserId.eq(user.as_i64()))
                    .order_by_asc(identity::Column::Id)
                    .all(&reader.executor())
                    .await?;
                Ok(rows.into_iter().map(Identity::from).collect())
            })
            .await
    }
}

impl From<identity::Model> for Identity {
    fn from(row: identity::Model) -> Self {
        Self {
            id: row.id,
            nickname: row.nickname,
            avatar_url: row.avatar_url,
            sex: row.sex,
            province: row.province,
            city: row.city,
            country: row.country,
        }
    }
}
