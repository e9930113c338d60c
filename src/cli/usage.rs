//! `enroll tenant usage`: what tenants used.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminClient, read};
use super::output::{self, Progress};

#[derive(Args, Debug)]
pub(super) struct UsageArgs {
    /// The tenant's key [default: the sums of every tenant that used something]
    key: Option<String>,
    /// How long each step is
    #[arg(long, value_enum, default_value_t = Step::Hour)]
    step: Step,
    /// From when on, as in 2027-01-01T00:00:00Z (RFC 3339) [default: 48 hours or 30 days before the end]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    Hour,
    Day,
}

#[derive(Deserialize)]
struct Used {
    attributes: Map<String, Value>,
}

/// The columns, by the attribute.
const COLUMNS: [(&str, &str); 9] = [
    ("registrations", "Registered"),
    ("refused_input", "Refused: input"),
    ("refused_policy", "by rules"),
    ("refused_limit", "by limits"),
    ("refused_room", "no room"),
    ("logins", "Logins"),
    ("failed_logins", "failed"),
    ("sms_sent", "SMS"),
    ("hashes", "Hashes"),
];

/// Shows it.
///
/// # Errors
/// [`CliError`] as the admin API has it.
pub(super) async fn run(
    client: &AdminClient,
    args: UsageArgs,
    as_json: bool,
) -> Result<(), CliError> {
    let step = match args.step {
        Step::Hour => "hour",
        Step::Day => "day",
    };
    let mut filters = vec![("filter[step]", step)];
    filters.extend(args.from.as_deref().map(|from| ("filter[from]", from)));
    filters.extend(args.to.as_deref().map(|to| ("filter[to]", to)));
    let (segments, first) = match &args.key {
        Some(key) => (
            vec!["tenants", key.as_str(), "usage"],
            ("starts_at", "Begins"),
        ),
        None => (vec!["usage"], ("key", "Tenant")),
    };
    let progress = Progress::counting("rows");
    let used = client.list(&segments, &filters, &progress).await?;
    drop(progress);
    if as_json {
        return output::show(&output::json(&json!({ "data": used })));
    }
    output::show(&table(first, used)?)
}

fn table(first: (&str, &str), used: Vec<Value>) -> Result<String, CliError> {
    let columns: Vec<(&str, &str)> = std::iter::once(first).chain(COLUMNS).collect();
    let mut rows = Vec::with_capacity(used.len());
    for each in used {
        let Used { attributes } = read(each)?;
        let cell = |(name, _): &(&str, &str)| match attributes.get(*name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        };
        rows.push(columns.iter().map(cell).collect());
    }
    let header: Vec<&str> = columns.iter().map(|(_, title)| *title).collect();
    Ok(output::table(&header, &rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn a_row_has_a_cell_for_each_count() {
        let used = json!({"type": "usage", "id": "7", "attributes": {"key": "acme", "registrations": 12, "hashes": 340}});
        let shown = table(("key", "Tenant"), vec![used]).unwrap();
        for cell in ["Tenant", "acme", "12", "340", " - "] {
            assert!(shown.contains(cell), "{cell} is missing in {shown}");
        }
    }
}
