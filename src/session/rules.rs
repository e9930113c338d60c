//! What the rooms above know of the tenant whose call they serve.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::ProviderAccounts;
use crate::domain::censor::CensorList;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::TenantSettings;
use crate::hashing::{Customer, Purpose};
use crate::token::{KeyRing, KnownTokens};

/// A tenant's settings and keys, made ready once per version of the settings.
#[derive(Debug)]
pub struct TenantRules {
    /// The tenant.
    pub id: TenantId,
    /// Its short name, the audience of its tokens.
    pub key: TenantKey,
    /// Its settings.
    pub settings: Arc<TenantSettings>,
    /// Its word list, compiled.
    pub censor: CensorList,
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its keys.
    pub keys: Arc<TenantKeys>,
    /// Keys for digests that a database keeps.
    pub secrets: Arc<TenantSecrets>,
    /// Its accounts at providers, opened.
    pub accounts: ProviderAccounts,
}

/// A tenant's keys for digests and tags, derived from the master key.
pub struct TenantSecrets {
    /// Keys the fingerprints of request bodies, so that a stolen table tells nothing about passwords.
    pub fingerprint: [u8; 32],
    /// Tags refresh tokens.
    pub refresh: [u8; 32],
    /// Keys the digests of SMS codes, which are too short to keep a plain digest of.
    pub code: [u8; 32],
}

impl fmt::Debug for TenantSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSecrets([redacted])")
    }
}

/// A tenant's signing keys, opened.
#[derive(Debug)]
pub struct TenantKeys {
    /// The keys over time.
    pub ring: KeyRing,
    /// The tokens whose signatures were checked a moment ago, of all tenants.
    pub known: KnownTokens,
}

impl TenantRules {
    /// The same tenant under other settings, and other keys if there are any.
    #[must_use]
    pub fn changed(
        &self,
        settings: Arc<TenantSettings>,
        accounts: ProviderAccounts,
        issuer: String,
        keys: Option<Arc<TenantKeys>>,
    ) -> Self {
        Self {
            id: self.id,
            key: self.key.clone(),
            censor: CensorList::new(&settings.registration.words),
            settings,
            issuer,
            keys: keys.unwrap_or_else(|| Arc::clone(&self.keys)),
            secrets: Arc::clone(&self.secrets),
            accounts,
        }
    }

    /// The tenant as the hash pool knows it.
    #[must_use]
    pub fn customer(&self, purpose: Purpose) -> Customer {
        Customer::new(self.id, &self.settings.limits, purpose)
    }

    /// Life of an access token.
    #[must_use]
    pub fn access_life(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.tokens.access_seconds))
    }

    /// Life of a refresh token.
    #[must_use]
    pub fn refresh_life(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.tokens.refresh_seconds))
    }
}
