//! Small pieces of text handling that several parsed values share.

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The number of code points, the unit in which the contract counts characters.
#[must_use]
pub fn code_points(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// The text without any character of the Unicode property `White_Space`, wherever it stands (contract section 2.2).
#[must_use]
pub fn without_white_space(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .collect()
}

/// Lower case, each character for itself: unlike [`str::to_lowercase`], the neighbours of a final sigma do not matter.
#[must_use]
pub fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Normalization Form C (UAX 15).
#[must_use]
pub fn nfc(text: &str) -> String {
    if is_nfc(text) {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}
