//! The one write transaction of a registration: spend the invite, insert the user, keep the refresh token and the
//! answer. All of it is committed before anybody is answered, or none of it happened.

use std::net::SocketAddr;

use entity::tenant::{invite_code, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter,
    sea_query::Expr,
};

use super::error::{OfStore, StoreError};
use super::refresh_tokens::NewRefreshToken;
use super::saved_answers::NewSavedAnswer;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::register_reason::RegisterReason;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its name.
    pub username: &'a Username,
    /// PHC string; `None` for an account without a password.
    pub password_hash: Option<&'a str>,
    /// Normal, or pending.
    pub status: UserStatus,
    /// Why the user wants to join.
    pub reason: Option<&'a RegisterReason>,
    /// Who asked.
    pub requester: SocketAddr,
    /// The invite that comes with it.
    pub invite: Invitation,
    /// The first refresh token; a pending account has none.
    pub refresh_token: Option<&'a NewRefreshToken>,
    /// The outcome to keep for retries.
    pub answer: Option<&'a NewSavedAnswer>,
}

/// What brought the new user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invitation {
    /// Nothing.
    None,
    /// An invite code, one use of which must be spent.
    Spend(InviteId),
    /// An invite code; when it can no longer be spent, the account is made without it (contract section 6).
    SpendIfUsable(InviteId),
    /// A member's number; nothing is spent.
    Member(UserId),
}

/// The account as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeAccount {
    /// Its number.
    pub id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// An account with this name, or one that looks the same, exists.
    #[error("the name is taken")]
    NameTaken,
    /// The invite has no use left, or was ended meanwhile.
    #[error("the invite cannot be spent")]
    InviteSpent,
    /// A request with the same idempotency key was answered meanwhile.
    #[error("the idempotency key was used meanwhile")]
    KeyUsed,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for NotMade {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl TenantDb {
    /// Makes the account.
    ///
    /// # Errors
    /// [`NotMade`]; then nothing was written and no invite was spent. After [`StoreError::Unavailable`] the outcome is
    /// unknown if the database died during the commit: the account exists whole or not at all.
    pub async fn create_account(&self, account: &NewAccount<'_>) -> Result<MadeAccount, NotMade> {
        self.write("create_account", async |transaction| {
            let now = self.clock.now();
            let invite = self.spend_invite(transaction, account.invite, now).await?;
            fail::fail_point!("after_invite_spend");
            let id = self.insert_user(transaction, account, invite, now).await?;
            if let Some(token) = account.refresh_token {
                self.insert_refresh_token(transaction, id, token, now)
                    .await?;
            }
            if let Some(answer) = account.answer {
                self.insert_answer(transaction, answer, id, now)
                    .await
                    .map_err(key_used)?;
            }
            fail::fail_point!("before_commit");
            Ok(MadeAccount {
                id,
                created_at: now,
            })
        })
        .await
    }

    /// One guarded update: the row's own count decides, whatever any cache believes.
    async fn spend_invite(
        &self,
        transaction: &DatabaseTransaction,
        invitation: Invitation,
        now: Timestamp,
    ) -> Result<Option<InviteId>, NotMade> {
        let (id, must) = match invitation {
            Invitation::None | Invitation::Member(_) => return Ok(None),
            Invitation::Spend(id) => (id, true),
            Invitation::SpendIfUsable(id) => (id, false),
        };
        let spent = invite_code::Entity::update_many()
            .col_expr(
                invite_code::Column::Uses,
                Expr::col(invite_code::Column::Uses).add(1),
            )
            .filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(invite_code::Column::Id.eq(id.as_i64()))
            .filter(
                Expr::col(invite_code::Column::Uses).lt(Expr::col(invite_code::Column::MaxUses)),
            )
            .filter(invite_code::Column::RevokedAt.is_null())
            .filter(
                invite_code::Column::ExpiresAt
                    .is_null()
                    .or(invite_code::Column::ExpiresAt.gt(now.as_millis())),
            )
            .exec(transaction)
            .await
            .map_err(StoreError::from)?;
        match (spent.rows_affected, must) {
            (0, true) => Err(NotMade::InviteSpent),
            (0, false) => Ok(None),
            _ => Ok(Some(id)),
        }
    }

    async fn insert_user(
        &self,
        transaction: &DatabaseTransaction,
        account: &NewAccount<'_>,
        invite: Option<InviteId>,
        now: Timestamp,
    ) -> Result<UserId, NotMade> {
        let id = self.new_id()?;
        let address = account.requester.ip().to_string();
        let member = match account.invite {
            Invitation::Member(member) => Some(member.as_i64()),
            _ => None,
        };
        let row = user::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            id: Set(id),
            username: Set(account.username.canonical().to_owned()),
            display_name: Set(account.username.display().to_owned()),
            skeleton: Set(account.username.skeleton().map(str::to_owned)),
            password_hash: Set(account.password_hash.map(str::to_owned)),
            status: Set(account.status.as_i16()),
            register_reason: Set(account.reason.map(|reason| reason.as_str().to_owned())),
            register_ip: Set(address.clone()),
            register_port: Set(i32::from(account.requester.port())),
            invite_id: Set(invite.map(InviteId::as_i64)),
            invited_by: Set(member),
            last_login_ip: Set(address),
            login_at: Set(now.as_millis()),
            created_at: Set(now.as_millis()),
            updated_at: Set(now.as_millis()),
        };
        user::Entity::insert(row)
            .exec_without_returning(transaction)
            .await
            .map_err(name_taken)?;
        Ok(UserId::from_i64(id))
    }
}

fn name_taken(error: sea_orm::DbErr) -> NotMade {
    use super::error::DuplicateOf::UniqueIndex;
    match StoreError::from(error) {
        StoreError::Duplicate(UniqueIndex) => NotMade::NameTaken,
        other => NotMade::Store(other),
    }
}

fn key_used(error: StoreError) -> NotMade {
    match error {
        StoreError::Duplicate(_) => NotMade::KeyUsed,
        other => NotMade::Store(other),
    }
}
