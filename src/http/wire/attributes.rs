//! The attributes of a request document: `data.attributes` of a body, in either dialect (`docs/contract.md`, section 1).

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::form::{self, FormFault};
use super::json::{self, JsonFault};
use super::media_type::MediaType;
use crate::domain::dialect::Dialect;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::registration::{CaptchaAnswer, MiniProgramCode, Offered};
use crate::http::error_document::Refusal;

/// Attributes as they came. Each is taken by name; what nobody takes is dropped.
///
/// An attribute of a wrong type is no refusal yet: it is noted, so that it can be reported together with what else is
/// found.
pub struct Attributes {
    values: Map<String, Value>,
    dialect: Dialect,
    faults: Vec<FieldFault>,
}

impl Attributes {
    /// Reads a whole body, once.
    ///
    /// # Errors
    /// [`Refusal::MalformedJson`] and [`Refusal::NotAnEnvelope`] in the `standard` dialect (in `discuzq` such a body has no
    /// attributes), [`Refusal::DuplicateKey`] and [`Refusal::TooDeep`] in both.
    pub fn read(media: MediaType, body: &[u8], dialect: Dialect) -> Result<Self, Refusal> {
        let values = match media {
            MediaType::Json => json_attributes(body, dialect)?,
            MediaType::Form => form_attributes(body)?,
            MediaType::Empty => Map::new(),
        };
        Ok(Self::of(values, dialect))
    }

    /// Reads a JSON body whose `data` is a list of resources.
    ///
    /// # Errors
    /// [`Refusal::NotAnEnvelope`] when it is no list of 1 to `most` objects with attributes, and as [`Attributes::read`].
    pub fn read_list(body: &[u8], most: usize, dialect: Dialect) -> Result<Vec<Self>, Refusal> {
        let mut document = json::parse_strict(body).map_err(|fault| match fault {
            JsonFault::Malformed => Refusal::MalformedJson,
            JsonFault::DuplicateKey => Refusal::DuplicateKey,
            JsonFault::TooDeep => Refusal::TooDeep,
        })?;
        let list = match document.get_mut("data").map(Value::take) {
            Some(Value::Array(list)) if (1..=most).contains(&list.len()) => list,
            _ => return Err(Refusal::NotAnEnvelope),
        };
        let read = |mut item: Value| match item.get_mut("attributes").map(Value::take) {
            Some(Value::Object(values)) => Ok(Self::of(values, dialect)),
            _ => Err(Refusal::NotAnEnvelope),
        };
        list.into_iter().map(read).collect()
    }

    /// Attributes that were read already.
    #[must_use]
    pub fn of(values: Map<String, Value>, dialect: Dialect) -> Self {
        Self {
            values,
            dialect,
            faults: Vec::new(),
        }
    }

    /// A text; absent and null are the same.
    pub fn text(&mut self, name: &str, field: Field) -> Option<String> {
        let value = self.values.remove(name).unwrap_or_default();
        read_text(value, self.dialect).unwrap_or_else(|fault| {
            self.faults.push(FieldFault::new(field, fault));
            None
        })
    }

    /// A text that means nothing when it is empty.
    pub fn filled(&mut self, name: &str, field: Field) -> Option<String> {
        self.text(name, field).filter(|text| !text.is_empty())
    }

    /// A secret.
    pub fn secret(&mut self, name: &str, field: Field) -> Option<SecretString> {
        self.text(name, field).map(SecretString::from)
    }

    /// A code of digits, which some clients send as a number; accepted in both dialects (contract section 13).
    pub fn code(&mut self, name: &str, field: Field) -> Option<String> {
        if let Some(Value::Number(number)) = self.values.get(name)
            && number.is_u64()
        {
            let text = number.to_string();
            self.values.insert(name.to_owned(), Value::String(text));
        }
        self.text(name, field)
    }

    /// A switch, as the original's language judges truth: `1`, `"1"`, `true` and any other text or number but zero.
    pub fn switch(&mut self, name: &str) -> bool {
        match self.values.remove(name).unwrap_or_default() {
            Value::Bool(on) => on,
            Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
            Value::String(text) => !matches!(text.as_str(), "" | "0"),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }

    /// A whole number, or its digits.
    pub fn number(&mut self, name: &str, field: Field) -> Option<i64> {
        let number = match self.values.remove(name).unwrap_or_default() {
            Value::Null => return None,
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.faults.push(FieldFault::new(field, Fault::WrongType));
        }
        number
    }

    /// `token`, `mobileToken`, the mini program's triple and `rebind`. A part of the triple counts as nothing.
    pub fn offered(&mut self) -> Offered {
        let token = self.filled("token", Field::Token);
        let mobile_token = self.filled("mobileToken", Field::MobileToken);
        let mini_program = match TRIPLE.map(|(name, field)| self.filled(name, field)) {
            [Some(js_code), Some(iv), Some(encrypted_data)] => Some(MiniProgramCode {
                js_code: js_code.into(),
                iv,
                encrypted_data,
            }),
            _ => None,
        };
        Offered {
            token: token.map(SecretString::from),
            mobile_token: mobile_token.map(SecretString::from),
            mini_program,
            rebind: self.switch("rebind"),
        }
    }

    /// `captcha_ticket` and `captcha_rand_str`.
    pub fn captcha(&mut self) -> CaptchaAnswer {
        CaptchaAnswer {
            ticket: self
                .text("captcha_ticket", Field::Captcha)
                .unwrap_or_default(),
            rand_str: self
                .text("captcha_rand_str", Field::Captcha)
                .unwrap_or_default(),
        }
    }

    /// Whether an attribute came as a text without anything in it.
    #[must_use]
    pub fn is_empty_text(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| value == "")
    }

