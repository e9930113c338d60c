//! Why somebody wants to join.

use super::fault::Fault;
use super::text::code_points;

/// Most code points (contract section 2.1).
const MAX_LENGTH: u32 = 50;

/// Stands in place of a reason where an account made itself by a code sent to a phone (`docs/contract.md`, section 10.3).
pub const BY_PHONE: &str = "手机号注册";
/// The same, by the official account's page or a scanned picture (section 10.2).
pub const BY_OFFICIAL_ACCOUNT: &str = "公众号网页注册";
/// The same, by the mini program (section 10.4).
pub const BY_MINI_PROGRAM: &str = "微信小程序注册";

/// A non-blank reason of at most 50 code points (contract section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterReason(String);

impl RegisterReason {
    /// Trims the ends and judges the rest.
    ///
    /// # Errors
    /// Every fault found; a blank reason yields `Required` alone.
    pub fn parse(raw: &str) -> Result<Self, Vec<Fault>> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(vec![Fault::Required]);
        }
        let mut faults = Vec::new();
        if code_points(text) > MAX_LENGTH {
            faults.push(Fault::TooLong { max: MAX_LENGTH });
        }
        if text.chars().any(is_forbidden) {
            faults.push(Fault::ForbiddenCharacter);
        }
        if faults.is_empty() {
            Ok(Self(text.to_owned()))
        } else {
            Err(faults)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls other than line breaks and tabs; among them NUL, which PostgreSQL cannot keep in a text.
fn is_forbidden(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, RegisterReason};

    #[test]
    fn the_ends_are_trimmed_and_the_middle_is_kept() {
        let reason = RegisterReason::parse("\u{3000} I like\nthe\tforum \u{a0}").unwrap();
        assert_eq!(reason.as_str(), "I like\nthe\tforum");
    }

    #[test]
    fn blank_is_missing() {
        for blank in ["", " ", "\n\t", "\u{3000}\u{2003}"] {
            assert_eq!(
                RegisterReason::parse(blank),
                Err(vec![Fault::Required]),
                "{blank:?}"
            );
        }
    }

    #[test]
    fn fifty_code_points_fit_and_one_more_does_not() {
        assert!(RegisterReason::parse(&"愿".repeat(50)).is_ok());
        assert_eq!(
            RegisterReason::parse(&"愿".repeat(51)),
            Err(vec![Fault::TooLong { max: 50 }])
        );
        assert!(
            RegisterReason::parse(&format!("  {}  ", "a".repeat(50))).is_ok(),
            "blanks at the ends do not count"
        );
    }

    #[test]
    fn controls_are_refused_and_all_faults_reported() {
        for odd in ["a\0b", "a\u{1b}[31m", "a\u{85}b", "a\u{7f}b"] {
            assert_eq!(
                RegisterReason::parse(odd),
                Err(vec![Fault::ForbiddenCharacter]),
                "{odd:?}"
            );
        }
        let both = vec![Fault::TooLong { max: 50 }, Fault::ForbiddenCharacter];
        assert_eq!(
            RegisterReason::parse(&format!("a\0{}", "b".repeat(60))),
            Err(both)
        );
    }

    proptest! {
        #[test]
        fn an_accepted_reason_reads_back(raw in any::<String>()) {
            if let Ok(reason) = RegisterReason::parse(&raw) {
                prop_assert!(!reason.as_str().contains('\0'));
                prop_assert!(reason.as_str().chars().count() <= 50);
                prop_assert_eq!(RegisterReason::parse(reason.as_str()), Ok(reason));
            }
        }
    }
}
