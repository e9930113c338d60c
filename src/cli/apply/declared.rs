//! Tenants as files declare them: TOML, one tenant a file. Every fault of every file is told, none repeats a value that may
//! be a secret.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::super::CliError;
use super::super::output::trimmed_secret;
use crate::domain::host_name::HostName;
use crate::domain::sealed::STAND_IN;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::{LIMITS, SECRETS, TenantSettings, secret_fault, value_at};
use crate::settings::named_secret;
use crate::store::settings::{Backend, DatabaseUrl};

/// Largest file: as large as a body that the admin API takes.
const MOST_BYTES: u64 = 1024 * 1024;
/// Files of one call; each tenant is a request or two.
const MOST_FILES: usize = 10_000;
const MOST_HOSTS: usize = 100;
const LONGEST_NAME: usize = 200;

/// A tenant as it shall be. No `Debug`: it holds secrets in clear.
pub(super) struct Declared {
    /// The file, for messages.
    pub(super) file: String,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) hosts: Vec<String>,
    /// `None`: where it lies already; for a new tenant a file of its own.
    pub(super) placement: Option<Placement>,
    pub(super) suspended: bool,
    /// All settings, defaults included, with secrets in clear: what is not declared goes back to its default.
    pub(super) whole: Value,
    /// The same for comparing and showing: with stand-ins for secrets.
    pub(super) settings: TenantSettings,
}

/// Where a tenant shall lie.
pub(super) enum Placement {
    OwnFile,
    OwnUrl(SecretString, Backend),
    Shared(String),
}

/// Something in a file that cannot stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    file: String,
    /// Dotted; empty when the file as a whole is at fault.
    field: String,
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, field, text } = self;
        if field.is_empty() {
            write!(f, "{file}: {text}")
        } else {
            write!(f, "{file}: {field}: {text}")
        }
    }
}

/// Reads every file, and the `.toml` files of every folder (not of folders within), in the order of their names.
///
/// # Errors
/// [`CliError::Usage`] with every fault of every file; [`CliError::Io`] for a file or folder that cannot be read.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<Declared>, CliError> {
    let files = files_of(paths)?;
    if files.is_empty() {
        return Err(CliError::Usage("no file declares a tenant".into()));
    }
    if files.len() > MOST_FILES {
        return Err(CliError::Usage(format!("more than {MOST_FILES} files")));
    }
    let (mut declared, mut faults) = (Vec::new(), Vec::new());
    for file in &files {
        declared.extend(read_file(file, &mut faults)?);
    }
    two_of_a_kind(&declared, &mut faults);
    if faults.is_empty() {
        return Ok(declared);
    }
    let lines: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    Err(CliError::Usage(format!(
        "the declarations cannot stand:{lines}"
    )))
}

fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error| CliError::Io(path.display().to_string(), error);
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(failed)?;
        let mut found = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        found.retain(|file| file.extension().is_some_and(|name| name == "toml") && file.is_file());
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> Result<Option<Declared>, CliError> {
    let name = path.display().to_string();
    let failed = |error| CliError::Io(name.clone(), error);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let mut reader = Reader {
        folder: path.parent().unwrap_or_else(|| Path::new("")),
        file: name,
        faults,
    };
    if text.len() as u64 > MOST_BYTES {
        reader.fault("", "is larger than 1 MiB");
        return Ok(None);
    }
    Ok(reader.read(&text))
}

/// No two files declare one key, or one host for two tenants.
fn two_of_a_kind(declared: &[Declared], faults: &mut Vec<Fault>) {
    let mut owners: Map<String, Value> = Map::new();
    for tenant in declared {
        let key = std::iter::once(("key".to_owned(), format!("tenant {}", tenant.key)));
        let hosts = tenant.hosts.iter().enumerate();
        let hosts = hosts.map(|(at, host)| (format!("hosts[{at}]"), format!("host {host}")));
        for (field, what) in key.chain(hosts) {
            if let Some(other) = owners.insert(what, tenant.file.clone().into()) {
                faults.push(Fault {
                    file: tenant.file.clone(),
                    field,
                    text: format!("stands in {} too", other.as_str().unwrap_or_default()),
                });
            }
        }
    }
}

