//! `POST /api/refresh-token` and `POST /api/logout`: a session goes on, or ends (`docs/contract.md`, section 10.5).

use secrecy::{ExposeSecret, SecretString};

use super::authenticate::Caller;
use super::error::CallError;
use super::gate::{Admitted, Opening, Tokens};
use super::rules::TenantRules;
use super::tools::Tools;
use crate::store::error::StoreError;
use crate::store::sessions::Rotation;
use crate::token::{RefreshToken, token_digest_hex};

/// Why a session does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No refresh token came.
    #[error("the refresh token is missing")]
    Missing,
    /// The token is made up, expired, used before, or its session ended. One kind for all.
    #[error("the refresh token was rejected")]
    Rejected,
    /// The call is not served.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        CallError::from(error).into()
    }
}

/// Trades a refresh token for the session's next tokens. The old one is worthless afterwards; if it turns up again, the
/// session ends, unless nobody ever used what the trade brought: then its answer was lost, and the trade is made anew.
///
/// # Errors
/// [`RefreshError`].
pub async fn refresh(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<Tokens, RefreshError> {
    let token = token.ok_or(RefreshError::Missing)?;
    let id =
        RefreshToken::session_of(token, &rules.secrets.refresh).ok_or(RefreshError::Rejected)?;
    let session = tools.db.find_session(id).await?;
    let session = session.ok_or(RefreshError::Rejected)?;
    let admitted = Admitted::check(session.user)?;
    let next = Opening::of(id, tools, rules)?;
    let presented = token_digest_hex(token.expose_secret());
    match tools
        .db
        .rotate_session(id, &presented, next.stored())
        .await?
    {
        Rotation::Rotated { generation } | Rotation::LostAnswer { generation } => {
            Ok(next.hand_out(tools, rules, admitted, generation)?)
        }
        Rotation::Reused => {
            tracing::warn!(tenant = %rules.key, "a used refresh token came back; its session ends");
            Err(RefreshError::Rejected)
        }
        Rotation::Gone => Err(RefreshError::Rejected),
    }
}

/// Ends the caller's session: its access tokens and its refresh token stop working at once.
///
/// # Errors
/// [`CallError`] when the database fails.
pub async fn log_out(tools: &Tools, caller: &Caller) -> Result<(), CallError> {
    tools.db.end_session(caller.session).await?;
    Ok(())
}
