//! Reads the environment, here and nowhere else.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place that the lint leaves"
)]

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

/// What the name of every setting's variable starts with.
pub(super) const PREFIX: &str = "ENROLL__";

/// The admin token of command-line clients: `ENROLL_ADMIN_TOKEN`, unless missing, empty or not Unicode.
#[must_use]
pub fn admin_token() -> Option<SecretString> {
    text("ENROLL_ADMIN_TOKEN").map(SecretString::from)
}

/// The address of the admin API for command-line clients: `ENROLL_ADMIN_URL`, unless missing, empty or not Unicode.
#[must_use]
pub fn admin_url() -> Option<String> {
    text("ENROLL_ADMIN_URL")
}

/// The database of the site that `enroll import` reads: `ENROLL_SOURCE_URL`, unless missing, empty or not Unicode.
#[must_use]
pub fn source_url() -> Option<SecretString> {
    text("ENROLL_SOURCE_URL").map(SecretString::from)
}

/// The variable that a declared tenant's file names for a secret, unless missing, empty or not Unicode.
#[must_use]
pub fn named_secret(name: &str) -> Option<SecretString> {
    text(name).map(SecretString::from)
}

/// Where the system keeps temporary folders: what `TMPDIR` names, else the usual place.
#[must_use]
pub fn temporary_folder() -> PathBuf {
    env::temp_dir()
}

/// Where this program lies, for lines that a reader can copy; its bare name, where the system does not tell.
#[must_use]
pub fn this_program() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| PathBuf::from("enroll"))
}

/// The settings file that `ENROLL_CONFIG` names.
pub(super) fn config_file() -> Option<PathBuf> {
    env::var_os("ENROLL_CONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Every variable that sets a setting, sorted by name, so that faults come in a steady order.
pub(super) fn setting_variables() -> Vec<(String, OsString)> {
    let mut found: Vec<_> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    found.sort();
    found
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
