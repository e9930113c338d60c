//! What is made of other files: the table in the chart's README of the comments in values.yaml, and the part of
//! values.schema.json for `settings` of config/default.toml.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::tools::{chart, file};

/// With this in the environment both are written anew instead of compared.
const WRITE: &str = "ENROLL_WRITE_CHART";

const BEGIN: &str = "<!-- values: begin -->\n";
const END: &str = "<!-- values: end -->";

/// One line of the table.
struct Row {
    /// The value's dotted name; that of a section ends in a dot.
    path: String,
    default: String,
    text: String,
}

/// The rows of values.yaml: a key, what stands behind it, and the comment above it. A comment with an empty line below
/// belongs to nothing.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        let depth = (line.len() - words.len()) / 2;
        if let Some(said) = words.strip_prefix('#') {
            comment.push(said.trim());
            continue;
        }
        let said = std::mem::take(&mut comment).join(" ");
        let Some((key, default)) = words.split_once(':') else {
            assert!(
                words.is_empty(),
                "values.yaml: {line} is more than a key and its value"
            );
            continue;
        };
        path.truncate(depth);
        path.push(key);
        let default = default.trim();
        let is_section = default.is_empty();
        if !is_section || !said.is_empty() {
            rows.push(Row {
                path: path.join(".") + if is_section { "." } else { "" },
                default: default.to_owned(),
                text: said,
            });
        }
    }
    rows
}

/// The table of the README.
fn table(rows: &[Row]) -> String {
    let mut text = "\n| value | default | what it is |\n|---|---|---|\n".to_owned();
    for row in rows {
        let default = match row.default.as_str() {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let path = row.path.trim_end_matches('.');
        text += &format!(
            "| `{path}` | {} | {} |\n",
            default.replace('|', "\\|"),
            row.text.replace('|', "\\|")
        );
    }
    text + "\n"
}

/// Compares a document with what it has to be, or writes it.
fn hold(name: &str, wanted: &str) {
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(chart().join(name), wanted).expect("the document is written");
    }
    assert!(
        file(name) == wanted,
        "helm/enroll/{name} is not what its sources say: look at the change, then run this test with {WRITE}=1"
    );
}

#[test]
fn the_readme_tells_every_value_as_its_comment_does() {
    let rows = rows(&file("values.yaml"));
    assert!(rows.len() > 60, "{} values", rows.len());
    for row in &rows {
        assert!(
            !row.text.is_empty(),
            "{} has no comment in values.yaml",
            row.path
        );
    }
    let readme = file("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    hold(
        "README.md",
        &format!("{before}{BEGIN}{}{END}{after}", table(&rows)),
    );
}

#[test]
fn comments_become_rows_of_the_key_below_them() {
    let text = "# Of nothing.\n\n# One.\na: 1\nb:\n  # Two\n  # lines.\n  c: [x|y]\n# A section.\nd:\n  # Deep.\n  e: {}\n";
    let rows = rows(text);
    let seen: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|row| (row.path.as_str(), row.default.as_str(), row.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "1", "One."),
            ("b.c", "[x|y]", "Two lines."),
            ("d.", "", "A section."),
            ("d.e", "{}", "Deep."),
        ]
    );
    assert!(table(&rows).contains("| `b.c` | `[x\\|y]` | Two lines. |"));
}

/// Settings that the chart sets itself, or that are secrets.
const OWN: [&str; 7] = [
    "server.public_listen",
    "server.admin_listen",
    "data.dir",
    "platform.url",
    "databases.*.url",
    "secrets.master_key",
    "secrets.master_key_file",
];

