//! Every database that a platform knows of, for commands that visit all of them.

use std::fmt;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt};

use super::CliError;
use crate::app::{AppError, platform_url, read_master_key};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;
use crate::settings::Settings;
use crate::store::connection::{Connect, Connection, PoolBounds, open};
use crate::store::error::StoreError;
use crate::store::placements::{OwnDatabase, own_file, unseal_url};
use crate::store::platform_db::PlatformDb;
use crate::store::schema::{Schema, state};
use crate::store::settings::DatabaseUrl;
use crate::store::tenants::{Placement, TenantFilter};
use crate::telemetry::Metrics;

/// Whose rows a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Platform,
    /// Those of the tenants that the settings let share it, under this name.
    Shared(String),
    /// Those of one tenant: its number and its key.
    Tenant(TenantId, String),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("the platform database"),
            Self::Shared(name) => write!(f, "database {name}"),
            Self::Tenant(_, key) => write!(f, "tenant {key}"),
        }
    }
}

/// A database and where it is.
pub(super) struct KnownDatabase {
    pub(super) whose: Whose,
    /// Or why nobody knows.
    pub(super) url: Result<DatabaseUrl, String>,
}

impl KnownDatabase {
    /// Which history it follows.
    pub(super) const fn schema(&self) -> Schema {
        match self.whose {
            Whose::Platform => Schema::Platform,
            Whose::Shared(_) | Whose::Tenant(..) => Schema::Tenant,
        }
    }

    /// The file of an SQLite database, if it is not there: to open it would make it.
    pub(super) fn missing_file(&self) -> Option<PathBuf> {
        let file = PathBuf::from(self.url.as_ref().ok()?.file()?);
        (!file.exists()).then_some(file)
    }
}

/// What it takes to find and open them.
pub(super) struct KnownDatabases<'a> {
    settings: &'a Settings,
    /// Opens the addresses of tenants' own databases; without one, tenants that have files are found all the same.
    master_key: Result<MasterKey, AppError>,
    clock: Clock,
    metrics: Metrics,
}

impl<'a> KnownDatabases<'a> {
    /// Reads the master key, and connects to nothing yet.
    pub(super) fn new(settings: &'a Settings) -> Result<Self, CliError> {
        Ok(Self {
            settings,
            master_key: read_master_key(settings),
            clock: Clock::system(),
            metrics: Metrics::new(0).map_err(AppError::from)?,
        })
    }

    /// Opens one of them by a single connection.
    pub(super) async fn open(&self, database: &KnownDatabase) -> Result<Connection, String> {
        let url = database.url.as_ref().map_err(Clone::clone)?;
        let only_tenant = match database.whose {
            Whose::Tenant(id, _) => Some(id),
            Whose::Platform | Whose::Shared(_) => None,
        };
        self.open_url(url, only_tenant)
            .await
            .map_err(|error| error.to_string())
    }

    async fn open_url(
        &self,
        url: &DatabaseUrl,
        only_tenant: Option<TenantId>,
    ) -> Result<Connection, StoreError> {
        let bounds = PoolBounds::new(&self.settings.database, 1);
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        open(url, bounds, Connect::AtOnce, only_tenant, clock, metrics).await
    }

    /// Those that the settings name: the platform's first, then the shared ones.
    pub(super) fn fixed(&self) -> Vec<KnownDatabase> {
        let platform = KnownDatabase {
            whose: Whose::Platform,
            url: Ok(platform_url(self.settings)),
        };
        let shared = self.settings.databases.iter();
        let shared = shared.map(|(name, shared)| KnownDatabase {
            whose: Whose::Shared(name.clone()),
            url: Ok(shared.url.clone()),
        });
        std::iter::once(platform).chain(shared).collect()
    }

    /// Does `work` at each database and hands over what came of it: those that the settings name, then tenants' own,
    /// `at_once` at a time.
    ///
    /// # Errors
    /// What `take` says, which ends it, or [`CliError::App`] when the platform database does not tell its tenants.
    pub(super) async fn visit<T>(
        &self,
        at_once: usize,
        work: impl AsyncFn(&KnownDatabase) -> T,
        mut take: impl FnMut(KnownDatabase, T) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        for database in self.fixed() {
            let done = work(&database).await;
            take(database, done)?;
        }
        self.visit_own(None, at_once, work, take).await
    }

    /// As [`KnownDatabases::visit`], at tenants' own databases alone, read page by page from the platform database, or
    /// from the copy of it at `platform`.
    ///
    /// # Errors
    /// As [`KnownDatabases::visit`].
    pub(super) async fn visit_own<T>(
        &self,
        platform: Option<DatabaseUrl>,
        at_once: usize,
        work: impl AsyncFn(&KnownDatabase) -> T,
        mut take: impl FnMut(KnownDatabase, T) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let url = platform.unwrap_or_else(|| platform_url(self.settings));
        let Some(platform) = self.open_platform(&url).await? else {
            return Ok(());
        };
        let visited = platform
            .own_databases()
            .map_ok(|own| {
                let database = self.known(own);
                let work = &work;
                async move {
                    let done = work(&database).await;
                    Ok((database, done))
                }
            })
            .try_buffer_unordered(at_once)
            .map(|done| {
                let (database, done) = done.map_err(AppError::from)?;
                take(database, done)
            })
            .try_collect::<()>()
            .await;
        platform.close().await;
        visited
    }

    /// Whether the platform has any tenant, whatever its state.
    ///
    /// # Errors
    /// [`CliError::App`] when the platform database does not tell.
    pub(super) async fn has_tenants(&self) -> Result<bool, CliError> {
        let Some(platform) = self.open_platform(&platform_url(self.settings)).await? else {
            return Ok(false);
        };
        let (any, first) = (TenantFilter::default(), TenantId::from_i64(0));
        let found = platform.list_tenants(&any, first, 1).await;
        platform.close().await;
        let found = found.map_err(AppError::from)?;
        Ok(found.is_some_and(|tenants| !tenants.is_empty()))
    }

    /// The platform database, if it has tables to read tenants from.
    async fn open_platform(&self, url: &DatabaseUrl) -> Result<Option<PlatformDb>, AppError> {
        if url.file().is_some_and(|file| !Path::new(&file).exists()) {
            return Ok(None);
        }
        let connection = self.open_url(url, None).await?;
        let is_empty = state(&connection, Schema::Platform).await?.last.is_none();
        if is_empty {
            connection.close().await;
            return Ok(None);
        }
        Ok(Some(PlatformDb::new(
            connection,
            self.clock.clone(),
            Entropy,
        )))
    }

    fn known(&self, own: OwnDatabase) -> KnownDatabase {
        let url = match &own.placement {
            Placement::OwnUrl(sealed) => match &self.master_key {
                Ok(key) => unseal_url(key, own.tenant, sealed).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Placement::OwnFile | Placement::Shared(_) => {
                let file = own_file(&self.settings.tenants_folder(), own.tenant);
                Ok(DatabaseUrl::sqlite_file(&file))
            }
        };
        KnownDatabase {
            whose: Whose::Tenant(own.tenant, own.key),
            url,
        }
    }
}
