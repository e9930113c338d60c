//! The one write transaction of a registration: spend the invite, insert the user, bind the proofs, begin the session, keep
//! the answer. All of it is committed before anybody is answered, or none of it happened.

use std::cell::RefCell;
use std::net::SocketAddr;

use entity::tenant::{invite_code, user};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait,
    QueryFilter, QuerySelect, QueryTrait, Statement, sea_query::Expr,
};

use super::bindings::NotBound;
use super::error::{DuplicateOf, OfStore, StoreError};
use super::saved_answers::NewSavedAnswer;
use super::sessions::NewSession;
use super::tenant_db::TenantDb;
use super::users::User;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::proof::{Claim, Proof};
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
    /// What the user has shown to be theirs.
    pub proofs: &'a [Proof],
    /// The group, unless the invite that is spent leads to another.
    pub group_id: i32,
    /// The first session; a pending account has none.
    pub session: Option<&'a NewSession>,
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
    /// A proof could not be bound; never [`NotBound::Store`].
    #[error(transparent)]
    NotBound(NotBound),
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

impl From<NotBound> for NotMade {
    fn from(error: NotBound) -> Self {
        match error {
            NotBound::Store(error) => Self::Store(error),
            other => Self::NotBound(other),
        }
    }
}

/// What an invite gives to the account that spends it.
#[derive(Default)]
struct SpentInvite {
    id: Option<InviteId>,
    group_id: Option<i32>,
    issued_by: Option<i64>,
}

impl TenantDb {
    /// Makes the account and returns it as it is stored.
    ///
    /// # Errors
    /// [`NotMade`]; then nothing was written and no invite was spent. After [`StoreError::Unavailable`] the outcome is
    /// unknown if the database died during the commit: the account exists whole or not at all.
    pub async fn create_account(&self, account: &NewAccount<'_>) -> Result<User, NotMade> {
        if account.is_plain() {
            return self.create_plain_account(account).await;
        }
        self.write("create_account", async |transaction| {
            let now = self.clock.now();
            let invite = self.spend_invite(transaction, account.invite, now).await?;
            fail::fail_point!("after_invite_spend");
            let row = self.user_row(account, &invite, now)?;
            let id = UserId::from_i64(row.id);
            for insert in self.inserts(transaction.get_database_backend(), account, &row) {
                let inserted = transaction.execute_raw(insert).await;
                inserted.map_err(|error| name_taken(StoreError::from(error).into()))?;
            }
            self.bind(transaction, id, account.requester.ip(), account.proofs)
                .await?;
            if let Some(answer) = account.answer {
                self.insert_answer(transaction, answer, id, now)
                    .await
                    .map_err(key_used)?;
            }
            fail::fail_point!("before_commit");
            let user = User::try_from(row)?;
            Ok(with_phone(user, account.proofs))
        })
        .await
    }

    /// One guarded update: the row's own count decides, whatever any cache believes.
    async fn spend_invite(
        &self,
        transaction: &DatabaseTransaction,
        invitation: Invitation,
        now: Timestamp,
    ) -> Result<SpentInvite, NotMade> {
        let (id, must) = match invitation {
            Invitation::None | Invitation::Member(_) => return Ok(SpentInvite::default()),
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
            (0, false) => Ok(SpentInvite::default()),
            _ => Ok(self.what_it_brings(transaction, id).await?),
        }
    }

    async fn what_it_brings(
        &self,
        transaction: &DatabaseTransaction,
        id: InviteId,
    ) -> Result<SpentInvite, StoreError> {
        let row: Option<(Option<i32>, Option<i64>)> = invite_code::Entity::find()
            .select_only()
            .columns([invite_code::Column::GroupId, invite_code::Column::IssuedBy])
            .filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(invite_code::Column::Id.eq(id.as_i64()))
            .into_tuple()
            .one(transaction)
            .await?;
        let (group_id, issued_by) = row.unwrap_or_default();
        Ok(SpentInvite {
            id: Some(id),
            group_id,
            issued_by,
        })
    }

    fn user_row(
        &self,
        account: &NewAccount<'_>,
        invite: &SpentInvite,
        now: Timestamp,
    ) -> Result<user::Model, StoreError> {
        let address = account.requester.ip().to_string();
        let member = match account.invite {
            Invitation::Member(member) => Some(member.as_i64()),
            _ => invite.issued_by,
        };
        Ok(user::Model {
            tenant_id: self.tenant.as_i64(),
            id: self.new_id()?,
            username: account.username.canonical().to_owned(),
            display_name: account.username.display().to_owned(),
            skeleton: account.username.skeleton().map(str::to_owned),
            password_hash: account.password_hash.map(str::to_owned),
            status: account.status.as_i16(),
            register_reason: account.reason.map(|reason| reason.as_str().to_owned()),
            register_ip: address.clone(),
            register_port: i32::from(account.requester.port()),
            invite_id: invite.id.map(InviteId::as_i64),
            invited_by: member,
            last_login_ip: address,
            login_at: now.as_millis(),
            created_at: now.as_millis(),
            updated_at: now.as_millis(),
            phone: None,
            group_id: invite.group_id.unwrap_or(account.group_id),
            avatar_url: None,
            refuse_message: None,
        })
    }

    /// The rows of the user and of the first session, of which the second rests on the first.
    fn inserts(
        &self,
        backend: DbBackend,
        account: &NewAccount<'_>,
        row: &user::Model,
    ) -> Vec<Statement> {
        let user = user::Entity::insert(user::ActiveModel::from(row.clone())).build(backend);
        let session = account.session.map(|session| {
            let now = Timestamp::from_millis(row.created_at);
            self.session_insert(UserId::from_i64(row.id), session, now)
                .build(backend)
        });
        std::iter::once(user).chain(session).collect()
    }

    /// Nothing of it hangs on what the database says in between, so it goes there once.
    async fn create_plain_account(&self, account: &NewAccount<'_>) -> Result<User, NotMade> {
        let stored = RefCell::new(None);
        let statements = || {
            let row = self.user_row(account, &SpentInvite::default(), self.clock.now())?;
            let inserts = self.inserts(self.connection.sea_backend(), account, &row);
            stored.replace(Some(row));
            fail::fail_point!("before_commit");
            Ok::<_, NotMade>(inserts)
        };
        self.write_at_once("create_account", statements)
            .await
            .map_err(name_taken)?;
        let row = stored.into_inner();
        let row = row.ok_or_else(|| StoreError::Failed("nothing was inserted".into()))?;
        Ok(User::try_from(row)?)
    }
}

impl NewAccount<'_> {
    /// Whether it is made of rows of its own alone: nothing is spent, bound or kept.
    fn is_plain(&self) -> bool {
        let spends = matches!(
            self.invite,
            Invitation::Spend(_) | Invitation::SpendIfUsable(_)
        );
        !spends && self.proofs.is_empty() && self.answer.is_none()
    }
}

/// The account with the number that its proofs gave it.
fn with_phone(user: User, proofs: &[Proof]) -> User {
    let phone = proofs.iter().rev().find_map(|proof| match &proof.claim {
        Claim::Phone(phone) => Some(phone.clone()),
        Claim::Wechat(_) => None,
    });
    User { phone, ..user }
}

fn name_taken(error: NotMade) -> NotMade {
    match error {
        NotMade::Store(StoreError::Duplicate(DuplicateOf::Name)) => NotMade::NameTaken,
        other => other,
    }
}

fn key_used(error: StoreError) -> NotMade {
    match error {
        StoreError::Duplicate(_) => NotMade::KeyUsed,
        other => NotMade::Store(other),
    }
}
