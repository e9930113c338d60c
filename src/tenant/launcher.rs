//! Brings a tenant to life: opens its database on its arbiter, opens its keys, starts its actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ArbiterHandle};
use tokio::sync::oneshot;

use super::actor::{ActorParts, TenantActor};
use super::invite_hints::InviteHints;
use super::names::Tenant;
use super::placement::{Databases, Opened};
use super::residents::Place;
use super::slot::{Bulkheads, Live, Slot};
use crate::domain::censor::CensorList;
use crate::domain::ids::TenantId;
use crate::hashing::HashPool;
use crate::provider::ProviderClient;
use crate::session::accounts::ProviderAccounts;
use crate::session::rules::{TenantKeys, TenantRules, TenantSecrets};
use crate::session::tools::Tools;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::signing_keys::key_context;
use crate::store::tenants::Placement;
use crate::telemetry::usage::Usage;
use crate::token::{Algorithm, KeyRing, KnownTokens, RingKey, SigningKey};

/// Starts actors on the arbiters.
#[derive(Clone)]
pub(super) struct Launcher {
    pub(super) arbiters: Arc<[ArbiterHandle]>,
    pub(super) databases: Databases,
    pub(super) platform: PlatformDb,
    pub(super) hashing: HashPool,
    pub(super) providers: ProviderClient,
    pub(super) hints: InviteHints,
    pub(super) known_tokens: KnownTokens,
    pub(super) usage: Usage,
    pub(super) housekeeping: Duration,
}

impl Launcher {
    /// Starts the tenant's actor. Runs to its end even when the caller stops waiting.
    pub(super) async fn launch(
        &self,
        slot: Arc<Slot>,
        tenant: Arc<Tenant>,
        place: Place,
    ) -> Result<Live, StoreError> {
        let launcher = self.clone();
        self.on_arbiter_of(tenant.record.id, async move || {
            launcher.start(slot, &tenant, place).await
        })
        .await
    }

    /// Opens a database on the tenant's arbiter and closes it again: whether a placement can work.
    pub(super) async fn try_placement(
        &self,
        tenant: TenantId,
        placement: Placement,
    ) -> Result<(), StoreError> {
        let databases = self.databases.clone();
        self.on_arbiter_of(tenant, async move || {
            let opened = databases.open(tenant, &placement).await?;
            opened.db.close().await;
            Ok(())
        })
        .await
    }

    /// Asks every shared database for a sign of life, on the first arbiter; gives the names of those that give none.
    pub(super) async fn missing_databases(&self) -> Vec<String> {
        let Some(arbiter) = self.arbiters.first() else {
            return Vec::new();
        };
        let databases = self.databases.clone();
        let asked = on(arbiter, async move || {
            let mut missing = Vec::new();
            for name in databases.shared.keys() {
                let alive = async { databases.open_shared(name).await?.ping().await };
                if let Err(error) = alive.await {
                    tracing::warn!(database = %name, %error, "a shared database does not answer");
                    missing.push(name.clone());
                }
            }
            missing
        });
        asked.await.unwrap_or_default()
    }

    /// Closes the shared pools of all arbiters.
    pub(super) async fn close_shared(&self) {
        for arbiter in &*self.arbiters {
            on(arbiter, Databases::close_shared).await;
        }
    }

