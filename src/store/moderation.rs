//! What moderators decide about users.

use std::collections::HashMap;
use std::net::IpAddr;

use entity::tenant::{invite_code, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};
use serde_json::json;

use super::error::StoreError;
use super::tenant_audit::TenantAudit;
use super::tenant_db::TenantDb;
use super::users::{User, any_begins_with};
use crate::clock::Timestamp;
use crate::domain::ids::UserId;
use crate::domain::user_status::UserStatus;

/// What an administrator of the platform changes about a user; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The group, one of the tenant's.
    pub group_id: Option<i32>,
    /// The standing.
    pub status: Option<UserStatus>,
    /// What the user is told about a refusal; at most 255 characters.
    pub refuse_message: Option<Option<String>>,
}

/// A user who waits for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The user.
    pub user: User,
    /// The code of the invite that was spent.
    pub invite_code: Option<String>,
    /// Who invited the user: the code's issuer, or the member whose number came as a code.
    pub invited_by: Option<UserId>,
}

/// What a decision about one user came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It holds.
    Now,
    /// The user does not wait, or no longer; the standing.
    NotPending(UserStatus),
    /// The tenant has no such user.
    NotFound,
}

impl TenantDb {
    /// Changes a user, and ends the user's sessions unless the standing is normal. `None` when the tenant has no such
    /// user.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn change_user(
        &self,
        user: UserId,
        change: &UserChange,
    ) -> Result<Option<User>, StoreError> {
        self.write("change_user", async |transaction| {
            let mut new = user::ActiveModel {
                updated_at: Set(self.clock.now().as_millis()),
                ..Default::default()
            };
            if let Some(group) = change.group_id {
                new.group_id = Set(group);
            }
            if let Some(status) = change.status {
                new.status = Set(status.as_i16());
            }
            if let Some(message) = &change.refuse_message {
                new.refuse_message = Set(message.clone());
            }
            if !self.update_user(transaction, user, new).await? {
                return Ok(None);
            }
            let row = self
                .users()
                .filter(user::Column::Id.eq(user.as_i64()))
                .one(transaction)
                .await?;
            let Some(changed) = row.map(User::try_from).transpose()? else {
                return Ok(None);
            };
            if changed.status != UserStatus::Normal {
                self.delete_sessions_of(transaction, user).await?;
            }
            Ok(Some(changed))
        })
        .await
    }

    /// Gives a user another standing, with the message (at most 255 characters) that the user is told, and writes it to
    /// the audit. Every standing but the normal one ends the user's sessions. `None` when the tenant has no such user, or
    /// the user's present standing is not among `from`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn decide(
        &self,
        user: UserId,
        from: &[UserStatus],
        to: UserStatus,
        message: Option<&str>,
        by: UserId,
        address: IpAddr,
    ) -> Result<Option<User>, StoreError> {
        let decided = self.write("decide", async |transaction| {
            let found = self
                .users()
                .filter(user::Column::Id.eq(user.as_i64()))
                .one(transaction)
                .await?;
            let Some(before) =
                found.filter(|row| from.iter().any(|one| one.as_i16() == row.status))
            else {
                return Ok::<_, StoreError>(None);
            };
            let now = self.clock.now();
            self.set_standing(transaction, &[before.id], before.status, to, message, now)
                .await?;
            if to != UserStatus::Normal {
                self.delete_sessions_of(transaction, user).await?;
            }
            let detail = json!({"from": before.status, "to": to.as_i16(), "message": message});
            let line = TenantAudit {
                actor: Some(by),
                action: "user.decide",
                subject: Some(user),
                detail: &detail.to_string(),
                address,
            };
            self.insert_audit(transaction, &line).await?;
            let was = before.status;
            let decided = User::try_from(user::Model {
                status: to.as_i16(),
                refuse_message: message.map(str::to_owned),
                updated_at: now.as_millis(),
                ..before
            })?;
            Ok(Some((was, decided)))
        });
        let Some((was, decided)) = decided.await? else {
            return Ok(None);
        };
        if was == UserStatus::Pending.as_i16() && to != UserStatus::Pending {
            self.tell_age_of(decided.created_at);
        }
        Ok(Some(decided))
    }

    /// Those who wait for approval, oldest first: at most `limit` whose number is greater than `after`, and whose name
    /// begins as asked.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_applications(
        &self,
        name_begins: Option<&[String]>,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<Application>, StoreError> {
        self.connection
            .within("list_applications", async {
                let reader = self.reader().await?;
                let rows = self
                    .applications(name_begins, after, limit)
                    .all(&reader.executor())
                    .await?;
                let spent: Vec<i64> = rows.iter().filter_map(|row| row.invite_id).collect();
                let codes: HashMap<i64, String> = if spent.is_empty() {
                    HashMap::new()
                } else {
                    let codes: Vec<(i64, String)> = self
                        .invites()
                        .select_only()
                        .columns([invite_code::Column::Id, invite_code::Column::Code])
                        .filter(invite_code::Column::Id.is_in(spent))
                        .into_tuple()
                        .all(&reader.executor())
                        .await?;
                    codes.into_iter().collect()
                };
                let application = |row: user::Model| {
                    let invite_code = row.invite_id.and_then(|id| codes.get(&id).cloned());
                    Ok(Application {
                        invite_code,
                        invited_by: row.invited_by.map(UserId::from_i64),
                        user: User::try_from(row)?,
                    })
                };
                rows.into_iter().map(application).collect()
            })
            .await
    }

    /// Decides about those of the users who wait for approval, in one transaction, and leaves the others alone. What became
    /// of each, in their order. Of several callers who decide about one user at one time, one does. Nobody who waits has a
    /// session that would have to end.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing is decided.
    pub async fn decide_applications(
        &self,
        users: &[UserId],
        to: UserStatus,
        message: Option<&str>,
    ) -> Result<Vec<(UserId, Decided)>, StoreError> {
        let pending = UserStatus::Pending.as_i16();
        let found = self
            .write("decide_applications", async |transaction| {
                let rows: Vec<(i64, i16, i64)> = self
                    .users()
                    .select_only()
                    .columns([
                        user::Column::Id,
                        user::Column::Status,
                        user::Column::CreatedAt,
                    ])
                    .filter(user::Column::Id.is_in(users.iter().copied().map(UserId::as_i64)))
                    .into_tuple()
                    .all(transaction)
                    .await?;
                let waiting = rows.iter().filter(|(_, status, _)| *status == pending);
                let waiting: Vec<i64> = waiting.map(|(id, ..)| *id).collect();
                if !waiting.is_empty() {
                    let now = self.clock.now();
                    self.set_standing(transaction, &waiting, pending, to, message, now)
                        .await?;
                }
                Ok::<_, StoreError>(rows)
            })
            .await?;
        let found: HashMap<i64, (i16, i64)> = found
            .into_iter()
            .map(|(id, status, created_at)| (id, (status, created_at)))
            .collect();
        let outcome = |user: &UserId| {
            let decided = match found.get(&user.as_i64()) {
                None => Decided::NotFound,
                Some((status, created_at)) if *status == pending => {
                    self.tell_age_of(Timestamp::from_millis(*created_at));
                    Decided::Now
                }
                Some((status, _)) => Decided::NotPending(
                    UserStatus::from_i16(*status).ok_or(StoreError::Corrupt("users.status"))?,
                ),
            };
            Ok((*user, decided))
        };
        users.iter().map(outcome).collect()
    }

    /// How many wait for approval, and since when the oldest does.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_applications(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let waiting = self.count_users(Some(UserStatus::Pending)).await?;
        if waiting == 0 {
            return Ok((0, None));
        }
        let oldest = self.list_applications(None, UserId::from_i64(0), 1).await?;
        Ok((waiting, oldest.first().map(|oldest| oldest.user.created_at)))
    }

    fn applications(
        &self,
        name_begins: Option<&[String]>,
        after: UserId,
        limit: u64,
    ) -> Select<user::Entity> {
        self.users()
            .filter(user::Column::Status.eq(UserStatus::Pending.as_i16()))
            .apply_if(name_begins, |users, forms| {
                users.filter(any_begins_with(forms))
            })
            .filter(user::Column::Id.gt(after.as_i64()))
            .order_by_asc(user::Column::Id)
            .limit(limit)
    }

    /// Gives users another standing, all of them or none.
    async fn set_standing(
        &self,
        transaction: &DatabaseTransaction,
        users: &[i64],
        from: i16,
        to: UserStatus,
        message: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = user::Entity::update_many()
            .set(user::ActiveModel {
                status: Set(to.as_i16()),
                refuse_message: Set(message.map(str::to_owned)),
                updated_at: Set(now.as_millis()),
                ..Default::default()
            })
            .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(user::Column::Id.is_in(users.iter().copied()))
            .filter(user::Column::Status.eq(from))
            .exec(transaction)
            .await?;
        if usize::try_from(changed.rows_affected) == Ok(users.len()) {
            Ok(())
        } else {
            // Somebody else decided meanwhile.
            Err(StoreError::GaveWay)
        }
    }

    fn tell_age_of(&self, created_at: Timestamp) {
        let age = self.clock.now().since(created_at);
        self.connection.application_decided(age.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::UserId;
    use crate::store::lookups::tests::{ground, plan};

    #[tokio::test]
    async fn those_who_wait_are_found_by_their_index_in_its_order() {
        let ground = ground().await;
        let waiting = ground.db.applications(None, UserId::from_i64(0), 50);
        let plan = plan(&ground, waiting.build(sea_orm::DbBackend::Sqlite)).await;
        let by_index = "ix_users_status (tenant_id=? AND status=? AND id>?)";
        assert!(
            matches!(&plan[..], [only] if only.contains(by_index)),
            "{plan:?}"
        );
    }
}
