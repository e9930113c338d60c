//! The body of `POST /api/register` (`docs/contract.md`, section 2.1).

use super::attributes::Attributes;
use super::media_type::MediaType;
use crate::domain::dialect::Dialect;
use crate::domain::fault::Field;
use crate::domain::registration::Registration;
use crate::http::error_document::Refusal;

/// Reads a whole body, once. Only the attributes that the contract names are taken; the rest is dropped.
///
/// # Errors
/// As [`Attributes::read`].
pub fn read_registration(
    media: MediaType,
    body: &[u8],
    dialect: Dialect,
) -> Result<Registration, Refusal> {
    let mut attributes = Attributes::read(media, body, dialect)?;
    Ok(Registration {
        username: attributes.text("username", Field::Username),
        password: attributes.secret("password", Field::Password),
        register_reason: attributes.text("register_reason", Field::RegisterReason),
        invite_code: attributes.filled("code", Field::InviteCode),
        offered: attributes.offered(),
        captcha: attributes.captcha(),
        faults: attributes.faults(),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::super::media_type::MediaType;
    use super::read_registration;
    use crate::domain::dialect::Dialect::{self, Discuzq, Standard};
    use crate::domain::fault::{Fault, Field, FieldFault};
    use crate::domain::registration::Registration;
    use crate::http::error_document::Refusal;

    fn read(body: &str, dialect: Dialect) -> Result<Registration, Refusal> {
        read_registration(MediaType::Json, body.as_bytes(), dialect)
    }

    fn password(registration: &Registration) -> Option<&str> {
        registration
            .password
            .as_ref()
            .map(|password| password.expose_secret())
    }

    fn assert_without_attributes(registration: &Registration) {
        assert_eq!(registration.username, None);
        assert_eq!(password(registration), None);
        assert_eq!(registration.register_reason, None);
        assert_eq!(registration.invite_code, None);
        assert_eq!(registration.faults, []);
    }

    #[test]
    fn the_four_attributes_are_taken_as_sent() {
        let body = json!({"data": {"type": "x", "id": 7, "attributes": {
            "username": " a b ", "password": " p ", "register_reason": "", "code": "C-1",
            "status": 0, "mobile": "1", "role": "admin",
        }}});
        for dialect in [Standard, Discuzq] {
            let registration = read(&body.to_string(), dialect).unwrap();
            assert_eq!(registration.username.as_deref(), Some(" a b "));
            assert_eq!(password(&registration), Some(" p "));
            assert_eq!(registration.register_reason.as_deref(), Some(""));
            assert_eq!(registration.invite_code.as_deref(), Some("C-1"));
            assert_eq!(registration.faults, []);
        }
    }

    #[test]
    fn null_is_absent_and_an_empty_password_is_not() {
        for dialect in [Standard, Discuzq] {
            let nulls = r#"{"data":{"attributes":{"username":null,"password":null,"register_reason":null,"code":null}}}"#;
            assert_without_attributes(&read(nulls, dialect).unwrap());
            let empty = read(
                r#"{"data":{"attributes":{"password":"","code":""}}}"#,
                dialect,
            )
            .unwrap();
            assert_eq!(password(&empty), Some(""));
            assert_eq!(empty.invite_code, None);
        }
    }

    #[test]
    fn attributes_of_a_wrong_type_are_listed_in_the_contracts_order() {
        let body = r#"{"data":{"attributes":{"code":{},"register_reason":true,"password":1.5,"username":["a"]}}}"#;
        let fields = [
            Field::Username,
            Field::Password,
            Field::RegisterReason,
            Field::InviteCode,
        ];
        let expected = fields.map(|field| FieldFault::new(field, Fault::WrongType));
        for dialect in [Standard, Discuzq] {
            assert_eq!(read(body, dialect).unwrap().faults, expected);
        }
    }

    #[test]
    fn only_discuzq_reads_numbers_as_text() {
        let body = r#"{"data":{"attributes":{"username":42,"code":7}}}"#;
        let lenient = read(body, Discuzq).unwrap();
        assert_eq!(lenient.username.as_deref(), Some("42"));
        assert_eq!(lenient.invite_code.as_deref(), Some("7"));
        assert_eq!(read(body, Standard).unwrap().faults.len(), 2);
    }

    #[test]
    fn standard_refuses_what_is_no_envelope_and_discuzq_finds_no_attributes() {
        for body in [
            r#"{"username":"a"}"#,
            "[]",
            "null",
            r#"{"data":null}"#,
            r#"{"data":[{"attributes":{"username":"a"}}]}"#,
            r#"{"data":{"attributes":null}}"#,
            r#"{"data":{"attributes":["a"]}}"#,
        ] {
            assert!(
                matches!(read(body, Standard), Err(Refusal::NotAnEnvelope)),
                "{body}"
            );
            assert_without_attributes(&read(body, Discuzq).unwrap());
        }
        assert_without_attributes(&read(r#"{"data":{}}"#, Standard).unwrap());
    }

    #[test]
    fn broken_json_is_refused_only_where_the_contract_is_strict() {
        for body in ["", "{", "username=a"] {
            assert!(
                matches!(read(body, Standard), Err(Refusal::MalformedJson)),
                "{body}"
            );
            assert_without_attributes(&read(body, Discuzq).unwrap());
        }
        let twice = r#"{"data":{"attributes":{"username":"a","\u0075sername":"b"}}}"#;
        for dialect in [Standard, Discuzq] {
            assert!(matches!(read(twice, dialect), Err(Refusal::DuplicateKey)));
            assert!(matches!(
                read(&"[".repeat(40), dialect),
                Err(Refusal::TooDeep)
            ));
        }
    }

    #[test]
    fn forms_carry_the_same_attributes() {
        let form = |body: &[u8]| read_registration(MediaType::Form, body, Discuzq);
        let registration = form(b"data[attributes][username]=a&data[attributes][code]=").unwrap();
        assert_eq!(registration.username.as_deref(), Some("a"));
        assert_eq!(registration.invite_code, None);
        assert_without_attributes(&form(b"data[attributes][username]=%ff").unwrap());
        let twice = b"data[attributes][username]=a&data[attributes][username]=b";
        assert!(matches!(form(twice), Err(Refusal::DuplicateKey)));
    }

    #[test]
    fn a_body_of_unknown_kind_has_no_attributes() {
        let body = br#"{"data":{"attributes":{"username":"a"}}}"#;
        assert_without_attributes(&read_registration(MediaType::Empty, body, Discuzq).unwrap());
    }
}
