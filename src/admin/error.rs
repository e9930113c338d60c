//! Why an administrator's wish was not fulfilled.

use std::time::Duration;

use crate::clock::NoEntropy;
use crate::domain::tenant_settings::SettingsFault;
use crate::store::deleted_users::NotRestored;
use crate::store::error::{OfStore, StoreError};
use crate::store::signing_keys::KeysNotChanged;
use crate::store::tenants::TenantNotChanged;
use crate::tenant::error::TenantError;

/// Why an administrator's wish was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No token, or none that is known.
    #[error("not authenticated")]
    Unauthenticated,
    /// Too many wrong tokens from this address.
    #[error("too many wrong tokens")]
    TooManyAttempts(Duration),
    /// The role does not include this.
    #[error("the administrator's role does not include this")]
    Forbidden,
    /// An administrator has this name.
    #[error("the name is taken")]
    NameTaken,
    /// An administrator would end its own token.
    #[error("nobody revokes their own token")]
    OwnToken,
    /// There is no such thing.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The key is taken, or was and is not purged yet.
    #[error("the key is taken")]
    KeyTaken,
    /// Another tenant has this host name.
    #[error("the host {0} is taken")]
    HostTaken(String),
    /// One of the codes exists already.
    #[error("the code exists")]
    CodeTaken,
    /// What the page before ended with is gone, so there is no going on from it.
    #[error("the page before ended with what is gone")]
    PageGone,
    /// The batch has codes of another kind.
    #[error("the batch has other codes")]
    BatchDiffers,
    /// The tenant's settings name no group of this number.
    #[error("the tenant has no such group")]
    UnknownGroup,
    /// The settings have moved on since the caller read them.
    #[error("the settings are at version {0} now")]
    VersionMovedOn(i32),
    /// The state does not allow this: only active tenants are suspended, only suspended ones resumed.
    #[error("the tenant is {0}")]
    WrongState(&'static str),
    /// A deleted user cannot come back: another one has what it had.
    #[error("another user has the {0}")]
    NotRestorable(&'static str),
    /// The tenant has as many signing keys as it may.
    #[error("the tenant has too many keys")]
    TooManyKeys,
    /// The only signing key cannot go.
    #[error("the tenant has no other key")]
    LastKey,
    /// Settings that cannot stand.
    #[error("{} settings cannot stand", .0.len())]
    Settings(Vec<SettingsFault>),
    /// The placement cannot work: an unknown shared database, or one that does not answer.
    #[error("{0}")]
    Placement(&'static str),
    /// A database does not answer; trying later may help.
    #[error("unavailable")]
    Unavailable,
    /// A fault of ours, already logged.
    #[error("internal error")]
    Internal,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::GaveWay => {
                tracing::warn!(%error, "a database is unavailable");
                Self::Unavailable
            }
            StoreError::Busy { .. } => Self::Unavailable,
            error => {
                tracing::error!(%error, "an administrator's wish failed by a fault of ours");
                Self::Internal
            }
        }
    }
}

impl OfStore for AdminError {
    /// A store's error was logged and given up for what administrators may know.
    fn store_error(&self) -> Option<&StoreError> {
        None
    }
}

impl From<TenantNotChanged> for AdminError {
    fn from(error: TenantNotChanged) -> Self {
        match error {
            TenantNotChanged::KeyTaken => Self::KeyTaken,
            TenantNotChanged::HostTaken(host) => Self::HostTaken(host.to_string()),
            TenantNotChanged::NotFound => Self::NotFound("tenant"),
            TenantNotChanged::Store(error) => error.into(),
        }
    }
}

impl From<KeysNotChanged> for AdminError {
    fn from(error: KeysNotChanged) -> Self {
        match error {
            KeysNotChanged::NoTenant => Self::NotFound("tenant"),
            KeysNotChanged::NoKey => Self::NotFound("key"),
            KeysNotChanged::TooMany => Self::TooManyKeys,
            KeysNotChanged::LastKey => Self::LastKey,
            KeysNotChanged::Store(error) => error.into(),
        }
    }
}

impl From<NotRestored> for AdminError {
    fn from(error: NotRestored) -> Self {
        match error {
            NotRestored::NotFound => Self::NotFound("deleted user"),
            NotRestored::Taken(what) => Self::NotRestorable(what),
            NotRestored::Store(error) => error.into(),
        }
    }
}

impl From<TenantError> for AdminError {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Unavailable(_) | TenantError::Lost => Self::Unavailable,
            TenantError::Store(error) => error.into(),
        }
    }
}

impl From<NoEntropy> for AdminError {
    fn from(error: NoEntropy) -> Self {
        tracing::error!(%error, "nothing secret can be made");
        Self::Internal
    }
}
