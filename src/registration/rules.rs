//! What the pipeline knows of the tenant whose request it handles.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::TenantSettings;
use crate::token::{SigningKey, VerifyingKey};

use super::censor::CensorList;

/// A tenant's settings and keys, made ready once per version of the settings.
#[derive(Debug)]
pub struct TenantRules {
    /// The tenant.
    pub id: TenantId,
    /// Its short name, the audience of its tokens.
    pub key: TenantKey,
    /// Its settings.
    pub settings: TenantSettings,
    /// Its word list, compiled.
    pub censor: CensorList,
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its keys, which outlive a change of settings.
    pub keys: Arc<TenantKeys>,
    /// Keys the fingerprints of request bodies, so that a stolen table tells nothing about passwords.
    pub fingerprint_key: [u8; 32],
}

/// A tenant's signing keys, opened.
#[derive(Debug)]
pub struct TenantKeys {
    /// The key that signs.
    pub signing: SigningKey,
    /// The keys whose signatures count.
    pub verifying: Vec<VerifyingKey>,
    /// The public keys as a JWK set (RFC 7517).
    pub jwks: serde_json::Value,
}

impl TenantRules {
    /// The same tenant and keys under other settings.
    #[must_use]
    pub fn with_settings(&self, settings: TenantSettings, issuer: String) -> Self {
        Self {
            id: self.id,
            key: self.key.clone(),
            censor: CensorList::new(&settings.registration.words),
            settings,
            issuer,
            keys: Arc::clone(&self.keys),
            fingerprint_key: self.fingerprint_key,
        }
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
