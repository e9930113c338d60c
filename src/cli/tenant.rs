//! `enroll tenant`: tenants of a running server.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient, read};
use super::output::{self, Progress};
use super::usage::{self, UsageArgs};
use super::{pressure, settings_patch};
use crate::store::settings::DatabaseUrl;

/// Arguments of `enroll tenant`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll tenant create acme --name 'Acme Ltd' --host join.acme.example
  enroll tenant create acme --database main --set registration.approval=true
  enroll tenant create acme --own-url-stdin < database-url
  enroll tenant set acme limits.per_tenant=null limits.per_address='{\"calls\":5,\"seconds\":60}'
  enroll tenant list --state suspended --json
  enroll tenant pressure acme
  enroll tenant usage acme --step day")]
pub struct TenantArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a tenant
    Create(CreateArgs),
    /// List tenants
    List {
        /// Only tenants in this state
        #[arg(long)]
        state: Option<State>,
    },
    /// Show a tenant with its settings
    Show {
        /// The tenant's key
        key: String,
    },
    /// Change a tenant's settings, name or hosts
    #[command(after_help = "Examples:
  enroll tenant set acme registration.approval=true
  enroll tenant set acme limits.per_address=null locale=en
  enroll tenant set acme wechat.mini_program.app_id=wx1 wechat.mini_program.app_secret=@- < secret
  enroll tenant set acme --file patch.json --if-version 7")]
    Set(SetArgs),
    /// Refuse a tenant's requests until it is resumed
    Suspend {
        /// The tenant's key
        key: String,
    },
    /// Serve a suspended tenant again
    Resume {
        /// The tenant's key
        key: String,
    },
    /// Show what limits a tenant now
    Pressure {
        /// The tenant's key
        key: String,
    },
    /// Show what a tenant, or each of them, used by the hour or the day
    Usage(UsageArgs),
    /// Delete a tenant
    Delete {
        /// The tenant's key
        key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// The tenant's key: 2 to 63 of a-z 0-9 -
    key: String,
    /// Its name as people read it
    #[arg(long)]
    name: Option<String>,
    /// A host name of its own; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Put it into this shared database instead of one of its own
    #[arg(long, value_name = "NAME", conflicts_with = "own_url_stdin")]
    database: Option<String>,
    /// Read the URL of its own PostgreSQL or MySQL database from standard input
    #[arg(long)]
    own_url_stdin: bool,
    /// A setting that differs from its default; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    assignments: Vec<String>,
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The tenant's key
    key: String,
    /// Settings to change; a value is JSON, or else text; a secret is read from @- (standard input) or @FILE
    #[arg(value_name = "PATH=VALUE")]
    assignments: Vec<String>,
    /// A JSON file with a merge patch of the settings
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// Replace its host names by this one; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Take its host names away
    #[arg(long, conflicts_with = "hosts")]
    no_hosts: bool,
    /// Refuse when the settings have another version by now
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Active,
    Suspended,
    Deleted,
}

impl State {
    /// The value of the API's filter.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }
}

/// Runs `enroll tenant`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it.
pub async fn run(args: TenantArgs) -> Result<(), CliError> {
    let TenantArgs { action, admin } = args;
    let client = AdminClient::from_args(&admin)?;
    let document = match action {
        Action::Create(create) => {
            let body = create_body(create, admin.token_stdin)?;
            client.call(Method::POST, &["tenants"], Some(&body)).await?
        }
        Action::List { state } => return list(&client, state, admin.json).await,
        Action::Usage(args) => return usage::run(&client, args, admin.json).await,
        Action::Show { key } => client.call(Method::GET, &["tenants", &key], None).await?,
        Action::Set(set) => {
            let path = ["tenants", &set.key.clone()];
            client
                .call(
                    Method::PATCH,
                    &path,
                    Some(&set_body(set, admin.token_stdin)?),
                )
                .await?
        }
        Action::Suspend { key } => {
            client
                .call(Method::POST, &["tenants", &key, "suspend"], None)
                .await?
        }
        Action::Resume { key } => {
            client
                .call(Method::POST, &["tenants", &key, "resume"], None)
                .await?
        }
        Action::Pressure { key } => {
            let path = ["tenants", &key, "pressure"];
            let document = client.call(Method::GET, &path, None).await?;
            return output::show(&if admin.json {
                output::json(&document)
            } else {
                pressure::describe(document)?
            });
        }
        Action::Delete { key, yes } => {
            if !yes {
                output::confirm(
                    &format!(
                        "This deletes tenant {key} for good: its users can register and log in no more, and its key stays taken."
                    ),
                    &key,
                )?;
            }
            client
                .call(Method::DELETE, &["tenants", &key], None)
                .await?;
            output::note(&format!("tenant {key} is deleted"));
            return Ok(());
        }
    };
    show_one(document, admin.json)
}