/// Reads one file and gathers its faults.
struct Reader<'a> {
    file: String,
    /// Files of secrets are named from here.
    folder: &'a Path,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, field: &str, text: &str) {
        self.faults.push(Fault {
            file: self.file.clone(),
            field: field.to_owned(),
            text: text.to_owned(),
        });
    }

    fn read(&mut self, text: &str) -> Option<Declared> {
        let before = self.faults.len();
        let mut fields = self.parse(text)?;
        let key = self.key(fields.remove("key"));
        let name = self.name(fields.remove("name"));
        let hosts = self.hosts(fields.remove("hosts"));
        let suspended = self.suspended(fields.remove("state").as_ref());
        let placement = self.placement(fields.remove("placement"));
        let settings = self.settings(fields.remove("settings"));
        for unknown in fields.keys() {
            self.fault(unknown, "there is no such field");
        }
        let (key, (settings, whole)) = (key?, settings?);
        (self.faults.len() == before).then(|| Declared {
            file: self.file.clone(),
            name: name.unwrap_or_else(|| key.clone()),
            key,
            hosts,
            placement,
            suspended,
            whole,
            settings,
        })
    }

    fn parse(&mut self, text: &str) -> Option<Map<String, Value>> {
        let error = match toml::from_str::<toml::Table>(text) {
            Ok(table) => match serde_json::to_value(table) {
                Ok(Value::Object(fields)) => return Some(fields),
                _ => "cannot be read as TOML".to_owned(),
            },
            // The library's whole text quotes the line, which may hold a secret that was written down by mistake.
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let before = text.as_bytes().get(..start).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                format!("line {line}: {}", error.message())
            }
        };
        self.fault("", &error);
        None
    }

    fn key(&mut self, value: Option<Value>) -> Option<String> {
        let key = value.as_ref().and_then(Value::as_str);
        // As it will be shown: one spelling, so that two files cannot mean one tenant without a fault.
        let key = key.and_then(TenantKey::parse);
        if key.is_none() {
            self.fault("key", "required: 2 to 63 of a-z, 0-9 and -");
        }
        key.map(|key| key.as_str().to_owned())
    }

    fn name(&mut self, value: Option<Value>) -> Option<String> {
        let value = value?;
        let name = value.as_str().filter(|name| {
            name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
        });
        if name.is_none() {
            self.fault("name", "must be a text of at most 200 characters");
        }
        name.map(str::to_owned)
    }

    fn hosts(&mut self, value: Option<Value>) -> Vec<String> {
        let Some(value) = value else {
            return Vec::new();
        };
        let list = value.as_array().filter(|list| list.len() <= MOST_HOSTS);
        let Some(list) = list else {
            self.fault("hosts", "must be a list of at most 100 host names");
            return Vec::new();
        };
        let mut hosts = Vec::new();
        for (at, host) in list.iter().enumerate() {
            let host = host.as_str().filter(|host| !host.contains(':'));
            match host.and_then(HostName::parse) {
                Some(host) => hosts.push(host.as_str().to_owned()),
                None => self.fault(
                    &format!("hosts[{at}]"),
                    "must be a host name without a port",
                ),
            }
        }
        hosts
    }

    fn suspended(&mut self, value: Option<&Value>) -> bool {
        match value.map(Value::as_str) {
            None | Some(Some("active")) => false,
            Some(Some("suspended")) => true,
            Some(_) => {
                self.fault("state", "must be active or suspended");
                false
            }
        }
    }

    fn placement(&mut self, value: Option<Value>) -> Option<Placement> {
        let mut value = value?;
        let kind = value
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let count = value.as_object().map_or(0, Map::len);
        let database = value.get("database").and_then(Value::as_str);
        match (kind, count, database) {
            ("own", 1, _) => return Some(Placement::OwnFile),
            ("shared", 2, Some(name)) => return Some(Placement::Shared(name.to_owned())),
            ("own", 2, None) if value.get("url").is_some() => {}
            _ => {
                let text = "must be { kind = \"own\" }, { kind = \"own\", url = { env = \"NAME\" } } or \
                            { kind = \"shared\", database = \"NAME\" }";
                self.fault("placement", text);
                return None;
            }
        }
        let url = self.secret("placement.url", value.get_mut("url")?.take())?;
        let parsed = DatabaseUrl::parse(url.expose_secret()).ok();
        match parsed.map(|url| url.backend()) {
            Some(backend) if backend != Backend::Sqlite => Some(Placement::OwnUrl(url, backend)),
            _ => {
                self.fault("placement.url", "must lead to a PostgreSQL or MySQL URL");
                None
            }
        }
    }

    /// The settings, checked, and all of them with secrets in clear.
    fn settings(&mut self, value: Option<Value>) -> Option<(TenantSettings, Value)> {
        let mut value = value.unwrap_or_else(|| json!({}));
        // TOML has no null.
        for limit in LIMITS {
            let place = value_at(&mut value, "limits").and_then(|limits| limits.get_mut(limit));
            if let Some(place) = place.filter(|place| **place == "off") {
                *place = Value::Null;
            }
        }
        let mut secrets = Vec::new();
        let mut are_good = true;
        for path in SECRETS {
            let Some(place) = value_at(&mut value, path) else {
                continue;
            };
            let reference = std::mem::replace(place, STAND_IN.into());
            let field = format!("settings.{path}");
            match self.secret(&field, reference) {
                Some(secret) => match secret_fault(secret.expose_secret()) {
                    None => secrets.push((path, secret)),
                    Some(text) => {
                        self.fault(&field, text);
                        are_good = false;
                    }
                },
                None => are_good = false,
            }
        }
        let settings = match TenantSettings::from_json(&value) {
            Ok(settings) => settings,
            Err(faults) => {
                for fault in faults {
                    let path = format!("settings.{}", fault.path);
                    self.fault(path.trim_end_matches('.'), &fault.detail);
                }
                return None;
            }
        };
        let mut whole = serde_json::to_value(&settings).ok()?;
        for (path, secret) in secrets {
            *value_at(&mut whole, path)? = secret.expose_secret().into();
        }
        are_good.then_some((settings, whole))
    }

    /// A secret by its reference: `{ env = "NAME" }` or `{ file = "PATH" }`, the path seen from the declaring file.
    fn secret(&mut self, field: &str, reference: Value) -> Option<SecretString> {
        let member = |name: &str| match reference.as_object() {
            Some(members) if members.len() == 1 => members.get(name).and_then(Value::as_str),
            _ => None,
        };
        let read = match (member("env"), member("file")) {
            (Some(variable), _) => named_secret(variable)
                .ok_or_else(|| format!("the variable {variable} is not set")),
            (_, Some(file)) => {
                let path = self.folder.join(file);
                fs::read_to_string(&path)
                    .map_err(|error| format!("{}: {error}", path.display()))
                    .and_then(|text| {
                        let secret = trimmed_secret(&path.display().to_string(), &text);
                        secret.map_err(|error| error.to_string())
                    })
            }
            // What stands there is not repeated: it is the secret itself.
            _ => Err(
                "a secret is not written down here: name it by { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
            ),
        };
        match read {
            Ok(secret) => Some(secret),
            Err(text) => {
                self.fault(field, &text);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::{Declared, Fault, Placement, read_all};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn read(folder: &Path) -> Result<Vec<Declared>, String> {
        read_all(&[folder.to_owned()]).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })
    }

    fn one(text: &str) -> Result<Declared, String> {
        let folder = folder(&[("a.toml", text), ("secret", "hush-4711\n")]);
        read(folder.path()).map(|mut all| all.remove(0))
    }

    #[test]
    fn a_file_says_what_differs_and_the_rest_is_the_default() {
        let text = "key = 'Acme'\n[settings]\nlocale = 'en'\n[settings.limits]\nper_address = 'off'\n\
                    [settings.wechat.mini_program]\napp_id = 'wx1'\napp_secret = { file = 'secret' }\n";
        let acme = one(text).unwrap();
        assert_eq!((acme.key.as_str(), acme.name.as_str()), ("acme", "acme"));
        assert!(acme.hosts.is_empty() && acme.placement.is_none() && !acme.suspended);
        assert_eq!(acme.whole["locale"], "en");
        assert_eq!(acme.whole["limits"]["per_address"], Value::Null);
        assert_eq!(acme.whole["registration"]["open"], true);
        let secret = &acme.whole["wechat"]["mini_program"]["app_secret"];
        assert_eq!(*secret, "hush-4711");
        let shown = acme.settings.masked()["wechat"]["mini_program"].take();
        assert_eq!(shown, json!({"app_id": "wx1", "app_secret": "********"}));
    }

    #[test]
    fn placements_are_read() {
        let placement =
            |text: &str| one(&format!("key = 'acme'\nplacement = {text}")).map(|it| it.placement);
        assert!(matches!(
            placement("{ kind = 'own' }"),
            Ok(Some(Placement::OwnFile))
        ));
        let shared = placement("{ kind = 'shared', database = 'main' }");
        assert!(matches!(shared, Ok(Some(Placement::Shared(name))) if name == "main"));
        for (bad, field) in [
            ("{ kind = 'shared' }", "placement:"),
            ("{ kind = 'own', database = 'x' }", "placement:"),
            ("'own'", "placement:"),
            (
                "{ kind = 'own', url = 'postgres://u:hush-4711@h/d' }",
                "placement.url: a secret is not written",
            ),
            (
                "{ kind = 'own', url = { file = 'secret' } }",
                "placement.url: must lead to",
            ),
        ] {
            let refusal = placement(bad).map(drop).unwrap_err();
            assert!(
                refusal.contains(field) && !refusal.contains("hush"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn every_fault_of_every_file_is_told_with_file_and_field_and_no_secret() {
        let folder = folder(&[
            (
                "a.toml",
                "key = 'a b'\ncolour = 1\nstate = 'gone'\n[settings]\nlocale = 'fr'\nbogus = 1\n",
            ),
            (
                "b.toml",
                "key = 'beta'\nhosts = ['x:80', 'join.example']\n[settings.sms]\nprovider = 'gateway'\n\
                        name = 'n'\nkey_id = 'k'\nkey = 'hush-4711'\n",
            ),
            (
                "c.toml",
                "key = 'gamma'\nhosts = ['join.example']\n[settings.captcha]\nprovider = 'turnstile'\n\
                        secret = { env = 'ENROLL_TEST_NO_SUCH_VARIABLE' }\n",
            ),
            ("d.toml", "key = 'gamma'\nname = 'hush-4711\n"),
            ("e.toml", "key = 'delta'\nname = 7\n"),
            ("f.toml", "key = 'eps'\nhosts = ['same.example']\n"),
            ("g.toml", "key = 'EPS'\nhosts = ['same.example']\n"),
            ("h.txt", "no tenant at all"),
        ]);
        let refusal = read(folder.path()).map(drop).unwrap_err();
        for part in [
            "a.toml: key: required",
            "a.toml: colour: there is no such field",
            "a.toml: state: must be active or suspended",
            "a.toml: settings.locale:",
            "a.toml: settings.bogus: there is no such setting",
            "b.toml: hosts[0]:",
            "b.toml: settings.sms.key: a secret is not written down",
            "c.toml: settings.captcha.secret: the variable ENROLL_TEST_NO_SUCH_VARIABLE is not set",
            "d.toml: line 2:",
            "e.toml: name:",
            "g.toml: key: stands in",
            "g.toml: hosts[0]: stands in",
        ] {
            assert!(refusal.contains(part), "{part} is missing in {refusal}");
        }
        assert!(
            !refusal.contains("hush") && !refusal.contains("h.txt"),
            "{refusal}"
        );
    }

    #[test]
    fn what_is_not_there_is_told() {
        let empty = folder(&[]);
        assert!(
            read(empty.path())
                .map(drop)
                .unwrap_err()
                .contains("no file")
        );
        let missing = read_all(&[PathBuf::from("/nowhere.toml")])
            .map(drop)
            .unwrap_err();
        assert_eq!(missing.exit_code(), 1);
        let large = folder(&[("a.toml", &"#".repeat(1024 * 1024 + 1))]);
        assert!(read(large.path()).map(drop).unwrap_err().contains("1 MiB"));
        let fault = Fault {
            file: "f".into(),
            field: String::new(),
            text: "t".into(),
        };
        assert_eq!(fault.to_string(), "f: t");
    }
}
