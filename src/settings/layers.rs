//! Lays files, variables and the command line over the defaults, and says of every fault where it was written.
//!
//! The defaults load, so a value that does not load on top of them alone is itself at fault. Every overriding value is
//! tried that way, then those that passed are merged and the ranges checked. Refused: deserialising the merged whole at
//! once, which stops at the first fault and no longer knows its source.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use config::{File, FileFormat, Source};
use serde_json::{Map, Value};

use super::environment::PREFIX;
use super::{SettingFault, Settings, SettingsError};

const DEFAULTS: &str = include_str!("../../config/default.toml");
const DEFAULTS_NAME: &str = "default.toml";

/// The sections whose children have names of the operator's choice, and what is put for the required key of a child
/// while another of its keys is tried.
const NAMED: &[(&[&str], &str)] = &[
    (&["databases"], "sqlite::memory:"),
    (&["provider", "sms_gateways"], "http://localhost"),
];
/// In the defaults, stands for any such name.
const ANY_NAME: &str = "*";
/// Required in each such child.
const REQUIRED: &str = "url";

/// Settings on their way: what has been read so far, and what was wrong with it.
pub(super) struct Layers {
    /// The defaults, with the star: tells which keys there are, and their types.
    shape: Value,
    /// The defaults without the star: what each value is tried on.
    defaults: Value,
    /// The defaults with every value that passed.
    merged: Value,
    /// Where each overridden key was last written, by dotted key.
    sources: BTreeMap<String, String>,
    faults: Vec<SettingFault>,
}

impl Layers {
    /// The defaults alone.
    pub(super) fn new() -> Result<Self, SettingsError> {
        let shape = read_toml(DEFAULTS).map_err(|text| SettingsError {
            faults: vec![SettingFault {
                source: DEFAULTS_NAME.into(),
                key: String::new(),
                text,
            }],
        })?;
        let mut defaults = shape.clone();
        for (section, _) in NAMED {
            if let Some(named) = value_at(&mut defaults, section) {
                *named = Value::Object(Map::new());
            }
        }
        Ok(Self {
            shape,
            merged: defaults.clone(),
            defaults,
            sources: BTreeMap::new(),
            faults: Vec::new(),
        })
    }

    /// Lays a TOML file over.
    pub(super) fn add_file(&mut self, path: &Path) {
        let source = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => self.add_toml(&source, &text),
            Err(error) => self.fault(&source, "", format!("cannot be read: {error}")),
        }
    }

    /// Lays TOML text over.
    pub(super) fn add_toml(&mut self, source: &str, text: &str) {
        match read_toml(text) {
            Ok(tree) => self.add_tree(source, &[], tree),
            Err(text) => self.fault(source, "", text),
        }
    }

    /// Lays variables over, given with their whole names.
    pub(super) fn add_variables(&mut self, variables: Vec<(String, OsString)>) {
        for (name, value) in variables {
            let key = name
                .strip_prefix(PREFIX)
                .unwrap_or(&name)
                .to_ascii_lowercase();
            let path: Vec<&str> = key.split("__").collect();
            let Some(shape) = self.shape_at(&path) else {
                self.fault(&name, &path.join("."), unknown(&path));
                continue;
            };
            let value = value.into_string().map_err(|_| "is not Unicode");
            match value.and_then(|text| read_text(shape, text)) {
                Ok(value) => self.add_value(&name, &path, value),
                Err(text) => self.fault(&name, &path.join("."), text),
            }
        }
    }

    /// Lays values of the command line over, by dotted key.
    pub(super) fn add_overrides(&mut self, overrides: &[(&str, Value)]) {
        for (key, value) in overrides {
            let path: Vec<&str> = key.split('.').collect();
            self.add_tree("command line", &path, value.clone());
        }
    }

    /// The settings, or every fault.
    pub(super) fn finish(mut self) -> Result<Settings, SettingsError> {
        self.complete_named();
        match serde_json::from_value::<Settings>(self.merged.clone()) {
            Ok(settings) => {
                for (key, text) in settings.check() {
                    let source = self.source_of(&key);
                    self.fault(&source, &key, text);
                }
                if self.faults.is_empty() {
                    return Ok(settings);
                }
            }
            // The defaults themselves: each other value has been tried.
            Err(error) => self.fault(DEFAULTS_NAME, "", error.to_string()),
        }
        Err(SettingsError {
            faults: self.faults,
        })
    }

    /// Takes a value, or a section and all below it.
    fn add_tree(&mut self, source: &str, path: &[&str], value: Value) {
        let is_section = path.is_empty() || matches!(self.shape_at(path), Some(Value::Object(_)));
        match value {
            Value::Object(children) if is_section => {
                if child_of_named(path).is_some_and(|child| child.rest.is_empty()) {
                    // Even an empty child is there, and lacks its required key.
                    place_at(&mut self.merged, &self.shape, path);
                    self.sources.insert(path.join("."), source.to_owned());
                }
                for (name, child) in children {
                    self.add_tree(source, &[path, &[name.as_str()]].concat(), child);
                }
            }
            value => self.add_value(source, path, value),
        }
    }

    /// Takes one value if its key is known and it loads on top of the defaults.
    fn add_value(&mut self, source: &str, path: &[&str], value: Value) {
        let key = path.join(".");
        let Some(shape) = self.shape_at(path) else {
            return self.fault(source, &key, unknown(path));
        };
        if kind(shape) != kind(&value) {
            // The value is not repeated: it may be a secret in the wrong place.
            return self.fault(
                source,
                &key,
                format!("must be {}, is {}", kind(shape), kind(&value)),
            );
        }
        if let Err(error) = self.try_alone(path, value.clone()) {
            return self.fault(source, &key, error.to_string());
        }
        put(&mut self.merged, &self.shape, path, value);
        self.sources.insert(key, source.to_owned());
    }

    fn try_alone(&self, path: &[&str], value: Value) -> Result<(), serde_json::Error> {
        let mut whole = self.defaults.clone();
        if let Some(child) = child_of_named(path) {
            let required = [child.section, &[child.name, REQUIRED]].concat();
            put(&mut whole, &self.shape, &required, child.example.into());
        }
        put(&mut whole, &self.shape, path, value);
        serde_json::from_value::<Settings>(whole).map(drop)
    }

    /// Reports named children without their required key, and fills it in so that their other keys are checked too.
    fn complete_named(&mut self) {
        let mut incomplete = Vec::new();
        for (section, example) in NAMED {
            let Some(Value::Object(named)) = value_at(&mut self.merged, section) else {
                continue;
            };
            for (name, child) in named {
                let Some(value) = child.get_mut(REQUIRED).filter(|value| **value == "") else {
                    continue;
                };
                *value = (*example).into();
                incomplete.push(format!("{}.{name}", section.join(".")));
            }
        }
        for name in incomplete {
            let key = format!("{name}.{REQUIRED}");
            // A value that did not pass has been reported already.
            if self.faults.iter().all(|fault| fault.key != key) {
                let source = self.source_of(&name);
                self.fault(&source, &key, "is required");
            }
        }
    }

    /// Where a key, or else anything below it, was last written.
    fn source_of(&self, key: &str) -> String {
        let below = format!("{key}.");
        let found = self.sources.get(key).or_else(|| {
            self.sources
                .iter()
                .find(|(each, _)| each.starts_with(&below))
                .map(|(_, source)| source)
        });
        found.map_or(DEFAULTS_NAME, String::as_str).to_owned()
    }

    /// What the defaults hold at a path; any well-formed name stands for the star.
    fn shape_at(&self, path: &[&str]) -> Option<&Value> {
        let Some(child) = child_of_named(path) else {
            return path
                .iter()
                .try_fold(&self.shape, |shape, name| shape.get(*name));
        };
        let star = [child.section, &[ANY_NAME], child.rest].concat();
        let shape = star
            .iter()
            .try_fold(&self.shape, |shape, name| shape.get(*name));
        shape.filter(|_| is_name(child.name))
    }

    fn fault(&mut self, source: &str, key: &str, text: impl Into<String>) {
        let fault = SettingFault {
            source: source.into(),
            key: key.into(),
            text: text.into(),
        };
        self.faults.push(fault);
    }
}

