//! A fresh database for each test, on each of the three kinds.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;

/// How long a database that is no longer needed may take to go.
const DROP_LIMIT: Duration = Duration::from_secs(15);

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A file of its own.
    Sqlite,
    /// The server named by `ENROLL_TEST_POSTGRES_URL`.
    Postgres,
    /// The server, MySQL or MariaDB, named by `ENROLL_TEST_MYSQL_URL`.
    Mysql,
}

impl Backend {
    /// Every kind that this run tests: only SQLite after `scripts/test --quick`.
    pub(crate) fn all() -> Vec<Self> {
        let every = [Self::Sqlite, Self::Postgres, Self::Mysql];
        every
            .into_iter()
            .filter(|backend| !backend.is_left_out())
            .collect()
    }

    /// Whether the caller of `scripts/test --quick` left this kind out.
    pub(crate) fn is_left_out(self) -> bool {
        self != Self::Sqlite
            && std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1")
    }

    /// The URL by which the harness administers the server of this kind. A missing one is a failure: nothing is skipped.
    fn admin_url(self) -> String {
        let name = match self {
            Self::Sqlite => panic!("SQLite has no server"),
            Self::Postgres => "ENROLL_TEST_POSTGRES_URL",
            Self::Mysql => "ENROLL_TEST_MYSQL_URL",
        };
        std::env::var(name)
            .unwrap_or_else(|_| panic!("{name} is not set: run the tests by scripts/test"))
    }
}

/// Makes a test on each kind of database from async functions that take a [`Backend`]: `sqlite::name`,
/// `postgres::name` and `mysql::name`. Once per file, with all its names; so is [`on_server_databases`].
macro_rules! on_all_databases {
    ($($name:ident),+ $(,)?) => {
        on_all_databases!(@kind sqlite Sqlite $($name)+);
        on_all_databases!(@kind postgres Postgres $($name)+);
        on_all_databases!(@kind mysql Mysql $($name)+);
    };
    (@kind $module:ident $backend:ident $($name:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    let backend = $crate::harness::database::Backend::$backend;
                    if backend.is_left_out() {
                        println!("left out by --quick");
                        return;
                    }
                    super::$name(backend).await;
                }
            )+
        }
    };
}

/// [`on_all_databases`] for what only a database with a server can meet: it is down, or cannot be reached.
macro_rules! on_server_databases {
    ($($name:ident),+ $(,)?) => {
        on_all_databases!(@kind postgres Postgres $($name)+);
        on_all_databases!(@kind mysql Mysql $($name)+);
    };
}

/// A database that exists for one test, with an owner of its own who has no rights elsewhere.
///
/// The owner matters on PostgreSQL, where a superuser would see through row-level security.
pub(crate) struct TestDatabase {
    backend: Backend,
    /// Also the name and the password of the owner.
    name: String,
    url: String,
    /// Holds the file of an SQLite database.
    folder: Option<TempDir>,
}

impl TestDatabase {
    /// Makes an empty database.
    pub(crate) async fn create(backend: Backend) -> Self {
        let name = format!("enrolltest{:016x}", RandomState::new().hash_one(()));
        match backend {
            Backend::Sqlite => {
                let folder = TempDir::with_prefix("enroll-database-").expect("a temporary folder");
                let file = folder.path().join(&name);
                let url = format!(
                    "sqlite://{}?mode=rwc",
                    file.to_str().expect("a path in UTF-8")
                );
                Self {
                    backend,
                    name,
                    url,
                    folder: Some(folder),
                }
            }
            Backend::Postgres | Backend::Mysql => {
                administer(backend, creation(backend, &name))
                    .await
                    .expect("a database can be made");
                let url = owner_url(&backend.admin_url(), &name);
                Self {
                    backend,
                    name,
                    url,
                    folder: None,
                }
            }
        }
    }

