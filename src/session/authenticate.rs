//! Who calls: from an access token to a user of this tenant whose session lives.

use secrecy::{ExposeSecret, SecretString};

use super::error::CallError;
use super::rules::TenantRules;
use super::tools::Tools;
use crate::domain::ids::SessionId;
use crate::domain::user_status::UserStatus;
use crate::store::users::User;
use crate::token::Expected;

/// A user who is logged in.
#[derive(Debug)]
pub struct Caller {
    /// Who.
    pub user: User,
    /// By which session.
    pub session: SessionId,
}

/// The caller behind a token; `None` for a guest, who brings no token.
///
/// # Errors
/// [`CallError::TokenRejected`] for a token that is none of ours or whose session ended, on every route (contract section
/// 1); [`CallError::AccountRefused`] for a caller who may do nothing.
pub async fn authenticate(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<Option<Caller>, CallError> {
    let Some(token) = token else {
        return Ok(None);
    };
    let expected = Expected {
        iss: &rules.issuer,
        aud: rules.key.as_str(),
        tid: rules.id,
    };
    let keys = &rules.keys;
    let told = keys
        .known
        .verify(
            keys.ring.verifying(),
            token.expose_secret(),
            &expected,
            tools.clock.now(),
        )
        .map_err(|_| CallError::TokenRejected)?;
    let session = tools.db.find_session(told.session).await?;
    let session = session
        .filter(|session| session.user.id == told.user_id)
        // An answer that was lost took this generation with it: who has its token is not who refreshed since.
        .filter(|session| session.skipped_generation < Some(told.generation))
        .filter(|session| told.generation <= session.generation)
        .ok_or(CallError::TokenRejected)?;
    if session.user.status != UserStatus::Normal {
        return Err(CallError::AccountRefused(session.user.status));
    }
    if !session.confirmed && told.generation == session.generation {
        // From now on the answer that brought this token is known to have arrived.
        tools
            .db
            .confirm_session(told.session, told.generation)
            .await?;
    }
    Ok(Some(Caller {
        user: session.user,
        session: told.session,
    }))
}

/// The caller behind a token, where the call needs one.
///
/// # Errors
/// [`CallError::NotAuthenticated`] for a guest, and whatever [`authenticate`] says.
pub async fn require(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<Caller, CallError> {
    authenticate(tools, rules, token)
        .await?
        .ok_or(CallError::NotAuthenticated)
}
