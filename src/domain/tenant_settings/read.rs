//! Reads a tenant's settings from JSON, every fault with its path, and applies patches to them.

use serde_json::{Map, Value, json};

use super::{LIMITS, SettingsFault, TenantSettings, fault};

/// Most characters of a fault's text that quotes a value.
const MAX_DETAIL_LENGTH: usize = 200;

impl TenantSettings {
    /// Reads stored or sent settings and checks them. Absent members have their defaults.
    ///
    /// # Errors
    /// Every unknown member, every value of a wrong type, and what [`TenantSettings::validate`] finds in the rest.
    pub fn from_json(value: &Value) -> Result<Self, Vec<SettingsFault>> {
        let Value::Object(members) = value else {
            return Err(vec![fault("", "must be an object")]);
        };
        let mut faults = Vec::new();
        let kept = well_formed(members, &mut faults);
        let settings: Self = serde_json::from_value(Value::Object(kept))
            .map_err(|error| vec![fault("", &error.to_string())])?;
        faults.extend(settings.validate());
        if faults.is_empty() {
            Ok(settings)
        } else {
            Err(faults)
        }
    }
}

impl TenantSettings {
    /// Reads settings that were checked when they were stored. What this version does not know is passed over: a newer
    /// process beside this one may have written it (`docs/operations.md`, "Upgrade").
    ///
    /// # Errors
    /// When they do not read even so.
    pub fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        let error = match serde_json::from_str(text) {
            Ok(settings) => return Ok(settings),
            Err(error) => error,
        };
        let Ok(Value::Object(mut sections)) = serde_json::from_str(text) else {
            return Err(error);
        };
        let defaults = serde_json::to_value(Self::default())?;
        sections.retain(|name, _| defaults.get(name).is_some());
        for (name, section) in &mut sections {
            let known = defaults.get(name).and_then(Value::as_object);
            if let (Some(known), Value::Object(members)) = (known, section) {
                members.retain(|name, _| known.contains_key(name));
            }
        }
        serde_json::from_value(Value::Object(sections))
    }
}

/// The accounts whose members depend on their `provider`.
const ACCOUNTS: [&str; 2] = ["sms", "captcha"];

/// Applies a JSON merge patch (RFC 7396) to stored settings, with two differences. Where the RFC removes a member, a `null`
/// for one of the known limits stays as `null`, because there it means "switched off"; a limit returns to its default when
/// the whole section is removed (`{"limits": null}`). And an account of another provider replaces the present one whole,
/// because nothing of the old one, least of all a secret, means anything to the new.
#[must_use]
pub fn merged(current: &Value, patch: &Value) -> Value {
    let mut current = current.clone();
    if let Value::Object(sections) = &mut current {
        sections.retain(|name, section| {
            let wanted = patch.get(name).and_then(|account| account.get("provider"));
            !ACCOUNTS.contains(&name.as_str())
                || wanted.is_none_or(|provider| section.get("provider") == Some(provider))
        });
    }
    let mut result = merge_patch(&current, patch);
    let switched_off = |name: &&str| {
        patch
            .get("limits")
            .and_then(|limits| limits.get(*name))
            .is_some_and(Value::is_null)
    };
    for name in LIMITS.into_iter().filter(switched_off) {
        if let Some(Value::Object(limits)) = result.get_mut("limits") {
            limits.insert(name.into(), Value::Null);
        }
    }
    result
}

/// RFC 7396, section 2.
fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut result = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            result.remove(name);
        } else {
            let merged = merge_patch(result.get(name).unwrap_or(&Value::Null), change);
            result.insert(name.clone(), merged);
        }
    }
    Value::Object(result)
}

const UNKNOWN: &str = "there is no such setting";

/// The members that read well. Each is read alone over the defaults, so that each fault has its path.
fn well_formed(
    members: &Map<String, Value>,
    faults: &mut Vec<SettingsFault>,
) -> Map<String, Value> {
    let defaults = serde_json::to_value(TenantSettings::default()).unwrap_or_default();
    let mut kept = Map::new();
    for (name, value) in members {
        match (defaults.get(name), value) {
            (None, _) => faults.push(fault(name, UNKNOWN)),
            (Some(Value::Object(known)), Value::Object(section)) => {
                let section = well_formed_section(name, known, section, faults);
                kept.insert(name.clone(), Value::Object(section));
            }
            (Some(Value::Object(_)), _) => faults.push(fault(name, "must be an object")),
            (Some(_), _) => {
                if fits(name, value, |value| json!({ name: value }), faults) {
                    kept.insert(name.clone(), value.clone());
                }
            }
        }
    }
    kept
}

fn well_formed_section(
    section: &str,
    known: &Map<String, Value>,
    members: &Map<String, Value>,
    faults: &mut Vec<SettingsFault>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in members {
        let path = format!("{section}.{name}");
        if !known.contains_key(name) {
            faults.push(fault(&path, UNKNOWN));
        } else if fits(
            &path,
            value,
            |value| json!({ section: { name: value } }),
            faults,
        ) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// Whether a value is of the type its place asks for; of a list, each bad element is told.
fn fits(
    path: &str,
    value: &Value,
    place: impl Fn(&Value) -> Value,
    faults: &mut Vec<SettingsFault>,
) -> bool {
    let Some(detail) = misfit(place(value)) else {
        return true;
    };
    let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let bad: Vec<_> = elements
        .iter()
        .enumerate()
        .filter_map(|(index, element)| {
            misfit(place(&json!([element])))
                .map(|detail| fault(&format!("{path}[{index}]"), &detail))
        })
        .collect();
    if bad.is_empty() {
        faults.push(fault(path, &detail));
    }
    faults.extend(bad);
    false
}

/// Why settings do not read; cut short, because the reason quotes the value.
fn misfit(settings: Value) -> Option<String> {
    let error = serde_json::from_value::<TenantSettings>(settings).err()?;
    Some(error.to_string().chars().take(MAX_DETAIL_LENGTH).collect())
}
