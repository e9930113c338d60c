//! `POST /api/oauth/wechat/miniprogram` and `POST /api/mobile/bind/miniprogram` (`docs/contract.md`, section 10.4).

use std::net::SocketAddr;

use secrecy::SecretString;

use super::enter::{Account, enter, get_account, not_bound};
use super::error::{LoginError, Unbound, UnboundKind};
use super::wechat::owner_of;
use crate::domain::automatic_account::Way;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::{Claim, Proof};
use crate::domain::registration::Offered;
use crate::registration::automatic::{Automatic, register_automatically};
use crate::registration::error::ProofError;
use crate::registration::proofs::ask_mini_program;
use crate::session::authenticate::{Caller, authenticate, require};
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;

/// A call of a mini program.
#[derive(Debug)]
pub struct MiniProgramCall {
    /// The triple, and `rebind`.
    pub offered: Offered,
    /// Which parts of the triple are missing, and attributes of a wrong type.
    pub faults: Vec<FieldFault>,
    /// `register`: makes an account for a WeChat account that has none.
    pub register: bool,
    /// `code`, the invite code for such an account.
    pub invite_code: Option<String>,
    /// Who asks.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
}

/// Logs in whom WeChat names.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in(
    tools: &Tools,
    rules: &TenantRules,
    call: &MiniProgramCall,
) -> Result<Tokens, LoginError> {
    let caller = authenticate(tools, rules, call.access_token.as_ref()).await?;
    let identity = match &call.offered.mini_program {
        Some(code) if call.faults.is_empty() => ask_mini_program(tools, rules, code).await?.0,
        _ => return Err(LoginError::Invalid(call.faults.clone())),
    };
    let owner = owner_of(tools, &identity).await?;
    let nickname = identity.profile.nickname.clone();
    let profile = identity.profile.clone();
    let mut proof = Proof::fresh(Claim::Wechat(identity));
    match (owner, caller) {
        (Some(owner), Some(Caller { user, .. })) if owner.id != user.id => {
            if !call.offered.rebind {
                return Err(ProofError::taken(&proof).into());
            }
            proof.rebind = true;
            enter(tools, rules, user, call.requester, &[proof]).await
        }
        (Some(user), _) | (None, Some(Caller { user, .. })) => {
            proof.rebind = call.offered.rebind;
            enter(tools, rules, user, call.requester, &[proof]).await
        }
        (None, None) if call.register => {
            let automatic = Automatic {
                way: Way::MiniProgram,
                nickname: Some(&nickname),
                invite_code: call.invite_code.as_deref(),
                proofs: vec![proof],
                requester: call.requester,
            };
            Ok(register_automatically(tools, rules, &automatic).await?)
        }
        // The client asks WeChat for another code and comes back with it; nothing is kept here.
        (None, None) => Err(LoginError::Unbound(Box::new(Unbound {
            kind: UnboundKind::MiniProgram,
            token: None,
            profile: Some(profile),
        }))),
    }
}

/// Binds the phone number that WeChat knows of its user to the caller's account.
///
/// # Errors
/// [`LoginError`].
pub async fn bind_phone(
    tools: &Tools,
    rules: &TenantRules,
    call: &MiniProgramCall,
) -> Result<Account, LoginError> {
    let caller = require(tools, rules, call.access_token.as_ref()).await?;
    let (identity, phone) = match &call.offered.mini_program {
        Some(code) if call.faults.is_empty() => ask_mini_program(tools, rules, code).await?,
        _ => return Err(LoginError::Invalid(call.faults.clone())),
    };
    // The number is its owner's: of a WeChat account that is somebody else's, it proves nothing here.
    match tools.db.find_wechat_owner(&identity).await? {
        Some(owner) if owner != caller.user.id => {
            return Err(ProofError::WechatBound(Field::JsCode).into());
        }
        _ => {}
    }
    if caller.user.phone.is_some() {
        return Err(ProofError::HasPhone.into());
    }
    let phone = phone.ok_or(LoginError::NoWechatPhone)?;
    let phone = PhoneNumber::parse(&phone, &rules.settings.sms_rules.country_code)
        .ok_or(LoginError::NoWechatPhone)?;
    let proofs = [Proof::fresh(Claim::Phone(phone))];
    let bound = tools
        .db
        .bind_to(caller.user.id, call.requester, &proofs)
        .await;
    bound.map_err(|error| not_bound(error, &proofs, rules))?;
    get_account(tools, caller.user.id).await
}

/// The faults of a call that lacks a part of the triple.
#[must_use]
pub fn missing(fields: &[Field]) -> Vec<FieldFault> {
    fields
        .iter()
        .map(|field| FieldFault::new(*field, Fault::Required))
        .collect()
}
