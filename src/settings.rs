//! Settings of the process: defaults, a file, variables, the command line; and the only place that reads the environment.
//!
//! `config/default.toml` is embedded and is the only source of defaults: a struct without a matching key there does not
//! load. Every room owns the struct of its section and the check of its ranges; this room layers, attributes faults to
//! where they were written, and reports all of them at once.

mod environment;
mod error;
mod layers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

pub use environment::{
    admin_token, admin_url, named_secret, source_url, temporary_folder, this_program,
};
pub use error::{SettingFault, SettingsError};

use crate::hashing::settings::HashingSettings;
use crate::http::settings::HttpSettings;
use crate::provider::settings::ProviderSettings;
use crate::store::settings::{DatabaseSettings, PlatformSettings, SharedDatabaseSettings};
use crate::telemetry::settings::TelemetrySettings;
use crate::tenant::settings::TenantsSettings;
use layers::Layers;

/// All settings of a process, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Listeners, naming of tenants, sizes and deadlines.
    pub server: HttpSettings,
    /// How the process stops.
    pub shutdown: ShutdownSettings,
    /// Where files are kept.
    pub data: DataSettings,
    /// The platform database.
    pub platform: PlatformSettings,
    /// What holds for every tenant's database.
    pub database: DatabaseSettings,
    /// Databases that tenants share, by name.
    pub databases: BTreeMap<String, SharedDatabaseSettings>,
    /// The directory and the actors.
    pub tenants: TenantsSettings,
    /// The hash pool.
    pub hashing: HashingSettings,
    /// WeChat, senders of text messages, CAPTCHAs.
    pub provider: ProviderSettings,
    /// Logs and metrics.
    pub telemetry: TelemetrySettings,
    /// The master key.
    pub secrets: SecretsSettings,
}

/// Section `[shutdown]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Milliseconds between "not ready" and closing the listeners.
    pub not_ready_ms: u64,
    /// Milliseconds for requests at work to finish.
    pub grace_ms: u64,
}

/// Section `[data]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Directory of SQLite files and of the master key.
    pub dir: PathBuf,
}

/// Section `[secrets]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSettings {
    /// The master key as 64 hexadecimal digits; `None`: it stands in a file.
    #[serde(deserialize_with = "secret_or_none")]
    pub master_key: Option<SecretString>,
    /// That file; `None`: see [`Settings::master_key_path`].
    #[serde(deserialize_with = "path_or_none")]
    pub master_key_file: Option<PathBuf>,
}

impl Settings {
    /// Loads the embedded defaults, then `file` (without one, the file that `ENROLL_CONFIG` names, if any), then the
    /// variables `ENROLL__SECTION__KEY`, then `overrides` (dotted key and value), which come from the command line.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault of every layer.
    pub fn load(
        file: Option<&Path>,
        overrides: &[(&str, serde_json::Value)],
    ) -> Result<Self, SettingsError> {
        let mut layers = Layers::new()?;
        if let Some(path) = file
            .map(Path::to_path_buf)
            .or_else(environment::config_file)
        {
            layers.add_file(&path);
        }
        layers.add_variables(environment::setting_variables());
        layers.add_overrides(overrides);
        layers.finish()
    }

    /// The file of the master key: as set, else `master.key` in the data directory.
    #[must_use]
    pub fn master_key_path(&self) -> PathBuf {
        self.secrets
            .master_key_file
            .clone()
            .unwrap_or_else(|| self.data.dir.join("master.key"))
    }

    /// The folder of tenants' own SQLite files.
    #[must_use]
    pub fn tenants_folder(&self) -> PathBuf {
        self.data.dir.join("tenants")
    }

    /// Every value out of its range, by dotted key.
    fn check(&self) -> Vec<(String, &'static str)> {
        let mut sections = vec![
            ("server".to_owned(), self.server.check()),
            ("shutdown".to_owned(), self.shutdown.check()),
            ("data".to_owned(), self.data.check()),
            ("platform".to_owned(), self.platform.check()),
            ("database".to_owned(), self.database.check()),
            ("tenants".to_owned(), self.tenants.check()),
            ("hashing".to_owned(), self.hashing.check()),
            ("provider".to_owned(), self.provider.check()),
            ("telemetry".to_owned(), self.telemetry.check()),
            ("secrets".to_owned(), self.secrets.check()),
        ];
        let shared = self.databases.iter();
        sections.extend(shared.map(|(name, each)| (format!("databases.{name}"), each.check())));
        sections
            .into_iter()
            .flat_map(|(section, faults)| {
                faults
                    .into_iter()
                    .map(move |(key, text)| (format!("{section}.{key}"), text))
            })
            .collect()
    }
}

impl ShutdownSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        [
            ("not_ready_ms", self.not_ready_ms),
            ("grace_ms", self.grace_ms),
        ]
        .into_iter()
        .filter(|(_, value)| *value > 600_000)
        .map(|(key, _)| (key, "must be 0 to 600000"))
        .collect()
    }
}

impl DataSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        if self.dir.as_os_str().is_empty() {
            vec![("dir", "must name a directory")]
        } else {
            Vec::new()
        }
    }
}

impl SecretsSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let Some(key) = &self.master_key else {
            return Vec::new();
        };
        let digits = key.expose_secret();
        let hex = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let repeated = digits
            .chars()
            .next()
            .is_some_and(|first| digits.chars().all(|each| each == first));
        let rules = [
            ("master_key", hex, "must be 64 hexadecimal digits"),
            (
                "master_key",
                !repeated,
                "is one digit repeated; make a random one",
            ),
            (
                "master_key_file",
                self.master_key_file.is_none(),
                "excludes secrets.master_key",
            ),
        ];
        rules
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(key, _, text)| (key, text))
            .collect()
    }
}

fn secret_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

#[cfg(test)]
mod tests;
