//! An invite code in canonical form.

/// 4 to 64 characters of `A-Z 0-9 _ -`; white space removed, letters in upper case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InviteCode(String);

impl InviteCode {
    /// Reads a code as sent; `None` when it can be no code of ours.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        Some(Self(raw.into()))
    }

    /// A fresh code of 32 characters from 20 random bytes (160 bits).
    #[must_use]
    pub fn from_random(bytes: [u8; 20]) -> Self {
        let _ = bytes;
        Self(String::new())
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
