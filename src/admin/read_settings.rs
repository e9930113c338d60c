//! Reads settings as an administrator sent them: seals their secrets for the tenant, then checks the whole.

use secrecy::SecretString;
use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::clock::NoEntropy;
use crate::domain::ids::TenantId;
use crate::domain::sealed::{self, SEALED_PREFIX};
use crate::domain::tenant_settings::{
    MASK, SECRETS, SettingsFault, TenantSettings, merged, value_at,
};

/// Most bytes of a secret; those of providers have 16 to 64.
const MAX_SECRET_BYTES: usize = 512;

impl Admin {
    /// The first settings of a tenant.
    ///
    /// # Errors
    /// [`AdminError::Settings`] with every fault.
    pub(super) fn first_settings(
        &self,
        tenant: TenantId,
        mut sent: Value,
    ) -> Result<TenantSettings, AdminError> {
        let faults = self.seal_secrets(tenant, &mut sent)?;
        checked(&sent, faults)
    }

    /// The current settings with a merge patch over them. The mask in place of a secret leaves the secret as it is.
    ///
    /// # Errors
    /// [`AdminError::Settings`] with every fault.
    pub(super) fn patched_settings(
        &self,
        tenant: TenantId,
        current: &TenantSettings,
        patch: &Value,
    ) -> Result<TenantSettings, AdminError> {
        let mut patch = patch.clone();
        let faults = self.seal_secrets(tenant, &mut patch)?;
        let current = serde_json::to_value(current).map_err(|error| {
            tracing::error!(%error, "settings do not serialise");
            AdminError::Internal
        })?;
        checked(&merged(&current, &patch), faults)
    }

    /// Seals every secret in its place and takes masks out. What cannot be a secret is a fault, and its place gets a
    /// sealed stand-in, so that the check of the rest does not tell of it again.
    fn seal_secrets(
        &self,
        tenant: TenantId,
        settings: &mut Value,
    ) -> Result<Vec<SettingsFault>, NoEntropy> {
        let mut faults = Vec::new();
        for path in SECRETS {
            let Some(Value::String(sent)) = value_at(settings, path) else {
                continue;
            };
            if sent == MASK {
                remove(settings, path);
                continue;
            }
            let plain = match secret_fault(sent) {
                None => SecretString::from(std::mem::take(sent)),
                Some(detail) => {
                    faults.push(SettingsFault {
                        path: path.to_owned(),
                        detail: detail.to_owned(),
                    });
                    SecretString::from("-")
                }
            };
            let nonce = self.entropy.bytes::<12>()?;
            let sealed = sealed::seal(&self.master_key, nonce, tenant, path, &plain);
            if let (Some(place), Some(sealed)) = (value_at(settings, path), sealed) {
                *place = sealed.as_str().into();
            }
        }
        Ok(faults)
    }
}

fn checked(settings: &Value, mut faults: Vec<SettingsFault>) -> Result<TenantSettings, AdminError> {
    match TenantSettings::from_json(settings) {
        Ok(settings) if faults.is_empty() => Ok(settings),
        Ok(_) => Err(AdminError::Settings(faults)),
        Err(others) => {
            faults.extend(others);
            Err(AdminError::Settings(faults))
        }
    }
}

/// Why a text cannot be a secret. A sealed text is never taken: it would be another tenant's or setting's, or made up.
fn secret_fault(text: &str) -> Option<&'static str> {
    if text.starts_with(SEALED_PREFIX) {
        return Some("must be the secret itself, not a sealed text");
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_fine = is_plain && (1..=MAX_SECRET_BYTES).contains(&text.len());
    (!is_fine).then_some("must have 1 to 512 ASCII letters, digits and signs")
}

fn remove(settings: &mut Value, path: &str) {
    if let Some((parent, name)) = path.rsplit_once('.')
        && let Some(Value::Object(members)) = value_at(settings, parent)
    {
        members.remove(name);
    }
}