/// The place of a value that the shape knows; a named child that is not there yet starts as the star's copy.
fn place_at<'a>(tree: &'a mut Value, shape: &Value, path: &[&str]) -> Option<&'a mut Value> {
    if let Some(child) = child_of_named(path)
        && let Some(named) = child
            .section
            .iter()
            .try_fold(shape, |shape, name| shape.get(*name))
        && let Some(star) = named.get(ANY_NAME)
        && let Some(Value::Object(children)) = value_at(tree, child.section)
    {
        children.entry(child.name).or_insert_with(|| star.clone());
    }
    value_at(tree, path)
}

fn value_at<'a>(tree: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |node, name| node.get_mut(*name))
}

/// What a path says of a child whose name the operator chose.
struct NamedChild<'a> {
    /// The section of such children.
    section: &'static [&'static str],
    /// An example for the required key.
    example: &'static str,
    name: &'a str,
    /// What of the path lies within the child.
    rest: &'a [&'a str],
}

fn child_of_named<'a>(path: &'a [&'a str]) -> Option<NamedChild<'a>> {
    NAMED.iter().find_map(|(section, example)| {
        let (name, rest) = path.strip_prefix(*section)?.split_first()?;
        Some(NamedChild {
            section,
            example,
            name,
            rest,
        })
    })
}

fn put(tree: &mut Value, shape: &Value, path: &[&str], value: Value) {
    if let Some(place) = place_at(tree, shape, path) {
        *place = value;
    }
}

/// Reads TOML without repeating the text at fault: it may hold a secret.
fn read_toml(text: &str) -> Result<Value, String> {
    let table = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| {
            let lines = error.to_string();
            // The parser underlines the place in lines of the form ` 12 | key = ...`; the others name line and reason.
            let safe = lines.lines().filter(|line| !line.contains(" |"));
            safe.collect::<Vec<_>>().join("; ")
        })?;
    config::Value::from(table)
        .try_deserialize()
        .map_err(|error| error.to_string())
}

/// Reads the text of a variable as what the default is.
fn read_text(shape: &Value, text: String) -> Result<Value, &'static str> {
    match shape {
        Value::String(_) => Ok(text.into()),
        Value::Bool(_) => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| "must be true or false"),
        Value::Number(_) => text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| "must be an integer"),
        Value::Array(_) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Ok(items.collect::<Vec<_>>().into())
        }
        Value::Object(_) | Value::Null => Err("is a section, not a key"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a section",
    }
}

fn unknown(path: &[&str]) -> &'static str {
    match (path, child_of_named(path)) {
        ([_], _) => "unknown section",
        (_, Some(child)) if !is_name(child.name) => "is no name: 1 to 63 of a-z 0-9 _ -",
        _ => "unknown key",
    }
}

fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
