//! Users as clients see them (`docs/contract.md`, section 10.5).

use serde_json::{Map, Value, json};

use crate::domain::phone_number::PhoneNumber;
use crate::domain::tenant_settings::TenantSettings;
use crate::membership::profile::{Profile, Viewer};
use crate::store::users::User;

/// The attributes that the published documentation shows beside a new account's tokens (`docs/contract.md`, section 3).
#[must_use]
pub fn account_attributes(user: &User, settings: &TenantSettings, union_id: Option<&str>) -> Value {
    let offset = settings.utc_offset.0;
    let country = &settings.sms_rules.country_code;
    json!({
        "username": user.display_name,
        "nickname": user.display_name,
        "mobile": user.phone.as_ref().map_or("", |phone| phone.national(country)),
        "unionId": union_id.unwrap_or_default(),
        "lastLoginIp": user.last_login_ip,
        "createdAt": user.created_at.to_rfc3339(offset),
        "updatedAt": user.updated_at.to_rfc3339(offset),
    })
}

/// A user's resource, with what the viewer may see of it. Features of the original that this product does not have show
/// as their empty values, because its clients read them.
#[must_use]
pub fn user_resource(profile: &Profile, settings: &TenantSettings) -> Value {
    let user = &profile.user;
    let mut attributes = public_attributes(user, settings);
    let moderator = profile.viewer == Viewer::Moderator;
    attributes.insert("canEdit".into(), json!(moderator));
    if profile.viewer != Viewer::Stranger {
        attributes.extend(private_attributes(user, settings));
    }
    if profile.viewer == Viewer::Oneself {
        attributes.insert("unionId".into(), json!(profile.union_id));
        attributes.insert("unreadNotifications".into(), json!(0));
    }
    json!({"type": "users", "id": user.id.to_string(), "attributes": attributes})
}

/// A user's own account as a document of its own.
#[must_use]
pub fn own_document(user: User, union_id: Option<String>, settings: &TenantSettings) -> Vec<u8> {
    let profile = Profile {
        user,
        viewer: Viewer::Oneself,
        union_id,
    };
    json!({"data": user_resource(&profile, settings)})
        .to_string()
        .into_bytes()
}

fn public_attributes(user: &User, settings: &TenantSettings) -> Map<String, Value> {
    let offset = settings.utc_offset.0;
    members(json!({
        "id": user.id.as_i64(),
        "username": user.display_name,
        "avatarUrl": user.avatar_url.as_deref().unwrap_or_default(),
        "isReal": false,
        "threadCount": 0,
        "followCount": 0,
        "fansCount": 0,
        "likedCount": 0,
        "questionCount": 0,
        "signature": "",
        "usernameBout": 0,
        "status": user.status.as_i16(),
        "loginAt": user.login_at.to_rfc3339(offset),
        "joinedAt": user.created_at.to_rfc3339(offset),
        "expiredAt": null,
        "createdAt": user.created_at.to_rfc3339(offset),
        "updatedAt": user.updated_at.to_rfc3339(offset),
        "canDelete": false,
        "showGroups": false,
        "registerReason": "",
        "banReason": "",
        "denyStatus": false,
        "canBeAsked": false,
        "canEditUsername": false,
    }))
}

/// What the user and moderators see besides.
fn private_attributes(user: &User, settings: &TenantSettings) -> Map<String, Value> {
    let country = &settings.sms_rules.country_code;
    let phone = user.phone.as_ref();
    members(json!({
        "registerReason": user.register_reason.as_deref().unwrap_or_default(),
        "banReason": user.refuse_message.as_deref().unwrap_or_default(),
        "originalMobile": phone.map_or("", |phone| phone.national(country)),
        "mobile": phone.map(|phone: &PhoneNumber| phone.masked(country)).unwrap_or_default(),
        "registerIp": user.register_ip,
        "lastLoginIp": user.last_login_ip,
        "hasPassword": user.has_password,
        "groupId": user.group_id,
    }))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
