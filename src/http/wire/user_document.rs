//! Users as clients see them (`docs/contract.md`, section 10.5).

use serde_json::{Map, Value, json};

use crate::domain::ids::UserId;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::tenant_settings::{Group, TenantSettings};
use crate::membership::profile::{Profile, Viewer};
use crate::store::identities::Identity;
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
        identities: Vec::new(),
    };
    json!({"data": user_resource(&profile, settings)})
        .to_string()
        .into_bytes()
}

/// A resource that may come along with a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// The user's group.
    Groups,
    /// The user's WeChat accounts.
    Wechat,
}

impl Include {
    /// By the contract's name; `None` for another one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "groups" => Some(Self::Groups),
            "wechat" => Some(Self::Wechat),
            _ => None,
        }
    }
}

/// A user's document, with what is to come along.
#[must_use]
pub fn user_document(profile: &Profile, settings: &TenantSettings, includes: &[Include]) -> Value {
    let mut resource = user_resource(profile, settings);
    let mut included = Vec::new();
    let mut relationships = Map::new();
    let mut relate = |name: &str, others: Vec<Value>| {
        let reference = |other: &Value| json!({"type": other.get("type"), "id": other.get("id")});
        let references: Vec<Value> = others.iter().map(reference).collect();
        relationships.insert(name.to_owned(), json!({ "data": references }));
        included.extend(others);
    };
    if includes.contains(&Include::Groups) {
        let group = settings.group(profile.user.group_id);
        let group = group.map(|group| group_resource(group, settings));
        relate("groups", group.into_iter().collect());
    }
    if includes.contains(&Include::Wechat) {
        let accounts = profile.identities.iter();
        relate("wechat", accounts.map(identity_resource).collect());
    }
    if relationships.is_empty() {
        return json!({ "data": resource });
    }
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("relationships".into(), relationships.into());
    }
    json!({"data": resource, "included": included})
}

/// One outcome of a batch of decisions: the user as decided, or why not.
#[must_use]
pub fn decided_resource(
    id: Option<UserId>,
    outcome: Result<User, &'static str>,
    settings: &TenantSettings,
) -> Value {
    let (mut resource, error) = match outcome {
        Ok(user) => (user_resource(&Profile::for_moderator(user), settings), ""),
        Err(error) => {
            let number = id.map_or(0, UserId::as_i64);
            let attributes = json!({ "id": number });
            let name = number.to_string();
            (
                json!({"type": "users", "id": name, "attributes": attributes}),
                error,
            )
        }
    };
    let attributes = resource
        .get_mut("attributes")
        .and_then(Value::as_object_mut);
    if let Some(attributes) = attributes {
        attributes.insert("succeed".into(), json!(error.is_empty()));
        attributes.insert("error".into(), json!(error));
    }
    resource
}

/// A group of the tenant's settings.
#[must_use]
pub fn group_resource(group: &Group, settings: &TenantSettings) -> Value {
    json!({"type": "groups", "id": group.id.to_string(), "attributes": {
        "name": group.name,
        "default": group.id == settings.registration.default_group,
    }})
}

fn identity_resource(account: &Identity) -> Value {
    json!({"type": "user_wechats", "id": account.id.to_string(), "attributes": {
        "nickname": account.nickname,
        "headimgurl": account.avatar_url,
        "sex": account.sex,
        "province": account.province,
        "city": account.city,
        "country": account.country,
    }})
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
