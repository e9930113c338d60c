//! The databases of one case: one that tenants share, which holds the platform too, and one for a tenant of its own.

use serde_json::{Value, json};

use super::database::{Backend, TestDatabase};
use super::server::ServerOptions;
use super::tenants::Placement;

/// Databases of one kind. Declare it before the server.
pub(crate) struct Ground {
    backend: Backend,
    shared: TestDatabase,
    own: TestDatabase,
}

/// The name by which servers know the shared database.
pub(crate) const SHARED: &str = "shared";

impl Ground {
    /// Fresh databases.
    pub(crate) async fn create(backend: Backend) -> Self {
        let (shared, own) = tokio::join!(
            Box::pin(TestDatabase::create(backend)),
            Box::pin(TestDatabase::create(backend)),
        );
        Self {
            backend,
            shared,
            own,
        }
    }

    /// A server on these databases. The times are long, so that a busy machine makes no test fail.
    pub(crate) fn options(&self) -> ServerOptions {
        let options = ServerOptions::new()
            .database(SHARED, &self.shared)
            .set("server.request_timeout_ms", 30_000)
            .set("database.acquire_timeout_ms", 10_000)
            .set("database.statement_timeout_ms", 10_000)
            .set("tenants.launch_timeout_ms", 25_000)
            .set("hashing.queue", 2_000)
            .set("hashing.wait_ms", 20_000);
        match self.backend {
            // The file in the data folder, which is what nobody has to configure.
            Backend::Sqlite => options,
            Backend::Postgres | Backend::Mysql => options.platform(&self.shared),
        }
    }

    /// Both placements, each with a word for a tenant's key. Only one tenant can have `own`.
    pub(crate) fn placements(&self) -> [(&'static str, Placement<'_>); 2] {
        [
            ("own", self.own_placement()),
            ("shared", Placement::Shared(SHARED)),
        ]
    }

    /// A database of a tenant's own.
    pub(crate) fn own_placement(&self) -> Placement<'_> {
        match self.backend {
            Backend::Sqlite => Placement::Own,
            Backend::Postgres | Backend::Mysql => Placement::OwnAt(self.own.url()),
        }
    }

    /// The database that tenants share.
    pub(crate) fn shared(&self) -> &TestDatabase {
        &self.shared
    }

    /// The database of the one tenant that has its own; SQLite makes a file instead.
    pub(crate) fn own(&self) -> &TestDatabase {
        &self.own
    }
}

/// The settings of a tenant without any limit.
pub(crate) fn no_limits() -> Value {
    json!({"limits": {
        "per_address": null, "per_username": null, "per_tenant": null, "login_per_address": null,
        "sms_per_address": null, "calls_per_address": null, "in_flight": null,
    }})
}

/// The attributes of a registration that is good but for a name that may be taken.
pub(crate) fn ada(username: &str) -> Value {
    json!({"username": username, "password": "correct horse battery"})
}