async fn list(client: &AdminClient, state: Option<State>, json: bool) -> Result<(), CliError> {
    let filter = state.map(|state| ("filter[state]", state.as_str()));
    let progress = Progress::counting("tenants");
    let tenants = client
        .list(&["tenants"], filter.as_slice(), &progress)
        .await?;
    drop(progress);
    if json {
        return output::show(&output::json(&json!({ "data": tenants })));
    }
    let tenants = tenants
        .into_iter()
        .map(read::<Tenant>)
        .collect::<Result<Vec<_>, _>>()?;
    output::show(&tenants_table(&tenants))
}

fn create_body(args: CreateArgs, stdin_is_taken: bool) -> Result<Value, CliError> {
    let mut attributes = Map::from_iter([("key".to_owned(), args.key.into())]);
    if let Some(name) = args.name {
        attributes.insert("name".into(), name.into());
    }
    if !args.hosts.is_empty() {
        attributes.insert("hosts".into(), args.hosts.into());
    }
    if let Some(database) = args.database {
        attributes.insert(
            "placement".into(),
            json!({"kind": "shared", "database": database}),
        );
    }
    if args.own_url_stdin {
        if stdin_is_taken {
            let text = "--token-stdin and --own-url-stdin cannot both read standard input";
            return Err(CliError::Usage(text.into()));
        }
        let url = output::read_secret("--own-url-stdin")?;
        // Checked here as well, so that a mistyped secret does not travel.
        DatabaseUrl::parse(url.expose_secret())
            .map_err(|error| CliError::Usage(format!("the database URL {error}")))?;
        attributes.insert(
            "placement".into(),
            json!({"kind": "own", "url": url.expose_secret()}),
        );
    }
    if !args.assignments.is_empty() {
        let settings = settings_patch::assign(
            Map::new(),
            &args.assignments,
            stdin_is_taken || args.own_url_stdin,
        )?;
        attributes.insert("settings".into(), settings.into());
    }
    Ok(body(attributes))
}

fn set_body(args: SetArgs, stdin_is_taken: bool) -> Result<Value, CliError> {
    let mut attributes = Map::new();
    if args.file.is_some() || !args.assignments.is_empty() {
        let base = args
            .file
            .as_deref()
            .map_or_else(|| Ok(Map::new()), read_patch)?;
        let settings = settings_patch::assign(base, &args.assignments, stdin_is_taken)?;
        attributes.insert("settings".into(), settings.into());
    }
    if let Some(name) = args.name {
        attributes.insert("name".into(), name.into());
    }
    if args.no_hosts || !args.hosts.is_empty() {
        attributes.insert("hosts".into(), args.hosts.into());
    }
    if attributes.is_empty() {
        let text = "nothing to change: give PATH=VALUE, --file, --name, --host or --no-hosts";
        return Err(CliError::Usage(text.into()));
    }
    if let Some(version) = args.if_version {
        attributes.insert("settings_version".into(), version.into());
    }
    Ok(body(attributes))
}

fn body(attributes: Map<String, Value>) -> Value {
    json!({"data": {"type": "tenants", "attributes": attributes}})
}

fn read_patch(path: &Path) -> Result<Map<String, Value>, CliError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| CliError::Io(name.clone(), error))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{name}: must be a JSON object: {error}")))
}

fn show_one(document: Value, json: bool) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&document));
    }
    let document: Document = read(document)?;
    for warning in document.meta.unwrap_or_default().warnings {
        output::note(&format!("warning: {}: {}", warning.path, warning.detail));
    }
    output::show(&details(document.data))
}

