//! Sessions of one tenant: one row a login, which knows its refresh token by hash alone.

use entity::tenant::{session, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DeleteMany, EntityTrait, ExprTrait, Insert,
    JoinType, QueryFilter, QuerySelect, RelationDef, SelectTwo, UpdateMany, sea_query::Expr,
};

use super::error::StoreError;
use super::lookups::{Answers, Line, Lines, Lookup};
use super::tenant_db::TenantDb;
use super::users::User;
use crate::clock::Timestamp;
use crate::domain::ids::{SessionId, UserId};

/// A session to begin, or the next refresh token of one.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session's name, which its refresh tokens carry.
    pub id: SessionId,
    /// SHA-256 of the refresh token, in hexadecimal.
    pub token_hash: String,
    /// When the refresh token stops working.
    pub expires_at: Timestamp,
}

/// A session and its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is, whatever their status.
    pub user: User,
    /// Grows with each rotation; the first is 1.
    pub generation: i32,
    /// The last generation whose answer was lost: its access token was never received, so whoever shows it stole it.
    pub skipped_generation: Option<i32>,
    /// Whether an access token of the present generation was used.
    pub confirmed: bool,
    /// When its refresh token stops working.
    pub expires_at: Timestamp,
}

/// What became of a refresh token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was the present one; the new one stands in its place.
    Rotated {
        /// The new generation.
        generation: i32,
    },
    /// It was the one before, and nobody has used what it was exchanged for: the answer was lost on its way. The new one
    /// stands in the place of the lost one.
    LostAnswer {
        /// The new generation.
        generation: i32,
    },
    /// It was exchanged long ago: two hold the same token. The session is over.
    Reused,
    /// There is no such session, or its time is over.
    Gone,
}

/// Sessions that are not over, each with its user.
pub(super) struct SessionLookup;

impl Lookup for SessionLookup {
    type Key = SessionId;
    type Found = Session;
    const OPERATION: &'static str = "find_session";

    fn line(lines: &Lines) -> &Line<Self> {
        &lines.sessions
    }

    async fn query(db: &TenantDb, ids: &[SessionId]) -> Result<Answers<Self>, StoreError> {
        let now = db.clock.now();
        let reader = db.reader().await?;
        let rows = Self::rows(db, ids).all(&reader.executor()).await?;
        let found = rows.into_iter().filter_map(|(row, user)| {
            let id = SessionId::parse(&row.id)?;
            let lives = Timestamp::from_millis(row.expires_at) > now;
            lives.then(|| Some((id, Session::read(id, &row, user?))))?
        });
        Ok(found.collect())
    }
}

impl SessionLookup {
    /// Also of those that are over: asked for the others alone, SQLite would rather read every session that lives.
    fn rows(db: &TenantDb, ids: &[SessionId]) -> SelectTwo<session::Entity, user::Entity> {
        session::Entity::find()
            .join(JoinType::InnerJoin, its_user())
            .select_also(user::Entity)
            .filter(session::Column::TenantId.eq(db.tenant.as_i64()))
            .filter(session::Column::Id.is_in(ids.iter().map(SessionId::to_string)))
    }
}

impl Session {
    fn read(id: SessionId, row: &session::Model, user: user::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            user: User::try_from(user)?,
            generation: row.generation,
            skipped_generation: row.skipped_generation,
            confirmed: row.confirmed,
            expires_at: Timestamp::from_millis(row.expires_at),
        })
    }
}

impl TenantDb {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create_session(&self, user: UserId, new: &NewSession) -> Result<(), StoreError> {
        self.write("create_session", async |transaction| {
            self.insert_session(transaction, user, new, self.clock.now())
                .await
        })
        .await
    }

