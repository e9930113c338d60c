//! Why a tenant could not be reached.

use std::time::Duration;

use crate::session::error::CallError;
use crate::store::error::StoreError;

/// A tenant, or the platform database that knows it, cannot be reached now.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The actor does not start: its database does not answer, or too many tenants are live.
    #[error("the tenant cannot be reached now")]
    Unavailable(Duration),
    /// The work was lost with the actor or by a panic; whether it was done is unknown.
    #[error("the work was lost")]
    Lost,
    /// A store operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// After how long a caller may try again to reach a tenant.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<TenantError> for CallError {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Unavailable(wait) => Self::Unavailable(wait),
            // Not a fault of the caller, and perhaps gone at the next try: the actor is replaced.
            TenantError::Lost => Self::Unavailable(RETRY_AFTER),
            TenantError::Store(error) => error.into(),
        }
    }
}
