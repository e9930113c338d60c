//! `application/x-www-form-urlencoded` bodies: those of our own pages, and in the bracket form of PHP,
//! `data[attributes][username]=…`, which only the `discuzq` dialect reads (`docs/contract.md`, section 1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A form that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormFault {
    /// A name or value is not UTF-8 once its percent signs are decoded.
    Malformed,
    /// An attribute is given twice.
    DuplicateKey,
}

/// The members of `data[attributes]` as texts, in time linear in the body; all other fields are dropped.
///
/// `+` stands for a blank, and a percent sign without two hexadecimal digits for itself, as the original's form parser has
/// it. Arrays within an attribute (`data[attributes][username][]`) name no attribute of ours.
///
/// # Errors
/// The first fault met, from the left.
pub fn read_attributes(body: &[u8]) -> Result<Map<String, Value>, FormFault> {
    let mut attributes = Map::new();
    for pair in body.split(|byte| *byte == b'&') {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        let Some(attribute) = attribute_name(&name) else {
            continue;
        };
        if attributes
            .insert(attribute.to_owned(), Value::String(value))
            .is_some()
        {
            return Err(FormFault::DuplicateKey);
        }
    }
    Ok(attributes)
}

/// The fields of a form of ours by their names, in time linear in the body. Line ends, which browsers send as CR LF, become
/// LF.
///
/// # Errors
/// The first fault met, from the left. A field that stands twice is one: two readers may each take another.
pub fn read_fields(body: &[u8]) -> Result<BTreeMap<String, String>, FormFault> {
    let mut fields = BTreeMap::new();
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        if fields.insert(name, value.replace("\r\n", "\n")).is_some() {
            return Err(FormFault::DuplicateKey);
        }
    }
    Ok(fields)
}

fn attribute_name(name: &str) -> Option<&str> {
    let attribute = name.strip_prefix("data[attributes][")?.strip_suffix(']')?;
    (!attribute.contains(['[', ']'])).then_some(attribute)
}

/// One name or value, in which every percent sign must have its two digits.
pub(super) fn decode_strictly(text: &str) -> Option<String> {
    let mut rest = text.split('%').skip(1);
    let sound = rest.all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    decode(text.as_bytes()).ok().filter(|_| sound)
}

fn decode(text: &[u8]) -> Result<String, FormFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', tail),
            },
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| FormFault::Malformed)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{FormFault, read_attributes, read_fields};

    fn read(body: &str) -> Value {
        Value::Object(read_attributes(body.as_bytes()).unwrap())
    }

    #[test]
    fn bracketed_attributes_are_read_in_any_spelling() {
        assert_eq!(
            read(
                "data[attributes][username]=a+b&data%5Battributes%5d%5Bpassword%5D=%E5%AF%86%26%3d=x&"
            ),
            json!({"username": "a b", "password": "密&==x"})
        );
        assert_eq!(read("data[attributes][code]"), json!({"code": ""}));
    }

    #[test]
    fn percent_signs_without_two_digits_stand_for_themselves() {
        assert_eq!(
            read("data[attributes][password]=100%&x=%"),
            json!({"password": "100%"})
        );
        assert_eq!(
            read("data[attributes][password]=%zz%4"),
            json!({"password": "%zz%4"})
        );
    }

    #[test]
    fn other_fields_are_dropped() {
        let body = "username=a&data[id]=7&data[attributes][]=b&data[attributes][username][]=c&attributes[username]=d";
        assert_eq!(read(body), json!({"": "b"}));
        assert_eq!(read(""), json!({}));
    }

    #[test]
    fn faults_are_told_apart() {
        let twice = b"data[attributes][username]=a&data[attributes][%75sername]=b";
        assert_eq!(read_attributes(twice), Err(FormFault::DuplicateKey));
        assert_eq!(
            read_attributes(b"data[attributes][username]=%ff"),
            Err(FormFault::Malformed)
        );
        assert_eq!(read_attributes(b"\xff=1"), Err(FormFault::Malformed));
    }

    #[test]
    fn the_fields_of_a_form_each_stand_once() {
        let fields = read_fields(b"username=a+b&reason=one%0D%0Atwo&empty=&").unwrap();
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("empty", ""), ("reason", "one\ntwo"), ("username", "a b")]
        );
        assert_eq!(read_fields(b"a=1&%61=2"), Err(FormFault::DuplicateKey));
        assert_eq!(read_fields(b"a=%ff"), Err(FormFault::Malformed));
        assert_eq!(read_fields(b"").unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn every_text_survives_percent_encoding(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(read(&format!("data[attributes][password]={encoded}")), json!({"password": text}));
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..128)) {
            let ascii = body.is_ascii() && !body.contains(&b'%');
            prop_assert!(!ascii || read_attributes(&body) != Err(FormFault::Malformed));
        }
    }
}