    /// Which of the mini program's triple are missing, null or empty; for calls that need all three.
    #[must_use]
    pub fn missing_of_triple(&self) -> Vec<Field> {
        let blank = |name: &str| {
            let value = self.values.get(name);
            value.is_none_or(|value| value.is_null() || value == "")
        };
        TRIPLE
            .into_iter()
            .filter(|(name, _)| blank(name))
            .map(|(_, field)| field)
            .collect()
    }

    /// What was of a wrong type, in the contract's order of fields.
    #[must_use]
    pub fn faults(mut self) -> Vec<FieldFault> {
        self.faults.sort_by_key(|fault| fault.field);
        self.faults
    }
}

/// What a mini program hands its user, by its names on the wire.
const TRIPLE: [(&str, Field); 3] = [
    ("js_code", Field::JsCode),
    ("iv", Field::Iv),
    ("encryptedData", Field::EncryptedData),
];

fn json_attributes(body: &[u8], dialect: Dialect) -> Result<Map<String, Value>, Refusal> {
    let document = match (json::parse_strict(body), dialect) {
        (Ok(document), _) => document,
        (Err(JsonFault::Malformed), Dialect::Discuzq) => return Ok(Map::new()),
        (Err(JsonFault::Malformed), Dialect::Standard) => return Err(Refusal::MalformedJson),
        (Err(JsonFault::DuplicateKey), _) => return Err(Refusal::DuplicateKey),
        (Err(JsonFault::TooDeep), _) => return Err(Refusal::TooDeep),
    };
    match (open_envelope(document), dialect) {
        (Some(attributes), _) => Ok(attributes),
        (None, Dialect::Discuzq) => Ok(Map::new()),
        (None, Dialect::Standard) => Err(Refusal::NotAnEnvelope),
    }
}

/// `data.attributes`; `None` unless both are objects. An envelope without attributes is an envelope still (JSON:API 1.1).
fn open_envelope(document: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut document) = document else {
        return None;
    };
    let Value::Object(mut data) = document.remove("data")? else {
        return None;
    };
    match data.remove("attributes") {
        None => Some(Map::new()),
        Some(Value::Object(attributes)) => Some(attributes),
        Some(_) => None,
    }
}

fn form_attributes(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match form::read_attributes(body) {
        Ok(attributes) => Ok(attributes),
        Err(FormFault::Malformed) => Ok(Map::new()),
        Err(FormFault::DuplicateKey) => Err(Refusal::DuplicateKey),
    }
}

