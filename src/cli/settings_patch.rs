//! Turns `path=value` arguments into a merge patch (RFC 7396) of a tenant's settings.

use serde_json::{Map, Value};

use super::CliError;

/// Lays assignments such as `limits.per_address=null` over `base`.
///
/// A value is read as JSON; what is no JSON is text, so that `locale=en` needs no quotes.
///
/// # Errors
/// [`CliError::Usage`] for an assignment without `=`, an empty name in a path, a path set twice, or broken JSON.
pub fn assign(
    mut base: Map<String, Value>,
    assignments: &[String],
) -> Result<Map<String, Value>, CliError> {
    for assignment in assignments {
        let usage = |text: &str| CliError::Usage(format!("{assignment}: {text}"));
        let (path, text) = assignment
            .split_once('=')
            .ok_or_else(|| usage("must be path=value"))?;
        let value = read_value(text).ok_or_else(|| usage("the value is broken JSON"))?;
        put(&mut base, path, value).map_err(usage)?;
    }
    Ok(base)
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
        assign(Map::new(), &assignments)
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
