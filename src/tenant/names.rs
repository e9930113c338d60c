//! Which tenant a key or a host names, remembered.
//!
//! Unknown names are remembered too, for as long as one look for changes takes, so that made-up names cost a bounded
//! number of queries. Changes made by other processes are seen by their revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;
use moka::{Entry, Expiry};
use tokio::sync::OnceCell;

use super::error::{RETRY_AFTER, TenantError};
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::tenants::{ChangedTenant, TenantRecord};

/// A tenant as this process knows it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// As stored.
    pub record: TenantRecord,
    /// `iss` of its tokens.
    pub issuer: String,
}

/// How a tenant's `iss` is made where its settings name none.
#[derive(Clone, Debug)]
pub struct Issuers {
    /// The platform's public address, without a trailing slash: `http://localhost:8080`.
    pub public_url: String,
}

impl Issuers {
    fn of(&self, record: &TenantRecord) -> String {
        record
            .settings
            .tokens
            .issuer
            .clone()
            .unwrap_or_else(|| format!("{}/t/{}", self.public_url, record.key))
    }
}

/// The names of tenants.
pub(super) struct Names {
    platform: PlatformDb,
    issuers: Issuers,
    by_key: Cache<TenantKey, Option<Arc<Tenant>>>,
    by_host: Cache<HostName, Option<TenantKey>>,
    /// The revision up to which changes were seen.
    seen: AtomicI64,
    /// Whether `seen` was read. It must be before any record is, or a change between the two would never be seen.
    started: OnceCell<()>,
    /// Rises with every change seen: a record read before it may be old.
    changes: AtomicU64,
    /// Changes of the last look. They are taken in once more at the next one: a look-up that ran beside the first time
    /// may have remembered the old record just after it, or the database may have failed in between.
    lately_changed: std::sync::Mutex<Vec<ChangedTenant>>,
}

/// Most changes taken in at one look.
const CHANGES_AT_ONCE: u64 = 1000;

struct UnknownExpires(Duration);

impl<K, V> Expiry<K, Option<V>> for UnknownExpires {
    fn expire_after_create(&self, _: &K, value: &Option<V>, _: Instant) -> Option<Duration> {
        value.is_none().then_some(self.0)
    }
}

impl Names {
    pub(super) fn new(
        platform: PlatformDb,
        issuers: Issuers,
        entries: u64,
        unknown_life: Duration,
    ) -> Self {
        Self {
            platform,
            issuers,
            by_key: Cache::builder()
                .max_capacity(entries)
                .expire_after(UnknownExpires(unknown_life))
                .build(),
            by_host: Cache::builder()
                .max_capacity(entries)
                .expire_after(UnknownExpires(unknown_life))
                .build(),
            seen: AtomicI64::new(0),
            started: OnceCell::new(),
            changes: AtomicU64::new(0),
            lately_changed: std::sync::Mutex::default(),
        }
    }

    /// The tenant with this key, whatever its state. Many who ask at once cause one query.
    pub(super) async fn by_key(&self, key: &TenantKey) -> Result<Option<Arc<Tenant>>, TenantError> {
        if let Some(known) = self.by_key.get(key).await {
            return Ok(known);
        }
        // Boxed: every request asks here, hardly any has to wait for the database, and its future holds this one.
        let read = self.by_key.try_get_with(key.clone(), async {
            self.start().await?;
            self.read(key).await
        });
        Box::pin(read).await.map_err(unavailable)
    }

    /// The tenant that this host names, whatever its state.
    pub(super) async fn by_host(
        &self,
        host: &HostName,
    ) -> Result<Option<Arc<Tenant>>, TenantError> {
        let key = match self.by_host.get(host).await {
            Some(known) => known,
            None => {
                let read = self.by_host.try_get_with(host.clone(), async {
                    self.start().await?;
                    let record = self.platform.find_tenant_of_host(host).await?;
                    Ok(record.map(|record| record.key))
                });
                Box::pin(read).await.map_err(unavailable)?
            }
        };
        match key {
            Some(key) => self.by_key(&key).await,
            None => Ok(None),
        }
    }

    /// Takes in a change that this process made, before its caller is answered.
    pub(super) async fn changed(&self, record: &TenantRecord) -> Arc<Tenant> {
        let tenant = self.tenant(record.clone());
        self.changes.fetch_add(1, Ordering::AcqRel);
        match self.by_key.get(&record.key).await {
            Some(Some(_)) => {
                self.remember(Arc::clone(&tenant)).await;
            }
            // Nobody asks for it now: a hundred thousand new tenants take no memory.
            _ => self.by_key.invalidate(&record.key).await,
        }
        self.by_host.invalidate_all();
        self.look_again(record);
        tenant
    }

