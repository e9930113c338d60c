//! One registration, in order: token, open, room in the hash queue, invite, words, fields, name, captcha, proofs, hash,
//! one transaction, answer.
//!
//! The order of refusals is the contract's (section 2.5); the order of work is ours: whatever is cheap and refuses comes
//! before the hash, and the hash comes before the transaction.
//!
//! Steps that only some take, or that come after the hash, are boxed: hundreds wait for a hash at one time, each in a
//! future as large as its largest step.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::error::RegistrationError;
use super::fingerprint::fingerprint;
use super::policy::{self, Accepted, Judged};
use super::{account, captcha, invitation, proofs};
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::registration::Registration;
use crate::domain::user_status::UserStatus;
use crate::hashing::{PasswordHash, Purpose};
use crate::session::authenticate::authenticate;
use crate::session::error::CallError;
use crate::session::gate::{self, Admitted, Opening, Tokens};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::saved_answers::{NewSavedAnswer, SavedAnswer};

/// One call of `POST /api/register`.
#[derive(Debug)]
pub struct RegistrationRequest {
    /// The parsed body.
    pub registration: Registration,
    /// Who asks, as far as trusted proxies tell.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
    /// SHA-256 of an `Idempotency-Key`, in hexadecimal.
    pub idempotency_key: Option<String>,
    /// When an answer comes too late.
    pub deadline: Instant,
}

/// How long the outcome of a request with an `Idempotency-Key` is kept.
const ANSWER_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Registers a user. `invite_is_dead` is the hint that this code was refused a moment ago.
///
/// # Errors
/// [`RegistrationError`]; only [`RegistrationError::AwaitsApproval`] leaves an account behind.
pub async fn register(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    invite_is_dead: bool,
) -> Result<Tokens, RegistrationError> {
    // A token that came along must be good, and its bearer must be allowed to act (contract section 1, middleware order).
    if request.access_token.is_some() {
        Box::pin(authenticate(tools, rules, request.access_token.as_ref())).await?;
    }
    if let Some(key_hash) = &request.idempotency_key
        && let Some(saved) = Box::pin(tools.db.find_saved_answer(key_hash)).await?
    {
        return Box::pin(answer_again(tools, rules, request, &saved)).await;
    }
    let outcome = register_anew(tools, rules, request, invite_is_dead).await;
    // Another process may have answered the same request meanwhile: name, invite and proofs are gone because of it.
    if let (Err(error), Some(key_hash)) = (&outcome, &request.idempotency_key)
        && error.may_be_of_a_twin()
        && let Some(saved) = Box::pin(tools.db.find_saved_answer(key_hash)).await?
    {
        return Box::pin(answer_again(tools, rules, request, &saved)).await;
    }
    outcome
}

/// A request that nobody has answered yet.
async fn register_anew(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    invite_is_dead: bool,
) -> Result<Tokens, RegistrationError> {
    let registration = &request.registration;
    if !rules.settings.registration.open {
        return Err(RegistrationError::Closed);
    }
    if registration.password.is_some() {
        // Work for a password that would be refused is taken from those that are hashed.
        let customer = rules.customer(Purpose::Registration);
        let room = tools.hashing.foresee(&customer, request.deadline);
        room.map_err(CallError::from)?;
    }
    let code = registration.invite_code.as_deref();
    let invitation = Box::pin(invitation::find(tools, rules, code, invite_is_dead)).await?;
    let verdict = policy::judge_words_and_reason(registration, rules)?;
    let accepted = match policy::judge_fields(registration, rules, verdict) {
        Judged::Accepted(accepted) => accepted,
        Judged::Faulty {
            mut faults,
            username,
        } => {
            if let Some(name) = username
                && tools.db.name_is_taken(&name).await?
            {
                faults.insert(0, FieldFault::new(Field::Username, Fault::Taken));
            }
            return Err(RegistrationError::Invalid(faults));
        }
    };
    if tools.db.name_is_taken(&accepted.username).await? {
        return Err(RegistrationError::name_taken());
    }
    if rules.settings.captcha_on_register() {
        let address = request.requester.ip();
        Box::pin(captcha::check(tools, rules, &registration.captcha, address)).await?;
    }
    let proofs = Box::pin(proofs::gather(tools, rules, &registration.offered, None)).await?;
    let hash = hash_password(tools, rules, request, &accepted).await?;
    let saved = request
        .idempotency_key
        .as_ref()
        .map(|key_hash| NewSavedAnswer {
            key_hash: key_hash.clone(),
            fingerprint: fingerprint(registration, &rules.secrets.fingerprint),
            expires_at: tools.clock.now().plus(ANSWER_LIFE),
        });
    let new = account::New {
        username: &accepted.username,
        password_hash: hash.as_ref().map(PasswordHash::as_str),
        pending: accepted.pending,
        reason: accepted.reason.as_ref(),
        requester: request.requester,
        invitation,
        proofs: &proofs,
        answer: saved.as_ref(),
    };
    Box::pin(account::make(tools, rules, &new)).await
}

async fn hash_password(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    accepted: &Accepted,
) -> Result<Option<PasswordHash>, CallError> {
    let Some(password) = &accepted.password else {
        return Ok(None);
    };
    let secret = password.secret().clone();
    let hash = tools.hashing.hash(
        rules.customer(Purpose::Registration),
        secret,
        request.deadline,
    );
    Ok(Some(hash.await?))
}

/// The retry of an answered request: the same account, and tokens made anew, since none is ever stored.
async fn answer_again(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    saved: &SavedAnswer,
) -> Result<Tokens, RegistrationError> {
    if saved.fingerprint != fingerprint(&request.registration, &rules.secrets.fingerprint) {
        return Err(RegistrationError::SameKeyOtherBody);
    }
    let user = tools.db.find_user(saved.user).await?;
    let user = user.ok_or(RegistrationError::SameKeyOtherBody)?;
    if user.status == UserStatus::Pending {
        return Err(RegistrationError::AwaitsApproval);
    }
    let id = user.id;
    let admitted = Admitted::check(user)?;
    let opening = Opening::draw(tools, rules)?;
    tools.db.create_session(id, opening.stored()).await?;
    Ok(opening.hand_out(tools, rules, admitted, gate::FIRST)?)
}
