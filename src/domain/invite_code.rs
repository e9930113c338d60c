//! An invite code in canonical form.

use super::text::without_white_space;

/// More than a code with generous white space; longer input is refused before it is looked at.
const MAX_INPUT_BYTES: usize = 1024;
const MAX_LENGTH: usize = 64;

/// Crockford's base 32: no I, L, O or U, which are misread.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 1 to 64 characters of `A-Z 0-9 _ -`; white space removed, letters in upper case. An administrator's code has 32
/// characters, a member's is the number of the user and can be a single digit (contract section 6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InviteCode(String);

impl InviteCode {
    /// Reads a code as sent; `None` when it can be no code of ours.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MAX_INPUT_BYTES {
            return None;
        }
        let code = without_white_space(raw).to_ascii_uppercase();
        let in_length = (1..=MAX_LENGTH).contains(&code.len());
        let in_alphabet = code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        (in_length && in_alphabet).then_some(Self(code))
    }

    /// A fresh code of 32 characters from 20 random bytes (160 bits).
    #[must_use]
    pub fn from_random(bytes: [u8; 20]) -> Self {
        let mut code = String::with_capacity(32);
        let mut waiting: u32 = 0;
        let mut bits = 0;
        for byte in bytes {
            waiting = (waiting << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                code.extend(crockford_digit((waiting >> bits) & 31));
            }
            waiting &= (1 << bits) - 1;
        }
        Self(code)
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the contract takes this for an administrator's code (section 6: length exactly 32).
    #[must_use]
    pub fn has_administrator_form(&self) -> bool {
        self.0.len() == 32
    }
}

fn crockford_digit(value: u32) -> Option<char> {
    usize::try_from(value)
        .ok()
        .and_then(|index| CROCKFORD.get(index))
        .map(|byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::InviteCode;

    #[test]
    fn spellings_of_one_code_meet() {
        let code = InviteCode::parse("ABC-12_x").unwrap();
        for spelling in [
            "abc-12_X",
            " ABC-12_x",
            "A B C-12_x\n",
            "\u{3000}abc-12_x\u{a0}",
        ] {
            assert_eq!(
                InviteCode::parse(spelling),
                Some(code.clone()),
                "{spelling:?}"
            );
        }
        assert_eq!(code.as_str(), "ABC-12_X");
        assert_eq!(
            InviteCode::parse("7").unwrap().as_str(),
            "7",
            "a member's code is a user's number"
        );
    }

    #[test]
    fn what_can_be_no_code_is_none() {
        let long = "A".repeat(65);
        let blanks = " ".repeat(2000) + "ABCD";
        for odd in [
            "",
            "  ",
            "ab'c",
            "ab%",
            "ａｂｃ",
            "ab\u{200b}c",
            "ab\0c",
            "ſabc",
            long.as_str(),
            blanks.as_str(),
        ] {
            assert_eq!(InviteCode::parse(odd), None, "{odd:?}");
        }
        assert!(InviteCode::parse(&"A".repeat(64)).is_some());
    }

    #[test]
    fn known_bytes_make_a_known_code() {
        assert_eq!(InviteCode::from_random([0; 20]).as_str(), "0".repeat(32));
        assert_eq!(InviteCode::from_random([0xff; 20]).as_str(), "Z".repeat(32));
        // Five bits each: 0, 1, 2, ... 31.
        let counting = [
            0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf, 0x84, 0x65, 0x3a, 0x56,
            0xd7, 0xc6, 0x75, 0xbe, 0x77, 0xdf,
        ];
        assert_eq!(
            InviteCode::from_random(counting).as_str(),
            "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        );
    }

    proptest! {
        #[test]
        fn any_input_is_judged_and_the_canonical_form_is_stable(raw in "\\PC{0,80}") {
            if let Some(code) = InviteCode::parse(&raw) {
                prop_assert_eq!(InviteCode::parse(code.as_str()), Some(code));
            }
        }

        #[test]
        fn every_random_code_reads_back_and_no_two_are_alike(bytes in prop::collection::vec(any::<[u8; 20]>(), 2..20)) {
            let distinct: HashSet<_> = bytes.iter().copied().collect();
            let codes: HashSet<_> = distinct.iter().map(|bytes| InviteCode::from_random(*bytes)).collect();
            prop_assert_eq!(codes.len(), distinct.len());
            for code in codes {
                prop_assert!(code.has_administrator_form());
                prop_assert_eq!(InviteCode::parse(&code.as_str().to_lowercase()), Some(code));
            }
        }
    }
}
