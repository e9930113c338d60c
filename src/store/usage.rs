//! What tenants used, by the hour and by the day (UTC), in the platform database.
//!
//! Each process counts in memory (`telemetry/usage.rs`) and adds what it counted every so often, a bounded part at a time;
//! no request waits for it. A process that is killed loses what it counted since; a database that dies during the commit of a
//! part may have it twice. Rows are kept for a bounded time.

use std::collections::HashMap;
use std::time::Duration;

use entity::platform::tenant;
use entity::platform::usage_count::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction,
    DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    QueryTrait, Select, Statement,
};
use tokio::sync::watch;

use super::error::StoreError;
use super::platform_db::PlatformDb;
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::telemetry::settings::TelemetrySettings;
use crate::telemetry::usage::{Counter, Counts, HOUR, HourOfTenant, Usage};

/// How long a row of usage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl Step {
    const fn as_i16(self) -> i16 {
        match self {
            Self::Hour => 0,
            Self::Day => 1,
        }
    }

    const fn millis(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }

    /// When the step began in which `at` lies.
    #[must_use]
    pub const fn begin(self, at: Timestamp) -> Timestamp {
        let millis = self.millis();
        Timestamp::from_millis(at.as_millis().div_euclid(millis).saturating_mul(millis))
    }
}

/// What a tenant used in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOfStep {
    /// When it began.
    pub starts_at: Timestamp,
    /// What was counted.
    pub counts: Counts,
}

/// What a tenant used in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOfTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Its key.
    pub key: String,
    /// What was counted.
    pub counts: Counts,
}

/// The steps that begin from `from` on and before `until`.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// How long each is.
    pub step: Step,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Hours of tenants in one transaction: two rows of twelve values each, well below every database's limit.
const HOURS_A_PART: usize = 200;
/// Between two tries to write the last of it; whoever stops the process bounds them together.
const LAST_PAUSE: Duration = Duration::from_millis(20);

