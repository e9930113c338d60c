//! Why a registration was refused, in the house's own terms: no status code, no text for clients.
//!
//! The room `http` turns each kind into an answer (`docs/contract.md`, section 4.2). The `Display` texts are for logs and
//! hold nothing that a client sent.

use std::time::Duration;

use crate::domain::fault::FieldFault;
use crate::domain::user_status::UserStatus;

/// Everything that can keep a registration from its account.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The tenant takes no registrations.
    #[error("registration is closed")]
    Closed,
    /// The tenant demands an invite code and none came.
    #[error("an invite code is required")]
    InviteRequired,
    /// The invite code is unknown, spent, expired or revoked. One kind for all, so that nobody can tell them apart.
    #[error("the invite code was rejected")]
    InviteRejected,
    /// The user name holds a banned word.
    #[error("the user name holds a banned word")]
    NameBanned,
    /// New accounts wait for a moderator, and no reason came.
    #[error("a reason to register is required")]
    ReasonMissing,
    /// Fields break the tenant's rules; every fault that was found.
    #[error("{} field fault(s)", .0.len())]
    Invalid(Vec<FieldFault>),
    /// The account is stored and waits for a moderator: an outcome that the wire shows as a refusal.
    #[error("the account awaits approval")]
    AwaitsApproval,
    /// The request carried an access token that is malformed, expired or another tenant's.
    #[error("the access token was rejected")]
    TokenRejected,
    /// The account behind the request's access token may do nothing; never holds [`UserStatus::Normal`].
    #[error("the account of the access token is refused: {0:?}")]
    AccountRefused(UserStatus),
    /// The `Idempotency-Key` was used before with another body.
    #[error("the idempotency key was used with another body")]
    SameKeyOtherBody,
    /// The first call with this `Idempotency-Key` is still at work.
    #[error("a call with this idempotency key is in progress")]
    SameKeyInProgress,
    /// A limiter said no; the wait after which a call may pass.
    #[error("over the limit by {0:?}, retry after {1:?}")]
    TooMany(LimitKind, Duration),
    /// No permit to work, or no hash in time; the wait after which a retry makes sense.
    #[error("overloaded, retry after {0:?}")]
    Overloaded(Duration),
    /// A database does not answer in time; the wait after which a retry makes sense.
    #[error("a database is unavailable, retry after {0:?}")]
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
    /// The requester's address, among logins.
    Login,
    /// The requester's address, among calls that send or check a code by SMS.
    Sms,
    /// The requester's address, among all other calls.
    Call,
}
