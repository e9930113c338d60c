//! JSON without the corners in which parsers disagree.
//!
//! RFC 8259 leaves duplicate names, lone surrogates and huge numbers to each parser. A proxy that reads a body one way
//! while this server reads it another could be talked past, so all of them are faults here. `serde_json` already refuses
//! bad UTF-8, lone surrogates, trailing data and numbers that no `f64` can hold; this file adds names and depth.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Objects and arrays within each other; the contract's own documents have three levels.
const MAX_DEPTH: usize = 32;

/// Why a body is not JSON that this server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON (RFC 8259) in UTF-8, or a number out of range.
    Malformed,
    /// An object names a member twice, be it in another spelling (`"a"`, `"\u0061"`).
    DuplicateKey,
    /// More than 32 objects and arrays within each other.
    TooDeep,
}

/// Reads a whole body as one JSON value, in time that grows no faster than n log n.
///
/// # Errors
/// The first fault met, from the left.
pub fn parse_strict(body: &[u8]) -> Result<Value, JsonFault> {
    let fault = Cell::new(JsonFault::Malformed);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let strict = Strict {
        levels_left: MAX_DEPTH,
        fault: &fault,
    };
    let value = strict
        .deserialize(&mut deserializer)
        .map_err(|_| fault.get())?;
    deserializer.end().map_err(|_| JsonFault::Malformed)?;
    Ok(value)
}

/// Builds one value and everything in it.
#[derive(Clone, Copy)]
struct Strict<'a> {
    /// So many more objects and arrays may open.
    levels_left: usize,
    /// What to report, since an error of serde carries text only.
    fault: &'a Cell<JsonFault>,
}

impl Strict<'_> {
    fn refuse<E: Error>(self, fault: JsonFault) -> E {
        self.fault.set(fault);
        E::custom("refused")
    }

    fn one_level_down<E: Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self {
                levels_left,
                ..self
            }),
            None => Err(self.refuse(JsonFault::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.refuse(JsonFault::Malformed))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.one_level_down()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.one_level_down()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.refuse(JsonFault::DuplicateKey));
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::JsonFault::{DuplicateKey, Malformed, TooDeep};
    use super::parse_strict;

    #[test]
    fn plain_documents_are_read_as_they_are() {
        let body = br#" {"a":[1,-2,2.5,true,null,"\ud83d\ude00\u0000"],"b":{"a":{}}} "#;
        let value = json!({"a": [1, -2, 2.5, true, null, "😀\0"], "b": {"a": {}}});
        assert_eq!(parse_strict(body), Ok(value));
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let bodies: [&[u8]; 18] = [
            b"",
            b" ",
            b"{",
            b"{}{}",
            b"{} x",
            b"[1,]",
            b"{'a':1}",
            b"nul",
            b"01",
            b"NaN",
            b"1e99999",
            b"-1e400",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            br#""\ud800""#,
            br#""\udc00x""#,
            b"\xef\xbb\xbf{}",
            b"\"\x01\"",
        ];
        for body in bodies {
            assert_eq!(
                parse_strict(body),
                Err(Malformed),
                "{}",
                body.escape_ascii()
            );
        }
        let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(parse_strict(&utf16), Err(Malformed));
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_level_and_in_any_spelling() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"username":"x","\u0075sername":"y"}"#,
            r#"[{"b":[{"a":1,"c":2,"a":3}]}]"#,
            r#"{"":1,"":2}"#,
            r#"{"a":1,"a":{"#,
        ] {
            assert_eq!(parse_strict(body.as_bytes()), Err(DuplicateKey), "{body}");
        }
    }

    #[test]
    fn thirty_two_levels_are_read_and_no_more() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested =
                |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert!(parse_strict(nested(32).as_bytes()).is_ok());
            assert_eq!(parse_strict(nested(33).as_bytes()), Err(TooDeep));
            assert_eq!(parse_strict(open.repeat(100_000).as_bytes()), Err(TooDeep));
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        scalar.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_survives_the_round_trip(document in documents()) {
            prop_assert_eq!(parse_strict(document.to_string().as_bytes()), Ok(document));
        }

        #[test]
        fn it_accepts_nothing_that_serde_json_refuses(body in "[\\[\\]{}\":,a1\\\\u0 .e-]{0,60}") {
            match (parse_strict(body.as_bytes()), serde_json::from_str::<Value>(&body)) {
                (Ok(ours), theirs) => prop_assert_eq!(Some(ours), theirs.ok()),
                (Err(Malformed), theirs) => prop_assert!(theirs.is_err()),
                (Err(DuplicateKey | TooDeep), _) => {}
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let expected = serde_json::from_slice::<Value>(&body).is_ok();
            match parse_strict(&body) {
                Ok(_) => prop_assert!(expected),
                Err(Malformed) => prop_assert!(!expected),
                Err(DuplicateKey | TooDeep) => {}
            }
        }
    }
}