    /// The URL by which its owner connects.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its file, if it is an SQLite database.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.path().join(&self.name))
    }

    /// The variables by which the clients of PostgreSQL and MySQL reach it, as its owner or as the server's administrator, and
    /// find their programs.
    pub(crate) fn client_variables(&self, administers: bool) -> Vec<(&'static str, String)> {
        let url = if administers && self.backend == Backend::Postgres {
            self.backend.admin_url()
        } else {
            self.url.clone()
        };
        let (_, rest) = url.split_once("://").expect("a URL with a scheme");
        let (user, server) = rest.split_once('@').expect("a URL with a user");
        let (user, password) = user.split_once(':').expect("a password");
        let (address, _) = server.split_once('/').expect("a URL with a database");
        let (host, port) = address.split_once(':').expect("a port");
        let names = match self.backend {
            Backend::Sqlite => panic!("SQLite has no server"),
            Backend::Postgres => ["PGUSER", "PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE"],
            Backend::Mysql => [
                "MYSQL_USER",
                "MYSQL_PWD",
                "MYSQL_HOST",
                "MYSQL_TCP_PORT",
                "MYSQL_DATABASE",
            ],
        };
        let values = [user, password, host, port, &self.name].map(str::to_owned);
        let told = |name: &str| {
            std::env::var(name)
                .unwrap_or_else(|_| panic!("{name} is not set: run the tests by scripts/test"))
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let mut variables: Vec<_> = names.into_iter().zip(values).collect();
        variables.push(("PATH", format!("{}:{path}", told("ENROLL_TEST_CLIENTS"))));
        variables.push(("LD_LIBRARY_PATH", told("ENROLL_TEST_CLIENT_LIBRARIES")));
        variables
    }

    /// The kind of database.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// A connection that sees the rows of one tenant, given by its id.
    pub(crate) async fn connect_as(&self, tenant: &str) -> DatabaseConnection {
        let connection = self.connect().await;
        if self.backend == Backend::Postgres {
            connection
                .execute_unprepared(&format!(
                    "SELECT set_config('enroll.tenant_id', '{tenant}', false)"
                ))
                .await
                .expect("the tenant is named");
        }
        connection
    }

    /// A connection as its owner.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await.expect("the owner can connect")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.backend == Backend::Sqlite {
            return;
        }
        let (backend, name) = (self.backend, self.name.clone());
        // The runtime of the test may be ending; a thread with its own is not concerned.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let work = administer(backend, removal(backend, &name));
            runtime.block_on(async { tokio::time::timeout(DROP_LIMIT, work).await })
        });
        // The server with all its databases ends with the run, so one left over harms nobody.
        if !matches!(dropped.join(), Ok(Ok(Ok(())))) {
            eprintln!("the database {} could not be dropped", self.name);
        }
    }
}

/// The statements that make a database and its owner.
fn creation(backend: Backend, name: &str) -> Vec<String> {
    match backend {
        Backend::Sqlite => Vec::new(),
        Backend::Postgres => vec![
            format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{name}' NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
            ),
            format!("CREATE DATABASE {name} OWNER {name}"),
        ],
        Backend::Mysql => vec![
            format!("CREATE DATABASE {name}"),
            format!("CREATE USER {name}@'%' IDENTIFIED BY '{name}'"),
            format!("GRANT ALL PRIVILEGES ON {name}.* TO {name}@'%'"),
        ],
    }
}

/// The statements that undo [`creation`], whoever is still connected.
fn removal(backend: Backend, name: &str) -> Vec<String> {
    match backend {
        Backend::Sqlite => Vec::new(),
        Backend::Postgres => {
            vec![
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                format!("DROP ROLE IF EXISTS {name}"),
            ]
        }
        Backend::Mysql => {
            vec![
                format!("DROP DATABASE IF EXISTS {name}"),
                format!("DROP USER IF EXISTS {name}@'%'"),
            ]
        }
    }
}

/// Runs statements as the administrator of the server.
async fn administer(backend: Backend, statements: Vec<String>) -> Result<(), sea_orm::DbErr> {
    let connection = connect(&backend.admin_url()).await?;
    for statement in statements {
        connection.execute_unprepared(&statement).await?;
    }
    connection.close().await
}

async fn connect(url: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

/// Replaces user, password and database of a URL by the same name.
fn owner_url(admin_url: &str, name: &str) -> String {
    let (scheme, rest) = admin_url.split_once("://").expect("a URL with a scheme");
    let (_, server) = rest.split_once('@').expect("a URL with a user");
    let (address, _) = server.split_once('/').expect("a URL with a database");
    format!("{scheme}://{name}:{name}@{address}/{name}")
}
