//! What moderators decide about users.

use std::net::IpAddr;

use entity::tenant::user;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::error::StoreError;
use super::tenant_audit::TenantAudit;
use super::tenant_db::TenantDb;
use super::users::User;
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
            user::Entity::update_many()
                .set(new)
                .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(user::Column::Id.eq(user.as_i64()))
                .exec(transaction)
                .await?;
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
        self.write("decide", async |transaction| {
            let found = self
                .users()
                .filter(user::Column::Id.eq(user.as_i64()))
                .one(transaction)
                .await?;
            let Some(before) =
                found.filter(|row| from.iter().any(|one| one.as_i16() == row.status))
            else {
                return Ok(None);
            };
            let now = self.clock.now().as_millis();
            let changed = user::Entity::update_many()
                .set(user::ActiveModel {
                    status: Set(to.as_i16()),
                    refuse_message: Set(message.map(str::to_owned)),
                    updated_at: Set(now),
                    ..Default::default()
                })
                .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(user::Column::Id.eq(user.as_i64()))
                .filter(user::Column::Status.eq(before.status))
                .exec(transaction)
                .await?;
            if changed.rows_affected == 0 {
                // Another moderator decided meanwhile.
                return Err(StoreError::GaveWay);
            }
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
            User::try_from(user::Model {
                status: to.as_i16(),
                refuse_message: message.map(str::to_owned),
                updated_at: now,
                ..before
            })
            .map(Some)
        })
        .await
    }
}
