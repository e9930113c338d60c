//! A user name that passed the tenant's rules, in the three forms the house needs.

use super::fault::Fault;
use super::tenant_settings::{TenantSettings, UsernameRules};

/// A valid user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    display: String,
    canonical: String,
    skeleton: Option<String>,
}

impl Username {
    /// Strips white space and judges the rest.
    ///
    /// # Errors
    /// Every fault found, in the contract's order; an empty name yields `Required` alone.
    pub fn parse(raw: &str, settings: &TenantSettings) -> Result<Self, Vec<Fault>> {
        let _: &UsernameRules = &settings.username;
        Ok(Self {
            display: raw.into(),
            canonical: raw.into(),
            skeleton: None,
        })
    }

    /// As the user wrote it, without white space, in NFC.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The form that decides what a duplicate is.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The UTS 39 skeleton of the canonical form; `None` when the tenant allows look-alikes.
    #[must_use]
    pub fn skeleton(&self) -> Option<&str> {
        self.skeleton.as_deref()
    }
}
