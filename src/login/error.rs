//! Why somebody is not logged in, in the house's own terms: no status code, no text for clients.

use std::time::Duration;

use secrecy::SecretString;

use crate::clock::NoEntropy;
use crate::domain::fault::FieldFault;
use crate::domain::identity::WechatProfile;
use crate::registration::error::{ProofError, RegistrationError};
use crate::session::error::CallError;
use crate::store::error::StoreError;

/// Everything that can keep a login from its tokens.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Attributes are missing or malformed.
    #[error("{} field fault(s)", .0.len())]
    Invalid(Vec<FieldFault>),
    /// Wrong name or password. One kind for unknown names, wrong passwords and accounts without one.
    #[error("wrong name or password")]
    Wrong {
        /// Attempts left for this name from this address.
        left: u32,
    },
    /// Too many wrong passwords.
    #[error("too many wrong passwords, retry after {wait:?}")]
    Locked {
        /// Attempts that the tenant allows.
        tries: u32,
        /// The tenant's span for them.
        span: Duration,
        /// Until the next attempt is judged.
        wait: Duration,
    },
    /// The SMS code is wrong, expired, used, or was tried too often. One kind for all.
    #[error("the SMS code was rejected")]
    SmsCodeRejected,
    /// WeChat's way back carries a `state` or a `sessionId` that is none of ours. One kind for all.
    #[error("the way back from WeChat was rejected")]
    StateRejected,
    /// Proven, but nobody's: the client may register or log in with the token.
    #[error("nobody has this identity: {:?}", .0.kind)]
    Unbound(Box<Unbound>),
    /// The picture was not scanned yet.
    #[error("the picture waits for a phone")]
    ScanWaiting,
    /// The picture's time is over.
    #[error("the picture's time is over")]
    ScanOver,
    /// WeChat's data hold no phone number.
    #[error("WeChat told no phone number")]
    NoWechatPhone,
    /// What a registration can be refused for: accounts that make themselves, proofs, and whatever ends any call.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// A proven identity without an account.
#[derive(Debug)]
pub struct Unbound {
    /// Which answer the client expects.
    pub kind: UnboundKind,
    /// The proof token to come back with; `None` where the client proves anew.
    pub token: Option<SecretString>,
    /// What WeChat shows of the user; `None` for a phone number.
    pub profile: Option<WechatProfile>,
}

/// Which way found nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnboundKind {
    /// The official account's page, or a scanned picture.
    OfficialAccount,
    /// The same, by a user who wants another WeChat account bound.
    Rebind,
    /// The mini program.
    MiniProgram,
    /// A phone number.
    Phone,
}

impl From<CallError> for LoginError {
    fn from(error: CallError) -> Self {
        RegistrationError::from(error).into()
    }
}

impl From<ProofError> for LoginError {
    fn from(error: ProofError) -> Self {
        RegistrationError::from(error).into()
    }
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        CallError::from(error).into()
    }
}

impl From<NoEntropy> for LoginError {
    fn from(error: NoEntropy) -> Self {
        CallError::from(error).into()
    }
}
