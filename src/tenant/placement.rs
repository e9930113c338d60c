//! Where a tenant's actor runs and how its database is opened there.
//!
//! A SeaORM pool belongs to the thread that opened it, so an actor's database is opened on the actor's own arbiter.
//! Tenants that share a database share one pool per arbiter: connections = arbiters × pool size, whatever the number of
//! tenants.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;
use crate::store::connection::{Connect, Connection, PoolBounds, PoolWatch, open};
use crate::store::error::StoreError;
use crate::store::placements::{own_file, unseal_url};
use crate::store::schema::{Schema, is_current, migrate};
use crate::store::settings::{DatabaseSettings, DatabaseUrl, SharedDatabaseSettings};
use crate::store::share::DatabaseShare;
use crate::store::tenant_db::TenantDb;
use crate::store::tenants::Placement;
use crate::telemetry::metrics::Metrics;

/// How tenants' databases are found and opened.
#[derive(Clone)]
pub(super) struct Databases {
    pub(super) own: DatabaseSettings,
    pub(super) shared: Arc<HashMap<String, SharedDatabaseSettings>>,
    /// The folder of the SQLite files.
    pub(super) folder: PathBuf,
    pub(super) master_key: Arc<MasterKey>,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) metrics: Metrics,
    /// Watches over the shared pools of all arbiters.
    pub(super) shared_watches: Arc<Mutex<Vec<PoolWatch>>>,
}

/// A tenant's opened database.
pub(super) struct Opened {
    pub(super) db: TenantDb,
    /// What the tenant may take of it.
    pub(super) share: Arc<DatabaseShare>,
    /// Counts its connections, where they are the tenant's own.
    pub(super) watch: Option<PoolWatch>,
}

/// One shared database on one arbiter: opened by the first tenant that needs it.
type SharedPool = Rc<tokio::sync::Mutex<Option<Connection>>>;

thread_local! {
    static SHARED: RefCell<HashMap<String, SharedPool>> = RefCell::default();
}

/// What a live tenant is taken for, in bytes, by where its rows live: measured (docs/decisions/0025-sleeping-tenants.md)
/// and rounded up.
const SHARED_BYTES: usize = 16 << 10;
/// With a file of its own there are a connection's thread, its pages and its parsed schema besides.
const OWN_FILE_BYTES: usize = 256 << 10;
/// With a server's database of its own: a pool, and for each connection its buffers and prepared statements.
const OWN_URL_BYTES: usize = 32 << 10;
const OWN_CONNECTION_BYTES: usize = 128 << 10;

impl Databases {
    /// About how many bytes a live tenant takes, without those of its limits.
    pub(super) fn live_bytes(&self, placement: &Placement) -> usize {
        match placement {
            Placement::Shared(_) => SHARED_BYTES,
            Placement::OwnFile => OWN_FILE_BYTES,
            Placement::OwnUrl(_) => {
                let connections = usize::try_from(self.own.own_pool_size).unwrap_or(usize::MAX);
                OWN_URL_BYTES.saturating_add(OWN_CONNECTION_BYTES.saturating_mul(connections))
            }
        }
    }

    /// Opens a tenant's database on this thread. One of its own is brought up to date; one that others share must be so:
    /// its change is theirs too, and not this launch's to make (docs/decisions/0042-migrations-are-a-command.md).
    pub(super) async fn open(
        &self,
        tenant: TenantId,
        placement: &Placement,
    ) -> Result<Opened, StoreError> {
        let (connection, shared) = match placement {
            Placement::Shared(name) => (self.open_shared(name).await?, true),
            Placement::OwnFile => (self.open_own(tenant, &self.file_of(tenant)?).await?, false),
            Placement::OwnUrl(sealed) => {
                let url = unseal_url(&self.master_key, tenant, sealed)?;
                (self.open_own(tenant, &url).await?, false)
            }
        };
        let watch = (!shared).then(|| connection.watch());
        let acquire_timeout = Duration::from_millis(self.own.acquire_timeout_ms);
        let clock = self.clock.clone();
        let share = DatabaseShare::new(&connection, shared, acquire_timeout, clock);
        let connection = connection.within_share(Arc::clone(&share));
        let db = TenantDb::new(tenant, connection, shared, self.clock.clone(), self.entropy);
        Ok(Opened { db, share, watch })
    }

    /// Opens (and proves) a shared database on this thread.
    pub(super) async fn open_shared(&self, name: &str) -> Result<Connection, StoreError> {
        let settings = self
            .shared
            .get(name)
            .ok_or(StoreError::Corrupt("tenants.placement_database"))?;
        let pool =
            SHARED.with_borrow_mut(|pools| Rc::clone(pools.entry(name.to_owned()).or_default()));
        let mut pool = pool.lock().await;
        if let Some(connection) = &*pool {
            return Ok(connection.clone());
        }
        let connection = self
            .open_url(&settings.url, settings.pool_size, None)
            .await?;
        match is_current(&connection, Schema::Tenant).await {
            Ok(true) => {}
            verdict => {
                connection.close().await;
                verdict?;
                let text = "its schema is behind this version: run `enroll migrate`";
                return Err(StoreError::Unavailable(text.into()));
            }
        }
        let watch = connection.watch();
        self.shared_watches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(watch);
        *pool = Some(connection.clone());
        Ok(connection)
    }

    /// Closes the shared pools of this thread.
    pub(super) async fn close_shared() {
        let pools: Vec<SharedPool> =
            SHARED.with_borrow_mut(|pools| pools.drain().map(|(_, pool)| pool).collect());
        for pool in pools {
            if let Some(connection) = pool.lock().await.take() {
                connection.close().await;
            }
        }
    }

    async fn open_own(
        &self,
        tenant: TenantId,
        url: &DatabaseUrl,
    ) -> Result<Connection, StoreError> {
        let size = self.own.own_pool_size;
        let connection = self.open_url(url, size, Some(tenant)).await?;
        if let Err(error) = migrate(&connection, Schema::Tenant).await {
            connection.close().await;
            return Err(error);
        }
        // What the look at the schema read is not what calls will read.
        connection.rest().await?;
        Ok(connection)
    }

    async fn open_url(
        &self,
        url: &DatabaseUrl,
        size: u32,
        only_tenant: Option<TenantId>,
    ) -> Result<Connection, StoreError> {
        let bounds = PoolBounds::new(&self.own, size);
        open(
            url,
            bounds,
            Connect::AtOnce,
            only_tenant,
            self.clock.clone(),
            self.metrics.clone(),
        )
        .await
    }

    fn file_of(&self, tenant: TenantId) -> Result<DatabaseUrl, StoreError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(DatabaseUrl::sqlite_file(&own_file(&self.folder, tenant)))
    }
}