/// A text, or nothing for null. The original read whole numbers as their digits, and some of its clients send them.
fn read_text(value: Value, dialect: Dialect) -> Result<Option<String>, Fault> {
    match (value, dialect) {
        (Value::Null, _) => Ok(None),
        (Value::String(text), _) => Ok(Some(text)),
        (Value::Number(number), Dialect::Discuzq) if !number.is_f64() => {
            Ok(Some(number.to_string()))
        }
        _ => Err(Fault::WrongType),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret, SecretString};
    use serde_json::{Value, json};

    use super::Attributes;
    use crate::domain::dialect::Dialect::{self, Discuzq, Standard};
    use crate::domain::fault::{Fault, Field, FieldFault};

    fn attributes(values: Value, dialect: Dialect) -> Attributes {
        let Value::Object(values) = values else {
            panic!("no object: {values}")
        };
        Attributes::of(values, dialect)
    }

    fn wrong(fields: &[Field]) -> Vec<FieldFault> {
        fields
            .iter()
            .map(|field| FieldFault::new(*field, Fault::WrongType))
            .collect()
    }

    fn plain(secret: Option<&SecretString>) -> Option<&str> {
        secret.map(ExposeSecret::expose_secret)
    }

    #[test]
    fn a_switch_is_on_for_what_the_originals_language_calls_true() {
        for (value, on) in [
            (json!(1), true),
            (json!("1"), true),
            (json!(true), true),
            (json!(-2), true),
            (json!(0.5), true),
            // A text that is neither empty nor "0" is true, whatever it says.
            (json!("false"), true),
            (json!("00"), true),
            (json!(0), false),
            (json!(0.0), false),
            (json!("0"), false),
            (json!(""), false),
            (json!(false), false),
            (json!(null), false),
            (json!([]), false),
            (json!({}), false),
        ] {
            for dialect in [Standard, Discuzq] {
                let mut attributes = attributes(json!({"rebind": value}), dialect);
                assert_eq!(attributes.switch("rebind"), on, "{value}");
                assert_eq!(attributes.faults(), []);
            }
        }
        assert!(!attributes(json!({}), Standard).switch("rebind"));
    }

    #[test]
    fn a_code_may_be_a_number() {
        for dialect in [Standard, Discuzq] {
            for (value, text) in [
                (json!(123_456), Some("123456")),
                (json!("012345"), Some("012345")),
                (json!(""), Some("")),
                (json!(null), None),
            ] {
                let mut attributes = attributes(json!({"code": value}), dialect);
                let code = attributes.code("code", Field::SmsCode);
                assert_eq!(code.as_deref(), text, "{value}");
                assert_eq!(attributes.faults(), []);
            }
            for value in [json!(1.5), json!([1]), json!({}), json!(true)] {
                let mut attributes = attributes(json!({"code": value}), dialect);
                assert_eq!(attributes.code("code", Field::SmsCode), None, "{value}");
                assert_eq!(attributes.faults(), wrong(&[Field::SmsCode]), "{value}");
            }
        }
    }

    #[test]
    fn a_number_may_come_as_its_digits() {
        for (value, number) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!(-1), Some(-1)),
            (json!(null), None),
        ] {
            let mut attributes = attributes(json!({"status": value}), Standard);
            assert_eq!(attributes.number("status", Field::Status), number);
            assert_eq!(attributes.faults(), [], "{value}");
        }
        for value in [json!("7x"), json!(""), json!(1.5), json!(true), json!([7])] {
            let mut attributes = attributes(json!({"status": value}), Standard);
            assert_eq!(attributes.number("status", Field::Status), None);
            assert_eq!(attributes.faults(), wrong(&[Field::Status]), "{value}");
        }
    }

    #[test]
    fn all_that_is_offered_is_taken() {
        let mut attributes = attributes(
            json!({
                "token": "t", "mobileToken": "m", "js_code": "j", "iv": "i", "encryptedData": "e",
                "rebind": 1,
            }),
            Standard,
        );
        let offered = attributes.offered();
        assert_eq!(plain(offered.token.as_ref()), Some("t"));
        assert_eq!(plain(offered.mobile_token.as_ref()), Some("m"));
        let triple = offered.mini_program.unwrap();
        assert_eq!(plain(Some(&triple.js_code)), Some("j"));
        assert_eq!(
            (triple.iv.as_str(), triple.encrypted_data.as_str()),
            ("i", "e")
        );
        assert!(offered.rebind);
        assert_eq!(attributes.faults(), []);
    }

    #[test]
    fn a_part_of_the_triple_and_empty_texts_count_as_nothing() {
        for part in [
            json!({"js_code": "j", "iv": "i"}),
            json!({"js_code": "j", "encryptedData": "e"}),
            json!({"iv": "i", "encryptedData": "e"}),
            json!({"js_code": "j", "iv": "", "encryptedData": "e"}),
            json!({"token": "", "mobileToken": "", "js_code": null, "rebind": ""}),
            json!({}),
        ] {
            let mut attributes = attributes(part.clone(), Standard);
            let offered = attributes.offered();
            assert!(offered.mini_program.is_none(), "{part}");
            assert!(offered.token.is_none() && offered.mobile_token.is_none());
            assert!(!offered.rebind);
            assert_eq!(attributes.faults(), [], "{part}");
        }
    }

    #[test]
    fn what_is_offered_in_a_wrong_type_is_noted_in_the_contracts_order() {
        let values = json!({
            "encryptedData": false, "iv": 1.5, "js_code": {}, "mobileToken": [], "token": {"a": 1},
            "captcha_ticket": [], "captcha_rand_str": {},
        });
        for dialect in [Standard, Discuzq] {
            let mut attributes = attributes(values.clone(), dialect);
            assert!(attributes.offered().mini_program.is_none());
            let captcha = attributes.captcha();
            assert_eq!(
                (captcha.ticket.as_str(), captcha.rand_str.as_str()),
                ("", "")
            );
            let fields = [
                Field::Captcha,
                Field::Captcha,
                Field::Token,
                Field::MobileToken,
                Field::JsCode,
                Field::Iv,
                Field::EncryptedData,
            ];
            assert_eq!(attributes.faults(), wrong(&fields));
        }
    }

    #[test]
    fn only_discuzq_reads_numbers_as_tokens() {
        let values = json!({"token": 5});
        let mut lenient = attributes(values.clone(), Discuzq);
        assert_eq!(plain(lenient.offered().token.as_ref()), Some("5"));
        let mut strict = attributes(values, Standard);
        assert!(strict.offered().token.is_none());
        assert_eq!(strict.faults(), wrong(&[Field::Token]));
    }

    #[test]
    fn an_empty_text_is_told_from_none() {
        for (values, empty) in [
            (json!({"mobileToken": ""}), true),
            (json!({"mobileToken": "m"}), false),
            (json!({"mobileToken": null}), false),
            (json!({}), false),
        ] {
            let attributes = attributes(values, Standard);
            assert_eq!(attributes.is_empty_text("mobileToken"), empty);
        }
    }
}
