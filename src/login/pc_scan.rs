//! Login on a screen by a picture that a phone scans: `GET /api/oauth/wechat/pc/qrcode` and
//! `GET /api/oauth/wechat/pc/login/{session_token}` (`docs/contract.md`, section 10.2).
//!
//! The picture holds the address of the site's own page with a token. The phone logs in there through the official
//! account and passes the token on; the screen asks for the outcome until there is one. The phone's outcome is kept as
//! the user's number, never as tokens: the screen gets its own session.

use std::net::SocketAddr;

use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::enter::{enter, get_user, keep_proof};
use super::error::{LoginError, Unbound, UnboundKind};
use crate::domain::identity::WechatIdentity;
use crate::domain::proof::ProofScope;
use crate::registration::error::ProofError;
use crate::registration::proofs::read_payload;
use crate::session::error::CallError;
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::token::token_digest_hex;

/// What the screen's token stands for so far.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum Scan {
    /// No phone came yet.
    #[default]
    Waiting,
    /// A phone logged in; the row names the user.
    LoggedIn,
    /// A phone came whose WeChat account is nobody's: the screen gets a token of its own to register with.
    Unbound { identity: WechatIdentity },
}

/// A picture to scan.
#[derive(Debug)]
pub struct Picture {
    /// Asks for the outcome.
    pub session_token: SecretString,
    /// An SVG image.
    pub svg: String,
}

/// The page of the original's own front end that a scanning phone opens.
const SCAN_PAGE: &str = "/pages/user/pc-login";

/// A picture for a screen.
///
/// # Errors
/// [`LoginError`]; the tenant needs an official account and a site of its own.
pub async fn picture(tools: &Tools, rules: &TenantRules) -> Result<Picture, LoginError> {
    let site = rules.settings.cors.origins.first();
    let site = site
        .filter(|_| rules.accounts.official_account.is_some())
        .ok_or(ProofError::NotOffered)?;
    let token = keep_proof(tools, ProofScope::PcLogin, &Scan::Waiting, None).await?;
    let address = format!("{site}{SCAN_PAGE}?session_token={}", token.expose_secret());
    let code = QrCode::new(address).map_err(|error| CallError::internal(&error))?;
    Ok(Picture {
        session_token: token,
        svg: code
            .render::<svg::Color<'_>>()
            .min_dimensions(240, 240)
            .build(),
    })
}

/// Tells the screen what its phone came to. A picture whose time is over is nobody's business any more.
pub(super) async fn tell(
    tools: &Tools,
    picture: &SecretString,
    identity: WechatIdentity,
    outcome: &Result<Tokens, LoginError>,
) -> Result<(), LoginError> {
    let (scan, user) = match outcome {
        Ok(tokens) => (Scan::LoggedIn, Some(tokens.user.id)),
        Err(LoginError::Unbound(_)) => (Scan::Unbound { identity }, None),
        Err(_) => return Ok(()),
    };
    let payload = serde_json::to_string(&scan).map_err(|error| CallError::internal(&error))?;
    let hash = token_digest_hex(picture.expose_secret());
    tools
        .db
        .update_proof_token(&hash, ProofScope::PcLogin, &payload, user)
        .await?;
    Ok(())
}

/// The outcome of a picture: logs the screen in once its phone is.
///
/// # Errors
/// [`LoginError::ScanWaiting`] until a phone came, [`LoginError::ScanOver`] when none will.
pub async fn outcome(
    tools: &Tools,
    rules: &TenantRules,
    session_token: &SecretString,
    requester: SocketAddr,
) -> Result<Tokens, LoginError> {
    let hash = token_digest_hex(session_token.expose_secret());
    let scopes = [ProofScope::PcLogin];
    let found = tools.db.find_proof_token(&hash, &scopes).await?;
    let found = found.ok_or(LoginError::ScanOver)?;
    let scan: Scan = read_payload(&found)?;
    if matches!(scan, Scan::Waiting) {
        return Err(LoginError::ScanWaiting);
    }
    // Whoever takes the row has the outcome; it is given out once.
    let taken = tools
        .db
        .take_proof_token(&hash, ProofScope::PcLogin)
        .await?;
    let taken = taken.ok_or(LoginError::ScanOver)?;
    match (scan, taken.user) {
        (Scan::Unbound { identity }, _) => {
            let token = keep_proof(tools, ProofScope::Wechat, &identity, None).await?;
            Err(LoginError::Unbound(Box::new(Unbound {
                kind: UnboundKind::OfficialAccount,
                token: Some(token),
                profile: Some(identity.profile),
            })))
        }
        (_, Some(user)) => {
            let user = get_user(tools, user).await?;
            enter(tools, rules, user, requester, &[]).await
        }
        (_, None) => Err(LoginError::ScanOver),
    }
}