    async fn start(
        &self,
        slot: Arc<Slot>,
        tenant: &Tenant,
        place: Place,
    ) -> Result<Live, StoreError> {
        let record = &tenant.record;
        let keys = self.open_keys(record.id).await?;
        let Opened { db, share, watch } = self.databases.open(record.id, &record.placement).await?;
        let rules = TenantRules {
            id: record.id,
            key: record.key.clone(),
            censor: CensorList::new(&record.settings.registration.words),
            settings: Arc::clone(&record.settings),
            issuer: tenant.issuer.clone(),
            keys,
            secrets: Arc::new(self.secrets_of(record.id)),
            accounts: ProviderAccounts::open(
                &record.settings,
                record.id,
                &self.databases.master_key,
            ),
        };
        let usage = self.usage.of_tenant(record.id.as_i64());
        let tools = Tools {
            db,
            hashing: self.hashing.for_tenant(usage.clone()),
            providers: self.providers.for_tenant(),
            usage,
            clock: self.databases.clock.clone(),
            entropy: self.databases.entropy,
        };
        let bulkheads = Bulkheads {
            database: share,
            hashing: tools.hashing.clone(),
            providers: tools.providers.clone(),
        };
        let actor = TenantActor::new(ActorParts {
            slot,
            rules,
            revision: record.revision,
            tools,
            bulkheads: bulkheads.clone(),
            hints: self.hints.of(record.id),
            housekeeping: self.housekeeping,
            master_key: Arc::clone(&self.databases.master_key),
            metrics: self.databases.metrics.clone(),
        });
        Ok(Live {
            address: actor.start(),
            bulkheads,
            watch,
            place,
        })
    }

    fn secrets_of(&self, tenant: TenantId) -> TenantSecrets {
        let derive = |purpose: &str| {
            let key = &self.databases.master_key;
            key.derive(&format!("{purpose}:{tenant}"))
        };
        TenantSecrets {
            fingerprint: derive("fingerprint"),
            refresh: derive("refresh"),
            code: derive("code"),
        }
    }

    /// The tenant's keys as they stand in the platform database now.
    pub(super) async fn open_keys(&self, tenant: TenantId) -> Result<Arc<TenantKeys>, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("signing_keys");
        let stored = self.platform.list_signing_keys(tenant).await?;
        let now = self.databases.clock.now();
        let kept = stored
            .iter()
            .filter(|key| key.retires_at.is_none_or(|end| end > now));
        let opened = kept.map(|key| {
            let context = key_context(tenant, &key.kid);
            let master_key = &self.databases.master_key;
            let private = master_key
                .open(&context, &key.private_key_sealed)
                .map_err(|_| StoreError::Corrupt("signing_keys.private_key_sealed"))?;
            let algorithm = Algorithm::parse(&key.algorithm).ok_or(CORRUPT)?;
            Ok(RingKey {
                signs_from: key.signs_from,
                retires_at: key.retires_at,
                signing: SigningKey::from_pkcs8(&key.kid, algorithm, &private)
                    .map_err(|_| CORRUPT)?,
                public_jwk: serde_json::from_str(&key.public_jwk).map_err(|_| CORRUPT)?,
            })
        });
        let opened = opened.collect::<Result<Vec<_>, StoreError>>()?;
        if opened.is_empty() {
            return Err(CORRUPT);
        }
        Ok(Arc::new(TenantKeys {
            ring: KeyRing::new(opened).map_err(|_| CORRUPT)?,
            known: self.known_tokens.clone(),
        }))
    }

    async fn on_arbiter_of<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl AsyncFnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let threads = i64::try_from(self.arbiters.len()).unwrap_or(1).max(1);
        // The low bits of an id are random, so tenants spread evenly.
        let index = usize::try_from(tenant.as_i64().rem_euclid(threads)).unwrap_or(0);
        let gone = || StoreError::Unavailable("the tenant's thread is gone".into());
        let arbiter = self.arbiters.get(index).ok_or_else(gone)?;
        on(arbiter, work).await.ok_or_else(gone)?
    }
}

/// Runs work on an arbiter's thread; `None` when that thread is gone or the work panicked.
async fn on<T: Send + 'static>(
    arbiter: &ArbiterHandle,
    work: impl AsyncFnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, answer) = oneshot::channel();
    // The future is made on its own thread: it may hold what belongs to that thread alone.
    let spawned = arbiter.spawn_fn(move || {
        actix::spawn(async move {
            // The caller may have stopped waiting; the work was done all the same.
            let _ = done.send(work().await);
        });
    });
    if spawned { answer.await.ok() } else { None }
}
