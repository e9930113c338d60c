//! What `enroll doctor` looks at in a database. It only reads.

use std::time::Duration;

use entity::platform::administrator;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Statement};

use super::connection::Connection;
use super::error::StoreError;
use super::platform_db::PlatformDb;
use super::schema::{Schema, is_current};
use super::settings::Backend;

/// How a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The time of a question and its answer on an open connection, at best of three.
    pub latency: Duration,
    /// Whether it has every change of this version.
    pub is_current: bool,
    /// What its server says of itself; `None` for SQLite, which has none.
    pub server: Option<ServerFacts>,
}

/// What a database's server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// How far its clock is ahead of ours, in milliseconds; as exact as half the latency.
    pub ahead_millis: i64,
    /// Most connections that it takes from all its clients.
    pub max_connections: i64,
    /// Row-level security does not bind the role that we log in as. Always false on MySQL, which has none.
    pub sees_all_rows: bool,
}

const POSTGRES: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint AS now, \
     current_setting('max_connections')::bigint AS connections, \
     (SELECT (rolsuper OR rolbypassrls)::int::bigint FROM pg_roles WHERE rolname = current_user) AS sees_all";
const MYSQL: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now, \
     CAST(@@max_connections AS SIGNED) AS connections, CAST(0 AS SIGNED) AS sees_all";

impl Connection {
    /// Looks at the database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not answer.
    pub async fn inspect(&self, schema: Schema) -> Result<Inspection, StoreError> {
        // The first question may have to connect.
        self.ping().await?;
        let mut latency = Duration::MAX;
        for _ in 0..3 {
            let begun = self.clock().monotonic();
            self.ping().await?;
            latency = latency.min(self.clock().monotonic().saturating_duration_since(begun));
        }
        Ok(Inspection {
            latency,
            is_current: is_current(self, schema).await?,
            server: self.server_facts().await?,
        })
    }

    async fn server_facts(&self) -> Result<Option<ServerFacts>, StoreError> {
        let sql = match self.backend {
            Backend::Sqlite => return Ok(None),
            Backend::Postgres => POSTGRES,
            Backend::Mysql => MYSQL,
        };
        let question = Statement::from_string(self.sea_backend(), sql);
        self.within("inspect", async {
            let before = self.clock().now().as_millis();
            let row = self.pool.current().query_one_raw(question).await?;
            let after = self.clock().now().as_millis();
            let row = row.ok_or(StoreError::Corrupt("a question without an answer"))?;
            let now: i64 = row.try_get("", "now")?;
            Ok(Some(ServerFacts {
                ahead_millis: now - before.midpoint(after),
                max_connections: row.try_get("", "connections")?,
                sees_all_rows: row.try_get::<i64>("", "sees_all")? != 0,
            }))
        })
        .await
    }
}

impl PlatformDb {
    /// How many administrators have a token that was not revoked.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_administrators(&self) -> Result<u64, StoreError> {
        self.connection
            .within("count_administrators", async {
                let valid = administrator::Entity::find()
                    .filter(administrator::Column::RevokedAt.is_null());
                Ok(valid.count(&self.connection.pool.current()).await?)
            })
            .await
    }
}
