//! Reads settings as an administrator sent them: seals their secrets for the tenant, then checks the whole.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::clock::NoEntropy;
use crate::domain::ids::TenantId;
use crate::domain::sealed::{self, SealedText};
use crate::domain::tenant_settings::{
    MASK, SECRETS, SettingsFault, TenantSettings, merged, secret_fault, value_at,
};

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
        let faults = self.seal_secrets(tenant, &mut sent, &mut Value::Null)?;
        checked(&sent, faults)
    }

    /// The current settings with a merge patch over them. The mask in place of a secret leaves the secret as it is, and so
    /// does the secret itself: sealed anew it would look like a change.
    ///
    /// # Errors
    /// [`AdminError::Settings`] with every fault.
    pub(super) fn patched_settings(
        &self,
        tenant: TenantId,
        current: &TenantSettings,
        patch: &Value,
    ) -> Result<TenantSettings, AdminError> {
        let mut current = serde_json::to_value(current).map_err(|error| {
            tracing::error!(%error, "settings do not serialise");
            AdminError::Internal
        })?;
        let mut patch = patch.clone();
        let faults = self.seal_secrets(tenant, &mut patch, &mut current)?;
        checked(&merged(&current, &patch), faults)
    }

    /// Seals every secret in its place and takes masks out. What cannot be a secret is a fault, and its place gets a
    /// sealed stand-in, so that the check of the rest does not tell of it again.
    fn seal_secrets(
        &self,
        tenant: TenantId,
        settings: &mut Value,
        current: &mut Value,
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
            if let Some(kept) = self.sealed_already(tenant, path, current, &plain) {
                if let Some(place) = value_at(settings, path) {
                    *place = kept.as_str().into();
                }
                continue;
            }
            let nonce = self.entropy.bytes::<12>()?;
            let sealed = sealed::seal(&self.master_key, nonce, tenant, path, &plain);
            if let (Some(place), Some(sealed)) = (value_at(settings, path), sealed) {
                *place = sealed.as_str().into();
            }
        }
        Ok(faults)
    }

    /// The sealed form of this secret, if it is the one that stands there now.
    fn sealed_already(
        &self,
        tenant: TenantId,
        path: &str,
        current: &mut Value,
        plain: &SecretString,
    ) -> Option<SealedText> {
        let sealed = SealedText::parse(value_at(current, path)?.as_str()?)?;
        let opened = sealed::open(&self.master_key, tenant, path, &sealed)?;
        (opened.expose_secret() == plain.expose_secret()).then_some(sealed)
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

fn remove(settings: &mut Value, path: &str) {
    if let Some((parent, name)) = path.rsplit_once('.')
        && let Some(Value::Object(members)) = value_at(settings, parent)
    {
        members.remove(name);
    }
}
