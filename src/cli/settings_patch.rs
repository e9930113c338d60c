//! Turns `path=value` arguments into a merge patch (RFC 7396) of a tenant's settings.
//!
//! A secret is never an argument, where every user of the machine could read it: its value comes from standard input
//! (`path=@-`) or a file (`path=@FILE`).

use std::fs;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::CliError;
use super::output::{read_secret, trimmed_secret};
use crate::domain::tenant_settings::{MASK, SECRETS, value_at};

/// Lays assignments such as `limits.per_address=null` over `base`. `stdin_is_taken` by another argument.
///
/// A value is read as JSON; what is no JSON is text, so that `locale=en` needs no quotes.
///
/// # Errors
/// [`CliError::Usage`] for an assignment without `=`, an empty name in a path, a path set twice, broken JSON, or a secret
/// in clear; [`CliError::Io`] for a secret's file that cannot be read.
pub fn assign(
    mut base: Map<String, Value>,
    assignments: &[String],
    mut stdin_is_taken: bool,
) -> Result<Map<String, Value>, CliError> {
    for assignment in assignments {
        let (path, text) = assignment
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("{assignment}: must be path=value")))?;
        // The value is not quoted: it may be a secret that was given by mistake.
        let usage = |text: &str| CliError::Usage(format!("{path}: {text}"));
        let value = match text.strip_prefix('@') {
            Some("-") if SECRETS.contains(&path) => {
                if std::mem::replace(&mut stdin_is_taken, true) {
                    return Err(usage("standard input can be read only once"));
                }
                read_secret(path)?.expose_secret().into()
            }
            Some(file) if SECRETS.contains(&path) => read_file(file)?.expose_secret().into(),
            _ => read_value(text).ok_or_else(|| usage("the value is broken JSON"))?,
        };
        if !text.starts_with('@') && holds_secret(path, &value) {
            return Err(usage(
                "a secret is never an argument, where others on this machine can read it: \
                 give its own path with =@- (standard input) or =@FILE",
            ));
        }
        put(&mut base, path, value).map_err(usage)?;
    }
    Ok(base)
}

/// Whether the value for `path` is a secret, or an object that holds one.
fn holds_secret(path: &str, value: &Value) -> bool {
    let mut nested = Map::new();
    if put(&mut nested, path, value.clone()).is_err() {
        return false;
    }
    let mut nested = Value::Object(nested);
    SECRETS.iter().any(|secret| {
        value_at(&mut nested, secret).is_some_and(|value| !value.is_null() && *value != MASK)
    })
}

fn read_file(name: &str) -> Result<SecretString, CliError> {
    let text = fs::read_to_string(name).map_err(|error| CliError::Io(name.to_owned(), error))?;
    trimmed_secret(name, &text)
}

fn read_value(text: &str) -> Option<Value> {
    // What starts like a list, an object or a quoted text was meant as one.
    let meant_as_json = text.trim_start().starts_with(['{', '[', '"']);
    serde_json::from_str(text)
        .ok()
        .or_else(|| (!meant_as_json).then(|| text.into()))
}

fn put(object: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), &'static str> {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    if name.is_empty() {
        return Err("the path has an empty name");
    }
    match rest {
        None if object.contains_key(name) => Err("is set twice"),
        None => {
            object.insert(name.to_owned(), value);
            Ok(())
        }
        Some(rest) => {
            let child = object
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
            put(child.as_object_mut().ok_or("is set twice")?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::assign;

    fn patch(assignments: &[&str]) -> Result<Value, String> {
        let assignments: Vec<_> = assignments.iter().map(|each| (*each).to_owned()).collect();
        assign(Map::new(), &assignments, true)
            .map(Value::Object)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn paths_nest_and_values_are_json_or_text() {
        let made = patch(&[
            "registration.approval=true",
            "limits.per_address={\"calls\":5,\"seconds\":60}",
            "limits.per_tenant=null",
            "locale=en",
            "site.close_message=a=b",
            "tokens.issuer=",
        ]);
        let wanted = json!({
            "registration": {"approval": true},
            "limits": {"per_address": {"calls": 5, "seconds": 60}, "per_tenant": null},
            "locale": "en",
            "site": {"close_message": "a=b"},
            "tokens": {"issuer": ""},
        });
        assert_eq!(made.unwrap(), wanted);
    }

    #[test]
    fn a_secret_comes_from_a_file_or_standard_input_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "hush-hush\n").unwrap();
        let from_file = format!("sms.key=@{}", file.path().display());
        let wanted = json!({"sms": {"provider": "gateway", "key": "hush-hush"}, "site": {"close_message": "@all"}});
        let made = patch(&[
            "sms.provider=gateway",
            &from_file,
            "site.close_message=@all",
        ]);
        assert_eq!(made.unwrap(), wanted);
        assert_eq!(
            patch(&["sms.key=********"]).unwrap(),
            json!({"sms": {"key": "********"}})
        );
        assert_eq!(patch(&["sms=null"]).unwrap(), json!({"sms": null}));
        for clear in [
            "sms.key=hush-hush",
            "sms.key=\"hush-hush\"",
            "sms.key=7777",
            "sms={\"provider\":\"gateway\",\"key\":\"hush-hush\"}",
            "wechat={\"mini_program\":{\"app_secret\":\"hush-hush\"}}",
        ] {
            let refusal = patch(&[clear]).unwrap_err();
            assert!(refusal.contains("never an argument"), "{refusal}");
            assert!(
                !refusal.contains("hush") && !refusal.contains("7777"),
                "{refusal}"
            );
        }
        assert!(patch(&["sms.key=@-"]).unwrap_err().contains("only once"));
        assert!(
            patch(&["sms.key=@/nowhere"])
                .unwrap_err()
                .contains("/nowhere")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (assignments, reason) in [
            (&["limits"][..], "must be path=value"),
            (&["=1"], "empty name"),
            (&["limits..calls=1"], "empty name"),
            (&["limits.=1"], "empty name"),
            (&["a={\"b\":1"], "broken JSON"),
            (&["a=1", "a=2"], "set twice"),
            (&["a=null", "a.b=2"], "set twice"),
            (&["a.b=2", "a=null"], "set twice"),
        ] {
            let refusal = patch(assignments).unwrap_err();
            assert!(refusal.contains(reason), "{assignments:?}: {refusal}");
        }
    }
}