impl PlatformDb {
    /// Writes down what is counted, at each interval and, until it is done, when told to stop; forgets what is too old.
    pub async fn keep_usage(
        self,
        usage: Usage,
        settings: TelemetrySettings,
        mut stop: watch::Receiver<bool>,
    ) {
        let interval = Duration::from_millis(settings.usage_flush_ms);
        let mut cleaned = None;
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(interval) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if stopping {
                // The threads on which connections were opened end at this moment, and a connection ends with its thread,
                // if need be between a commit and the word of it. What was added would then be added once more.
                Box::pin(self.connection.pool.replace()).await;
            }
            let mut done = self.flush_usage(&usage).await;
            if stopping {
                while !done {
                    tokio::time::sleep(LAST_PAUSE).await;
                    done = self.flush_usage(&usage).await;
                }
                return;
            }
            let hour = Step::Hour.begin(self.clock.now());
            if cleaned != Some(hour) {
                cleaned = Some(hour);
                for (step, days) in [
                    (Step::Hour, settings.usage_hours_days),
                    (Step::Day, settings.usage_days),
                ] {
                    let age = i64::from(days).saturating_mul(24 * HOUR);
                    let oldest = Timestamp::from_millis(hour.as_millis().saturating_sub(age));
                    if let Err(error) = self.forget_usage(step, oldest).await {
                        tracing::warn!(%error, "old usage stays until the next hour");
                    }
                }
            }
        }
    }

    /// Whether nothing waits any more.
    async fn flush_usage(&self, usage: &Usage) -> bool {
        let (hours, lost) = usage.take();
        if lost > 0 {
            tracing::warn!(
                lost,
                "usage of too many tenants waited; events were not counted"
            );
        }
        for (number, part) in hours.chunks(HOURS_A_PART).enumerate() {
            if let Err(error) = self.add_usage(part).await {
                tracing::warn!(%error, "usage waits for the next flush");
                usage.give_back(hours.get(number * HOURS_A_PART..).unwrap_or(part));
                return false;
            }
        }
        true
    }

    /// Adds what was counted to the rows of its hours and days; all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn add_usage(&self, hours: &[HourOfTenant]) -> Result<(), StoreError> {
        if hours.is_empty() {
            return Ok(());
        }
        self.write("add_usage", async |transaction| {
            add(transaction, Step::Hour, hours).await?;
            add(transaction, Step::Day, &days_of(hours)).await
        })
        .await
    }

    /// At most `limit` steps of a tenant after the one that begins at `after`. Steps without any use are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_usage(
        &self,
        tenant: TenantId,
        period: Period,
        after: Timestamp,
        limit: u64,
    ) -> Result<Vec<UsageOfStep>, StoreError> {
        self.connection
            .within("list_usage", async {
                let steps = steps_of(period)
                    .filter(Column::TenantId.eq(tenant.as_i64()))
                    .filter(Column::StartsAt.gt(after.as_millis()))
                    .order_by_asc(Column::StartsAt)
                    .limit(limit)
                    .build(self.connection.sea_backend());
                let rows = self.connection.pool.current().query_all_raw(steps).await?;
                let step = |row: &QueryResult| {
                    Ok(UsageOfStep {
                        starts_at: Timestamp::from_millis(row.try_get("", "starts_at")?),
                        counts: counts_of(row)?,
                    })
                };
                rows.iter().map(step).collect()
            })
            .await
    }

    /// What at most `limit` tenants used in the period, of those whose number is greater than `after`. Tenants without any
    /// use are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn total_usage(
        &self,
        period: Period,
        after: TenantId,
        limit: u64,
    ) -> Result<Vec<UsageOfTenant>, StoreError> {
        let backend = self.connection.sea_backend();
        self.connection
            .within("total_usage", async {
                let pool = self.connection.pool.current();
                let rows = pool
                    .query_all_raw(totals(period, after, limit, backend))
                    .await?;
                let id = |row: &QueryResult| row.try_get::<i64>("", "tenant_id");
                let ids = rows.iter().map(id).collect::<Result<Vec<_>, _>>()?;
                let keys: Vec<(i64, String)> = tenant::Entity::find()
                    .select_only()
                    .columns([tenant::Column::Id, tenant::Column::Key])
                    .filter(tenant::Column::Id.is_in(ids))
                    .into_tuple()
                    .all(&pool)
                    .await?;
                let keys: HashMap<i64, String> = keys.into_iter().collect();
                let total = |row: &QueryResult| {
                    let tenant = id(row)?;
                    Ok(UsageOfTenant {
                        tenant: TenantId::from_i64(tenant),
                        key: keys.get(&tenant).cloned().unwrap_or_default(),
                        counts: counts_of(row)?,
                    })
                };
                rows.iter().map(total).collect()
            })
            .await
    }

    /// Removes the steps that began before `oldest`, one after the other, so that no statement removes more than the tenants
    /// of one step. How many steps they were.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_usage(&self, step: Step, oldest: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let first: Option<Option<i64>> = self
                .connection
                .within("first_usage", async {
                    let first = Entity::find()
                        .select_only()
                        .expr(Column::StartsAt.min())
                        .filter(Column::Step.eq(step.as_i16()));
                    let pool = self.connection.pool.current();
                    Ok::<_, StoreError>(first.into_tuple().one(&pool).await?)
                })
                .await?;
            let Some(first) = first.flatten().filter(|first| *first < oldest.as_millis()) else {
                return Ok(forgotten);
            };
            self.write("forget_usage", async |transaction| {
                Entity::delete_many()
                    .filter(Column::Step.eq(step.as_i16()))
                    .filter(Column::StartsAt.eq(first))
                    .exec(transaction)
                    .await?;
                Ok::<_, StoreError>(())
            })
            .await?;
            forgotten += 1;
        }
    }
}

fn steps_of(period: Period) -> Select<Entity> {
    Entity::find()
        .filter(Column::Step.eq(period.step.as_i16()))
        .filter(Column::StartsAt.gte(period.from.as_millis()))
        .filter(Column::StartsAt.lt(period.until.as_millis()))
}

