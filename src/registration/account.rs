//! Makes an account whose every part is known, and opens its first session: the end of every way to register.

use std::net::SocketAddr;

use crate::domain::proof::Proof;
use crate::domain::register_reason::RegisterReason;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;
use crate::session::gate::{self, Admitted, Opening, Tokens};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::registration::{Invitation, NewAccount, NotMade};
use crate::store::saved_answers::NewSavedAnswer;
use crate::telemetry::usage::Counter;

use super::error::{ProofError, RegistrationError};

/// What an account is made of.
pub(super) struct New<'a> {
    pub(super) username: &'a Username,
    /// PHC string; `None` for an account without a password.
    pub(super) password_hash: Option<&'a str>,
    /// Whether a moderator must approve.
    pub(super) pending: bool,
    pub(super) reason: Option<&'a RegisterReason>,
    pub(super) requester: SocketAddr,
    pub(super) invitation: Invitation,
    pub(super) proofs: &'a [Proof],
    pub(super) answer: Option<&'a NewSavedAnswer>,
}

/// Makes the account and hands out its first tokens.
///
/// # Errors
/// [`RegistrationError`]; after [`RegistrationError::AwaitsApproval`] the account exists.
pub(super) async fn make(
    tools: &Tools,
    rules: &TenantRules,
    new: &New<'_>,
) -> Result<Tokens, RegistrationError> {
    let opening = Opening::draw(tools, rules)?;
    let account = NewAccount {
        username: new.username,
        password_hash: new.password_hash,
        status: if new.pending {
            UserStatus::Pending
        } else {
            UserStatus::Normal
        },
        reason: new.reason,
        requester: new.requester,
        invite: new.invitation,
        group_id: rules.settings.registration.default_group,
        session: (!new.pending).then(|| opening.stored()),
        proofs: new.proofs,
        answer: new.answer,
    };
    let user = tools
        .db
        .create_account(&account)
        .await
        .map_err(|error| not_made(error, new.proofs, rules))?;
    tools.count(Counter::Registrations);
    if new.pending {
        return Err(RegistrationError::AwaitsApproval);
    }
    let admitted = Admitted::check(user)?;
    let tokens = opening.hand_out(tools, rules, admitted, gate::FIRST)?;
    let union_id = new.proofs.iter().find_map(Proof::union_id);
    Ok(Tokens {
        union_id: union_id.map(str::to_owned),
        ..tokens
    })
}

fn not_made(error: NotMade, proofs: &[Proof], rules: &TenantRules) -> RegistrationError {
    match error {
        NotMade::NameTaken => RegistrationError::name_taken(),
        NotMade::InviteSpent => RegistrationError::InviteRejected,
        // The twin that committed meanwhile is found by the same key.
        NotMade::KeyUsed => RegistrationError::SameKeyInProgress,
        NotMade::NotBound(error) => match ProofError::from_store(error, proofs, rules) {
            Ok(error) => error.into(),
            Err(error) => error.into(),
        },
        NotMade::Store(error) => error.into(),
    }
}
