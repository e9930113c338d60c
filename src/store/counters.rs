//! Limits that hold across processes: how often something was done in a window of time. Windows are fixed, and begin at
//! multiples of their length since the Unix epoch.

use std::time::Duration;

use entity::tenant::counter;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select,
    UpdateMany,
    sea_query::{Expr, OnConflict},
};

use super::error::{OfStore, StoreError};
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;

/// How often something may be done in a window.
#[derive(Clone, Copy, Debug)]
pub struct Budget<'a> {
    /// What is counted, at most 160 characters. One subject has one window: two windows need two subjects.
    pub subject: &'a str,
    /// How often, at most.
    pub most: u32,
    /// How long a window is.
    pub window: Duration,
}

/// What became of an attempt to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Every budget had room.
    Within {
        /// What is left of each budget, in their order.
        left: Vec<u32>,
    },
    /// A budget had no room; nothing was spent.
    Over {
        /// The first such budget.
        index: usize,
        /// When its window ends.
        retry_after: Duration,
    },
}

/// A budget's present window, in milliseconds since the Unix epoch.
#[derive(Clone, Copy)]
struct Window {
    start: i64,
    end: i64,
}

impl Window {
    fn of(budget: &Budget<'_>, now: Timestamp) -> Self {
        let millis = i64::try_from(budget.window.as_millis());
        let length = millis.unwrap_or(i64::MAX).clamp(1, i64::MAX);
        let start = now.as_millis().div_euclid(length).saturating_mul(length);
        Self {
            start,
            end: start.saturating_add(length),
        }
    }