/// One row a tenant. The primary key brings the tenants in their order, so a page reads no more than its own.
fn totals(period: Period, after: TenantId, limit: u64, backend: DbBackend) -> Statement {
    let whole = if backend == DbBackend::MySql {
        "signed"
    } else {
        "bigint"
    };
    let mut sums = steps_of(period)
        .filter(Column::TenantId.gt(after.as_i64()))
        .select_only()
        .column(Column::TenantId);
    for counter in Counter::ALL {
        // Each database has another type for a sum of whole numbers.
        let sum = column(counter).sum().cast_as(whole);
        sums = sums.column_as(sum, counter.as_str());
    }
    sums.group_by(Column::TenantId)
        .order_by_asc(Column::TenantId)
        .limit(limit)
        .build(backend)
}

const fn column(counter: Counter) -> Column {
    match counter {
        Counter::Registrations => Column::Registrations,
        Counter::RefusedInput => Column::RefusedInput,
        Counter::RefusedPolicy => Column::RefusedPolicy,
        Counter::RefusedLimit => Column::RefusedLimit,
        Counter::RefusedRoom => Column::RefusedRoom,
        Counter::Logins => Column::Logins,
        Counter::FailedLogins => Column::FailedLogins,
        Counter::SmsSent => Column::SmsSent,
        Counter::Hashes => Column::Hashes,
    }
}

fn counts_of(row: &QueryResult) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for counter in Counter::ALL {
        counts.add(counter, row.try_get("", counter.as_str())?);
    }
    Ok(counts)
}

/// The same counts, by the day. Hours of one tenant follow each other.
fn days_of(hours: &[HourOfTenant]) -> Vec<HourOfTenant> {
    let mut days: Vec<HourOfTenant> = Vec::new();
    for hour in hours {
        let day = Step::Day
            .begin(Timestamp::from_millis(hour.hour))
            .as_millis();
        match days.last_mut() {
            Some(last) if (last.tenant, last.hour) == (hour.tenant, day) => {
                last.counts.add_all(&hour.counts);
            }
            _ => days.push(HourOfTenant { hour: day, ..*hour }),
        }
    }
    days
}

async fn add(
    transaction: &DatabaseTransaction,
    step: Step,
    parts: &[HourOfTenant],
) -> Result<(), StoreError> {
    let row = |part: &HourOfTenant| {
        let mut row = ActiveModel {
            step: Set(step.as_i16()),
            tenant_id: Set(part.tenant),
            starts_at: Set(part.hour),
            ..Default::default()
        };
        for counter in Counter::ALL {
            row.set(column(counter), part.counts.get(counter).into());
        }
        row
    };
    let is_mysql = transaction.get_database_backend() == DbBackend::MySql;
    let mut there = OnConflict::columns([Column::Step, Column::TenantId, Column::StartsAt]);
    for counter in Counter::ALL {
        let name = counter.as_str();
        let more = if is_mysql {
            format!("VALUES({name})")
        } else {
            format!("excluded.{name}")
        };
        there.value(name, Expr::cust(format!("usage_counts.{name} + {more}")));
    }
    Entity::insert_many(parts.iter().map(row))
        .on_conflict(there)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Counter, HOUR, HourOfTenant, days_of};
    use crate::telemetry::usage::Counts;

    #[test]
    fn the_hours_of_a_day_add_up() {
        let hour = |tenant, hour: i64, logins| {
            let mut counts = Counts::default();
            counts.add(Counter::Logins, logins);
            HourOfTenant {
                tenant,
                hour: hour * HOUR,
                counts,
            }
        };
        let hours = [
            hour(1, 23, 1),
            hour(1, 24, 2),
            hour(1, 47, 4),
            hour(2, 47, 8),
        ];
        assert_eq!(
            days_of(&hours),
            [hour(1, 0, 1), hour(1, 24, 6), hour(2, 24, 8)]
        );
    }
}
