//! The database of an original Discuz! Q site, as it is read for a move: users, who they are at WeChat, and invite codes.
//! Only tables and columns that every version of the site has are asked for, and nothing is ever written.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::connection::{Connect, Connection, PoolBounds, open};
use super::error::StoreError;
use super::settings::{Backend, DatabaseUrl};
use crate::clock::Clock;
use crate::telemetry::metrics::Metrics;

/// A site's database.
#[derive(Debug)]
pub struct DiscuzqSite {
    connection: Connection,
    /// What its tables' names begin with.
    prefix: String,
}

/// Why a site cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NoSite {
    /// The address is no MySQL one, or the prefix holds odd characters.
    #[error("{0}")]
    Asked(&'static str),
    /// There are no such tables.
    #[error("there are no tables of Discuz! Q with this prefix, or the role may not read them")]
    NoTables,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteCounts {
    /// Users.
    pub users: i64,
    /// Invite codes.
    pub invites: i64,
    /// WeChat accounts that belong to a user: of official account, open platform and mini program.
    pub wechat: [i64; 3],
}

/// A user, as the site's tables have it.
#[derive(Clone, Debug)]
pub struct SiteUser {
    /// `users.id`.
    pub id: i64,
    /// `users.username`.
    pub username: String,
    /// `users.password`: bcrypt; empty for who came by WeChat alone.
    pub password: String,
    /// `users.mobile`.
    pub mobile: String,
    /// `users.status`.
    pub status: i64,
    /// `users.register_reason`.
    pub register_reason: String,
    /// `users.register_ip`.
    pub register_ip: String,
    /// `users.last_login_ip`.
    pub last_login_ip: String,
    /// `users.avatar`: an address, or a path that only the site knows.
    pub avatar: String,
    /// `users.created_at`, in the site's own time: `2021-01-31T12:00:00`.
    pub created_at: Option<String>,
    /// `users.login_at`.
    pub login_at: Option<String>,
    /// The least of `group_user.group_id`.
    pub group_id: Option<i64>,
    /// `invites.code` where `to_user_id` is this user.
    pub invite_code: Option<String>,
    /// `user_distributions.pid`, where the site has that table.
    pub invited_by: Option<i64>,
    /// `user_wechats`.
    pub wechat: Option<SiteWechat>,
}

/// A row of `user_wechats`.
#[derive(Clone, Debug)]
pub struct SiteWechat {
    /// Names at official account, open platform and mini program; empty where there is none.
    pub open_ids: [String; 3],
    /// `unionid`.
    pub union_id: String,
    /// `nickname`.
    pub nickname: String,
    /// `headimgurl`.
    pub avatar_url: String,
    /// `sex`.
    pub sex: i64,
    /// `province`.
    pub province: String,
    /// `city`.
    pub city: String,
    /// `country`.
    pub country: String,
}

/// A row of `invites`.
#[derive(Clone, Debug)]
pub struct SiteInvite {
    /// `id`.
    pub id: i64,
    /// `code`.
    pub code: String,
    /// `group_id`.
    pub group_id: i64,
    /// `endtime`, in seconds since the Unix epoch; 0 for never.
    pub end_time: i64,
    /// `user_id`: who issued it.
    pub user_id: i64,
    /// `to_user_id`: whom it brought; 0 for nobody.
    pub to_user_id: i64,
    /// `status`: 0 ended, 1 unused, 2 used, 3 expired.
    pub status: i64,
    /// `created_at`, in the site's own time.
    pub created_at: Option<String>,
    /// `updated_at`, which of an ended one is about when it ended.
    pub updated_at: Option<String>,
}

/// One answer may read a table without an index.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(2);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_PREFIX: usize = 32;

impl DiscuzqSite {
    /// Opens a site's database and sees whether its tables are there.
    ///
    /// # Errors
    /// [`NoSite`].
    pub async fn open(
        url: &DatabaseUrl,
        prefix: &str,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, NoSite> {
        if url.backend() != Backend::Mysql {
            return Err(NoSite::Asked(
                "the site's database must be a mysql:// or mariadb:// one",
            ));
        }
        let is_plain = prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain || prefix.len() > LONGEST_PREFIX {
            return Err(NoSite::Asked(
                "the prefix must have at most 32 of A-Z, a-z, 0-9 and _",
            ));
        }
        let bounds = PoolBounds {
            size: 1,
            acquire_timeout: ACQUIRE_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            idle_timeout: STATEMENT_TIMEOUT,
        };
        let connection = open(url, bounds, Connect::AtOnce, None, clock, metrics).await?;
        let site = Self {
            connection,
            prefix: prefix.to_owned(),
        };
        for table in ["users", "user_wechats", "invites", "group_user"] {
            if !site.has(table).await? {
                return Err(NoSite::NoTables);
            }
        }
        Ok(site)
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.connection.close().await;
    }

    async fn has(&self, table: &str) -> Result<bool, StoreError> {
        let name = format!("{}{table}", self.prefix);
        let sql = format!(
            "SELECT COUNT(*) AS count FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{name}'"
        );
        let rows = self.rows("has_table", &sql).await?;
        Ok(rows.first().map(|row| number(row, "count")).transpose()? == Some(1))
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn counts(&self) -> Result<SiteCounts, StoreError> {
        let one = async |sql: String| {
            let rows = self.rows("count", &sql).await?;
            rows.first().map_or(Ok(0), |row| number(row, "count"))
        };
        let prefix = &self.prefix;
        let mut wechat = [0; 3];
        for (count, column) in wechat.iter_mut().zip(OPEN_IDS) {
            *count = one(format!(
                "SELECT COUNT(*) AS count FROM {prefix}user_wechats WHERE user_id > 0 AND {column} <> ''"
            ))
            .await?;
        }
        Ok(SiteCounts {
            users: one(format!("SELECT COUNT(*) AS count FROM {prefix}users")).await?,
            invites: one(format!("SELECT COUNT(*) AS count FROM {prefix}invites")).await?,
            wechat,
        })
    }

    /// At most `limit` users whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_users(&self, after: i64, limit: u64) -> Result<Vec<SiteUser>, StoreError> {
        let prefix = &self.prefix;
        let sql = format!(
            "SELECT CAST(id AS SIGNED) AS id, username, password, mobile, CAST(status AS SIGNED) AS status, register_reason, \
             register_ip, last_login_ip, avatar, {created_at} AS created_at, {login_at} AS login_at \
             FROM {prefix}users WHERE id > {after} ORDER BY id LIMIT {limit}",
            created_at = iso("created_at"),
            login_at = iso("login_at"),
        );
        let rows = self.rows("list_users", &sql).await?;
        let ids = rows
            .iter()
            .map(|row| number(row, "id"))
            .collect::<Result<Vec<_>, _>>()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let ids = ids.join(",");
        let groups = self
            .numbers(&format!(
                "SELECT CAST(user_id AS SIGNED) AS user, CAST(MIN(group_id) AS SIGNED) AS value FROM {prefix}group_user \
                 WHERE user_id IN ({ids}) GROUP BY user_id"
            ))
            .await?;
        let members = if self.has("user_distributions").await? {
            self.numbers(&format!(
                "SELECT CAST(user_id AS SIGNED) AS user, CAST(MIN(pid) AS SIGNED) AS value FROM {prefix}user_distributions \
                 WHERE user_id IN ({ids}) AND pid > 0 GROUP BY user_id"
            ))
            .await?
        } else {
            HashMap::new()
        };
        let mut codes = HashMap::new();
        let sql = format!(
            "SELECT CAST(to_user_id AS SIGNED) AS user, code FROM {prefix}invites WHERE to_user_id IN ({ids}) ORDER BY id DESC"
        );
        for row in self.rows("list_invites_of", &sql).await? {
            codes.insert(number(&row, "user")?, text(&row, "code")?);
        }
        let mut wechat = self.wechat(&ids).await?;
        rows.iter()
            .map(|row| {
                let id = number(row, "id")?;
                Ok(SiteUser {
                    id,
                    username: text(row, "username")?,
                    password: text(row, "password")?,
                    mobile: text(row, "mobile")?,
                    status: number(row, "status")?,
                    register_reason: text(row, "register_reason")?,
                    register_ip: text(row, "register_ip")?,
                    last_login_ip: text(row, "last_login_ip")?,
                    avatar: text(row, "avatar")?,
                    created_at: time(row, "created_at")?,
                    login_at: time(row, "login_at")?,
                    group_id: groups.get(&id).copied(),
                    invite_code: codes.remove(&id),
                    invited_by: members.get(&id).copied(),
                    wechat: wechat.remove(&id),
                })
            })
            .collect()
    }

    /// At most `limit` codes whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_invites(
        &self,
        after: i64,
        limit: u64,
    ) -> Result<Vec<SiteInvite>, StoreError> {
        let sql = format!(
            "SELECT CAST(id AS SIGNED) AS id, code, CAST(group_id AS SIGNED) AS group_id, CAST(endtime AS SIGNED) AS endtime, \
             CAST(user_id AS SIGNED) AS user_id, CAST(to_user_id AS SIGNED) AS to_user_id, CAST(status AS SIGNED) AS status, \
             {created_at} AS created_at, {updated_at} AS updated_at \
             FROM {prefix}invites WHERE id > {after} ORDER BY id LIMIT {limit}",
            prefix = self.prefix,
            created_at = iso("created_at"),
            updated_at = iso("updated_at"),
        );
        let rows = self.rows("list_invites", &sql).await?;
        rows.iter()
            .map(|row| {
                Ok(SiteInvite {
                    id: number(row, "id")?,
                    code: text(row, "code")?,
                    group_id: number(row, "group_id")?,
                    end_time: number(row, "endtime")?,
                    user_id: number(row, "user_id")?,
                    to_user_id: number(row, "to_user_id")?,
                    status: number(row, "status")?,
                    created_at: time(row, "created_at")?,
                    updated_at: time(row, "updated_at")?,
                })
            })
            .collect()
    }

    /// Rows of `user_wechats` by user. Of several of one user, the newest counts.
    async fn wechat(&self, ids: &str) -> Result<HashMap<i64, SiteWechat>, StoreError> {
        let sql = format!(
            "SELECT CAST(user_id AS SIGNED) AS user, mp_openid, dev_openid, min_openid, unionid, nickname, headimgurl, \
             CAST(sex AS SIGNED) AS sex, province, city, country FROM {}user_wechats WHERE user_id IN ({ids}) ORDER BY id",
            self.prefix
        );
        let mut found = HashMap::new();
        for row in self.rows("list_wechat", &sql).await? {
            let account = SiteWechat {
                open_ids: [
                    text(&row, OPEN_IDS[0])?,
                    text(&row, OPEN_IDS[1])?,
                    text(&row, OPEN_IDS[2])?,
                ],
                union_id: text(&row, "unionid")?,
                nickname: text(&row, "nickname")?,
                avatar_url: text(&row, "headimgurl")?,
                sex: number(&row, "sex")?,
                province: text(&row, "province")?,
                city: text(&row, "city")?,
                country: text(&row, "country")?,
            };
            found.insert(number(&row, "user")?, account);
        }
        Ok(found)
    }

    async fn numbers(&self, sql: &str) -> Result<HashMap<i64, i64>, StoreError> {
        let rows = self.rows("list_numbers", sql).await?;
        rows.iter()
            .map(|row| Ok((number(row, "user")?, number(row, "value")?)))
            .collect()
    }

    async fn rows(
        &self,
        operation: &'static str,
        sql: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let question = Statement::from_string(self.connection.sea_backend(), sql);
        self.connection
            .within(operation, async {
                Ok(self
                    .connection
                    .pool
                    .current()
                    .query_all_raw(question)
                    .await?)
            })
            .await
    }
}

/// The columns of names at official account, open platform and mini program.
const OPEN_IDS: [&str; 3] = ["mp_openid", "dev_openid", "min_openid"];

/// A DATETIME as text, which has no zone of its own.
fn iso(column: &str) -> String {
    format!("DATE_FORMAT({column}, '%Y-%m-%dT%H:%i:%s')")
}

fn number(row: &QueryResult, column: &str) -> Result<i64, StoreError> {
    Ok(row.try_get::<Option<i64>>("", column)?.unwrap_or(0))
}

fn text(row: &QueryResult, column: &str) -> Result<String, StoreError> {
    Ok(row
        .try_get::<Option<String>>("", column)?
        .unwrap_or_default())
}

/// MySQL writes "never" as the day before all days.
fn time(row: &QueryResult, column: &str) -> Result<Option<String>, StoreError> {
    let time = row.try_get::<Option<String>>("", column)?;
    Ok(time.filter(|time| !time.starts_with("0000")))
}
