//! `GET /api/oauth/wechat` and `GET /api/oauth/wechat/user`, and the same for the open platform under `/pc`: login through
//! WeChat's own page (`docs/contract.md`, section 10.2).

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::enter::{enter, keep_proof, random_text};
use super::error::{LoginError, Unbound, UnboundKind};
use super::pc_scan;
use crate::domain::automatic_account::Way;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::identity::WechatIdentity;
use crate::domain::proof::{Claim, Proof, ProofScope};
use crate::provider::wechat::WechatApp;
use crate::registration::automatic::{Automatic, register_automatically};
use crate::registration::error::{ProofError, RegistrationError};
use crate::registration::proofs::read_payload;
use crate::session::authenticate::{Caller, authenticate};
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::users::User;
use crate::token::token_digest_hex;

/// Which of the tenant's apps a user comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebApp {
    /// The official account, inside WeChat's own browser.
    OfficialAccount,
    /// The open platform's web app: WeChat shows a picture to scan.
    OpenPlatform,
}

impl WebApp {
    fn of(self, rules: &TenantRules) -> Result<&WechatApp, LoginError> {
        let app = match self {
            Self::OfficialAccount => rules.accounts.official_account.as_ref(),
            Self::OpenPlatform => rules.accounts.open_platform.as_ref(),
        };
        app.ok_or_else(|| ProofError::NotOffered.into())
    }

    const fn scope(self) -> ProofScope {
        match self {
            Self::OfficialAccount => ProofScope::Wechat,
            Self::OpenPlatform => ProofScope::WechatWeb,
        }
    }
}

/// Where to send a browser so that its user can log in at WeChat, who sends it back to `redirect`.
///
/// # Errors
/// [`LoginError`].
pub async fn begin(
    tools: &Tools,
    rules: &TenantRules,
    by: WebApp,
    redirect: Option<&str>,
) -> Result<String, LoginError> {
    let app = by.of(rules)?;
    let redirect = way_back(rules, redirect)?;
    let state = random_text(tools)?;
    let payload = (by.scope().as_i16(), state.expose_secret());
    let session = keep_proof(tools, ProofScope::OauthState, &payload, None).await?;
    let mark = if redirect.contains('?') { '&' } else { '?' };
    let redirect = format!("{redirect}{mark}sessionId={}", session.expose_secret());
    let scan = by == WebApp::OpenPlatform;
    let state = state.expose_secret();
    Ok(tools.providers.authorize_url(app, scan, &redirect, state))
}

/// The page of the original's own front end that takes users back.
const USUAL_PAGE: &str = "/wx-sign-up-bd";

/// The page to come back to: one of the tenant's own sites, since it receives what logs the user in.
fn way_back(rules: &TenantRules, asked: Option<&str>) -> Result<String, LoginError> {
    let refused = |fault| LoginError::Invalid(vec![FieldFault::new(Field::Redirect, fault)]);
    let origins = &rules.settings.cors.origins;
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        let site = origins.first().ok_or_else(|| refused(Fault::Required))?;
        return Ok(format!("{site}{USUAL_PAGE}"));
    };
    if rules.settings.is_own_page(asked) {
        Ok(asked.to_owned())
    } else {
        Err(refused(Fault::Malformed))
    }
}

/// A user on the way back from WeChat.
#[derive(Debug)]
pub struct WayBack {
    /// `code`, from WeChat.
    pub code: Option<SecretString>,
    /// `sessionId`, from us.
    pub session_id: Option<SecretString>,
    /// `state`, from us by way of WeChat.
    pub state: Option<SecretString>,
    /// `register`: makes an account for a WeChat account that has none.
    pub register: bool,
    /// `inviteCode`, for such an account.
    pub invite_code: Option<String>,
    /// `rebind`: never logs in, but gives a token to bind another WeChat account with.
    pub rebind: bool,
    /// `session_token` of a picture on another screen, which is to be logged in as well.
    pub scanned: Option<SecretString>,
    /// Who asks.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
}

