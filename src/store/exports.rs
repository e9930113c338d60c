//! Users with all that a move to another place needs: their hashes, WeChat accounts and the codes that brought them.

use std::collections::HashMap;

use entity::tenant::{identity, invite_code, user};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use super::users::Login;
use crate::domain::identity::{WechatIdentity, WechatProfile};
use crate::domain::ids::UserId;

/// A user as it leaves.
#[derive(Clone, Debug)]
pub struct ExportedUser {
    /// The user, with its hash.
    pub login: Login,
    /// The code that brought it.
    pub invite_code: Option<String>,
    /// The member who brought it.
    pub invited_by: Option<UserId>,
    /// Its WeChat accounts.
    pub wechat: Vec<WechatIdentity>,
}

impl TenantDb {
    /// At most `limit` users whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn export_users(
        &self,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<ExportedUser>, StoreError> {
        self.connection
            .within("export_users", async {
                let reader = self.reader().await?;
                let rows = self
                    .users()
                    .filter(user::Column::Id.gt(after.as_i64()))
                    .order_by_asc(user::Column::Id)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
                let invites: Vec<i64> = rows.iter().filter_map(|row| row.invite_id).collect();
                let mut codes: HashMap<i64, String> = HashMap::new();
                if !invites.is_empty() {
                    let found: Vec<(i64, String)> = self
                        .invites()
                        .select_only()
                        .columns([invite_code::Column::Id, invite_code::Column::Code])
                        .filter(invite_code::Column::Id.is_in(invites))
                        .into_tuple()
                        .all(&reader.executor())
                        .await?;
                    codes.extend(found);
                }
                let mut wechat: HashMap<i64, Vec<WechatIdentity>> = HashMap::new();
                if !ids.is_empty() {
                    let found = identity::Entity::find()
                        .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
                        .filter(identity::Column::UserId.is_in(ids))
                        .order_by_asc(identity::Column::Id)
                        .all(&reader.executor())
                        .await?;
                    for row in found {
                        wechat.entry(row.user_id).or_default().push(account(row));
                    }
                }
                rows.into_iter()
                    .map(|row| {
                        Ok(ExportedUser {
                            invite_code: row.invite_id.and_then(|id| codes.get(&id).cloned()),
                            invited_by: row.invited_by.map(UserId::from_i64),
                            wechat: wechat.remove(&row.id).unwrap_or_default(),
                            login: Login::try_from(row)?,
                        })
                    })
                    .collect()
            })
            .await
    }
}

fn account(row: identity::Model) -> WechatIdentity {
    WechatIdentity {
        app_id: row.app_id,
        open_id: row.open_id,
        union_id: row.union_id,
        profile: WechatProfile {
            nickname: row.nickname,
            avatar_url: row.avatar_url,
            sex: row.sex,
            province: row.province,
            city: row.city,
            country: row.country,
        },
    }
}
