//! Why a registration was refused, in the house's own terms: no status code, no text for clients.
//!
//! The room `http` turns each kind into an answer (`docs/contract.md`, section 4.2). The `Display` texts are for logs and
//! hold nothing that a client sent.

use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::proof::{Claim, Proof};
use crate::provider::error::ProviderError;
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::store::bindings::NotBound;
use crate::store::error::StoreError;

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
    /// The `Idempotency-Key` was used before with another body.
    #[error("the idempotency key was used with another body")]
    SameKeyOtherBody,
    /// The first call with this `Idempotency-Key` is still at work.
    #[error("a call with this idempotency key is in progress")]
    SameKeyInProgress,
    /// What the user offered does not stand.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Whatever the call asked for, it is not served.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        CallError::from(error).into()
    }
}

impl RegistrationError {
    /// The name is somebody's.
    #[must_use]
    pub fn name_taken() -> Self {
        Self::Invalid(vec![FieldFault::new(Field::Username, Fault::Taken)])
    }

    /// Whether a request with the same idempotency key, answered meanwhile elsewhere, can be the cause.
    pub(super) fn may_be_of_a_twin(&self) -> bool {
        matches!(
            self,
            Self::Invalid(_) | Self::InviteRejected | Self::Proof(_) | Self::SameKeyInProgress
        )
    }
}

/// Something that a user offered to be bound does not stand.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// `token` is unknown, expired, used, or for something else. One kind for all.
    #[error("the token was rejected")]
    TokenRejected,
    /// `mobileToken`, likewise.
    #[error("the phone token was rejected")]
    MobileTokenRejected,
    /// The `js_code` was used before.
    #[error("the js_code was used before")]
    CodeUsed,
    /// WeChat answered and said no.
    #[error("WeChat refused: {words}")]
    Refused {
        /// The field that brought the code.
        field: Field,
        /// WeChat's own words.
        words: String,
    },
    /// The mini program's data do not open, or belong to somebody else. One kind for all (`docs/threats.md`, row 78).
    #[error("the mini program's data do not open")]
    Undecipherable,
    /// The tenant has no such WeChat app.
    #[error("the tenant does not offer this")]
    NotOffered,
    /// The WeChat account is another user's, or the user has another one.
    #[error("the WeChat account is bound")]
    WechatBound(
        /// The field that brought it.
        Field,
    ),
    /// The phone number is another user's.
    #[error("the phone number is taken")]
    PhoneTaken,
    /// The user has a phone number already.
    #[error("the user has a phone number")]
    HasPhone,
    /// WeChat does not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ProofError {
    /// What the proof shows is somebody's.
    #[must_use]
    pub fn taken(proof: &Proof) -> Self {
        match (&proof.claim, &proof.token) {
            (Claim::Wechat(_), Some(_)) => Self::WechatBound(Field::Token),
            (Claim::Wechat(_), None) => Self::WechatBound(Field::JsCode),
            (Claim::Phone(_), _) => Self::PhoneTaken,
        }
    }

    /// What a provider's answer means for the one who offered its code in this field.
    #[must_use]
    pub fn from_provider(error: ProviderError, field: Field) -> Self {
        match error {
            ProviderError::Refused { message, .. } => Self::Refused {
                field,
                words: message,
            },
            error => Self::Call(error.into()),
        }
    }

    /// What a binding that failed in its transaction means; the store's own error where that is the cause.
    ///
    /// # Errors
    /// [`StoreError`] when the database failed.
    pub fn from_store(
        error: NotBound,
        proofs: &[Proof],
        rules: &TenantRules,
    ) -> Result<Self, StoreError> {
        let of = |wechat: bool| {
            proofs
                .iter()
                .find(|proof| matches!(proof.claim, Claim::Wechat(_)) == wechat)
        };
        Ok(match error {
            NotBound::WechatBound => of(true).map_or(Self::WechatBound(Field::Token), Self::taken),
            NotBound::PhoneTaken => Self::PhoneTaken,
            // Somebody else spent it a moment ago. Where dead tokens are passed over, the account it stood for is bound.
            NotBound::ProofSpent => match proofs.iter().find(|proof| proof.token.is_some()) {
                Some(proof) if !rules.settings.strict_tokens() => Self::taken(proof),
                Some(Proof {
                    claim: Claim::Phone(_),
                    ..
                }) => Self::MobileTokenRejected,
                _ => Self::TokenRejected,
            },
            NotBound::UserGone => {
                return Err(StoreError::Failed("the user to be bound is gone".into()));
            }
            NotBound::Store(error) => return Err(error),
        })
    }
}