#[derive(Deserialize)]
struct Document {
    data: Tenant,
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Warning {
    path: String,
    detail: String,
}

#[derive(Deserialize)]
struct Tenant {
    id: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    key: String,
    name: Option<String>,
    state: String,
    hosts: Vec<String>,
    placement: Placement,
    settings: Value,
    settings_version: u64,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct Placement {
    kind: String,
    database: Option<String>,
    backend: String,
}

impl Placement {
    /// `own sqlite`, or `shared main (postgres)`.
    fn describe(&self) -> String {
        match &self.database {
            Some(database) => format!("{} {database} ({})", self.kind, self.backend),
            None => format!("{} {}", self.kind, self.backend),
        }
    }
}

fn tenants_table(tenants: &[Tenant]) -> String {
    let rows = tenants.iter().map(
        |Tenant {
             attributes: each, ..
         }| {
            vec![
                each.key.clone(),
                each.name.clone().unwrap_or_default(),
                each.state.clone(),
                each.hosts.join(" "),
                each.placement.describe(),
                each.created_at.clone(),
            ]
        },
    );
    let header = ["Key", "Name", "State", "Hosts", "Placement", "Created"];
    output::table(&header, &rows.collect::<Vec<_>>())
}

fn details(tenant: Tenant) -> String {
    let Tenant { id, attributes: of } = tenant;
    let rows = [
        ("Key", of.key),
        ("Id", id),
        ("Name", of.name.unwrap_or_default()),
        ("State", of.state),
        ("Hosts", of.hosts.join(" ")),
        ("Placement", of.placement.describe()),
        ("Created", of.created_at),
        ("Updated", of.updated_at),
        ("Settings version", of.settings_version.to_string()),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    format!(
        "{}\n{}",
        output::table(&["Tenant", ""], &rows),
        output::json(&of.settings)
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::super::{Cli, CliError, Command};
    use super::{Action, Tenant, create_body, details, set_body, tenants_table};

    fn action(line: &[&str]) -> Result<Action, clap::Error> {
        match Cli::try_parse_from([&["enroll", "tenant"], line].concat())?.command {
            Command::Tenant(args) => Ok(args.action),
            _ => panic!("not a tenant command"),
        }
    }

    fn body_of(line: &[&str]) -> Result<Value, CliError> {
        match action(line).unwrap() {
            Action::Create(args) => create_body(args, false),
            Action::Set(args) => set_body(args, false),
            other => panic!("{other:?} has no body"),
        }
    }

    fn attributes(line: &[&str]) -> Value {
        body_of(line).unwrap()["data"]["attributes"].clone()
    }

    #[test]
    fn create_sends_what_was_given_and_nothing_else() {
        assert_eq!(
            body_of(&["create", "acme"]).unwrap(),
            json!({
                "data": {"type": "tenants", "attributes": {"key": "acme"}}
            })
        );
        let line = [
            "create",
            "acme",
            "--name",
            "Acme",
            "--host",
            "a.example",
            "--host",
            "b.example",
            "--database",
            "main",
            "--set",
            "registration.approval=true",
            "--set",
            "locale=en",
        ];
        assert_eq!(
            attributes(&line),
            json!({
                "key": "acme",
                "name": "Acme",
                "hosts": ["a.example", "b.example"],
                "placement": {"kind": "shared", "database": "main"},
                "settings": {"registration": {"approval": true}, "locale": "en"},
            })
        );
    }

    #[test]
    fn set_sends_a_merge_patch() {
        let line = [
            "set",
            "acme",
            "limits.per_tenant=null",
            "--no-hosts",
            "--if-version",
            "7",
        ];
        assert_eq!(
            attributes(&line),
            json!({
                "settings": {"limits": {"per_tenant": null}}, "hosts": [], "settings_version": 7,
            })
        );
        assert_eq!(body_of(&["set", "acme"]).unwrap_err().exit_code(), 2);
        assert_eq!(
            body_of(&["set", "acme", "--if-version", "7"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }

    #[test]
    fn set_lays_assignments_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, r#"{"limits": {"in_flight": 4}}"#).unwrap();
        assert_eq!(
            attributes(&["set", "acme", "--file", path, "limits.per_tenant=null"]),
            json!({"settings": {"limits": {"in_flight": 4, "per_tenant": null}}})
        );
        std::fs::write(path, "[]").unwrap();
        assert_eq!(
            body_of(&["set", "acme", "--file", path])
                .unwrap_err()
                .exit_code(),
            2
        );
        let missing = body_of(&["set", "acme", "--file", "/nowhere.json"]).unwrap_err();
        assert_eq!(missing.exit_code(), 1);
    }

    #[test]
    fn arguments_that_exclude_each_other_are_refused() {
        assert!(action(&["create", "a", "--database", "main", "--own-url-stdin"]).is_err());
        assert!(action(&["set", "a", "--host", "h", "--no-hosts"]).is_err());
        assert!(action(&["list", "--token-stdin", "--token-file", "f"]).is_err());
        let Action::Create(create) = action(&["create", "a", "--own-url-stdin"]).unwrap() else {
            panic!("not create");
        };
        assert_eq!(create_body(create, true).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn tenants_are_shown_in_tables() {
        let tenant = || -> Tenant {
            serde_json::from_value(json!({"type": "tenants", "id": "17", "attributes": {
                "key": "acme", "name": null, "state": "active", "hosts": ["a.example", "b.example"],
                "placement": {"kind": "shared", "database": "main", "backend": "postgres"},
                "settings": {"locale": "en"}, "settings_version": 3,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
            }}))
            .unwrap()
        };
        let list = tenants_table(&[tenant()]);
        for cell in [
            "acme",
            "active",
            "a.example b.example",
            "shared main (postgres)",
            "2026-01-01",
        ] {
            assert!(list.contains(cell), "{list}");
        }
        let details = details(tenant());
        assert!(
            details.contains("17") && details.ends_with("{\n  \"locale\": \"en\"\n}"),
            "{details}"
        );
    }
}