/// Logs in whom WeChat names.
///
/// # Errors
/// [`LoginError`].
pub async fn finish(
    tools: &Tools,
    rules: &TenantRules,
    by: WebApp,
    back: &WayBack,
) -> Result<Tokens, LoginError> {
    let caller = authenticate(tools, rules, back.access_token.as_ref()).await?;
    let app = by.of(rules)?;
    let code = check_state(tools, by, back).await?;
    let identity = tools
        .providers
        .wechat_user(app, code.expose_secret())
        .await
        .map_err(|error| ProofError::from_provider(error, Field::OauthCode))?;
    let outcome = log_in(tools, rules, by, back, caller, identity.clone()).await;
    if let Some(picture) = &back.scanned {
        pc_scan::tell(tools, picture, identity, &outcome).await?;
    }
    outcome
}

/// Spends `sessionId`; gives WeChat's code if `state` belongs to it.
async fn check_state<'a>(
    tools: &Tools,
    by: WebApp,
    back: &'a WayBack,
) -> Result<&'a SecretString, LoginError> {
    let mut faults = Vec::new();
    for (value, field) in [
        (&back.code, Field::OauthCode),
        (&back.session_id, Field::SessionId),
    ] {
        if value.is_none() {
            faults.push(FieldFault::new(field, Fault::Required));
        }
    }
    let (Some(code), Some(session_id)) = (&back.code, &back.session_id) else {
        return Err(LoginError::Invalid(faults));
    };
    let hash = token_digest_hex(session_id.expose_secret());
    let sent = tools
        .db
        .take_proof_token(&hash, ProofScope::OauthState)
        .await?;
    let sent = sent.ok_or(LoginError::StateRejected)?;
    let (scope, state): (i16, String) = read_payload(&sent)?;
    let came = back.state.as_ref().map(ExposeSecret::expose_secret);
    if scope == by.scope().as_i16() && came == Some(state.as_str()) {
        Ok(code)
    } else {
        Err(LoginError::StateRejected)
    }
}

async fn log_in(
    tools: &Tools,
    rules: &TenantRules,
    by: WebApp,
    back: &WayBack,
    caller: Option<Caller>,
    identity: WechatIdentity,
) -> Result<Tokens, LoginError> {
    if back.rebind {
        return Err(unbound(tools, by.scope(), UnboundKind::Rebind, identity).await?);
    }
    let owner = owner_of(tools, &identity).await?;
    match (owner, caller) {
        (Some(owner), Some(caller)) if owner.id != caller.user.id => {
            Err(ProofError::WechatBound(Field::OauthCode).into())
        }
        (Some(user), _) | (None, Some(Caller { user, .. })) => {
            let proofs = [Proof::fresh(Claim::Wechat(identity))];
            let entered = enter(tools, rules, user, back.requester, &proofs).await;
            entered.map_err(at_code)
        }
        (None, None) if back.register => {
            let nickname = identity.profile.nickname.clone();
            let automatic = Automatic {
                way: Way::OfficialAccount,
                nickname: Some(&nickname),
                invite_code: back.invite_code.as_deref(),
                proofs: vec![Proof::fresh(Claim::Wechat(identity))],
                requester: back.requester,
            };
            Ok(register_automatically(tools, rules, &automatic).await?)
        }
        (None, None) => {
            let kind = UnboundKind::OfficialAccount;
            Err(unbound(tools, by.scope(), kind, identity).await?)
        }
    }
}

/// What was bound came by `code` here, not by a mini program's `js_code`.
fn at_code(error: LoginError) -> LoginError {
    match error {
        LoginError::Registration(RegistrationError::Proof(ProofError::WechatBound(_))) => {
            ProofError::WechatBound(Field::OauthCode).into()
        }
        error => error,
    }
}

/// The account that a WeChat account is bound to.
pub(super) async fn owner_of(
    tools: &Tools,
    identity: &WechatIdentity,
) -> Result<Option<User>, LoginError> {
    match tools.db.find_wechat_owner(identity).await? {
        Some(owner) => Ok(tools.db.find_user(owner).await?),
        None => Ok(None),
    }
}

async fn unbound(
    tools: &Tools,
    scope: ProofScope,
    kind: UnboundKind,
    identity: WechatIdentity,
) -> Result<LoginError, LoginError> {
    let token = keep_proof(tools, scope, &identity, None).await?;
    Ok(LoginError::Unbound(Box::new(Unbound {
        kind,
        token: Some(token),
        profile: Some(identity.profile),
    })))
}
