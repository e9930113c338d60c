//! Reading answers: typed leniently (WeChat writes numbers as texts now and then), bounded strictly.

use serde_json::Value;

use super::error::{CallError, printable};

/// Most characters of an id that a provider gives.
const MAX_ID: usize = 128;
/// Most characters of a shown name.
pub(super) const MAX_NICKNAME: usize = 50;
/// Most characters of the name of a place.
pub(super) const MAX_PLACE: usize = 100;

/// Reads a JSON object.
///
/// # Errors
/// [`CallError::Broken`] for anything else.
pub(super) fn read_object(body: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice::<Value>(body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| CallError::broken("the answer is no JSON object"))
}

/// A member that is a whole number, or a text that is one.
pub(super) fn integer(answer: &Value, name: &str) -> Option<i64> {
    answer.get(name).and_then(number)
}

/// A whole number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A member that is a text, else an empty one.
pub(super) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member for show: without control characters, cut to so many characters; empty when it is no text.
pub(super) fn shown(answer: &Value, name: &str, most: usize) -> String {
    printable(text(answer, name), most)
}

/// A member that names something: 1 to 128 printable ASCII characters. An absent, null or empty one is `None`.
///
/// # Errors
/// [`CallError::Broken`] for anything else: an id is never cut or cleaned into another one.
pub(super) fn id(answer: &Value, name: &str) -> Result<Option<String>, CallError> {
    match answer.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if is_id(text) => Ok(Some(text.clone())),
        Some(_) => Err(CallError::broken(format!("the answer's {name} is no id"))),
    }
}

/// Whether a text can be an id that a provider gave.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The address of a picture: `http` or `https`, printable ASCII, at most 512 characters; else empty.
pub(super) fn picture_address(address: &str) -> String {
    let well_formed = (address.starts_with("https://") || address.starts_with("http://"))
        && address.len() <= 512
        && address.bytes().all(|byte| byte.is_ascii_graphic());
    if well_formed {
        address.to_owned()
    } else {
        String::new()
    }
}

/// 1 male, 2 female, anything else unknown.
pub(super) fn sex(number: Option<i64>) -> i16 {
    match number {
        Some(1) => 1,
        Some(2) => 2,
        _ => 0,
    }
}
