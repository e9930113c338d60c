//! Settings of databases: where they are, how many connections, how long to wait.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// Section `[platform]`: the database of tenants, their settings, keys and audit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformSettings {
    /// The database; `None` means the SQLite file `platform.db` in the data directory.
    #[serde(deserialize_with = "url_or_none")]
    pub url: Option<DatabaseUrl>,
    /// Connections.
    pub pool_size: u32,
}

impl PlatformSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        pool_fault("pool_size", self.pool_size)
    }
}

/// Section `[database]`: what holds for every tenant's database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// Milliseconds to wait for a free connection.
    pub acquire_timeout_ms: u64,
    /// Milliseconds for one statement.
    pub statement_timeout_ms: u64,
    /// Connections of one tenant to a PostgreSQL or MySQL database of its own.
    pub own_pool_size: u32,
    /// Milliseconds after which an unused connection is closed.
    pub idle_timeout_ms: u64,
}

impl DatabaseSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = pool_fault("own_pool_size", self.own_pool_size);
        let times = [
            (
                "acquire_timeout_ms",
                self.acquire_timeout_ms,
                10..=60_000,
                "must be 10 to 60000",
            ),
            (
                "statement_timeout_ms",
                self.statement_timeout_ms,
                10..=60_000,
                "must be 10 to 60000",
            ),
            (
                "idle_timeout_ms",
                self.idle_timeout_ms,
                1000..=3_600_000,
                "must be 1000 to 3600000",
            ),
        ];
        let outside = times
            .into_iter()
            .filter(|(_, value, range, _)| !range.contains(value));
        faults.extend(outside.map(|(key, _, _, text)| (key, text)));
        faults
    }
}

/// Section `[databases.NAME]`: a database that many tenants share, by the name their placement gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedDatabaseSettings {
    /// The database.
    pub url: DatabaseUrl,
    /// Connections of one arbiter thread.
    pub pool_size: u32,
}

impl SharedDatabaseSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        pool_fault("pool_size", self.pool_size)
    }
}

fn pool_fault(key: &'static str, size: u32) -> Vec<(&'static str, &'static str)> {
    if (1..=1000).contains(&size) {
        Vec::new()
    } else {
        vec![(key, "must be 1 to 1000")]
    }
}

/// The kind of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl Backend {
    /// The name as administrators see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

/// The address of a database. It may hold a password, so it shows no more than scheme, host and database.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: SecretString,
    backend: Backend,
}

/// The text is no address of a database that we speak to. It does not repeat the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "must start with sqlite:, postgres://, postgresql://, mysql:// or mariadb://, with odd characters of a password \
     percent-encoded"
)]
pub struct BadDatabaseUrl;

impl DatabaseUrl {
    /// Reads an address; `mariadb` becomes `mysql`, the same protocol.
    ///
    /// # Errors
    /// [`BadDatabaseUrl`] when the scheme is not one of ours or the driver cannot read the rest.
    pub fn parse(text: &str) -> Result<Self, BadDatabaseUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(BadDatabaseUrl)?;
        let (backend, scheme) = match scheme {
            "sqlite" => (Backend::Sqlite, scheme),
            "postgres" | "postgresql" => (Backend::Postgres, scheme),
            "mysql" | "mariadb" => (Backend::Mysql, "mysql"),
            _ => return Err(BadDatabaseUrl),
        };
        let after_slashes = match backend {
            Backend::Sqlite => rest,
            Backend::Postgres | Backend::Mysql => rest.strip_prefix("//").ok_or(BadDatabaseUrl)?,
        };
        let text = format!("{scheme}:{rest}");
        if after_slashes.is_empty() || !is_readable(backend, &text) {
            return Err(BadDatabaseUrl);
        }
        Ok(Self {
            text: text.into(),
            backend,
        })
    }

    /// The address of an SQLite file of ours.
    #[must_use]
    pub fn sqlite_file(file: &std::path::Path) -> Self {
        // `?`, `#` and `%` would end or change the path in an address.
        let path = file
            .to_string_lossy()
            .replace('%', "%25")
            .replace('?', "%3F")
            .replace('#', "%23");
        Self {
            text: format!("sqlite:{path}").into(),
            backend: Backend::Sqlite,
        }
    }

    /// The file of an SQLite database; `None` for one in memory or on a server.
    #[must_use]
    pub fn file(&self) -> Option<String> {
        if self.backend != Backend::Sqlite || self.expose().contains(":memory:") {
            return None;
        }
        let options = SqliteConnectOptions::from_str(self.expose()).ok()?;
        Some(options.get_filename().to_str()?.to_owned())
    }

    /// The kind of database at this address.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// The whole address with its password: for the driver alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Host and database without user, password and options.
    ///
    /// A password with an unescaped `/` or `?` moves the end of the host. Where an `@` stands behind that end, nothing
    /// is shown rather than half a password.
    fn place(&self) -> Option<&str> {
        let (_, rest) = self.expose().split_once(':')?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let authority = rest.split(['/', '?', '#']).next()?;
        if rest.strip_prefix(authority)?.contains('@') {
            return None;
        }
        let shown = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        shown.split(['?', '#']).next()
    }
}

/// Whether the driver reads this address. Asked early, because its own complaint repeats the address with the password.
fn is_readable(backend: Backend, text: &str) -> bool {
    match backend {
        Backend::Sqlite => SqliteConnectOptions::from_str(text).is_ok(),
        Backend::Postgres => PgConnectOptions::from_str(text).is_ok(),
        Backend::Mysql => MySqlConnectOptions::from_str(text).is_ok(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.backend.as_str(),
            self.place().unwrap_or("(hidden)")
        )
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn url_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DatabaseUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    DatabaseUrl::parse(&text)
        .map(Some)
        .map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::{Backend, DatabaseUrl};

    #[test]
    fn a_url_shows_no_user_no_password_and_no_options() {
        for (url, shown) in [
            (
                "postgres://u:needle@db.example:5432/main?sslmode=require",
                "postgres://db.example:5432/main",
            ),
            (
                "postgresql://db.example/main?password=needle",
                "postgres://db.example/main",
            ),
            (
                "mysql://u:needle@x@db.example/main",
                "mysql://db.example/main",
            ),
            ("mysql://needle/@db.example/main", "mysql://(hidden)"),
            (
                "postgres://u:needle@db.example/main?options=a@needle",
                "postgres://(hidden)",
            ),
            (
                "sqlite://data/shared.db?mode=rwc",
                "sqlite://data/shared.db",
            ),
            ("sqlite::memory:", "sqlite://:memory:"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn mariadb_is_mysql_to_the_driver() {
        let url = DatabaseUrl::parse("mariadb://u:p@db.example/main").unwrap();
        assert_eq!(url.backend(), Backend::Mysql);
        assert_eq!(url.expose(), "mysql://u:p@db.example/main");
    }

    #[test]
    fn a_bad_url_is_refused_without_being_repeated() {
        for bad in [
            "",
            "needle",
            "redis://needle@h",
            "postgres:needle",
            "mysql://",
            "sqlite:",
            "mysql://u:nee/dle@db.example/main",
            "mysql://u:nee?dle@db.example/main",
            "postgres://u:needle@@a host/main",
            "postgres://u:p@db.example:needle/main",
        ] {
            let refusal = DatabaseUrl::parse(bad).unwrap_err();
            assert!(
                !format!("{refusal} {refusal:?}").contains("needle"),
                "{bad}"
            );
        }
    }
}
