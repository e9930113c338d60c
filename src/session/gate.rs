//! The gate: the one way to a token.
//!
//! Whoever wants tokens for a user, by password, code, WeChat or refresh token, must show an [`Admitted`], and there is
//! none without a look at the user's standing (`docs/threats.md`, row 96). Nothing else signs access tokens
//! (`architecture::only_the_gate_hands_out_tokens`).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::CallError;
use super::rules::TenantRules;
use super::tools::Tools;
use crate::domain::ids::SessionId;
use crate::domain::user_status::UserStatus;
use crate::store::sessions::NewSession;
use crate::store::users::User;
use crate::token::{AccessClaims, RefreshToken, sign_access_token, token_digest_hex};

/// A user whose standing lets them in.
#[derive(Debug)]
pub struct Admitted(User);

impl Admitted {
    /// Looks at the user's standing.
    ///
    /// # Errors
    /// [`CallError::AccountRefused`] unless it is normal.
    pub fn check(user: User) -> Result<Self, CallError> {
        match user.status {
            UserStatus::Normal => Ok(Self(user)),
            refused => Err(CallError::AccountRefused(refused)),
        }
    }
}

/// A user's tokens.
#[derive(Debug)]
pub struct Tokens {
    /// Whose they are.
    pub user: User,
    /// The user's name at all of one owner's WeChat apps, where the way in has told it.
    pub union_id: Option<String>,
    /// The signed access token.
    pub access_token: SecretString,
    /// Life of the access token.
    pub expires_in: Duration,
    /// The refresh token; only its hash is stored.
    pub refresh_token: SecretString,
}

/// A session about to be stored, and the refresh token that belongs to it.
#[derive(Debug)]
pub struct Opening {
    refresh: RefreshToken,
    stored: NewSession,
}

/// The generation of a session's first tokens.
pub const FIRST: i32 = 1;

impl Opening {
    /// A new session.
    ///
    /// # Errors
    /// [`CallError::Internal`] when there are no random bytes.
    pub fn draw(tools: &Tools, rules: &TenantRules) -> Result<Self, CallError> {
        let id = SessionId::from_random(tools.entropy.bytes()?);
        Self::of(id, tools, rules)
    }

    /// The next refresh token of a session.
    ///
    /// # Errors
    /// [`CallError::Internal`] when there are no random bytes.
    pub fn of(id: SessionId, tools: &Tools, rules: &TenantRules) -> Result<Self, CallError> {
        let refresh = RefreshToken::new(id, tools.entropy.bytes()?, &rules.secrets.refresh);
        let stored = NewSession {
            id,
            token_hash: token_digest_hex(refresh.plain().expose_secret()),
            expires_at: tools.clock.now().plus(rules.refresh_life()),
        };
        Ok(Self { refresh, stored })
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn stored(&self) -> &NewSession {
        &self.stored
    }

    /// The tokens of a session that is stored now.
    ///
    /// # Errors
    /// [`CallError::Internal`] when nothing can be signed.
    pub fn hand_out(
        self,
        tools: &Tools,
        rules: &TenantRules,
        admitted: Admitted,
        generation: i32,
    ) -> Result<Tokens, CallError> {
        let Admitted(user) = admitted;
        let now = tools.clock.now();
        let key = rules.keys.ring.signing(now).ok_or_else(|| {
            tracing::error!(tenant = %rules.key, "all signing keys are retired");
            CallError::Internal
        })?;
        // No token outlives the key that it is checked with.
        let exp = now.plus(rules.access_life());
        let exp = key.retires_at.map_or(exp, |end| exp.min(end));
        let claims = AccessClaims {
            iss: rules.issuer.clone(),
            aud: rules.key.as_str().to_owned(),
            sub: user.id,
            tid: rules.id,
            sid: self.stored.id,
            generation,
            jti: tools.entropy.bytes()?,
            iat: now,
            nbf: now,
            exp,
        };
        Ok(Tokens {
            user,
            union_id: None,
            access_token: sign_access_token(&key.signing, &claims)?,
            expires_in: exp.since(now),
            refresh_token: self.refresh.plain().clone(),
        })
    }
}
