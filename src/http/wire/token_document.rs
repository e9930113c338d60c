//! The answer to a registration that made an account (`docs/contract.md`, section 3).

use serde_json::json;

use crate::domain::dialect::Dialect;
use crate::domain::ids::UserId;

/// A new account and its first tokens, ready to be shown.
pub struct NewAccount<'a> {
    /// The user's id, shown as a string.
    pub user_id: UserId,
    /// The user name as displayed.
    pub username: &'a str,
    /// The nickname; the user name until the user chooses another.
    pub nickname: &'a str,
    /// The phone number, if one is bound.
    pub mobile: Option<&'a str>,
    /// WeChat's union id, if one is bound.
    pub union_id: Option<&'a str>,
    /// The address the account was registered from.
    pub last_login_ip: &'a str,
    /// RFC 3339, at the tenant's offset from UTC.
    pub created_at: &'a str,
    /// RFC 3339, at the tenant's offset from UTC.
    pub updated_at: &'a str,
    /// The signed access token.
    pub access_token: &'a str,
    /// Life of the access token in seconds.
    pub expires_in: u32,
    /// The refresh token.
    pub refresh_token: &'a str,
}

/// The token document: in the `standard` dialect with the new user in `included`, in `discuzq` without.
#[must_use]
pub fn token_document(account: &NewAccount<'_>, dialect: Dialect) -> Vec<u8> {
    let id = account.user_id.to_string();
    let attributes = json!({
        "token_type": "Bearer",
        "expires_in": account.expires_in,
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
    });
    let document = match dialect {
        Dialect::Discuzq => json!({"data": {"type": "token", "id": id, "attributes": attributes}}),
        Dialect::Standard => json!({
            "data": {
                "type": "token",
                "id": id,
                "attributes": attributes,
                "relationships": {"users": {"data": {"type": "users", "id": id}}},
            },
            "included": [{
                "type": "users",
                "id": id,
                "attributes": {
                    "username": account.username,
                    "nickname": account.nickname,
                    "mobile": account.mobile.unwrap_or_default(),
                    "unionId": account.union_id.unwrap_or_default(),
                    "lastLoginIp": account.last_login_ip,
                    "createdAt": account.created_at,
                    "updatedAt": account.updated_at,
                },
            }],
        }),
    };
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{NewAccount, token_document};
    use crate::domain::dialect::Dialect;
    use crate::domain::ids::UserId;

    fn account() -> NewAccount<'static> {
        NewAccount {
            user_id: UserId::from_i64(42),
            username: "李\"雷",
            nickname: "李\"雷",
            mobile: None,
            union_id: None,
            last_login_ip: "203.0.113.9",
            created_at: "2026-01-02T03:04:05+08:00",
            updated_at: "2026-01-02T03:04:05+08:00",
            access_token: "a.b.c",
            expires_in: 2_592_000,
            refresh_token: "r",
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

    fn document(dialect: Dialect) -> Value {
        serde_json::from_slice(&token_document(&account(), dialect)).unwrap()
    }

    #[test]
    fn discuzq_shows_the_token_alone() {
        assert_eq!(document(Dialect::Discuzq), json!({"data": data()}));
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
                "mobile": "",
                "unionId": "",
                "lastLoginIp": "203.0.113.9",
                "createdAt": "2026-01-02T03:04:05+08:00",
                "updatedAt": "2026-01-02T03:04:05+08:00",
            },
        });
        assert_eq!(
            document(Dialect::Standard),
            json!({"data": data, "included": [user]})
        );
    }

    #[test]
    fn bound_identities_are_shown() {
        let bound = NewAccount {
            mobile: Some("13800000000"),
            union_id: Some("u"),
            ..account()
        };
        let document: Value =
            serde_json::from_slice(&token_document(&bound, Dialect::Standard)).unwrap();
        let attributes = &document["included"][0]["attributes"];
        assert_eq!(
            (&attributes["mobile"], &attributes["unionId"]),
            (&json!("13800000000"), &json!("u"))
        );
    }
}
