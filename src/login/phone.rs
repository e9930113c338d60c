//! `POST /api/sms/verify`: a code that came to a phone, and what it opens (`docs/contract.md`, section 10.3).

use std::net::SocketAddr;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use super::enter::{Account, enter, get_account, keep_proof, not_bound};
use super::error::{LoginError, Unbound, UnboundKind};
use super::sms::{code_hash, fault, read_phone, read_purpose};
use crate::domain::automatic_account::Way;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::ids::UserId;
use crate::domain::password::Password;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::{Claim, Proof, ProofScope, SmsPurpose};
use crate::domain::registration::Offered;
use crate::hashing::Purpose;
use crate::registration::automatic::{Automatic, register_automatically};
use crate::registration::error::ProofError;
use crate::registration::proofs;
use crate::session::authenticate::{Caller, authenticate};
use crate::session::error::CallError;
use crate::session::gate::{Admitted, Tokens};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::proof_tokens::NewProofToken;
use crate::store::sms_codes::CodeJudged;
use crate::telemetry::usage::Counter;
use crate::token::token_digest_hex;

/// One call of `POST /api/sms/verify`.
#[derive(Debug)]
pub struct CheckCode {
    /// `mobile`
    pub phone: Option<String>,
    /// `code`
    pub code: Option<String>,
    /// `type`
    pub purpose: Option<String>,
    /// `register`: makes an account if the number has none.
    pub register: bool,
    /// `inviteCode`, for such an account.
    pub invite_code: Option<String>,
    /// What is to be bound to the account besides.
    pub offered: Offered,
    /// `password`, the new one.
    pub password: Option<SecretString>,
    /// Attributes of a wrong type.
    pub faults: Vec<FieldFault>,
    /// Who asks.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
    /// When an answer comes too late.
    pub deadline: Instant,
}

/// What a right code came to.
#[derive(Debug)]
pub enum Opened {
    /// The user is logged in.
    Tokens(Box<Tokens>),
    /// The user's account, as it is now.
    Account(Box<Account>),
}

/// Checks a code and does what it is for.
///
/// # Errors
/// [`LoginError`]; a code that was right is spent, whatever follows.
pub async fn check_code(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
) -> Result<Opened, LoginError> {
    let caller = authenticate(tools, rules, request.access_token.as_ref()).await?;
    if !request.faults.is_empty() {
        return Err(LoginError::Invalid(request.faults.clone()));
    }
    let purpose = read_purpose(request.purpose.as_deref(), Field::SmsCheckedType)?;
    let caller = match (purpose, caller) {
        (SmsPurpose::Login | SmsPurpose::ResetPassword, _) => None,
        (_, Some(caller)) => Some(caller),
        (_, None) => return Err(CallError::NotAuthenticated.into()),
    };
    let phone = match (&caller, purpose) {
        (Some(caller), SmsPurpose::Verify) => own_phone(caller)?,
        _ => read_phone(request.phone.as_deref(), rules)?,
    };
    let code = request.code.as_deref().filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| fault(Field::SmsCode, Fault::Required))?;
    let password = match purpose {
        SmsPurpose::ResetPassword => Some(read_password(request, rules)?),
        _ => None,
    };
    judge(tools, rules, &phone, purpose, code).await?;
    match (purpose, caller) {
        (SmsPurpose::Bind, Some(caller)) => bind(tools, rules, request, &caller, phone).await,
        (SmsPurpose::Rebind, Some(caller)) => rebind(tools, rules, request, &caller, phone).await,
        (SmsPurpose::Verify, Some(caller)) => show(tools, caller).await,
        (SmsPurpose::ResetPassword, _) => {
            reset_password(tools, rules, request, &phone, password).await
        }
        _ => log_in(tools, rules, request, phone).await,
    }
}

fn own_phone(caller: &Caller) -> Result<PhoneNumber, LoginError> {
    let phone = caller.user.phone.clone();
    phone.ok_or_else(|| fault(Field::Mobile, Fault::Unknown))
}

async fn judge(
    tools: &Tools,
    rules: &TenantRules,
    phone: &PhoneNumber,
    purpose: SmsPurpose,
    code: &str,
) -> Result<(), LoginError> {
    let hash = code_hash(rules, phone, purpose, code);
    let tries = i32::try_from(rules.settings.sms_rules.tries).unwrap_or(i32::MAX);
    match tools
        .db
        .judge_sms_code(phone, purpose, &hash, tries)
        .await?
    {
        CodeJudged::Right => Ok(()),
        CodeJudged::Wrong | CodeJudged::Dead => {
            tools.count(Counter::FailedLogins);
            Err(LoginError::SmsCodeRejected)
        }
    }
}

