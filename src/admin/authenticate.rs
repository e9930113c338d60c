//! Administrators' tokens: 256 random bits, known to the platform by their hash alone.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use governor::clock::{Clock as _, DefaultClock};
use secrecy::{ExposeSecret, SecretString};

use super::Admin;
use super::error::AdminError;
use crate::clock::{Entropy, NoEntropy};
use crate::domain::role::{Right, Role};
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::token::refresh::token_digest_hex;

/// A fresh administrator's token, shown once.
#[derive(Debug)]
pub struct AdministratorToken(SecretString);

/// Longest text that is looked at as a token.
const LONGEST_TOKEN: usize = 256;
/// Addresses remembered for wrong tokens before those that have recovered are forgotten.
const MOST_ADDRESSES: usize = 10_000;

impl AdministratorToken {
    /// A new token; its prefix tells secret scanners what it is.
    ///
    /// # Errors
    /// [`NoEntropy`] when the random source fails.
    pub fn new(entropy: Entropy) -> Result<Self, NoEntropy> {
        let random = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()?);
        Ok(Self(format!("enroll_admin_{random}").into()))
    }

    /// The token, for its one showing.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// Makes an administrator. Works on the platform database alone, so that the first one can be made before any server
/// runs; then nobody is there to have done it (`by`).
///
/// # Errors
/// [`StoreError::Duplicate`] when the name is taken.
pub async fn create_administrator(
    platform: &PlatformDb,
    entropy: Entropy,
    by: Option<&str>,
    name: &str,
    role: Role,
) -> Result<(Administrator, AdministratorToken), StoreError> {
    let token = AdministratorToken::new(entropy)?;
    let hash = token_digest_hex(token.secret().expose_secret());
    let made = platform.create_administrator(by, name, role, &hash).await?;
    Ok((made, token))
}

impl Admin {
    /// Whether an administrator may do what a call needs. What is another tenant's is not there for a tenant's
    /// administrator.
    ///
    /// # Errors
    /// [`AdminError::Forbidden`], or [`AdminError::NotFound`] for the tenant.
    pub async fn permit(
        &self,
        by: &Administrator,
        right: Right,
        tenant: Option<&TenantKey>,
    ) -> Result<(), AdminError> {
        if let (Some(own), Some(key)) = (by.role.only_tenant(), tenant)
            && self.get_tenant(key).await?.id != own
        {
            return Err(AdminError::NotFound("tenant"));
        }
        if by.role.includes(right) {
            Ok(())
        } else {
            Err(AdminError::Forbidden)
        }
    }

    /// Who the bearer of this token is. Wrong tokens are counted per address and soon answered with a wait; good ones are
    /// not, so that nobody can lock an administrator out.
    ///
    /// # Errors
    /// [`AdminError::Unauthenticated`] or [`AdminError::TooManyAttempts`].
    pub async fn authenticate(
        &self,
        token: Option<&str>,
        address: IpAddr,
    ) -> Result<Administrator, AdminError> {
        let Some(token) = token.filter(|token| token.len() <= LONGEST_TOKEN) else {
            return Err(AdminError::Unauthenticated);
        };
        if let Some(administrator) = self
            .platform
            .find_administrator(&token_digest_hex(token))
            .await?
        {
            return Ok(administrator);
        }
        if self.attempts.len() > MOST_ADDRESSES {
            self.attempts.retain_recent();
        }
        match self.attempts.check_key(&address.to_canonical()) {
            Ok(()) => Err(AdminError::Unauthenticated),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(AdminError::TooManyAttempts(wait))
            }
        }
    }
}
