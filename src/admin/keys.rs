//! Lists, replaces and revokes the keys that sign a tenant's access tokens.

use std::sync::Arc;
use std::time::Duration;

use super::Admin;
use super::error::AdminError;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::Audit;
use crate::store::signing_keys::{NewSigningKey, StoredSigningKey, key_context};
use crate::token::{Algorithm, NewKey};

/// How long a new key is published before it signs, unless the caller says: others may keep a key set for five minutes
/// (`GET /.well-known/jwks.json`), and other processes of enroll look for changes every `tenants.sync_ms`.
pub const KEY_NOTICE: Duration = Duration::from_secs(600);

/// How far the clocks of two processes may stand apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// One key of a tenant, without its private half.
#[derive(Debug)]
pub struct KeyShown {
    /// The key as it is stored.
    pub stored: StoredSigningKey,
    /// What it does now.
    pub state: KeyState,
}

/// What a key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published, and will sign.
    Coming,
    /// It signs.
    Signing,
    /// What it signed still counts.
    Verifying,
    /// Nothing counts on it any more.
    Retired,
}

impl Admin {
    /// The tenant's keys, the one that signs last first.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn list_keys(&self, key: &TenantKey) -> Result<Vec<KeyShown>, AdminError> {
        let tenant = self.get_tenant(key).await?;
        let now = self.clock.now();
        let mut signs = false;
        let keys = self.platform.list_signing_keys(tenant.id).await?;
        let shown = keys.into_iter().map(|stored| {
            let state = if stored.retires_at.is_some_and(|end| end <= now) {
                KeyState::Retired
            } else if stored.signs_from > now {
                KeyState::Coming
            } else if std::mem::replace(&mut signs, true) {
                KeyState::Verifying
            } else {
                KeyState::Signing
            };
            KeyShown { stored, state }
        });
        Ok(shown.collect())
    }

    /// Makes a key that is published at once and signs after `notice`. Those before it sign until then, and count until the
    /// last token of theirs is over.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::TooManyKeys`].
    pub async fn rotate_key(
        &self,
        by: &Administrator,
        key: &TenantKey,
        algorithm: Algorithm,
        notice: Duration,
    ) -> Result<KeyShown, AdminError> {
        let tenant = self.get_tenant(key).await?;
        let new = self.generate_apart(tenant.id, algorithm).await?;
        let signs_from = self.clock.now().plus(notice);
        let life = Duration::from_secs(u64::from(tenant.settings.tokens.access_seconds));
        // One clock may be behind when it signs, and another ahead when it verifies.
        let overlap = life + 2 * CLOCKS_APART;
        let audit = Audit {
            administrator: &by.name,
            action: "key.rotate",
        };
        let (record, stored) = self
            .platform
            .add_signing_key(key, &new, signs_from, overlap, &audit)
            .await?;
        self.directory.changed(&record).await;
        let state = if notice.is_zero() {
            KeyState::Signing
        } else {
            KeyState::Coming
        };
        Ok(KeyShown { stored, state })
    }

    /// Ends a key: no token that it signed counts from now on. The key that comes next, or the one before, signs.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::LastKey`] when no other would be left.
    pub async fn revoke_key(
        &self,
        by: &Administrator,
        key: &TenantKey,
        kid: &str,
    ) -> Result<(), AdminError> {
        let audit = Audit {
            administrator: &by.name,
            action: "key.revoke",
        };
        let record = self.platform.revoke_signing_key(key, kid, &audit).await?;
        self.directory.changed(&record).await;
        Ok(())
    }

    /// A new key, made on a thread of its own: an RSA key takes a second, and this one answers health checks. One at a time.
    #[expect(
        clippy::disallowed_methods,
        reason = "its queue is bounded: one at a time, by the turn"
    )]
    async fn generate_apart(
        &self,
        tenant: TenantId,
        algorithm: Algorithm,
    ) -> Result<NewSigningKey, AdminError> {
        let Ok(turn) = Arc::clone(&self.key_making).acquire_owned().await else {
            return Err(AdminError::Internal);
        };
        let admin = self.clone();
        // The turn goes with the work: a caller that gives up does not end it.
        let work = move || {
            let _turn = turn;
            admin.new_signing_key(tenant, algorithm)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "no signing key can be made");
            AdminError::Internal
        })?
    }

    /// A new key, its private half sealed for the tenant.
    pub(super) fn new_signing_key(
        &self,
        tenant: TenantId,
        algorithm: Algorithm,
    ) -> Result<NewSigningKey, AdminError> {
        let made = NewKey::generate(algorithm, self.entropy.bytes::<16>()?);
        let key = made.map_err(|error| {
            tracing::error!(%error, "no signing key can be made");
            AdminError::Internal
        })?;
        let nonce = self.entropy.bytes::<12>()?;
        let context = key_context(tenant, &key.kid);
        let sealed = self.master_key.seal(nonce, &context, &key.private_pkcs8);
        Ok(NewSigningKey {
            kid: key.kid,
            algorithm: key.algorithm.as_str().to_owned(),
            private_key_sealed: sealed.map_err(|_| AdminError::Internal)?,
            public_jwk: key.public_jwk.to_string(),
        })
    }
}
