//! Builds the process from its settings and runs it until it is told to stop.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::watch;

use crate::admin::Admin;
use crate::clock::{Clock, Entropy};
use crate::domain::master_key::MasterKey;
use crate::hashing::{HashPool, HashingError};
use crate::http::server::{self, ListenerGuard, ReadinessVerdict};
use crate::provider::ProviderClient;
use crate::provider::error::ProviderError;
use crate::settings::Settings;
use crate::shutdown::{Signals, drain_listener};
use crate::store::connection::{Connect, Connection, PoolBounds, open};
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::schema::{Schema, is_current};
use crate::store::settings::{Backend, DatabaseUrl};
use crate::telemetry::history::SAMPLE_EVERY;
use crate::telemetry::usage::Usage;
use crate::telemetry::{History, LogGuard, Metrics, TelemetryError};
use crate::tenant::directory::{Directory, DirectoryParts};
use crate::tenant::names::Issuers;

/// Why the process does not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The client of providers cannot be set up.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Logging does not start.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Hashing does not start.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// A database does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A database that tenants share, or the platform's, lacks changes of this version.
    #[error("{0} is behind this version: run `enroll migrate` first")]
    SchemaBehind(String),
    /// There is no master key, or none that can be read.
    #[error("master key {0}: {1}")]
    MasterKey(String, String),
    /// `enroll restore` has not ended, or is at work.
    #[error(
        "{0}: a restore into it has not ended: run `enroll restore` again with the same backup"
    )]
    Restoring(String),
    /// A listener, a folder or a signal.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

/// A process that listens already and serves once it runs.
pub struct App {
    settings: Settings,
    /// The public listener's address.
    pub public: SocketAddr,
    /// The operators' listener's address.
    pub operators: SocketAddr,
    /// What administrators can do, for the demo to use from within.
    pub admin: Admin,
    platform: PlatformDb,
    platform_connection: Connection,
    directory: Directory,
    hashing: HashPool,
    metrics: Metrics,
    usage: Usage,
    history: History,
    clock: Clock,
    readiness: ReadinessVerdict,
    public_server: (actix_web::dev::Server, ListenerGuard),
    operators_server: (actix_web::dev::Server, ListenerGuard),
    signals: Signals,
    /// Held until the end.
    _data_dir: Option<File>,
    _log: LogGuard,
}

/// How much longer the guard of a listener waits than the deadlines inside it.
const GUARD_MARGIN: Duration = Duration::from_secs(1);

/// How long the last usage may take to be written when the process stops.
const LAST_USAGE: Duration = Duration::from_secs(5);

/// How often readiness is judged.
const READINESS_EVERY: Duration = Duration::from_millis(500);

/// Where the platform database is: as set, else a file in the data directory.
#[must_use]
pub fn platform_url(settings: &Settings) -> DatabaseUrl {
    let default = || DatabaseUrl::sqlite_file(&settings.data.dir.join("platform.db"));
    settings.platform.url.clone().unwrap_or_else(default)
}

/// Opens the platform database. A PostgreSQL or MySQL one is first asked with the first operation, so that the process
/// can start before it.
///
/// # Errors
/// [`AppError::Io`] when the data directory cannot be made, [`AppError::Store`] when the database does not open.
pub async fn open_platform(
    settings: &Settings,
    clock: Clock,
    metrics: Metrics,
) -> Result<Connection, AppError> {
    if settings.platform.url.is_none() {
        data_dir(settings)?;
    }
    let url = platform_url(settings);
    let bounds = PoolBounds::new(&settings.database, settings.platform.pool_size);
    let when = if url.backend() == Backend::Sqlite {
        Connect::AtOnce
    } else {
        Connect::WhenNeeded
    };
    Ok(open(&url, bounds, when, None, clock, metrics).await?)
}

/// The data directory, made if need be. Only its owner may look into it.
///
/// # Errors
/// [`AppError::Io`], or [`AppError::Restoring`] while what lies in it is not all that belongs there.
pub fn data_dir(settings: &Settings) -> Result<&Path, AppError> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = settings.data.dir.as_path();
    if restore_mark(settings).exists() {
        return Err(AppError::Restoring(dir.display().to_string()));
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| AppError::Io(dir.display().to_string(), error))?;
    Ok(dir)
}

