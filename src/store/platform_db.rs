//! The handle on the platform database: tenants, their keys, administrators, audit.

use entity::platform::revision;
use sea_orm::{DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::connection::Connection;
use super::error::{OfStore, StoreError};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::new_row_id;

/// The platform database.
#[derive(Clone, Debug)]
pub struct PlatformDb {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    entropy: Entropy,
}

impl PlatformDb {
    /// A handle over an open database.
    #[must_use]
    pub fn new(connection: Connection, clock: Clock, entropy: Entropy) -> Self {
        Self {
            connection,
            clock,
            entropy,
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

    /// Runs a transaction under the statement timeout; nothing of it stays when `work` fails.
    pub(super) async fn write<T, E: OfStore>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection
            .within(operation, async {
                let transaction = self.connection.begin().await?;
                match work(&transaction).await {
                    Ok(done) => {
                        transaction.commit().await.map_err(StoreError::from)?;
                        Ok(done)
                    }
                    Err(error) => {
                        let _ = transaction.rollback().await;
                        Err(error)
                    }
                }
            })
            .await
    }

    /// A number for a new row.
    pub(super) fn new_id(&self) -> Result<i64, StoreError> {
        let random = u16::from_be_bytes(self.entropy.bytes::<2>()?);
        Ok(new_row_id(self.clock.now().as_millis(), random))
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
