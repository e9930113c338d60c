//! The short name of a tenant.

use std::fmt;

/// 2 to 63 characters of `a-z 0-9 -`, normalised to lower case once. No hyphen at either end, and none in both the third
/// and the fourth place, where IDNA keeps its prefixes (RFC 5891, section 4.2.3.1). So every key is a host name label,
/// and no key can pass for the encoded form of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey(String);

impl TenantKey {
    /// Reads a key; `None` when it breaks the grammar (threats 7 to 9).
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let in_length = (2..=63).contains(&raw.len());
        let in_alphabet = raw
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let misplaced_hyphen =
            raw.starts_with('-') || raw.ends_with('-') || raw.get(2..4) == Some("--");
        (in_length && in_alphabet && !misplaced_hyphen).then(|| Self(raw.to_ascii_lowercase()))
    }

    /// The normalised form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TenantKey;

    #[test]
    fn letter_case_does_not_make_another_key() {
        let key = TenantKey::parse("alpha-1").unwrap();
        for spelling in ["ALPHA-1", "Alpha-1", "aLPHA-1"] {
            assert_eq!(TenantKey::parse(spelling), Some(key.clone()));
        }
        assert_eq!(key.to_string(), "alpha-1");
        for fine in ["ab", "a-b", "a--b", "abc--d", "42", &"a".repeat(63)] {
            assert!(TenantKey::parse(fine).is_some(), "{fine}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_no_key() {
        let odd = [
            "",
            "a",
            "-a",
            "a-",
            "--",
            "xn--alpha",
            "XN--alpha",
            "ab--c",
            "al pha",
            " alpha",
            "alpha ",
            "alpha\n",
            "al%70ha",
            "alph%61",
            "../b",
            "..%2fb",
            "a/b",
            "a\\b",
            "a.b",
            "alpha.",
            "a\0b",
            "alpha\0",
            "*",
            "a*",
            "a?",
            "a'b",
            "a\"b",
            "a;b",
            "a,b",
            "a_b",
            "аlpha",
            "ａｌｐｈａ",
            "alp\u{200b}ha",
            "al\u{ad}pha",
            "ﬁsh",
            "alphа",
            "ĸey",
            "ﬀ",
            "é",
            "一二",
        ];
        for raw in odd {
            assert_eq!(TenantKey::parse(raw), None, "{raw:?}");
        }
        for long in [64, 4096] {
            assert_eq!(TenantKey::parse(&"a".repeat(long)), None);
        }
    }

    proptest! {
        #[test]
        fn an_accepted_key_is_plain_and_stable(raw in "[a-zA-Z0-9./\\\\% -]{0,70}|\\PC{0,6}") {
            if let Some(key) = TenantKey::parse(&raw) {
                prop_assert_eq!(key.as_str(), raw.to_ascii_lowercase());
                prop_assert!(!key.as_str().contains(['.', '/', '\\', '%', ' ']));
                prop_assert_eq!(TenantKey::parse(key.as_str()), Some(key));
            }
        }
    }
}
