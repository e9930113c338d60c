//! Invites by members: `/api/invite` and `/api/userInviteCode` (`docs/contract.md`, section 6).

use std::time::Duration;

use secrecy::SecretString;

use super::error::MembershipError;
use super::profile::moderates;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::ids::{InviteId, UserId};
use crate::domain::invite_code::InviteCode;
use crate::domain::tenant_settings::Group;
use crate::session::authenticate::{Caller, require};
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::invite_codes::{Invite, InviteState, NewInvites};
use crate::store::users::User;

/// Life of a member's invite (contract section 6).
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An invite with the account it brought.
#[derive(Debug)]
pub struct InviteCard {
    /// The invite.
    pub invite: Invite,
    /// What it is good for now.
    pub state: InviteState,
    /// The account that it brought; of a code with many uses, one of them.
    pub bearer: Option<UserId>,
    /// The member who issued it.
    pub issuer: Option<User>,
}

/// What a code that a visitor holds may be.
#[derive(Debug)]
pub enum Invitation {
    /// A code that somebody issued.
    Issued(Box<InviteCard>),
    /// A member's number.
    Member(Box<User>),
}

/// Items of a page, and how many there are in all.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Of all pages together.
    pub total: u64,
}

/// Issues an invite into a group: one use, seven days.
///
/// # Errors
/// [`CallError::Forbidden`] unless the caller's group invites, and, for a group that moderates, moderates itself;
/// [`MembershipError::Invalid`] when there is no such group.
pub async fn issue(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    group: Option<i64>,
    faults: &[FieldFault],
) -> Result<InviteCard, MembershipError> {
    let caller = require(tools, rules, token).await?;
    let own_group = rules.settings.group(caller.user.group_id);
    if !own_group.is_some_and(|group| group.invites) {
        return Err(CallError::Forbidden.into());
    }
    let group = target(rules, group, faults)?;
    if group.moderates && !moderates(rules, &caller.user) {
        return Err(CallError::Forbidden.into());
    }
    let code = InviteCode::from_random(tools.entropy.bytes().map_err(CallError::from)?);
    let new = NewInvites {
        codes: vec![code],
        max_uses: 1,
        expires_at: Some(tools.clock.now().plus(LIFE)),
        note: String::new(),
        created_by: format!("user {}", caller.user.id),
        group_id: Some(group.id),
        issued_by: Some(caller.user.id),
        batch: None,
    };
    let issued = tools.db.issue_invites(&new).await?.pop();
    let invite = issued.ok_or(CallError::Internal)?;
    Ok(InviteCard {
        state: invite.state(tools.clock.now()),
        invite,
        bearer: None,
        issuer: Some(caller.user),
    })
}

fn target<'a>(
    rules: &'a TenantRules,
    group: Option<i64>,
    faults: &[FieldFault],
) -> Result<&'a Group, MembershipError> {
    if !faults.is_empty() {
        return Err(MembershipError::Invalid(faults.to_vec()));
    }
    let fault = |fault| MembershipError::Invalid(vec![FieldFault::new(Field::GroupId, fault)]);
    let id = group.ok_or_else(|| fault(Fault::Required))?;
    let known = i32::try_from(id)
        .ok()
        .and_then(|id| rules.settings.group(id));
    known.ok_or_else(|| fault(Fault::Unknown))
}

/// What a code is, whatever its state. A member's number counts where a registration takes it.
///
/// # Errors
/// [`MembershipError::NotFound`].
pub async fn find(
    tools: &Tools,
    rules: &TenantRules,
    code: &str,
) -> Result<Invitation, MembershipError> {
    let unknown = MembershipError::NotFound("invite");
    let Some(code) = InviteCode::parse(code) else {
        return Err(unknown);
    };
    if let Some(invite) = tools.db.find_invite(&code).await? {
        let bearers = tools.db.list_bearers(&[invite.id]).await?;
        let issuer = match invite.issued_by {
            Some(issuer) => tools.db.find_user(issuer).await?,
            None => None,
        };
        return Ok(Invitation::Issued(Box::new(InviteCard {
            state: invite.state(tools.clock.now()),
            invite,
            bearer: bearers.first().map(|(_, user)| *user),
            issuer,
        })));
    }
    let Some(number) = UserId::parse(code.as_str()).filter(|_| rules.settings.numbers_invite())
    else {
        return Err(unknown);
    };
    let member = tools.db.find_user(number).await?;
    member
        .map(|member| Invitation::Member(Box::new(member)))
        .ok_or(unknown)
}

/// The caller's own invites.
///
/// # Errors
/// [`CallError`].
pub async fn list(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    state: Option<InviteState>,
    (offset, limit): (u64, u64),
) -> Result<Page<InviteCard>, CallError> {
    let Caller { user, .. } = require(tools, rules, token).await?;
    let total = tools.db.count_invites_of(user.id, state).await?;
    let invites = tools.db.list_invites_of(user.id, state, offset, limit);
    let invites = invites.await?;
    let ids: Vec<InviteId> = invites.iter().map(|invite| invite.id).collect();
    let bearers = tools.db.list_bearers(&ids).await?;
    let now = tools.clock.now();
    let card = |invite: Invite| {
        let mut of_it = bearers.iter().filter(|(id, _)| *id == invite.id);
        InviteCard {
            state: invite.state(now),
            bearer: of_it.next().map(|(_, user)| *user),
            invite,
            issuer: Some(user.clone()),
        }
    };
    Ok(Page {
        items: invites.into_iter().map(card).collect(),
        total,
    })
}

/// Ends one of the caller's own invites.
///
/// # Errors
/// [`MembershipError::NotFound`] when the caller has issued none of this number.
pub async fn revoke(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    id: Option<InviteId>,
) -> Result<(), MembershipError> {
    let caller = require(tools, rules, token).await?;
    let unknown = MembershipError::NotFound("invite");
    let Some(id) = id else {
        return Err(unknown);
    };
    if tools.db.revoke_invite_of(caller.user.id, id).await? {
        Ok(())
    } else {
        Err(unknown)
    }
}

/// Whom the caller brought.
///
/// # Errors
/// [`CallError`].
pub async fn recruits(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    (offset, limit): (u64, u64),
) -> Result<Page<User>, CallError> {
    let caller = require(tools, rules, token).await?;
    let total = tools.db.count_recruits(caller.user.id).await?;
    let items = tools
        .db
        .list_recruits(caller.user.id, offset, limit)
        .await?;
    Ok(Page { items, total })
}

/// The caller's own number, by which others are invited without a code.
///
/// # Errors
/// [`CallError`].
pub async fn own_number(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<UserId, CallError> {
    let caller = require(tools, rules, token).await?;
    Ok(caller.user.id)
}
