//! The name of a batch of invite codes.

const MAX_LENGTH: usize = 64;

/// 1 to 64 of `A-Z a-z 0-9 . _ -`, of which the first is a letter or a digit. Its administrator chooses it, so that a call
/// that broke off can be repeated and makes no code twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchName(String);

impl BatchName {
    /// Reads a name as sent; `None` when it can be none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let in_length = (1..=MAX_LENGTH).contains(&text.len());
        let in_alphabet = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        // `.` and `..` are no segments of a path.
        let begins_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        (in_length && in_alphabet && begins_well).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::BatchName;

    #[test]
    fn only_what_is_plain_in_a_path_is_a_name() {
        for name in ["a", "Spring-2027", "7.x_y", &"a".repeat(64)] {
            assert_eq!(BatchName::parse(name).unwrap().as_str(), name);
        }
        for odd in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &"a".repeat(65),
        ] {
            assert_eq!(BatchName::parse(odd), None, "{odd:?}");
        }
    }
}