/// What names of shared databases and gateways may be; stricter than the program, since they become names of variables
/// and keys of a Secret.
const NAME: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/// The schema of a section of settings, without the chart's own. What is known of a key beyond its type is kept.
fn section(path: &str, shape: &toml::Table, known: &Value) -> Value {
    let mut properties = Map::new();
    for (key, value) in shape {
        let inner = [path, key].join(".");
        let inner = inner.trim_start_matches('.');
        if OWN.contains(&inner) {
            continue;
        }
        if key == "*" {
            return json!({
                "type": "object",
                "propertyNames": {"pattern": NAME},
                "additionalProperties": section(inner, value.as_table().expect("keys"), &known["additionalProperties"]),
            });
        }
        let known = &known["properties"][key];
        let of = |kind: &str| match known {
            Value::Object(known) if known["type"] == kind => known.clone().into(),
            _ => json!({"type": kind}),
        };
        let schema = match value {
            toml::Value::Table(table) => section(inner, table, known),
            toml::Value::String(_) => of("string"),
            toml::Value::Integer(_) => of("integer"),
            toml::Value::Boolean(_) => of("boolean"),
            toml::Value::Array(_) => {
                let mut list = of("array");
                if list["items"].is_null() {
                    list["items"] = json!({"type": "string"});
                }
                list
            }
            other => panic!("{inner}: {other:?}"),
        };
        let is_empty = schema["properties"].as_object().is_some_and(Map::is_empty);
        if !is_empty {
            properties.insert(key.clone(), schema);
        }
    }
    let mut schema =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !known["required"].is_null() {
        schema["required"] = known["required"].clone();
    }
    schema
}

#[test]
fn the_schema_knows_every_setting_and_no_other() {
    let mut schema: Value = serde_json::from_str(&file("values.schema.json")).expect("JSON");
    let defaults = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");
    let defaults = std::fs::read_to_string(defaults).expect("the defaults");
    let defaults: toml::Table = toml::from_str(&defaults).expect("TOML");
    let settings = section("", &defaults, &schema["properties"]["settings"]);
    let mut keys = BTreeSet::new();
    properties("", &settings, &schema, &mut keys);
    assert!(keys.len() > 60, "{} settings", keys.len());
    for own in OWN {
        assert!(!keys.contains(own), "{own} is the chart's own");
    }
    schema["properties"]["settings"] = settings;
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    hold("values.schema.json", &text);
}

/// The dotted names of all properties that are no sections.
fn properties(path: &str, schema: &Value, root: &Value, found: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root
            .pointer(reference.trim_start_matches('#'))
            .expect("a definition"),
        None => schema,
    };
    match schema["properties"].as_object() {
        Some(inner) => {
            for (key, schema) in inner {
                properties(
                    format!("{path}.{key}").trim_start_matches('.'),
                    schema,
                    root,
                    found,
                );
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

/// Every object of a schema that describes its keys, by where it stands.
fn loose(path: &str, schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties")
                && map.get("additionalProperties") != Some(&false.into())
            {
                found.push(path.to_owned());
            }
            for (key, value) in map {
                loose(&format!("{path}/{key}"), value, found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                loose(&format!("{path}/{at}"), value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_knows_every_value_and_takes_no_other() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).expect("JSON");
    let mut found = Vec::new();
    loose("", &schema, &mut found);
    assert_eq!(found, [""; 0], "objects that take any key");
    let mut known = BTreeSet::new();
    properties("", &schema, &schema, &mut known);
    known.retain(|name| !name.starts_with("settings.") && name != "global");
    let values: BTreeSet<String> = rows(&file("values.yaml"))
        .into_iter()
        .filter(|row| !row.path.ends_with('.') && !row.path.starts_with("settings."))
        .map(|row| row.path)
        .collect();
    // A value that is a list or a map of the user's own keys has a description of its items behind it.
    let covers = |value: &str, name: &str| name == value || name.starts_with(&format!("{value}."));
    for value in &values {
        assert!(
            known.iter().any(|name| covers(value, name)),
            "{value} is not in the schema"
        );
    }
    for name in &known {
        assert!(
            values.iter().any(|value| covers(value, name)),
            "{name} is not in values.yaml"
        );
    }
}

#[test]
fn the_chart_is_of_the_programs_version() {
    let chart: BTreeMap<String, String> = file("Chart.yaml")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let oldest = super::tools::VERSIONS[0];
    assert_eq!(chart["kubeVersion"], format!(">={oldest}-0"));
}
