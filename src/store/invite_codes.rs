//! Invite codes of one tenant. Only [`super::registration`] spends them.

use entity::tenant::invite_code;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, sea_query::Expr,
};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::invite_batch::BatchName;
use crate::domain::invite_code::InviteCode;

/// A stored invite code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The row's number.
    pub id: InviteId,
    /// The canonical code.
    pub code: String,
    /// How many accounts it may bring.
    pub max_uses: i32,
    /// How many it brought.
    pub uses: i32,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// For the administrator.
    pub note: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// The group of the accounts it brings; `None` for the tenant's default.
    pub group_id: Option<i32>,
    /// The member who issued it; `None` for an administrator of the platform.
    pub issued_by: Option<UserId>,
    /// The batch it was made in.
    pub batch: Option<String>,
}

/// What an invite code is good for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteState {
    /// Brings an account.
    Usable,
    /// All uses are spent.
    Spent,
    /// Its time is over.
    Expired,
    /// An administrator ended it.
    Revoked,
}

impl Invite {
    /// What this code is good for at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> InviteState {
        if self.revoked_at.is_some() {
            InviteState::Revoked
        } else if self.uses >= self.max_uses {
            InviteState::Spent
        } else if self.expires_at.is_some_and(|end| end <= now) {
            InviteState::Expired
        } else {
            InviteState::Usable
        }
    }
}

impl From<invite_code::Model> for Invite {
    fn from(row: invite_code::Model) -> Self {
        Self {
            id: InviteId::from_i64(row.id),
            code: row.code,
            max_uses: row.max_uses,
            uses: row.uses,
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            note: row.note,
            created_at: Timestamp::from_millis(row.created_at),
            group_id: row.group_id,
            issued_by: row.issued_by.map(UserId::from_i64),
            batch: row.batch,
        }
    }
}

/// Codes to issue, all alike but for their text.
#[derive(Clone, Debug)]
pub struct NewInvites {
    /// The codes' texts.
    pub codes: Vec<InviteCode>,
    /// How many accounts each may bring; at least 1.
    pub max_uses: i32,
    /// From when on they are refused.
    pub expires_at: Option<Timestamp>,
    /// For the administrator.
    pub note: String,
    /// The name of who issues them.
    pub created_by: String,
    /// The group of the accounts they bring; `None` for the tenant's default.
    pub group_id: Option<i32>,
    /// The member who issues them; `None` for an administrator of the platform.
    pub issued_by: Option<UserId>,
    /// Where they stand in a batch.
    pub batch: Option<BatchPart>,
}

/// Codes that follow each other in a batch.
#[derive(Clone, Debug)]
pub struct BatchPart {
    /// The batch.
    pub name: BatchName,
    /// How many codes of it come before these.
    pub before: i32,
}

/// Which invites are asked for; what is `None` is any.
#[derive(Clone, Debug, Default)]
pub struct InviteFilter {
    /// In this state.
    pub state: Option<InviteState>,
    /// Whether any use of it was spent.
    pub used: Option<bool>,
    /// With exactly this note.
    pub note: Option<String>,
    /// Of this batch.
    pub batch: Option<BatchName>,
}

/// Rows of one INSERT: fourteen columns each, well below every database's limit of bound values.
const ROWS_PER_INSERT: usize = 500;