/// Into the number's account, a new one, or nowhere yet.
async fn log_in(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
    phone: PhoneNumber,
) -> Result<Opened, LoginError> {
    if let Some(user) = tools.db.find_user_by_phone(&phone).await? {
        Admitted::check(user.clone())?;
        let proofs = proofs::gather(tools, rules, &request.offered, Some(user.id)).await?;
        let tokens = enter(tools, rules, user, request.requester, &proofs).await?;
        return Ok(Opened::Tokens(Box::new(tokens)));
    }
    if !request.register {
        let token = keep_proof(tools, ProofScope::Mobile, &phone.as_e164(), None).await?;
        return Err(LoginError::Unbound(Box::new(Unbound {
            kind: UnboundKind::Phone,
            token: Some(token),
            profile: None,
        })));
    }
    let mut proofs = proofs::gather(tools, rules, &request.offered, None).await?;
    proofs.push(Proof::fresh(Claim::Phone(phone)));
    let automatic = Automatic {
        way: Way::Phone,
        nickname: None,
        invite_code: request.invite_code.as_deref(),
        proofs,
        requester: request.requester,
    };
    let tokens = register_automatically(tools, rules, &automatic).await?;
    Ok(Opened::Tokens(Box::new(tokens)))
}

async fn bind(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
    caller: &Caller,
    phone: PhoneNumber,
) -> Result<Opened, LoginError> {
    if caller.user.phone.is_some() {
        return Err(ProofError::HasPhone.into());
    }
    give_phone(tools, rules, request, caller, phone).await
}

/// Another number for the account: only after its present one was shown to be at hand.
async fn rebind(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
    caller: &Caller,
    phone: PhoneNumber,
) -> Result<Opened, LoginError> {
    if caller.user.phone.is_some() {
        let shown = tools
            .db
            .take_proof_token(&shown_hash(caller), ProofScope::PhoneShown)
            .await?;
        if shown.is_none() {
            return Err(fault(Field::Mobile, Fault::PresentPhoneNotShown));
        }
    }
    give_phone(tools, rules, request, caller, phone).await
}

async fn give_phone(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
    caller: &Caller,
    phone: PhoneNumber,
) -> Result<Opened, LoginError> {
    let proofs = [Proof::fresh(Claim::Phone(phone))];
    let bound = tools
        .db
        .bind_to(caller.user.id, request.requester, &proofs)
        .await;
    bound.map_err(|error| not_bound(error, &proofs, rules))?;
    opened(tools, caller.user.id).await
}

/// The account's number is at hand: for a while its user may give it another one.
async fn show(tools: &Tools, caller: Caller) -> Result<Opened, LoginError> {
    let hash = shown_hash(&caller);
    // Shown twice counts from the second time.
    let scope = ProofScope::PhoneShown;
    tools.db.take_proof_token(&hash, scope).await?;
    let new = NewProofToken {
        hash,
        scope: ProofScope::PhoneShown,
        payload: "null".to_owned(),
        user: Some(caller.user.id),
        expires_at: tools.clock.now().plus(ProofScope::PhoneShown.life()),
    };
    tools.db.create_proof_token(&new).await?;
    opened(tools, caller.user.id).await
}

/// Stands for a session that has shown its user's number; no client ever holds its text.
fn shown_hash(caller: &Caller) -> String {
    token_digest_hex(&format!("phone-shown:{}", caller.session))
}

async fn reset_password(
    tools: &Tools,
    rules: &TenantRules,
    request: &CheckCode,
    phone: &PhoneNumber,
    password: Option<Password>,
) -> Result<Opened, LoginError> {
    let user = tools.db.find_user_by_phone(phone).await?;
    let (Some(user), Some(password)) = (user, password) else {
        return Err(fault(Field::Mobile, Fault::Unknown));
    };
    Admitted::check(user.clone())?;
    let hash = tools
        .hashing
        .hash(
            rules.customer(Purpose::Registration),
            password.secret().clone(),
            request.deadline,
        )
        .await
        .map_err(CallError::from)?;
    tools
        .db
        .reset_password(user.id, hash.as_str(), request.requester)
        .await?;
    opened(tools, user.id).await
}

async fn opened(tools: &Tools, user: UserId) -> Result<Opened, LoginError> {
    let account = get_account(tools, user).await?;
    Ok(Opened::Account(Box::new(account)))
}

fn read_password(request: &CheckCode, rules: &TenantRules) -> Result<Password, LoginError> {
    let raw = request.password.as_ref();
    let raw = raw.filter(|raw| !raw.expose_secret().is_empty());
    let raw = raw.ok_or_else(|| fault(Field::Password, Fault::Required))?;
    Password::parse(raw, &rules.settings, &[rules.key.as_str()]).map_err(|faults| {
        let at = |fault| FieldFault::new(Field::Password, fault);
        LoginError::Invalid(faults.into_iter().map(at).collect())
    })
}