/// Makes sure that no shared database is behind this version. One that does not answer is waited for while serving.
async fn refuse_shared_behind(
    settings: &Settings,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<(), AppError> {
    let looks = settings.databases.iter().map(async |(name, shared)| {
        let behind = || AppError::SchemaBehind(format!("database {name}"));
        // To open a file that is not there would make it.
        if shared
            .url
            .file()
            .is_some_and(|file| !Path::new(&file).exists())
        {
            return Err(behind());
        }
        let bounds = PoolBounds::new(&settings.database, 1);
        let (clock, metrics) = (clock.clone(), metrics.clone());
        let opened = open(&shared.url, bounds, Connect::AtOnce, None, clock, metrics).await;
        let Ok(connection) = opened else {
            return Ok(());
        };
        let verdict = is_current(&connection, Schema::Tenant).await;
        connection.close().await;
        if let Ok(false) = verdict {
            return Err(behind());
        }
        Ok(())
    });
    futures_util::future::try_join_all(looks).await?;
    Ok(())
}

/// The file that is in the data directory for as long as `enroll restore` writes there, however often it was killed.
#[must_use]
pub fn restore_mark(settings: &Settings) -> PathBuf {
    settings.data.dir.join(".restoring")
}

/// Takes the data directory in use: as long as the file is open, nothing is restored into it. Several processes may.
/// `None` if there is none, which is so where everything is on database servers.
fn use_data_dir(settings: &Settings) -> Result<Option<File>, AppError> {
    let dir = settings.data.dir.as_path();
    let restoring = || AppError::Restoring(dir.display().to_string());
    let Ok(lock) = File::open(dir) else {
        return Ok(None);
    };
    // A file system that knows no locks is no reason not to start.
    if let Err(TryLockError::WouldBlock) = lock.try_lock_shared() {
        return Err(restoring());
    }
    // Looked at under the lock: a restore sets its mark under its own.
    if restore_mark(settings).exists() {
        return Err(restoring());
    }
    Ok(Some(lock))
}

/// Reads the master key from the settings or its file.
///
/// # Errors
/// [`AppError::MasterKey`] when there is none.
pub fn read_master_key(settings: &Settings) -> Result<MasterKey, AppError> {
    if let Some(hex) = &settings.secrets.master_key {
        let key = MasterKey::parse_hex(hex.expose_secret());
        return key.ok_or_else(|| bad_key("secrets.master_key", "must be 64 hexadecimal digits"));
    }
    let path = settings.master_key_path();
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| bad_key(&name, &format!("{error}; `enroll migrate` makes one")))?;
    MasterKey::parse_hex(&text).ok_or_else(|| bad_key(&name, "must hold 64 hexadecimal digits"))
}

