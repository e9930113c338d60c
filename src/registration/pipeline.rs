//! One registration, in order: token, open, invite, words, fields, name, hash, one transaction, answer.
//!
//! The order of refusals is the contract's (section 2.5); the order of work is ours: whatever is cheap and refuses comes
//! before the hash, and the hash comes before the transaction.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::error::RegistrationError;
use super::fingerprint::fingerprint;
use super::policy::{self, Accepted, Judged};
use super::rules::TenantRules;
use crate::clock::{Clock, Entropy};
use crate::domain::dialect::Dialect;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::invite_code::InviteCode;
use crate::domain::registration::Registration;
use crate::domain::user_status::UserStatus;
use crate::hashing::{HashPool, HashRefusal, PasswordHash};
use crate::store::error::StoreError;
use crate::store::invite_codes::InviteState;
use crate::store::registration::{Invitation, NewAccount, NotMade};
use crate::store::saved_answers::{NewSavedAnswer, SavedAnswer};
use crate::store::sessions::NewSession;
use crate::store::tenant_db::TenantDb;
use crate::store::users::User;
use crate::token::issue::{AccessClaims, sign_access_token};
use crate::token::refresh::{RefreshToken, token_digest_hex};
use crate::token::verify::{Expected, verify_access_token};

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

/// A new account and its first tokens.
#[derive(Debug)]
pub struct Registered {
    /// The account as stored.
    pub user: User,
    /// The signed access token.
    pub access_token: SecretString,
    /// Life of the access token.
    pub expires_in: Duration,
    /// The refresh token; only its hash is stored.
    pub refresh_token: SecretString,
}

/// What the pipeline works with, besides the tenant's rules.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The tenant's rows.
    pub db: TenantDb,
    /// Password hashes.
    pub hashing: HashPool,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
}

/// After how long a caller may try again when a database does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long the outcome of a request with an `Idempotency-Key` is kept.
const ANSWER_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The group of ordinary members.
const DEFAULT_GROUP: i32 = 10;

/// Registers a user. `invite_is_dead` is the hint that this code was refused a moment ago.
///
/// # Errors
/// [`RegistrationError`]; only [`RegistrationError::AwaitsApproval`] leaves an account behind.
pub async fn register(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    invite_is_dead: bool,
) -> Result<Registered, RegistrationError> {
    check_access_token(tools, rules, request).await?;
    if let Some(key_hash) = &request.idempotency_key
        && let Some(saved) = tools.db.find_saved_answer(key_hash).await.map_err(failed)?
    {
        return answer_again(tools, rules, request, &saved).await;
    }
    let outcome = register_anew(tools, rules, request, invite_is_dead).await;
    // Another process may have answered the same request meanwhile: the name and the invite are gone because of it.
    if let (Err(RegistrationError::Invalid(_) | RegistrationError::InviteRejected), Some(key_hash)) =
        (&outcome, &request.idempotency_key)
        && let Some(saved) = tools.db.find_saved_answer(key_hash).await.map_err(failed)?
    {
        return answer_again(tools, rules, request, &saved).await;
    }
    outcome
}

/// A request that nobody has answered yet.
async fn register_anew(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    invite_is_dead: bool,
) -> Result<Registered, RegistrationError> {
    if !rules.settings.registration.open {
        return Err(RegistrationError::Closed);
    }
    let invitation = find_invitation(tools, rules, &request.registration, invite_is_dead).await?;
    let verdict = policy::judge_words_and_reason(&request.registration, rules)?;
    let accepted = match policy::judge_fields(&request.registration, rules, verdict) {
        Judged::Accepted(accepted) => accepted,
        Judged::Faulty {
            mut faults,
            username,
        } => {
            if let Some(name) = username
                && tools.db.name_is_taken(&name).await.map_err(failed)?
            {
                faults.insert(0, FieldFault::new(Field::Username, Fault::Taken));
            }
            return Err(RegistrationError::Invalid(faults));
        }
    };
    if tools
        .db
        .name_is_taken(&accepted.username)
        .await
        .map_err(failed)?
    {
        return Err(taken());
    }
    let hash = hash_password(tools, rules, request, &accepted).await?;
    make_account(tools, rules, request, &accepted, invitation, hash.as_ref()).await
}