    /// The session with this name and its user, unless its time is over. At most one query.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.look_up::<SessionLookup>(id).await
    }

    /// Notes that an access token of this generation was used: from now on the refresh token before is worth nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn confirm_session(&self, id: SessionId, generation: i32) -> Result<(), StoreError> {
        self.write("confirm_session", async |transaction| {
            self.change_session(id)
                .col_expr(session::Column::Confirmed, Expr::value(true))
                .filter(session::Column::Generation.eq(generation))
                .filter(session::Column::Confirmed.eq(false))
                .exec(transaction)
                .await?;
            Ok(())
        })
        .await
    }

    /// Exchanges a refresh token (given by its hash) for a new one. Two guarded updates decide, so that of many who show
    /// the same token at once each knows its place, and one living token is left.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        presented_hash: &str,
        new: &NewSession,
    ) -> Result<Rotation, StoreError> {
        self.write("rotate_session", async |transaction| {
            let now = self.clock.now();
            let rotated = self
                .renew_session(id, new, now)
                .col_expr(session::Column::PreviousHash, Expr::value(presented_hash))
                .col_expr(session::Column::Generation, next_generation())
                .filter(session::Column::TokenHash.eq(presented_hash))
                .exec(transaction)
                .await?;
            if rotated.rows_affected > 0 {
                let generation = self.generation_of(transaction, id).await?;
                return Ok(Rotation::Rotated { generation });
            }
            let repeated = self
                .renew_session(id, new, now)
                // MySQL assigns from left to right: the old number must be read before it grows.
                .col_expr(
                    session::Column::SkippedGeneration,
                    Expr::col(session::Column::Generation),
                )
                .col_expr(session::Column::Generation, next_generation())
                .filter(session::Column::PreviousHash.eq(presented_hash))
                .filter(session::Column::Confirmed.eq(false))
                .exec(transaction)
                .await?;
            if repeated.rows_affected > 0 {
                let generation = self.generation_of(transaction, id).await?;
                return Ok(Rotation::LostAnswer { generation });
            }
            let ended = self
                .sessions_to_delete()
                .filter(session::Column::Id.eq(id.to_string()))
                .filter(session::Column::ExpiresAt.gt(now.as_millis()))
                .exec(transaction)
                .await?;
            Ok(if ended.rows_affected > 0 {
                Rotation::Reused
            } else {
                Rotation::Gone
            })
        })
        .await
    }

    /// Ends one session. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn end_session(&self, id: SessionId) -> Result<bool, StoreError> {
        self.write("end_session", async |transaction| {
            let done = self
                .sessions_to_delete()
                .filter(session::Column::Id.eq(id.to_string()))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    /// Ends every session of a user. How many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn end_sessions_of(&self, user: UserId) -> Result<u64, StoreError> {
        self.write("end_sessions_of", async |transaction| {
            self.delete_sessions_of(transaction, user).await
        })
        .await
    }

    /// Removes sessions whose time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_sessions(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_sessions", async |transaction| {
            let done = self
                .sessions_to_delete()
                .filter(session::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    pub(super) async fn insert_session(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
        new: &NewSession,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.session_insert(user, new, now)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }

    pub(super) fn session_insert(
        &self,
        user: UserId,
        new: &NewSession,
        now: Timestamp,
    ) -> Insert<session::ActiveModel> {
        session::Entity::insert(session::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            id: Set(new.id.to_string()),
            user_id: Set(user.as_i64()),
            token_hash: Set(new.token_hash.clone()),
            previous_hash: Set(None),
            generation: Set(1),
            skipped_generation: Set(None),
            confirmed: Set(false),
            created_at: Set(now.as_millis()),
            refreshed_at: Set(now.as_millis()),
            expires_at: Set(new.expires_at.as_millis()),
        })
    }

    pub(super) async fn delete_sessions_of(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
    ) -> Result<u64, StoreError> {
        let done = self
            .sessions_to_delete()
            .filter(session::Column::UserId.eq(user.as_i64()))
            .exec(transaction)
            .await?;
        Ok(done.rows_affected)
    }

    /// The generation of a session whose row this transaction has changed, and so holds.
    async fn generation_of(
        &self,
        transaction: &DatabaseTransaction,
        id: SessionId,
    ) -> Result<i32, StoreError> {
        let generation = session::Entity::find()
            .select_only()
            .column(session::Column::Generation)
            .filter(session::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(session::Column::Id.eq(id.to_string()))
            .into_tuple()
            .one(transaction)
            .await?;
        generation.ok_or(StoreError::Corrupt("a session changed and is not there"))
    }

    /// What both kinds of rotation have in common.
    fn renew_session(
        &self,
        id: SessionId,
        new: &NewSession,
        now: Timestamp,
    ) -> UpdateMany<session::Entity> {
        self.change_session(id)
            .col_expr(
                session::Column::TokenHash,
                Expr::value(new.token_hash.as_str()),
            )
            .col_expr(session::Column::Confirmed, Expr::value(false))
            .col_expr(session::Column::RefreshedAt, Expr::value(now.as_millis()))
            .col_expr(
                session::Column::ExpiresAt,
                Expr::value(new.expires_at.as_millis()),
            )
            .filter(session::Column::ExpiresAt.gt(now.as_millis()))
    }

    fn change_session(&self, id: SessionId) -> UpdateMany<session::Entity> {
        session::Entity::update_many()
            .filter(session::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(session::Column::Id.eq(id.to_string()))
    }

    fn sessions_to_delete(&self) -> DeleteMany<session::Entity> {
        session::Entity::delete_many().filter(session::Column::TenantId.eq(self.tenant.as_i64()))
    }
}

fn next_generation() -> Expr {
    Expr::col(session::Column::Generation).add(1)
}

fn its_user() -> RelationDef {
    session::Entity::belongs_to(user::Entity)
        .from((session::Column::TenantId, session::Column::UserId))
        .to((user::Column::TenantId, user::Column::Id))
        .into()
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::SessionLookup;
    use crate::domain::ids::SessionId;
    use crate::store::lookups::tests::{ground, plan};

    #[tokio::test]
    async fn sessions_are_found_by_their_index_however_many_are_asked_for() {
        let ground = ground().await;
        for count in [1, 2, 128] {
            let ids = vec![SessionId::from_random([7; 16]); count];
            let rows = SessionLookup::rows(&ground.db, &ids);
            let plan = plan(&ground, rows.build(sea_orm::DbBackend::Sqlite)).await;
            for step in ["(tenant_id=? AND id=?)", "(tenant_id=? AND id=?)"] {
                assert!(plan.iter().all(|line| line.contains(step)), "{plan:?}");
            }
            assert_eq!(plan.len(), 2, "{plan:?}");
        }
    }
}
