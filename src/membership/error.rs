//! Why a member's wish is not fulfilled, in the house's own terms.

use crate::domain::fault::FieldFault;
use crate::session::error::CallError;
use crate::store::error::StoreError;

/// Everything that can keep a member's wish from being fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Attributes are missing or malformed.
    #[error("{} field fault(s)", .0.len())]
    Invalid(Vec<FieldFault>),
    /// There is no such thing, or none that the caller may see; what it would have been, as clients call it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// WeChat accounts are shown to their owner and to moderators alone.
    #[error("the WeChat accounts are not for this caller")]
    WechatHidden,
    /// The call is not served.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<StoreError> for MembershipError {
    fn from(error: StoreError) -> Self {
        CallError::from(error).into()
    }
}
