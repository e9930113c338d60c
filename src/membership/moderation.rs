//! `GET /api/users`, `PATCH /api/users/{id}` and `PATCH /api/users`: who waits for approval, and what becomes of them
//! (`docs/contract.md`, section 10.6).

use std::net::IpAddr;

use secrecy::SecretString;

use super::error::MembershipError;
use super::invites::Page;
use super::profile::moderates;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::ids::UserId;
use crate::domain::text::code_points;
use crate::domain::user_status::UserStatus;
use crate::session::authenticate::{Caller, require};
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::users::User;

/// What a moderator wants to become of a user.
#[derive(Clone, Debug)]
pub struct Decision {
    /// About whom; `None` for what can be nobody's number.
    pub user: Option<UserId>,
    /// The new standing.
    pub status: Option<i64>,
    /// Why, for the user.
    pub message: Option<String>,
    /// Attributes of a wrong type.
    pub faults: Vec<FieldFault>,
}

/// Most code points of a message to a refused user.
const LONGEST_MESSAGE: u32 = 255;

/// Lists users.
///
/// # Errors
/// [`CallError::Forbidden`] unless the caller's group moderates.
pub async fn list(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    status: Option<UserStatus>,
    (offset, limit): (u64, u64),
) -> Result<Page<User>, CallError> {
    moderator(tools, rules, token).await?;
    let total = tools.db.count_users(status).await?;
    let items = tools.db.list_users_page(status, offset, limit).await?;
    Ok(Page { items, total })
}

/// Decides about users, one after the other: each decision stands or falls by itself.
///
/// # Errors
/// The call's own error; each decision's is in the list.
pub async fn decide(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    decisions: &[Decision],
    address: IpAddr,
) -> Result<Vec<Result<User, MembershipError>>, CallError> {
    let caller = moderator(tools, rules, token).await?;
    let mut outcomes = Vec::with_capacity(decisions.len());
    for decision in decisions {
        outcomes.push(decide_one(tools, rules, &caller, decision, address).await);
    }
    Ok(outcomes)
}

async fn decide_one(
    tools: &Tools,
    rules: &TenantRules,
    caller: &Caller,
    decision: &Decision,
    address: IpAddr,
) -> Result<User, MembershipError> {
    let unknown = || MembershipError::NotFound("user");
    let id = decision.user.ok_or_else(unknown)?;
    if id == caller.user.id {
        return Err(CallError::Forbidden.into());
    }
    let (status, message) = checked(decision)?;
    let user = tools.db.find_user(id).await?.ok_or_else(unknown)?;
    // Moderators do not ban each other: that is for the platform's administrators.
    if moderates(rules, &user) {
        return Err(CallError::Forbidden.into());
    }
    let decided = tools
        .db
        .decide(
            user.id,
            // Whoever decides last decides: no standing is the last word.
            &UserStatus::ALL,
            status,
            message,
            caller.user.id,
            address,
        )
        .await?;
    decided.ok_or_else(unknown)
}

fn checked(decision: &Decision) -> Result<(UserStatus, Option<&str>), MembershipError> {
    let mut faults = decision.faults.clone();
    let known = |number: i64| i16::try_from(number).ok().and_then(UserStatus::from_i16);
    let status = decision.status.and_then(known);
    if status.is_none() && !faults.iter().any(|fault| fault.field == Field::Status) {
        let missing = decision.status.map_or(Fault::Required, |_| Fault::NotOneOf);
        faults.push(FieldFault::new(Field::Status, missing));
    }
    let message = decision.message.as_deref().filter(|text| !text.is_empty());
    if message.is_some_and(|text| code_points(text) > LONGEST_MESSAGE) {
        let max = LONGEST_MESSAGE;
        faults.push(FieldFault::new(
            Field::RefuseMessage,
            Fault::TooLong { max },
        ));
    }
    if message.is_some_and(|text| text.chars().any(|letter| letter == '\0')) {
        faults.push(FieldFault::new(
            Field::RefuseMessage,
            Fault::ForbiddenCharacter,
        ));
    }
    match status {
        Some(status) if faults.is_empty() => Ok((status, message)),
        _ => Err(MembershipError::Invalid(faults)),
    }
}

async fn moderator(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<Caller, CallError> {
    let caller = require(tools, rules, token).await?;
    if moderates(rules, &caller.user) {
        Ok(caller)
    } else {
        Err(CallError::Forbidden)
    }
}
