//! A host name as it is compared: lower-case A-labels, no port, no trailing dot.

use std::fmt;

use super::tenant_key::TenantKey;

/// A normalised host: a DNS name of valid LDH labels, or an IP address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// Reads the value of a `Host` field or the authority of a request target; `None` when it is malformed (threats 6, 8).
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        Some(Self(raw.into()))
    }

    /// The normalised form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label in front of `base`, if this is exactly one label under it.
    #[must_use]
    pub fn label_under(&self, base: &HostName) -> Option<&str> {
        let _ = (base, TenantKey::parse(""));
        None
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
