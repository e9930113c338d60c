//! What is wrong with the settings, all of it.

use std::fmt;

/// One setting that cannot stand. It never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// Where it was written: a file, the name of a variable, or `command line`.
    pub source: String,
    /// Dotted key (`server.public_listen`); empty when the source as a whole is at fault.
    pub key: String,
    /// What is wrong, in English.
    pub text: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, key, text } = self;
        if key.is_empty() {
            write!(f, "{source}: {text}")
        } else {
            write!(f, "{source}: {key}: {text}")
        }
    }
}

/// Every fault of the settings, one a line.
#[derive(Debug)]
pub struct SettingsError {
    /// At least one.
    pub faults: Vec<SettingFault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot stand:")?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for SettingsError {}
