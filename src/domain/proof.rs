//! Proofs: what stands behind `token` and `mobileToken` (`docs/contract.md`, section 7).

use std::time::Duration;

use super::identity::WechatIdentity;
use super::phone_number::PhoneNumber;

/// What a stored proof token is good for; good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum ProofScope {
    /// The way back from WeChat's login page (`sessionId`): its payload is the `state` that was sent along.
    OauthState = 1,
    /// A WeChat account of the official account, proven and not bound.
    Wechat = 2,
    /// A WeChat account of the open platform's web app, proven and not bound.
    WechatWeb = 3,
    /// A phone number, proven by a code.
    Mobile = 4,
    /// A login by a picture that a phone scans.
    PcLogin = 5,
    /// A user who showed a moment ago that the account's phone number is at hand, and may give it another one.
    PhoneShown = 6,
}

impl ProofScope {
    /// The stored number.
    #[must_use]
    pub const fn as_i16(self) -> i16 {
        self as i16
    }

    /// How long a token of this scope is good.
    #[must_use]
    pub const fn life(self) -> Duration {
        match self {
            Self::Mobile => Duration::from_secs(3600),
            Self::PhoneShown => Duration::from_secs(600),
            Self::OauthState | Self::Wechat | Self::WechatWeb | Self::PcLogin => {
                Duration::from_secs(300)
            }
        }
    }

    /// From the stored number; `None` for a number this version does not know.
    #[must_use]
    pub const fn from_i16(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::OauthState),
            2 => Some(Self::Wechat),
            3 => Some(Self::WechatWeb),
            4 => Some(Self::Mobile),
            5 => Some(Self::PcLogin),
            6 => Some(Self::PhoneShown),
            _ => None,
        }
    }
}

/// Something a user has shown to be theirs, to be bound to an account in the account's own transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What was shown.
    pub claim: Claim,
    /// SHA-256 in hexadecimal and scope of the stored token that stands for it, spent in the same transaction; `None`
    /// where WeChat itself was asked just now.
    pub token: Option<(String, ProofScope)>,
    /// Takes a WeChat account from its present owner (`docs/contract.md`, section 9).
    pub rebind: bool,
}

impl Proof {
    /// A proof that rests on what was asked just now, not on a stored token.
    #[must_use]
    pub fn fresh(claim: Claim) -> Self {
        Self {
            claim,
            token: None,
            rebind: false,
        }
    }

    /// The WeChat person it shows, where WeChat tells one.
    #[must_use]
    pub fn union_id(&self) -> Option<&str> {
        match &self.claim {
            Claim::Wechat(identity) => identity.union_id.as_deref(),
            Claim::Phone(_) => None,
        }
    }

    /// Whether it shows a phone number.
    #[must_use]
    pub fn is_phone(&self) -> bool {
        matches!(self.claim, Claim::Phone(_))
    }
}

/// What a proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This WeChat account is the user's.
    Wechat(WechatIdentity),
    /// This phone number is the user's.
    Phone(PhoneNumber),
}

/// What an SMS code is for (`type` of `docs/contract.md`, section 10.3). A code for one purpose opens no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum SmsPurpose {
    /// Log in, or register by phone.
    Login = 1,
    /// Give the account its first number.
    Bind = 2,
    /// Give the account another number.
    Rebind = 3,
    /// Set a new password.
    ResetPassword = 4,
    /// Show that the account's number is still at hand.
    Verify = 5,
}

impl SmsPurpose {
    /// The stored number.
    #[must_use]
    pub const fn as_i16(self) -> i16 {
        self as i16
    }

    /// By the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "login" => Some(Self::Login),
            "bind" => Some(Self::Bind),
            "rebind" => Some(Self::Rebind),
            "reset_pwd" => Some(Self::ResetPassword),
            "verify" => Some(Self::Verify),
            _ => None,
        }
    }
}
