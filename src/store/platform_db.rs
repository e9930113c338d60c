//! The handle on the platform database: tenants, their keys, administrators, audit.

use std::sync::Arc;

use entity::platform::revision;
use sea_orm::{DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::connection::Connection;
use super::error::{OfStore, StoreError};
use super::group_commit::Undo;
use crate::clock::{Clock, Entropy};
use crate::domain::ids::RowIds;

/// The platform database.
#[derive(Clone, Debug)]
pub struct PlatformDb {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    entropy: Entropy,
    ids: Arc<RowIds>,
}

impl PlatformDb {
    /// A handle over an open database.
    #[must_use]
    pub fn new(connection: Connection, clock: Clock, entropy: Entropy) -> Self {
        Self {
            connection,
            clock,
            entropy,
            ids: Arc::default(),
        }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }

    /// Closes the connections.
    pub async fn close(self) {
        self.connection.close().await;
    }

    /// Runs a transaction under the statement timeout; again, if it gave way or drew an id that was taken.
    pub(super) async fn write<T, E: OfStore>(
        &self,
        operation: &'static str,
        work: impl AsyncFn(&DatabaseTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = async || self.connection.begin().await;
        self.connection
            .write(operation, self.entropy, begin, work, Undo::BySavepoint)
            .await
    }

    /// A number for a new row.
    pub(super) fn new_id(&self) -> Result<i64, StoreError> {
        let random = u16::from_be_bytes(self.entropy.bytes::<2>()?);
        Ok(self.ids.draw(self.clock.now().as_millis(), random))
    }

    /// Takes the next revision. Its row stays locked until the transaction ends, so revisions become visible in order
    /// and changes to tenants happen one after another, on every replica.
    pub(super) async fn next_revision(
        &self,
        transaction: &DatabaseTransaction,
    ) -> Result<i64, StoreError> {
        revision::Entity::update_many()
            .col_expr(
                revision::Column::Value,
                Expr::col(revision::Column::Value).add(1),
            )
            .filter(Expr::col(revision::Column::Id).eq(1))
            .exec(transaction)
            .await?;
        revision::Entity::find_by_id(1_i16)
            .one(transaction)
            .await?
            .map(|row| row.value)
            .ok_or(StoreError::Corrupt("platform_revision has no row"))
    }
}