/// Makes the file of the master key, unless there is a master key. Only its owner may read it.
///
/// # Errors
/// [`AppError::Io`] when the file cannot be written.
pub fn ensure_master_key(settings: &Settings, entropy: Entropy) -> Result<(), AppError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = settings.master_key_path();
    if settings.secrets.master_key.is_some() || path.exists() {
        return Ok(());
    }
    data_dir(settings)?;
    let failed = |error| AppError::Io(path.display().to_string(), error);
    let key = entropy
        .bytes::<32>()
        .map_err(|error| AppError::Store(error.into()))?;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    let mut file = match opened {
        // Another process that starts on the same data was quicker: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    file.write_all(hex.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

fn bad_key(place: &str, text: &str) -> AppError {
    AppError::MasterKey(place.to_owned(), text.to_owned())
}

impl App {
    /// Builds everything and opens both listeners. Must be called on the thread of the actix system.
    ///
    /// # Errors
    /// [`AppError`]; then nothing listens.
    pub async fn build(settings: Settings, log: LogGuard) -> Result<Self, AppError> {
        let (clock, entropy) = (Clock::system(), Entropy);
        let signals = Signals::new().map_err(|error| AppError::Io("signals".into(), error))?;
        let metrics = Metrics::new(settings.telemetry.max_tenant_series)?;
        let data_dir = use_data_dir(&settings)?;
        let master_key = Arc::new(read_master_key(&settings)?);
        let connection = open_platform(&settings, clock.clone(), metrics.clone()).await?;
        // A database that does not answer yet is waited for while serving; one that is behind never gets better.
        if let Ok(false) = is_current(&connection, Schema::Platform).await {
            return Err(AppError::SchemaBehind("the platform database".into()));
        }
        refuse_shared_behind(&settings, &clock, &metrics).await?;
        let platform = PlatformDb::new(connection.clone(), clock.clone(), entropy);
        let hashing = HashPool::start(&settings.hashing, clock.clone(), entropy, metrics.clone())?;
        let providers =
            ProviderClient::new(settings.provider.clone(), clock.clone(), metrics.clone())?;
        let listen = |address| {
            server::listen(address)
                .and_then(|listener| Ok((listener.local_addr()?, listener)))
                .map_err(|error| AppError::Io(address.to_string(), error))
        };
        let (public, public_listener) = listen(settings.server.public_listen)?;
        let (operators, operators_listener) = listen(settings.server.admin_listen)?;
        let usage = Usage::default();
        let directory = Directory::new(DirectoryParts {
            settings: settings.tenants.clone(),
            database: settings.database.clone(),
            shared: settings.databases.clone().into_iter().collect(),
            folder: settings.tenants_folder(),
            issuers: Issuers {
                public_url: settings.server.public_origin(public.port()),
            },
            platform: platform.clone(),
            hashing: hashing.clone(),
            providers,
            request_timeout: Duration::from_millis(settings.server.request_timeout_ms),
            master_key: Arc::clone(&master_key),
            clock: clock.clone(),
            entropy,
            metrics: metrics.clone(),
            usage: usage.clone(),
        });
        let admin = Admin::new(
            platform.clone(),
            directory.clone(),
            master_key,
            clock.clone(),
            entropy,
        );
        let http = Arc::new(settings.server.clone());
        let readiness = ReadinessVerdict::default();
        let history = History::default();
        let guard = |name| {
            ListenerGuard::new(
                name,
                http.max_in_flight,
                // A handler's own deadlines come first; this one is for what has none.
                Duration::from_millis(http.request_timeout_ms.max(http.body_timeout_ms))
                    + GUARD_MARGIN,
                http.trusted_proxies.clone(),
                clock.clone(),
                entropy,
                metrics.clone(),
            )
        };
        let (public_guard, operators_guard) = (guard("public"), guard("operators"));
        let public_server = server::public(
            public_listener,
            &http,
            directory.clone(),
            clock.clone(),
            public_guard.clone(),
        )
        .map_err(|error| AppError::Io(public.to_string(), error))?;
        let operators_server = server::operators(
            operators_listener,
            &http,
            admin.clone(),
            readiness.clone(),
            (metrics.clone(), history.clone()),
            settings.server.public_origin(public.port()),
            operators_guard.clone(),
        )
        .map_err(|error| AppError::Io(operators.to_string(), error))?;
        Ok(Self {
            settings,
            public,
            operators,
            admin,
            platform,
            platform_connection: connection,
            directory,
            hashing,
            metrics,
            usage,
            history,
            clock,
            readiness,
            public_server: (public_server, public_guard),
            operators_server: (operators_server, operators_guard),
            signals,
            _data_dir: data_dir,
            _log: log,
        })
    }

    /// Serves until a signal comes, then stops in order.
    pub async fn run(self) {
        let Self {
            mut signals,
            readiness,
            directory,
            clock,
            settings,
            ..
        } = self;
        let (public, public_guard) = self.public_server;
        let (operators, operators_guard) = self.operators_server;
        let (public_handle, operators_handle) = (public.handle(), operators.handle());
        actix::spawn(public);
        actix::spawn(operators);
        actix::spawn(directory.clone().keep_house());
        let judge = actix::spawn(judge_readiness(
            self.platform_connection,
            directory.clone(),
            readiness.clone(),
            self.metrics.clone(),
        ));
        let (stop_usage, stop) = watch::channel(false);
        let kept = settings.telemetry.clone();
        let usage = actix::spawn(self.platform.clone().keep_usage(self.usage, kept, stop));
        let sampler = actix::spawn(keep_history(
            self.metrics.clone(),
            self.history,
            clock.clone(),
        ));
        tracing::info!(public = %self.public, operators = %self.operators, "listening");

        signals.next().await;
        signals.end_at_once();
        tracing::info!("stopping");
        judge.abort();
        sampler.abort();
        readiness.set(vec!["stopping".to_owned()]);
        self.metrics.ready(false);
        tokio::time::sleep(Duration::from_millis(settings.shutdown.not_ready_ms)).await;
        let grace = Duration::from_millis(settings.shutdown.grace_ms);
        drain_listener(&public_handle, &public_guard, grace, &clock).await;
        directory.close().await;
        stop_usage.send_replace(true);
        if tokio::time::timeout(LAST_USAGE, usage).await.is_err() {
            tracing::warn!("the last usage was not written in time");
        }
        // The operators' listener goes last: whoever watches can see the end coming.
        drain_listener(
            &operators_handle,
            &operators_guard,
            Duration::from_secs(1),
            &clock,
        )
        .await;
        self.hashing.stop();
        self.platform.close().await;
        tracing::info!("stopped");
    }
}

/// Notes what the console's charts show.
async fn keep_history(metrics: Metrics, history: History, clock: Clock) {
    loop {
        history.note(clock.now().as_millis(), metrics.figures());
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

/// Keeps the readiness verdict up to date.
async fn judge_readiness(
    platform: Connection,
    directory: Directory,
    readiness: ReadinessVerdict,
    metrics: Metrics,
) {
    loop {
        let mut missing = Vec::new();
        let current = is_current(&platform, Schema::Platform).await;
        metrics.schema_behind(matches!(current, Ok(false)));
        match current {
            Ok(true) => {}
            Ok(false) => missing.push("platform schema".to_owned()),
            Err(error) => {
                tracing::warn!(%error, "the platform database does not answer");
                missing.push("platform database".to_owned());
            }
        }
        let shared = directory.missing_databases().await;
        missing.extend(shared.into_iter().map(|name| format!("database {name}")));
        metrics.ready(missing.is_empty());
        readiness.set(missing);
        tokio::time::sleep(READINESS_EVERY).await;
    }
}