/// A token that came along must be good, and its bearer must be allowed to act (contract section 1, middleware order).
async fn check_access_token(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
) -> Result<(), RegistrationError> {
    let Some(token) = &request.access_token else {
        return Ok(());
    };
    let expected = Expected {
        iss: &rules.issuer,
        aud: rules.key.as_str(),
        tid: rules.id,
    };
    let verified = verify_access_token(
        &rules.keys.verifying,
        token.expose_secret(),
        &expected,
        tools.clock.now(),
    )
    .map_err(|_| RegistrationError::TokenRejected)?;
    // A user that is gone leaves the caller a guest.
    match tools.db.find_user(verified.user_id).await.map_err(failed)? {
        Some(user) if user.status != UserStatus::Normal => {
            Err(RegistrationError::AccountRefused(user.status))
        }
        _ => Ok(()),
    }
}

/// Contract section 6: what the code brings, or why it is refused.
async fn find_invitation(
    tools: &Tools,
    rules: &TenantRules,
    registration: &Registration,
    invite_is_dead: bool,
) -> Result<Invitation, RegistrationError> {
    let Some(raw) = registration.invite_code.as_deref() else {
        return if rules.settings.registration.invite_required {
            Err(RegistrationError::InviteRequired)
        } else {
            Ok(Invitation::None)
        };
    };
    let lenient =
        rules.settings.dialect == Dialect::Discuzq && !rules.settings.registration.invite_required;
    let code = InviteCode::parse(raw).filter(|_| !invite_is_dead);
    let code = code.ok_or(RegistrationError::InviteRejected)?;
    if let Some(invite) = tools.db.find_invite(&code).await.map_err(failed)? {
        return match invite.state(tools.clock.now()) {
            InviteState::Usable if lenient && code.has_administrator_form() => {
                Ok(Invitation::SpendIfUsable(invite.id))
            }
            InviteState::Usable => Ok(Invitation::Spend(invite.id)),
            // The client has warned the visitor, who goes on with the default role.
            _ if lenient && code.has_administrator_form() => Ok(Invitation::None),
            _ => Err(RegistrationError::InviteRejected),
        };
    }
    // A member's number invites in the dialect that knows it, but opens no tenant that demands a code.
    let member = UserId::parse(code.as_str()).filter(|_| lenient);
    if let Some(member) = member
        && tools.db.find_user(member).await.map_err(failed)?.is_some()
    {
        return Ok(Invitation::Member(member));
    }
    Err(RegistrationError::InviteRejected)
}

async fn hash_password(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    accepted: &Accepted,
) -> Result<Option<PasswordHash>, RegistrationError> {
    let Some(password) = &accepted.password else {
        return Ok(None);
    };
    let secret = password.secret().clone();
    match tools.hashing.hash(rules.id, secret, request.deadline).await {
        Ok(hash) => Ok(Some(hash)),
        Err(HashRefusal::Busy { retry_after }) => Err(RegistrationError::Overloaded(retry_after)),
        Err(HashRefusal::Deadline | HashRefusal::Stopped) => {
            Err(RegistrationError::Overloaded(RETRY_AFTER))
        }
        // Logged where it arose; the thread goes on with fresh memory, so the next try may succeed.
        Err(HashRefusal::Failed) => Err(RegistrationError::Unavailable(RETRY_AFTER)),
    }
}

async fn make_account(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    accepted: &Accepted,
    invitation: Invitation,
    hash: Option<&PasswordHash>,
) -> Result<Registered, RegistrationError> {
    let refresh = new_refresh_token(tools, rules)?;
    let saved = request
        .idempotency_key
        .as_ref()
        .map(|key_hash| NewSavedAnswer {
            key_hash: key_hash.clone(),
            fingerprint: fingerprint(&request.registration, &rules.fingerprint_key),
            expires_at: tools.clock.now().plus(ANSWER_LIFE),
        });
    let account = NewAccount {
        username: &accepted.username,
        password_hash: hash.map(PasswordHash::as_str),
        status: if accepted.pending {
            UserStatus::Pending
        } else {
            UserStatus::Normal
        },
        reason: accepted.reason.as_ref(),
        requester: request.requester,
        invite: invitation,
        proofs: &[],
        group_id: DEFAULT_GROUP,
        session: (!accepted.pending).then_some(&refresh.1),
        answer: saved.as_ref(),
    };
    let user = match tools.db.create_account(&account).await {
        Ok(user) => user,
        Err(NotMade::NameTaken) => return Err(taken()),
        Err(NotMade::InviteSpent) => return Err(RegistrationError::InviteRejected),
        Err(NotMade::KeyUsed) => return answer_of_the_winner(tools, rules, request).await,
        Err(NotMade::NotBound(error)) => return Err(internal(&error)),
        Err(NotMade::Store(error)) => return Err(failed(error)),
    };
    if accepted.pending {
        return Err(RegistrationError::AwaitsApproval);
    }
    answer(tools, rules, user, refresh.0)
}

