//! `GET /api/users`, `PATCH /api/users/{id}` and `PATCH /api/users`: who waits for approval, and what becomes of them
//! (`docs/contract.md`, section 10.6).

use std::net::IpAddr;

use secrecy::SecretString;

use super::error::MembershipError;
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

/// A page of users.
#[derive(Clone, Copy, Debug)]
pub struct PageAsked {
    /// Only users of this standing.
    pub status: Option<UserStatus>,
    /// Counted from 1.
    pub number: u64,
    /// Users a page.
    pub size: u64,
}

/// Users of a page, and how many there are in all.
#[derive(Debug)]
pub struct Page {
    /// The users.
    pub users: Vec<User>,
    /// Of all pages together.
    pub total: u64,
}

/// What a moderator wants to become of a user.
#[derive(Clone, Debug)]
pub struct Decision {
    /// About whom.
    pub user: UserId,
    /// The new standing.
    pub status: UserStatus,
    /// Why, for the user.
    pub message: Option<String>,
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
    asked: PageAsked,
) -> Result<Page, CallError> {
    moderator(tools, rules, token).await?;
    let offset = asked.number.saturating_sub(1).saturating_mul(asked.size);
    let total = tools.db.count_users(asked.status).await?;
    let users = tools
        .db
        .list_users_page(asked.status, offset, asked.size)
        .await?;
    Ok(Page { users, total })
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
    if decision.user == caller.user.id {
        return Err(CallError::Forbidden.into());
    }
    let message = decision.message.as_deref().filter(|text| !text.is_empty());
    if message.is_some_and(|text| code_points(text) > LONGEST_MESSAGE) {
        let max = LONGEST_MESSAGE;
        let fault = FieldFault::new(Field::RefuseMessage, Fault::TooLong { max });
        return Err(MembershipError::Invalid(vec![fault]));
    }
    let user = tools.db.find_user(decision.user).await?;
    let user = user.ok_or(MembershipError::NotFound("user"))?;
    // Moderators do not ban each other: that is for the platform's administrators.
    if moderates(rules, &user) {
        return Err(CallError::Forbidden.into());
    }
    let decided = tools
        .db
        .decide(
            user.id,
            &[user.status],
            decision.status,
            message,
            caller.user.id,
            address,
        )
        .await?;
    decided.ok_or(MembershipError::NotFound("user"))
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
