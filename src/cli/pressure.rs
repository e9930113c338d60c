//! `enroll tenant pressure`: what limits a tenant now.

use serde::Deserialize;
use serde_json::Value;

use super::client::read;
use super::{CliError, output};

#[derive(Deserialize)]
struct Document {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    attributes: Pressure,
}

#[derive(Deserialize)]
struct Pressure {
    key: String,
    live: bool,
    limiting: Option<String>,
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    setting: String,
    in_use: Option<u64>,
    bound: Option<u64>,
    waiting: Option<u64>,
    expected_wait_ms: Option<u64>,
    refused_last_10_s: u64,
    refused_last_60_s: u64,
}

/// The answer of the admin API as people read it.
pub(super) fn describe(document: Value) -> Result<String, CliError> {
    let Document { data } = read(document)?;
    let Pressure {
        key,
        live,
        limiting,
        resources,
    } = data.attributes;
    let verdict = match (&limiting, live) {
        (Some(name), _) => format!("{key} is limited by {name}"),
        (None, true) => format!("nothing limits {key}"),
        (None, false) => format!("{key} is not live at this server"),
    };
    if resources.is_empty() {
        return Ok(verdict);
    }
    let rows: Vec<_> = resources.iter().map(row).collect();
    let header = [
        "Resource",
        "In use",
        "Bound",
        "Waiting",
        "Expected wait",
        "Refused in 10 s",
        "in 60 s",
        "Setting",
    ];
    Ok(format!("{verdict}\n{}", output::table(&header, &rows)))
}

fn row(resource: &Resource) -> Vec<String> {
    let number =
        |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
    let wait = resource
        .expected_wait_ms
        .map_or_else(|| "-".into(), |millis| format!("{millis} ms"));
    vec![
        resource.name.clone(),
        number(resource.in_use),
        number(resource.bound),
        number(resource.waiting),
        wait,
        resource.refused_last_10_s.to_string(),
        resource.refused_last_60_s.to_string(),
        resource.setting.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::describe;

    fn document(live: bool, limiting: Value, resources: Value) -> Value {
        json!({"data": {"type": "pressure", "id": "7", "attributes": {
            "key": "acme", "live": live, "limiting": limiting, "resources": resources,
        }}})
    }

    #[test]
    fn the_table_says_what_limits_and_how_each_resource_stands() {
        let resources = json!([
            {"name": "admission", "setting": "limits.in_flight", "in_use": 3, "bound": null, "waiting": null,
             "expected_wait_ms": null, "refused_last_10_s": 0, "refused_last_60_s": 0},
            {"name": "database", "setting": "limits.database_in_flight", "in_use": 4, "bound": 4, "waiting": 9,
             "expected_wait_ms": 120, "refused_last_10_s": 5, "refused_last_60_s": 17},
        ]);
        let shown = describe(document(true, json!("database"), resources)).unwrap();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "acme is limited by database");
        let cells = |name: &str| -> Vec<String> {
            let line = lines.iter().find(|line| line.contains(name)).unwrap();
            line.split(['\u{2502}', '\u{2506}'])
                .map(|cell| cell.trim().to_owned())
                .filter(|cell| !cell.is_empty())
                .collect()
        };
        assert_eq!(
            cells("admission"),
            [
                "admission",
                "3",
                "-",
                "-",
                "-",
                "0",
                "0",
                "limits.in_flight"
            ]
        );
        assert_eq!(
            cells("database_in"),
            [
                "database",
                "4",
                "4",
                "9",
                "120 ms",
                "5",
                "17",
                "limits.database_in_flight"
            ]
        );
    }

    #[test]
    fn a_tenant_that_is_free_or_asleep_is_called_so() {
        let shown = |live| describe(document(live, Value::Null, json!([]))).unwrap();
        assert_eq!(shown(true), "nothing limits acme");
        assert_eq!(shown(false), "acme is not live at this server");
    }
}
