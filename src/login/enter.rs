//! The last steps of every login: standing, bindings and session in one transaction, tokens.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::error::LoginError;
use crate::domain::ids::UserId;
use crate::domain::proof::{Proof, ProofScope};
use crate::registration::error::ProofError;
use crate::session::error::CallError;
use crate::session::gate::{self, Admitted, Opening, Tokens};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::bindings::NotBound;
use crate::store::proof_tokens::NewProofToken;
use crate::store::users::User;
use crate::telemetry::usage::Counter;
use crate::token::token_digest_hex;

/// Lets a user in who has shown who they are, and binds what they offered besides.
pub(super) async fn enter(
    tools: &Tools,
    rules: &TenantRules,
    user: User,
    requester: SocketAddr,
    proofs: &[Proof],
) -> Result<Tokens, LoginError> {
    let id = user.id;
    Admitted::check(user)?;
    let opening = Opening::draw(tools, rules)?;
    let logged_in = tools
        .db
        .log_in(id, opening.stored(), requester, proofs)
        .await;
    if let Err(error) = logged_in {
        return Err(not_bound(error, proofs, rules));
    }
    tools.count(Counter::Logins);
    // Read again: the bindings and the login changed the row.
    let user = get_user(tools, id).await?;
    let admitted = Admitted::check(user)?;
    let tokens = opening.hand_out(tools, rules, admitted, gate::FIRST)?;
    Ok(Tokens {
        union_id: tools.db.find_union_id(id).await?,
        ..tokens
    })
}

/// A binding that failed in its transaction.
pub(super) fn not_bound(error: NotBound, proofs: &[Proof], rules: &TenantRules) -> LoginError {
    if matches!(error, NotBound::UserGone) {
        return CallError::TokenRejected.into();
    }
    match ProofError::from_store(error, proofs, rules) {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

/// A user that was there a moment ago.
pub(super) async fn get_user(tools: &Tools, id: UserId) -> Result<User, LoginError> {
    let user = tools.db.find_user(id).await?;
    user.ok_or_else(|| CallError::TokenRejected.into())
}

/// A user's account after a change, as its user sees it.
#[derive(Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The user's name at all of one owner's WeChat apps, where WeChat has told one.
    pub union_id: Option<String>,
}

/// The account of a user who was there a moment ago.
pub(super) async fn get_account(tools: &Tools, id: UserId) -> Result<Account, LoginError> {
    Ok(Account {
        user: get_user(tools, id).await?,
        union_id: tools.db.find_union_id(id).await?,
    })
}

/// 40 random letters and digits (`docs/contract.md`, section 7): 238 bits.
pub(super) fn random_text(tools: &Tools) -> Result<SecretString, CallError> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(40);
    while text.len() < 40 {
        // Bytes beyond the last whole multiple of 62 are left out, so that no letter is likelier than another.
        for byte in tools.entropy.bytes::<64>()? {
            let letter = LETTERS.get(usize::from(byte % 62)).filter(|_| byte < 248);
            text.extend(letter.map(|letter| char::from(*letter)));
        }
    }
    text.truncate(40);
    Ok(text.into())
}

/// A stored token that stands for `payload`, for as long as the contract's section 7 says.
pub(super) async fn keep_proof(
    tools: &Tools,
    scope: ProofScope,
    payload: &impl serde::Serialize,
    user: Option<UserId>,
) -> Result<SecretString, LoginError> {
    let token = random_text(tools)?;
    let payload = serde_json::to_string(payload).map_err(|error| CallError::internal(&error))?;
    let new = NewProofToken {
        hash: token_digest_hex(token.expose_secret()),
        scope,
        payload,
        user,
        expires_at: tools.clock.now().plus(scope.life()),
    };
    tools.db.create_proof_token(&new).await?;
    Ok(token)
}