    fn left_at(self, now: Timestamp) -> Duration {
        let millis = self.end.saturating_sub(now.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// Why nothing was spent.
#[derive(Debug, thiserror::Error)]
enum NotSpent {
    #[error("a budget is used up")]
    Over { index: usize, retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for NotSpent {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Over { .. } => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl TenantDb {
    /// Takes one from every budget, or from none.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn spend(&self, budgets: &[Budget<'_>]) -> Result<Spent, StoreError> {
        let spent = self
            .write("spend", async |transaction| {
                self.spend_all(transaction, budgets).await
            })
            .await;
        match spent {
            Ok(left) => Ok(Spent::Within { left }),
            Err(NotSpent::Over { index, retry_after }) => Ok(Spent::Over { index, retry_after }),
            Err(NotSpent::Store(error)) => Err(error),
        }
    }

    /// Gives one back to every budget. After the end of the window in which it was spent there is nothing to give back.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn refund(&self, budgets: &[Budget<'_>]) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write("refund", async |transaction| {
            self.refund_all(transaction, budgets, now).await
        })
        .await
    }

    async fn refund_all(
        &self,
        transaction: &DatabaseTransaction,
        budgets: &[Budget<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (_, budget) in in_order_of_locks(budgets) {
            self.change_counter(budget, Window::of(budget, now))
                .col_expr(
                    counter::Column::Used,
                    Expr::col(counter::Column::Used).sub(1),
                )
                .filter(counter::Column::Used.gt(0))
                .exec(transaction)
                .await?;
        }
        Ok(())
    }

    /// Forgets what was spent of some budgets, and gives one back to others.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget(
        &self,
        forgotten: &[Budget<'_>],
        refunded: &[Budget<'_>],
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write("forget", async |transaction| {
            for budget in forgotten {
                self.change_counter(budget, Window::of(budget, now))
                    .col_expr(counter::Column::Used, Expr::value(0))
                    .exec(transaction)
                    .await?;
            }
            self.refund_all(transaction, refunded, now).await
        })
        .await
    }

    /// How often was done in the present window what this budget counts.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn peek(&self, budget: &Budget<'_>) -> Result<u32, StoreError> {
        let window = Window::of(budget, self.clock.now());
        self.connection
            .within("peek", async {
                let reader = self.reader().await?;
                let used: Option<i32> = self
                    .used(budget, window)
                    .into_tuple()
                    .one(&reader.executor())
                    .await?;
                Ok(used.map_or(0, |used| u32::try_from(used).unwrap_or(0)))
            })
            .await
    }

    /// Removes counters of windows that have ended.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_counters(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_counters", async |transaction| {
            let done = counter::Entity::delete_many()
                .filter(counter::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(counter::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    async fn spend_all(
        &self,
        transaction: &DatabaseTransaction,
        budgets: &[Budget<'_>],
    ) -> Result<Vec<u32>, NotSpent> {
        let now = self.clock.now();
        let mut left = vec![0; budgets.len()];
        let mut first_over: Option<(usize, Window)> = None;
        for (index, budget) in in_order_of_locks(budgets) {
            let window = Window::of(budget, now);
            match self.spend_one(transaction, budget, window).await? {
                Some(rest) => {
                    if let Some(slot) = left.get_mut(index) {
                        *slot = rest;
                    }
                }
                None if first_over.is_none_or(|(first, _)| index < first) => {
                    first_over = Some((index, window));
                }
                None => {}
            }
        }
        match first_over {
            None => Ok(left),
            Some((index, window)) => Err(NotSpent::Over {
                index,
                retry_after: window.left_at(now),
            }),
        }
    }

    /// What is left after one more; `None` when there is no room.
    async fn spend_one(
        &self,
        transaction: &DatabaseTransaction,
        budget: &Budget<'_>,
        window: Window,
    ) -> Result<Option<u32>, StoreError> {
        if !self.count_one_more(transaction, budget, window).await? {
            // Either there is no room, or nobody has begun to count.
            self.begin_to_count(transaction, budget, window).await?;
            if !self.count_one_more(transaction, budget, window).await? {
                return Ok(None);
            }
        }
        let used: Option<i32> = self
            .used(budget, window)
            .into_tuple()
            .one(transaction)
            .await?;
        let used = used.and_then(|used| u32::try_from(used).ok());
        Ok(Some(
            budget.most.saturating_sub(used.unwrap_or(budget.most)),
        ))
    }

    async fn count_one_more(
        &self,
        transaction: &DatabaseTransaction,
        budget: &Budget<'_>,
        window: Window,
    ) -> Result<bool, StoreError> {
        let done = self
            .change_counter(budget, window)
            .col_expr(
                counter::Column::Used,
                Expr::col(counter::Column::Used).add(1),
            )
            .filter(counter::Column::Used.lt(i32::try_from(budget.most).unwrap_or(i32::MAX)))
            .exec(transaction)
            .await?;
        Ok(done.rows_affected > 0)
    }

    async fn begin_to_count(
        &self,
        transaction: &DatabaseTransaction,
        budget: &Budget<'_>,
        window: Window,
    ) -> Result<(), StoreError> {
        let key = [
            counter::Column::TenantId,
            counter::Column::Subject,
            counter::Column::WindowStart,
        ];
        counter::Entity::insert(counter::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            subject: Set(budget.subject.to_owned()),
            window_start: Set(window.start),
            used: Set(0),
            expires_at: Set(window.end),
        })
        // MySQL has no way to say "do nothing" but to name columns that stay as they are.
        .on_conflict(OnConflict::columns(key).do_nothing_on(key).to_owned())
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }

    fn change_counter(&self, budget: &Budget<'_>, window: Window) -> UpdateMany<counter::Entity> {
        counter::Entity::update_many()
            .filter(counter::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(counter::Column::Subject.eq(budget.subject))
            .filter(counter::Column::WindowStart.eq(window.start))
    }

    fn used(&self, budget: &Budget<'_>, window: Window) -> Select<counter::Entity> {
        counter::Entity::find()
            .select_only()
            .column(counter::Column::Used)
            .filter(counter::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(counter::Column::Subject.eq(budget.subject))
            .filter(counter::Column::WindowStart.eq(window.start))
    }
}

/// The budgets with their places, in one order for everybody, so that two who spend the same ones do not wait for each
/// other.
fn in_order_of_locks<'a, 'b>(budgets: &'a [Budget<'b>]) -> Vec<(usize, &'a Budget<'b>)> {
    let mut ordered: Vec<_> = budgets.iter().enumerate().collect();
    ordered.sort_by_key(|(_, budget)| budget.subject);
    ordered
}
