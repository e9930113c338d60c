//! Invites as clients see them (`docs/contract.md`, section 6).

use serde_json::{Value, json};

use super::user_document::{group_resource, user_resource};
use crate::domain::ids::UserId;
use crate::domain::tenant_settings::TenantSettings;
use crate::membership::invites::{Invitation, InviteCard};
use crate::membership::profile::Profile;
use crate::store::invite_codes::InviteState;
use crate::store::users::User;

/// The original's number for a code that was issued for one account, beside the members' own numbers.
const OF_A_GROUP: i64 = 2;

/// The contract's numbers for what a code is good for.
const fn state_number(state: InviteState) -> i64 {
    match state {
        InviteState::Revoked => 0,
        InviteState::Usable => 1,
        InviteState::Spent => 2,
        InviteState::Expired => 3,
    }
}

/// The state that a filter names; `None` for another text.
#[must_use]
pub fn state_from_number(text: &str) -> Option<InviteState> {
    let states = [
        InviteState::Revoked,
        InviteState::Usable,
        InviteState::Spent,
        InviteState::Expired,
    ];
    let number: i64 = text.parse().ok()?;
    states
        .into_iter()
        .find(|state| state_number(*state) == number)
}

/// An invite's resource. Dates in Unix seconds, as in the original; 0 for an invite that never expires, for one of the
/// tenant's default group, and for one that nobody spent.
#[must_use]
pub fn invite_resource(card: &InviteCard) -> Value {
    let invite = &card.invite;
    let number = |user: Option<UserId>| user.map_or(0, UserId::as_i64);
    json!({"type": "invite", "id": invite.id.to_string(), "attributes": {
        "group_id": invite.group_id.unwrap_or_default(),
        "type": OF_A_GROUP,
        "code": invite.code,
        "dateline": invite.created_at.as_seconds(),
        "endtime": invite.expires_at.map_or(0, |at| at.as_seconds()),
        "user_id": number(invite.issued_by),
        "to_user_id": number(card.bearer),
        "status": state_number(card.state),
    }})
}

/// One invite, with its group and who issued it.
#[must_use]
pub fn invite_document(card: &InviteCard, settings: &TenantSettings) -> Value {
    let mut resource = invite_resource(card);
    let id = card.invite.group_id;
    let id = id.unwrap_or(settings.registration.default_group);
    let group = settings
        .group(id)
        .map(|group| group_resource(group, settings));
    let issuer = card.issuer.clone().map(Profile::for_stranger);
    let issuer = issuer.map(|issuer| user_resource(&issuer, settings));
    relate(&mut resource, "group", group.as_ref());
    relate(&mut resource, "user", issuer.as_ref());
    let included: Vec<Value> = group.into_iter().chain(issuer).collect();
    json!({"data": resource, "included": included})
}

/// What a code is: an invite, or a member whose number it is.
#[must_use]
pub fn invitation_document(found: &Invitation, settings: &TenantSettings) -> Value {
    match found {
        Invitation::Issued(card) => invite_document(card, settings),
        Invitation::Member(member) => member_document(member, settings),
    }
}

fn member_document(member: &User, settings: &TenantSettings) -> Value {
    let id = member.id;
    let mut resource = json!({"type": "user_invite", "id": id.to_string(), "attributes": {
        "id": id.as_i64(),
        "username": member.display_name,
    }});
    let group = settings.group(settings.registration.default_group);
    let group = group.map(|group| group_resource(group, settings));
    relate(&mut resource, "group", group.as_ref());
    json!({"data": resource, "included": Vec::from_iter(group)})
}

/// A user as whoever invited them sees them: like any stranger.
#[must_use]
pub fn recruit_resource(user: User, settings: &TenantSettings) -> Value {
    user_resource(&Profile::for_stranger(user), settings)
}

fn relate(resource: &mut Value, name: &str, other: Option<&Value>) {
    let Some(other) = other else {
        return;
    };
    let reference = json!({"data": {"type": other.get("type"), "id": other.get("id")}});
    if let Some(resource) = resource.as_object_mut() {
        let relationships = resource.entry("relationships").or_insert(json!({}));
        if let Some(relationships) = relationships.as_object_mut() {
            relationships.insert(name.to_owned(), reference);
        }
    }
}
