//! The answer that hands out tokens (`docs/contract.md`, section 3).

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::user_document::{account_attributes, user_resource};
use crate::domain::dialect::Dialect;
use crate::domain::tenant_settings::TenantSettings;
use crate::membership::profile::{Profile, Viewer};
use crate::session::gate::Tokens;

/// The token document of a registration: in the `standard` dialect with the new user in `included`, in `discuzq` without.
#[must_use]
pub fn token_document(tokens: &Tokens, settings: &TenantSettings) -> Vec<u8> {
    let mut document = json!({"data": token_resource(tokens)});
    if settings.dialect == Dialect::Standard {
        let user = json!({
            "type": "users",
            "id": tokens.user.id.to_string(),
            "attributes": account_attributes(&tokens.user, settings, tokens.union_id.as_deref()),
        });
        include_user(&mut document, user);
    }
    document.to_string().into_bytes()
}

/// The token document of a login: with the user in `included` in both dialects (`docs/contract.md`, section 10.1).
#[must_use]
pub fn login_document(tokens: &Tokens, settings: &TenantSettings) -> Vec<u8> {
    let mut document = json!({"data": token_resource(tokens)});
    let user = match settings.dialect {
        Dialect::Standard => json!({
            "type": "users",
            "id": tokens.user.id.to_string(),
            "attributes": account_attributes(&tokens.user, settings, tokens.union_id.as_deref()),
        }),
        Dialect::Discuzq => user_resource(
            &Profile {
                user: tokens.user.clone(),
                viewer: Viewer::Oneself,
                union_id: tokens.union_id.clone(),
                identities: Vec::new(),
            },
            settings,
        ),
    };
    include_user(&mut document, user);
    document.to_string().into_bytes()
}

/// The token document without any user: of refreshed sessions and of logins by WeChat and SMS.
#[must_use]
pub fn bare_token_document(tokens: &Tokens) -> Vec<u8> {
    json!({"data": token_resource(tokens)})
        .to_string()
        .into_bytes()
}

fn token_resource(tokens: &Tokens) -> Value {
    json!({
        "type": "token",
        "id": tokens.user.id.to_string(),
        "attributes": {
            "token_type": "Bearer",
            "expires_in": tokens.expires_in.as_secs(),
            "access_token": tokens.access_token.expose_secret(),
            "refresh_token": tokens.refresh_token.expose_secret(),
        },
    })
}

fn include_user(document: &mut Value, user: Value) {
    let id = user.get("id").cloned().unwrap_or_default();
    if let Some(data) = document.get_mut("data").and_then(Value::as_object_mut) {
        let reference = json!({"users": {"data": {"type": "users", "id": id}}});
        data.insert("relationships".into(), reference);
    }
    if let Some(document) = document.as_object_mut() {
        document.insert("included".into(), json!([user]));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{bare_token_document, login_document, token_document};
    use crate::clock::Timestamp;
    use crate::domain::dialect::Dialect;
    use crate::domain::ids::UserId;
    use crate::domain::phone_number::PhoneNumber;
    use crate::domain::tenant_settings::TenantSettings;
    use crate::domain::user_status::UserStatus;
    use crate::session::gate::Tokens;
    use crate::store::users::User;

    fn tokens() -> Tokens {
        let at = Timestamp::parse_rfc3339("2026-01-02T03:04:05+08:00").unwrap();
        Tokens {
            user: User {
                id: UserId::from_i64(42),
                username: "李\"雷".into(),
                display_name: "李\"雷".into(),
                status: UserStatus::Normal,
                register_reason: Some("friends".into()),
                register_ip: "203.0.113.8".into(),
                last_login_ip: "203.0.113.9".into(),
                created_at: at,
                updated_at: at,
                login_at: at,
                phone: PhoneNumber::parse("13800138000", "86"),
                group_id: 10,
                avatar_url: None,
                refuse_message: None,
                has_password: true,
            },
            union_id: Some("u-1".into()),
            access_token: "a.b.c".into(),
            expires_in: Duration::from_secs(2_592_000),
            refresh_token: "r".into(),
        }
    }

    fn settings(dialect: Dialect) -> TenantSettings {
        TenantSettings {
            dialect,
            ..TenantSettings::default()
        }
    }

    fn data() -> Value {
        json!({
            "type": "token",
            "id": "42",
            "attributes": {
                "token_type": "Bearer",
                "expires_in": 2_592_000,
                "access_token": "a.b.c",
                "refresh_token": "r",
            },
        })
    }

    fn read(document: &[u8]) -> Value {
        serde_json::from_slice(document).unwrap()
    }

    #[test]
    fn discuzq_shows_a_new_accounts_token_alone() {
        let document = token_document(&tokens(), &settings(Dialect::Discuzq));
        assert_eq!(read(&document), json!({"data": data()}));
        assert_eq!(
            read(&bare_token_document(&tokens())),
            json!({"data": data()})
        );
    }

    #[test]
    fn standard_includes_the_new_user() {
        let mut data = data();
        data["relationships"] = json!({"users": {"data": {"type": "users", "id": "42"}}});
        let user = json!({
            "type": "users",
            "id": "42",
            "attributes": {
                "username": "李\"雷",
                "nickname": "李\"雷",
                "mobile": "13800138000",
                "unionId": "u-1",
                "lastLoginIp": "203.0.113.9",
                "createdAt": "2026-01-02T03:04:05+08:00",
                "updatedAt": "2026-01-02T03:04:05+08:00",
            },
        });
        let document = token_document(&tokens(), &settings(Dialect::Standard));
        assert_eq!(read(&document), json!({"data": data, "included": [user]}));
    }

    #[test]
    fn a_login_includes_the_user_in_both_dialects() {
        for dialect in [Dialect::Standard, Dialect::Discuzq] {
            let document = read(&login_document(&tokens(), &settings(dialect)));
            let included = &document["included"][0];
            assert_eq!(included["id"], document["data"]["id"]);
            assert_eq!(included["attributes"]["username"], "李\"雷");
            assert_eq!(
                document["data"]["relationships"]["users"]["data"]["id"],
                "42"
            );
        }
    }
}