    /// Takes this change in once more at the next look.
    pub(super) fn look_again(&self, record: &TenantRecord) {
        lock(&self.lately_changed).push(ChangedTenant {
            id: record.id,
            key: record.key.clone(),
            revision: record.revision,
        });
    }

    /// The record as it stands in the database now.
    async fn read(&self, key: &TenantKey) -> Result<Option<Arc<Tenant>>, StoreError> {
        loop {
            let changes = self.changes.load(Ordering::Acquire);
            let record = self.platform.find_tenant(key).await?;
            if self.changes.load(Ordering::Acquire) == changes {
                return Ok(record.map(|record| self.tenant(record)));
            }
        }
    }

    /// Replaces what is remembered by what stands in the database. It is not forgotten before that is known: a database
    /// that does not answer must not take away tenants that serve.
    async fn renew(&self, key: &TenantKey) -> Result<Option<Arc<Tenant>>, StoreError> {
        let tenant = self.read(key).await?;
        match &tenant {
            Some(tenant) => self.remember(Arc::clone(tenant)).await,
            None => self.by_key.insert(key.clone(), None).await,
        }
        Ok(tenant)
    }

    /// Unless a newer record is remembered, which another change has brought meanwhile.
    async fn remember(&self, tenant: Arc<Tenant>) {
        let key = tenant.record.key.clone();
        let newer = |known: Option<Entry<TenantKey, Option<Arc<Tenant>>>>| async move {
            let known = known.and_then(Entry::into_value);
            Some(match known {
                Some(known) if known.record.revision > tenant.record.revision => known,
                _ => tenant,
            })
        };
        self.by_key.entry(key).and_upsert_with(newer).await;
    }

    /// Looks for changes that other processes made; gives the tenants that changed. Those that nobody remembers and that
    /// are not live are not read: they will be when they are asked for.
    pub(super) async fn look_for_changes(
        &self,
        is_live: impl Fn(TenantId) -> bool,
    ) -> Result<Vec<Arc<Tenant>>, TenantError> {
        self.start().await?;
        let seen = self.seen.load(Ordering::Acquire);
        let fresh = self
            .platform
            .tenants_changed_since(seen, CHANGES_AT_ONCE)
            .await?;
        let lately = std::mem::take(&mut *lock(&self.lately_changed));
        if fresh.is_empty() && lately.is_empty() {
            return Ok(Vec::new());
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.by_host.invalidate_all();
        let mut tenants = Vec::with_capacity(fresh.len() + lately.len());
        let mut again = fresh.clone();
        for change in lately.iter().chain(&fresh) {
            match self.by_key.get(&change.key).await {
                // The change was made here, or read since.
                Some(Some(known)) if known.record.revision >= change.revision => {
                    tenants.push(known);
                    continue;
                }
                None if !is_live(change.id) => continue,
                _ => {}
            }
            match self.renew(&change.key).await {
                Ok(tenant) => tenants.extend(tenant),
                // A row that cannot be read keeps nobody else's change from being seen.
                Err(error) => {
                    tracing::warn!(%error, tenant = %change.key, "a change of a tenant cannot be read");
                    again.push(change.clone());
                }
            }
        }
        if let Some(last) = fresh.last() {
            self.seen.store(last.revision, Ordering::Release);
        }
        again.sort_by(|a, b| (&a.key, a.revision).cmp(&(&b.key, b.revision)));
        again.dedup();
        lock(&self.lately_changed).extend(again);
        Ok(tenants)
    }

    /// Starts to look for changes from now on: what is older is read when it is asked for.
    async fn start(&self) -> Result<(), StoreError> {
        self.started
            .get_or_try_init(async || {
                let last = self.platform.last_revision().await?;
                self.seen.store(last, Ordering::Release);
                Ok(())
            })
            .await
            .copied()
    }

    fn tenant(&self, record: TenantRecord) -> Arc<Tenant> {
        let issuer = self.issuers.of(&record);
        Arc::new(Tenant { record, issuer })
    }
}

fn unavailable(error: Arc<StoreError>) -> TenantError {
    tracing::warn!(%error, "the platform database does not tell a tenant");
    TenantError::Unavailable(RETRY_AFTER)
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
