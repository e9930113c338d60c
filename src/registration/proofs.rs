//! Turns what a client offers (`token`, `mobileToken`, the mini program's triple) into proofs that an account can be
//! bound to (`docs/contract.md`, sections 7 to 9).
//!
//! Nothing is spent here: a stored token goes in the account's own transaction. Only WeChat's `js_code` is used up by
//! asking; so it is asked last, after everything that can refuse without it.

use secrecy::{ExposeSecret, SecretString};

use super::error::{ProofError, RegistrationError};
use crate::domain::fault::Field;
use crate::domain::identity::WechatIdentity;
use crate::domain::ids::UserId;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::{Claim, Proof, ProofScope};
use crate::domain::registration::{MiniProgramCode, Offered};
use crate::domain::tenant_settings::RegistrationMethod;
use crate::provider::mini_program::open_user_data;
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::proof_tokens::ProofToken;
use crate::token::token_digest_hex;

/// For how long a `js_code` is remembered as used; WeChat's own life of one is five minutes.
const JS_CODE_MEMORY: std::time::Duration = std::time::Duration::from_secs(600);

/// Checks everything that is offered, the cheap before the dear. `bearer` is the user it is to be bound to, who may have
/// it already; `None` for a new account.
///
/// # Errors
/// [`RegistrationError::Proof`]; unknown and used tokens are passed over where the tenant is lenient (contract section
/// 2.1).
pub async fn gather(
    tools: &Tools,
    rules: &TenantRules,
    offered: &Offered,
    bearer: Option<UserId>,
) -> Result<Vec<Proof>, RegistrationError> {
    let mut proofs = Vec::new();
    if let Some(token) = &offered.token {
        let scopes = [ProofScope::Wechat, ProofScope::WechatWeb];
        match stored(tools, token, &scopes).await? {
            Some((hash, found)) => {
                let identity: WechatIdentity = read_payload(&found)?;
                let proof = Proof {
                    claim: Claim::Wechat(identity),
                    token: Some((hash, found.scope)),
                    rebind: offered.rebind,
                };
                check_free(tools, &proof, bearer).await?;
                proofs.push(proof);
            }
            None if rules.settings.strict_tokens() => return Err(ProofError::TokenRejected.into()),
            None => {}
        }
    }
    if let Some(token) = &offered.mobile_token {
        match stored(tools, token, &[ProofScope::Mobile]).await? {
            Some((hash, found)) => {
                let phone: String = read_payload(&found)?;
                let phone = PhoneNumber::from_e164(&phone).ok_or(CallError::Internal)?;
                let proof = Proof {
                    claim: Claim::Phone(phone),
                    token: Some((hash, ProofScope::Mobile)),
                    rebind: false,
                };
                check_free(tools, &proof, bearer).await?;
                proofs.push(proof);
            }
            None if rules.settings.strict_tokens() => {
                return Err(ProofError::MobileTokenRejected.into());
            }
            None => {}
        }
    }
    if let Some(code) = &offered.mini_program {
        let (identity, _) = ask_mini_program(tools, rules, code).await?;
        let proof = Proof {
            claim: Claim::Wechat(identity),
            token: None,
            rebind: offered.rebind,
        };
        match check_free(tools, &proof, bearer).await {
            Ok(()) => proofs.push(proof),
            // Where everybody comes through WeChat, an owned account stays with its owner, and the new one without it
            // (contract section 8).
            Err(RegistrationError::Proof(ProofError::WechatBound(_)))
                if rules.settings.registration.method == RegistrationMethod::Wechat => {}
            Err(error) => return Err(error),
        }
    }
    Ok(proofs)
}

/// A stored token by its text, with its hash.
async fn stored(
    tools: &Tools,
    token: &SecretString,
    scopes: &[ProofScope],
) -> Result<Option<(String, ProofToken)>, RegistrationError> {
    let hash = token_digest_hex(token.expose_secret());
    let found = tools.db.find_proof_token(&hash, scopes).await?;
    Ok(found.map(|found| (hash, found)))
}

/// What a token of ours stands for.
///
/// # Errors
/// [`CallError::Internal`] when the payload is none that this version wrote.
pub fn read_payload<T: serde::de::DeserializeOwned>(token: &ProofToken) -> Result<T, CallError> {
    serde_json::from_str(&token.payload).map_err(|error| CallError::internal(&error))
}

/// Who a mini program's user is, as WeChat itself says, and the phone number in the sealed data if there is one. The
/// sealed data decides nothing: it must belong to whom WeChat names.
///
/// # Errors
/// [`RegistrationError::Proof`] and [`RegistrationError::Call`].
pub async fn ask_mini_program(
    tools: &Tools,
    rules: &TenantRules,
    code: &MiniProgramCode,
) -> Result<(WechatIdentity, Option<String>), RegistrationError> {
    let app = rules.accounts.mini_program.as_ref();
    let app = app.ok_or(ProofError::NotOffered)?;
    let now = tools.clock.now();
    let js_code = code.js_code.expose_secret();
    // WeChat takes a code once; this makes it once for all who race for it, whatever WeChat does.
    let seen = token_digest_hex(&format!("{}:{js_code}", app.app_id));
    if !tools.db.claim_code(&seen, now.plus(JS_CODE_MEMORY)).await? {
        return Err(ProofError::CodeUsed.into());
    }
    let session = tools.providers.code_to_session(app, js_code).await;
    let session = session.map_err(|error| ProofError::from_provider(error, Field::JsCode))?;
    let data = open_user_data(
        &session.session_key,
        &code.iv,
        &code.encrypted_data,
        &app.app_id,
        &session.open_id,
        session.union_id.as_deref(),
        now,
    )
    .map_err(|_| ProofError::Undecipherable)?;
    let identity = WechatIdentity {
        app_id: app.app_id.clone(),
        open_id: session.open_id,
        // Never the one in the sealed data: nothing vouches for it.
        union_id: session.union_id,
        profile: data.profile,
    };
    Ok((identity, data.phone))
}

/// Whether nobody else has what the proof shows. A hint: the transaction's indexes decide.
async fn check_free(
    tools: &Tools,
    proof: &Proof,
    bearer: Option<UserId>,
) -> Result<(), RegistrationError> {
    let owner = match &proof.claim {
        Claim::Wechat(_) if proof.rebind => None,
        Claim::Wechat(identity) => tools.db.find_wechat_owner(identity).await?,
        Claim::Phone(phone) => tools
            .db
            .find_user_by_phone(phone)
            .await?
            .map(|user| user.id),
    };
    match owner {
        Some(owner) if Some(owner) != bearer => Err(ProofError::taken(proof).into()),
        _ => Ok(()),
    }
}