impl TenantDb {
    /// The invite with this code, whatever its state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_invite(&self, code: &InviteCode) -> Result<Option<Invite>, StoreError> {
        self.connection
            .within("find_invite", async {
                let reader = self.reader().await?;
                let row = self
                    .invites()
                    .filter(invite_code::Column::Code.eq(code.as_str()))
                    .one(&reader.executor())
                    .await?;
                Ok(row.map(Invite::from))
            })
            .await
    }

    /// At most `limit` such invites whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_invites(
        &self,
        filter: &InviteFilter,
        after: InviteId,
        limit: u64,
    ) -> Result<Vec<Invite>, StoreError> {
        self.connection
            .within("list_invites", async {
                let reader = self.reader().await?;
                let rows = self
                    .invites()
                    .filter(filter.condition(self.clock.now()))
                    .filter(invite_code::Column::Id.gt(after.as_i64()))
                    .order_by_asc(invite_code::Column::Id)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                Ok(rows.into_iter().map(Invite::from).collect())
            })
            .await
    }

    /// At most `limit` codes of a batch, in their order there, after the first `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_batch(
        &self,
        batch: &BatchName,
        before: i32,
        limit: u64,
    ) -> Result<Vec<Invite>, StoreError> {
        self.connection
            .within("list_batch", async {
                let reader = self.reader().await?;
                let rows = self
                    .invites()
                    .filter(invite_code::Column::Batch.eq(batch.as_str()))
                    .filter(invite_code::Column::BatchPosition.gt(before))
                    .order_by_asc(invite_code::Column::BatchPosition)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                Ok(rows.into_iter().map(Invite::from).collect())
            })
            .await
    }

    /// Issues all codes or none.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the tenant has one of the codes already, or of their places in the batch.
    pub async fn issue_invites(&self, new: &NewInvites) -> Result<Vec<Invite>, StoreError> {
        self.write("issue_invites", async |transaction| {
            let mut rows = Vec::with_capacity(new.codes.len());
            let mut position = new.batch.as_ref().map(|part| part.before);
            for code in &new.codes {
                position = position.map(|last| last.saturating_add(1));
                rows.push(invite_code::Model {
                    tenant_id: self.tenant.as_i64(),
                    id: self.new_id()?,
                    code: code.as_str().to_owned(),
                    max_uses: new.max_uses,
                    uses: 0,
                    expires_at: new.expires_at.map(Timestamp::as_millis),
                    revoked_at: None,
                    note: new.note.clone(),
                    created_by: new.created_by.clone(),
                    created_at: self.clock.now().as_millis(),
                    group_id: new.group_id,
                    issued_by: new.issued_by.map(UserId::as_i64),
                    batch: new.batch.as_ref().map(|part| part.name.as_str().to_owned()),
                    batch_position: position,
                });
            }
            for part in rows.chunks(ROWS_PER_INSERT) {
                invite_code::Entity::insert_many(
                    part.iter().cloned().map(invite_code::ActiveModel::from),
                )
                .exec_without_returning(transaction)
                .await?;
            }
            Ok(rows.into_iter().map(Invite::from).collect())
        })
        .await
    }

    /// Ends a code. `None` when the tenant has no such code; revoking twice keeps the first time.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_invite(&self, code: &InviteCode) -> Result<Option<Invite>, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("revoke_invite", async |transaction| {
            invite_code::Entity::update_many()
                .set(invite_code::ActiveModel {
                    revoked_at: Set(Some(now)),
                    ..Default::default()
                })
                .filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(invite_code::Column::Code.eq(code.as_str()))
                .filter(invite_code::Column::RevokedAt.is_null())
                .exec(transaction)
                .await?;
            let row = self
                .invites()
                .filter(invite_code::Column::Code.eq(code.as_str()))
                .one(transaction)
                .await?;
            Ok(row.map(Invite::from))
        })
        .await
    }

    /// At most `limit` of a member's own invites after the first `offset`, of one state or of all, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_invites_of(
        &self,
        issuer: UserId,
        state: Option<InviteState>,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Invite>, StoreError> {
        self.connection
            .within("list_invites_of", async {
                let reader = self.reader().await?;
                let rows = self
                    .invites_of(issuer, state)
                    .order_by_desc(invite_code::Column::Id)
                    .offset(offset)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                Ok(rows.into_iter().map(Invite::from).collect())
            })
            .await
    }

    /// How many invites a member has issued, of one state or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_invites_of(
        &self,
        issuer: UserId,
        state: Option<InviteState>,
    ) -> Result<u64, StoreError> {
        self.connection
            .within("count_invites_of", async {
                let reader = self.reader().await?;
                let invites = self.invites_of(issuer, state);
                Ok(invites.count(&reader.executor()).await?)
            })
            .await
    }

    /// Ends one of a member's own invites. Whether the member has issued it; revoking twice keeps the first time.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revoke_invite_of(&self, issuer: UserId, id: InviteId) -> Result<bool, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("revoke_invite_of", async |transaction| {
            let own = Condition::all()
                .add(invite_code::Column::Id.eq(id.as_i64()))
                .add(invite_code::Column::IssuedBy.eq(issuer.as_i64()));
            invite_code::Entity::update_many()
                .set(invite_code::ActiveModel {
                    revoked_at: Set(Some(now)),
                    ..Default::default()
                })
                .filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(own.clone())
                .filter(invite_code::Column::RevokedAt.is_null())
                .exec(transaction)
                .await?;
            Ok(self.invites().filter(own).one(transaction).await?.is_some())
        })
        .await
    }

    fn invites_of(
        &self,
        issuer: UserId,
        state: Option<InviteState>,
    ) -> Select<invite_code::Entity> {
        let invites = self
            .invites()
            .filter(invite_code::Column::IssuedBy.eq(issuer.as_i64()));
        match state {
            Some(state) => invites.filter(in_state(state, self.clock.now())),
            None => invites,
        }
    }

    pub(super) fn invites(&self) -> Select<invite_code::Entity> {
        invite_code::Entity::find().filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
    }
}

impl InviteFilter {
    fn condition(&self, now: Timestamp) -> Condition {
        let uses = invite_code::Column::Uses;
        Condition::all()
            .add_option(self.state.map(|state| in_state(state, now)))
            .add_option(
                self.used
                    .map(|used| if used { uses.gt(0) } else { uses.eq(0) }),
            )
            .add_option(
                self.note
                    .as_deref()
                    .map(|note| invite_code::Column::Note.eq(note)),
            )
            .add_option(
                self.batch
                    .as_ref()
                    .map(|batch| invite_code::Column::Batch.eq(batch.as_str())),
            )
    }
}

/// [`Invite::state`], in the database's words.
fn in_state(state: InviteState, now: Timestamp) -> Condition {
    let revoked = invite_code::Column::RevokedAt.is_not_null();
    let live = invite_code::Column::RevokedAt.is_null();
    let uses = Expr::col(invite_code::Column::Uses);
    let spent = uses.clone().gte(Expr::col(invite_code::Column::MaxUses));
    let unspent = uses.lt(Expr::col(invite_code::Column::MaxUses));
    let now = now.as_millis();
    let over = invite_code::Column::ExpiresAt.lte(now);
    let in_time = Condition::any()
        .add(invite_code::Column::ExpiresAt.is_null())
        .add(invite_code::Column::ExpiresAt.gt(now));
    let all = Condition::all();
    match state {
        InviteState::Revoked => all.add(revoked),
        InviteState::Spent => all.add(live).add(spent),
        InviteState::Expired => all.add(live).add(unspent).add(over),
        InviteState::Usable => all.add(live).add(unspent).add(in_time),
    }
}
