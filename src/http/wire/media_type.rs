//! What kind of body a request carries, judged by its header fields (`docs/contract.md`, section 1).

use crate::domain::dialect::Dialect;
use crate::http::error_document::Refusal;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// As JSON.
    Json,
    /// As a form in PHP's bracket form; `discuzq` only.
    Form,
    /// Not at all: it counts as a document without attributes; `discuzq` only.
    Empty,
}

/// Judges `Content-Type` and `Content-Encoding`.
///
/// The `standard` dialect takes `application/vnd.api+json` and `application/json`, both with `charset=utf-8` at most. The
/// `discuzq` dialect takes anything whose type speaks of JSON, and forms; what it does not know acts as an empty body.
///
/// # Errors
/// [`Refusal::UnsupportedMediaType`]; in both dialects [`Refusal::UnsupportedEncoding`] for any encoding but `identity`,
/// so that nothing is ever inflated, and [`Refusal::UnsupportedMediaType`] for multipart bodies.
pub fn media_type(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    dialect: Dialect,
) -> Result<MediaType, Refusal> {
    if !content_encoding.is_none_or(|encoding| encoding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Refusal::UnsupportedEncoding);
    }
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    match dialect {
        Dialect::Standard => {
            let known = ["application/vnd.api+json", "application/json"].contains(&essence);
            let plain =
                parts.all(|part| matches!(part, "" | "charset=utf-8" | "charset=\"utf-8\""));
            (known && plain)
                .then_some(MediaType::Json)
                .ok_or(Refusal::UnsupportedMediaType)
        }
        Dialect::Discuzq if essence.starts_with("multipart/") => Err(Refusal::UnsupportedMediaType),
        Dialect::Discuzq if content_type.contains("json") => Ok(MediaType::Json),
        Dialect::Discuzq if essence == "application/x-www-form-urlencoded" => Ok(MediaType::Form),
        Dialect::Discuzq => Ok(MediaType::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::{MediaType, media_type};
    use crate::domain::dialect::Dialect::{self, Discuzq, Standard};
    use crate::http::error_document::Refusal;

    fn read(content_type: &str, dialect: Dialect) -> Option<MediaType> {
        media_type(Some(content_type), None, dialect).ok()
    }

    #[test]
    fn standard_takes_the_two_json_types_in_utf_8() {
        for content_type in [
            "application/json",
            "application/vnd.api+json",
            "Application/JSON; Charset=UTF-8",
            "application/vnd.api+json;charset=\"utf-8\"",
            "application/json;",
        ] {
            assert_eq!(
                read(content_type, Standard),
                Some(MediaType::Json),
                "{content_type}"
            );
        }
        for content_type in [
            "",
            "text/json",
            "application/jsonx",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-7",
            "application/vnd.api+json; ext=\"https://example.org/x\"",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=json",
        ] {
            assert_eq!(read(content_type, Standard), None, "{content_type}");
        }
        assert!(matches!(
            media_type(None, None, Standard),
            Err(Refusal::UnsupportedMediaType)
        ));
    }

    #[test]
    fn discuzq_takes_what_speaks_of_json_forms_and_nothing() {
        for (content_type, kind) in [
            ("application/json;charset=utf-8", MediaType::Json),
            ("text/JSON", MediaType::Json),
            (
                "application/x-www-form-urlencoded; charset=UTF-8",
                MediaType::Form,
            ),
            ("text/plain", MediaType::Empty),
            ("", MediaType::Empty),
        ] {
            assert_eq!(read(content_type, Discuzq), Some(kind), "{content_type}");
        }
        assert_eq!(read("multipart/form-data; boundary=json", Discuzq), None);
        assert!(matches!(
            media_type(None, None, Discuzq),
            Ok(MediaType::Empty)
        ));
    }

    #[test]
    fn nothing_is_ever_inflated() {
        for dialect in [Standard, Discuzq] {
            for encoding in ["gzip", "identity, gzip", "br", "x", ""] {
                let answer = media_type(Some("application/json"), Some(encoding), dialect);
                assert!(
                    matches!(answer, Err(Refusal::UnsupportedEncoding)),
                    "{encoding}"
                );
            }
            assert!(media_type(Some("application/json"), Some("Identity"), dialect).is_ok());
        }
    }
}