/// Another process committed a request with the same key while this one was at work.
async fn answer_of_the_winner(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
) -> Result<Registered, RegistrationError> {
    let Some(key_hash) = &request.idempotency_key else {
        return Err(RegistrationError::Internal);
    };
    match tools.db.find_saved_answer(key_hash).await.map_err(failed)? {
        Some(saved) => answer_again(tools, rules, request, &saved).await,
        None => Err(RegistrationError::Unavailable(RETRY_AFTER)),
    }
}

/// The retry of an answered request: the same account, and tokens made anew, since none is ever stored.
async fn answer_again(
    tools: &Tools,
    rules: &TenantRules,
    request: &RegistrationRequest,
    saved: &SavedAnswer,
) -> Result<Registered, RegistrationError> {
    if saved.fingerprint != fingerprint(&request.registration, &rules.fingerprint_key) {
        return Err(RegistrationError::SameKeyOtherBody);
    }
    let user = tools.db.find_user(saved.user).await.map_err(failed)?;
    let user = user.ok_or(RegistrationError::SameKeyOtherBody)?;
    match user.status {
        UserStatus::Normal => {}
        UserStatus::Pending => return Err(RegistrationError::AwaitsApproval),
        refused => return Err(RegistrationError::AccountRefused(refused)),
    }
    let (refresh, stored) = new_refresh_token(tools, rules)?;
    tools
        .db
        .create_session(user.id, &stored)
        .await
        .map_err(failed)?;
    answer(tools, rules, user, refresh)
}

fn new_refresh_token(
    tools: &Tools,
    rules: &TenantRules,
) -> Result<(RefreshToken, NewSession), RegistrationError> {
    let bytes = tools
        .entropy
        .bytes::<32>()
        .map_err(|error| internal(&error))?;
    let token = RefreshToken::from_random(bytes);
    let id = tools
        .entropy
        .bytes::<16>()
        .map_err(|error| internal(&error))?;
    let stored = NewSession {
        id: SessionId::from_random(id),
        token_hash: token_digest_hex(token.plain().expose_secret()),
        expires_at: tools.clock.now().plus(rules.refresh_life()),
    };
    Ok((token, stored))
}

fn answer(
    tools: &Tools,
    rules: &TenantRules,
    user: User,
    refresh: RefreshToken,
) -> Result<Registered, RegistrationError> {
    let now = tools.clock.now();
    let claims = AccessClaims {
        iss: rules.issuer.clone(),
        aud: rules.key.as_str().to_owned(),
        sub: user.id,
        tid: rules.id,
        jti: tools
            .entropy
            .bytes::<16>()
            .map_err(|error| internal(&error))?,
        iat: now,
        nbf: now,
        exp: now.plus(rules.access_life()),
    };
    let access_token =
        sign_access_token(&rules.keys.signing, &claims).map_err(|error| internal(&error))?;
    Ok(Registered {
        user,
        access_token,
        expires_in: rules.access_life(),
        refresh_token: refresh.plain().clone(),
    })
}

fn taken() -> RegistrationError {
    RegistrationError::Invalid(vec![FieldFault::new(Field::Username, Fault::Taken)])
}

fn failed(error: StoreError) -> RegistrationError {
    match error {
        StoreError::Unavailable(_) | StoreError::GaveWay => {
            tracing::warn!(%error, "the tenant's database is unavailable");
            RegistrationError::Unavailable(RETRY_AFTER)
        }
        error => internal(&error),
    }
}

fn internal(error: &dyn std::error::Error) -> RegistrationError {
    tracing::error!(%error, "registration failed by a fault of ours");
    RegistrationError::Internal
}
