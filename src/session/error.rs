//! What keeps a call from being served, whatever it asks for, in the house's own terms.
//!
//! The room `http` turns each kind into an answer (`docs/contract.md`, section 4.2). The `Display` texts are for logs and
//! hold nothing that a client sent.

use std::time::Duration;

use crate::clock::NoEntropy;
use crate::domain::user_status::UserStatus;
use crate::hashing::HashRefusal;
use crate::provider::error::ProviderError;
use crate::store::error::StoreError;
use crate::token::TokenError;

/// A call is not served.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call needs a login and brought none.
    #[error("the call needs a login")]
    NotAuthenticated,
    /// The access token is malformed, expired, ended or another tenant's.
    #[error("the access token was rejected")]
    TokenRejected,
    /// The caller's account may do nothing; never holds [`UserStatus::Normal`].
    #[error("the caller's account is refused: {0:?}")]
    AccountRefused(UserStatus),
    /// The caller may not do this.
    #[error("the caller may not do this")]
    Forbidden,
    /// A limiter said no; the wait after which a call may pass.
    #[error("over the limit by {0:?}, retry after {1:?}")]
    TooMany(LimitKind, Duration),
    /// No permit to work, or no hash in time; the wait after which a retry makes sense.
    #[error("overloaded, retry after {0:?}")]
    Overloaded(Duration),
    /// A database or a provider does not answer in time; the wait after which a retry makes sense.
    #[error("something that is needed is unavailable, retry after {0:?}")]
    Unavailable(Duration),
    /// A fault of the house, already logged where it arose.
    #[error("internal error")]
    Internal,
}

/// What a limiter counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// The requester's address (IPv6 by /64).
    Address,
    /// The user name asked for.
    Username,
    /// All registrations of one tenant.
    Tenant,
    /// The requester's address, for logins.
    Login,
    /// The requester's address, for codes by SMS.
    Sms,
    /// The requester's address, for all other calls.
    Call,
    /// Messages to one phone number.
    Phone,
    /// The tenant's messages of a day.
    SmsBudget,
}

/// After how long a caller may try again when something that is needed does not answer.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

impl CallError {
    /// A fault of ours: logged here, shown to nobody.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a call failed by a fault of ours");
        Self::Internal
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::GaveWay => {
                tracing::warn!(%error, "the tenant's database is unavailable");
                Self::Unavailable(RETRY_AFTER)
            }
            // As for a connection that does not come free in time: what is in front does not end.
            StoreError::Busy { retry_after } => Self::Unavailable(retry_after),
            error => Self::internal(&error),
        }
    }
}

impl From<HashRefusal> for CallError {
    fn from(refusal: HashRefusal) -> Self {
        match refusal {
            HashRefusal::Busy { retry_after } => Self::Overloaded(retry_after),
            HashRefusal::Deadline | HashRefusal::Stopped => Self::Overloaded(RETRY_AFTER),
            // Logged where it arose; the thread goes on with fresh memory, so the next try may succeed.
            HashRefusal::Failed => Self::Unavailable(RETRY_AFTER),
        }
    }
}

impl From<TokenError> for CallError {
    fn from(error: TokenError) -> Self {
        Self::internal(&error)
    }
}

impl From<NoEntropy> for CallError {
    fn from(error: NoEntropy) -> Self {
        Self::internal(&error)
    }
}

impl From<ProviderError> for CallError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Overloaded => Self::Overloaded(RETRY_AFTER),
            // What a provider refuses of our own account is for the operator to mend; the caller may try again.
            ProviderError::Refused { .. } | ProviderError::Unavailable => {
                tracing::warn!(%error, "a provider did not serve");
                Self::Unavailable(RETRY_AFTER)
            }
        }
    }
}
