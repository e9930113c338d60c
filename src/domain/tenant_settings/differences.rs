//! What differs between two tenants' settings, or two versions of one's.

use serde_json::Value;

use super::TenantSettings;

/// One setting that differs. Secrets are masked, and told to differ all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsDifference {
    /// Dotted, as `registration.open`.
    pub path: String,
    /// In the settings compared with.
    pub before: Value,
    /// In the settings compared.
    pub after: Value,
}

impl TenantSettings {
    /// What differs from `before`, in the order of the settings. Lists are compared as a whole.
    #[must_use]
    pub fn differences_from(&self, before: &Self) -> Vec<SettingsDifference> {
        let stored = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let mut found = Vec::new();
        let sides = [before, self].map(|settings| (stored(settings), settings.masked()));
        let [(old, old_shown), (new, new_shown)] = &sides;
        compare("", [old, new], [old_shown, new_shown], &mut found);
        found
    }
}

fn compare(
    path: &str,
    [old, new]: [&Value; 2],
    [old_shown, new_shown]: [&Value; 2],
    found: &mut Vec<SettingsDifference>,
) {
    if old == new {
        return;
    }
    let (Value::Object(olds), Value::Object(news)) = (old, new) else {
        found.push(SettingsDifference {
            path: path.to_owned(),
            before: old_shown.clone(),
            after: new_shown.clone(),
        });
        return;
    };
    let added = news.keys().filter(|name| !olds.contains_key(*name));
    for name in olds.keys().chain(added) {
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let of = |value: &'_ Value| value.get(name).cloned().unwrap_or_default();
        let (old, new) = (of(old), of(new));
        let (old_shown, new_shown) = (of(old_shown), of(new_shown));
        compare(&inner, [&old, &new], [&old_shown, &new_shown], found);
    }
}
