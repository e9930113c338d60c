//! `enroll user`: a tenant's users.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient, read};
use super::output::{self, Progress};

/// Arguments of `enroll user`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll user list acme
  enroll user applications acme --name an
  enroll user decide acme approve 6612345678901234 6612345678901235
  enroll user set acme 6612345678901234 --group 1
  enroll user delete acme 6612345678901234
  enroll user restore acme 6612345678901234
  enroll user set acme 6612345678901234 --status rejected --message 'no such member'")]
pub struct UserArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a tenant's users
    List {
        /// The tenant's key
        tenant: String,
    },
    /// List who awaits approval, oldest first
    Applications {
        /// The tenant's key
        tenant: String,
        /// Only names that begin so
        #[arg(long, value_name = "BEGINNING")]
        name: Option<String>,
    },
    /// Decide about users who await approval
    Decide(DecideArgs),
    /// Change a user's group or standing
    Set(SetArgs),
    /// Delete a user, who can be restored for as many days as the tenant's settings say
    Delete {
        /// The tenant's key
        tenant: String,
        /// The user's number
        id: String,
    },
    /// List deleted users who can be restored
    Deleted {
        /// The tenant's key
        tenant: String,
    },
    /// Make a deleted user a user again
    Restore {
        /// The tenant's key
        tenant: String,
        /// The user's number
        id: String,
    },
    /// Remove a deleted user for good, before its time to be restored is over
    Erase {
        /// The tenant's key
        tenant: String,
        /// The user's number
        id: String,
    },
}

#[derive(Args, Debug)]
struct DecideArgs {
    /// The tenant's key
    tenant: String,
    /// What they get
    #[arg(value_enum)]
    decision: Decision,
    /// The users' numbers
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// What the users are told, at most 255 characters
    #[arg(long)]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decision {
    /// The account can be used
    Approve,
    /// It cannot, and its owner is told so
    Reject,
    /// It is set aside
    Ignore,
}

impl Decision {
    const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Ignore => "ignore",
        }
    }
}

/// Most users that the admin API takes in one call.
const USERS_A_CALL: usize = 500;

#[derive(Args, Debug)]
struct SetArgs {
    /// The tenant's key
    tenant: String,
    /// The user's number
    id: String,
    /// The group's number in the tenant's settings
    #[arg(long, value_name = "ID", required_unless_present = "status")]
    group: Option<i32>,
    /// The standing; every one but `normal` ends the user's sessions
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// What the user is told about a refusal
    #[arg(long, requires = "status")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    /// May use the account
    Normal,
    /// May not
    Banned,
    /// Awaits approval
    Pending,
    /// Was not approved
    Rejected,
    /// The application was set aside
    Ignored,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Banned => "banned",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Ignored => "ignored",
        }
    }
}

/// Runs `enroll user`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it.
pub async fn run(args: UserArgs) -> Result<(), CliError> {
    let UserArgs { action, admin } = args;
    let client = AdminClient::from_args(&admin)?;
    match action {
        Action::List { tenant } => {
            let progress = Progress::counting("users");
            let users = client
                .list(&["tenants", &tenant, "users"], &[], &progress)
                .await?;
            drop(progress);
            show(users, admin.json)
        }
        Action::Applications { tenant, name } => {
            let progress = Progress::counting("applications");
            let filters: Vec<_> = name
                .iter()
                .map(|name| ("filter[username]", name.as_str()))
                .collect();
            let path = ["tenants", &tenant, "applications"];
            let found = client.list(&path, &filters, &progress).await?;
            drop(progress);
            show_as(found, admin.json, applications_table)
        }
        Action::Decide(args) => {
            let path = ["tenants", &args.tenant, "applications", "decide"];
            for ids in args.ids.chunks(USERS_A_CALL) {
                let body = decide_body(&args, ids);
                let answer = client.call(Method::POST, &path, Some(&body)).await?;
                // Shown part by part, so that whoever sees a later one fail knows what was done.
                show_as(read::<Documents>(answer)?.data, admin.json, decisions_table)?;
            }
            Ok(())
        }
        Action::Set(set) => {
            let path = ["tenants", &set.tenant, "users", &set.id];
            let body = set_body(&set);
            let document: Document = read(client.call(Method::PATCH, &path, Some(&body)).await?)?;
            show(vec![document.data], admin.json)
        }
        Action::Delete { tenant, id } => {
            let path = ["tenants", &tenant, "users", &id];
            let document: Document = read(client.call(Method::DELETE, &path, None).await?)?;
            show_as(vec![document.data], admin.json, deleted_table)
        }
        Action::Deleted { tenant } => {
            let progress = Progress::counting("users");
            let path = ["tenants", &tenant, "deleted-users"];
            let users = client.list(&path, &[], &progress).await?;
            drop(progress);
            show_as(users, admin.json, deleted_table)
        }
        Action::Restore { tenant, id } => {
            let path = ["tenants", &tenant, "deleted-users", &id, "restore"];
            let document: Document = read(client.call(Method::POST, &path, None).await?)?;
            show(vec![document.data], admin.json)
        }
        Action::Erase { tenant, id } => {
            let path = ["tenants", &tenant, "deleted-users", &id];
            client.call(Method::DELETE, &path, None).await?;
            Ok(())
        }
    }
}

fn set_body(args: &SetArgs) -> Value {
    let attributes = [
        ("group_id", args.group.map(Value::from)),
        ("status", args.status.map(|status| status.name().into())),
        ("refuse_message", args.message.clone().map(Value::from)),
    ];
    let given = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    json!({"data": {"type": "users", "attributes": given.collect::<Map<_, _>>()}})
}

fn decide_body(args: &DecideArgs, ids: &[String]) -> Value {
    let attributes = json!({
        "action": args.decision.name(),
        "ids": ids,
        "message": args.message,
    });
    json!({"data": {"type": "decisions", "attributes": attributes}})
}

fn show(users: Vec<Value>, json: bool) -> Result<(), CliError> {
    show_as(users, json, users_table)
}

fn show_as<T: for<'de> Deserialize<'de>>(
    resources: Vec<Value>,
    json: bool,
    table: impl Fn(&[T]) -> String,
) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&json!({ "data": resources })));
    }
    let resources = resources
        .into_iter()
        .map(read::<T>)
        .collect::<Result<Vec<_>, _>>()?;
    output::show(&table(&resources))
}

#[derive(Deserialize)]
struct Document {
    data: Value,
}

#[derive(Deserialize)]
struct User {
    id: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    username: String,
    status: String,
    group_id: i64,
    created_at: String,
}

#[derive(Deserialize)]
struct Documents {
    data: Vec<Value>,
}

#[derive(Deserialize)]
struct Application {
    id: String,
    attributes: ApplicationAttributes,
}

#[derive(Deserialize)]
struct ApplicationAttributes {
    username: String,
    created_at: String,
    invite_code: Option<String>,
    register_reason: Option<String>,
}

fn applications_table(applications: &[Application]) -> String {
    let rows = applications.iter().map(|application| {
        let each = &application.attributes;
        vec![
            application.id.clone(),
            each.username.clone(),
            each.created_at.clone(),
            each.invite_code.clone().unwrap_or_default(),
            each.register_reason.clone().unwrap_or_default(),
        ]
    });
    let header = ["Id", "Name", "Since", "Invite", "Reason"];
    output::table(&header, &rows.collect::<Vec<_>>())
}

#[derive(Deserialize)]
struct DecisionMade {
    id: String,
    attributes: DecisionAttributes,
}

#[derive(Deserialize)]
struct DecisionAttributes {
    outcome: String,
    status: Option<String>,
}

fn decisions_table(decisions: &[DecisionMade]) -> String {
    let rows = decisions.iter().map(|decision| {
        let each = &decision.attributes;
        vec![
            decision.id.clone(),
            each.outcome.clone(),
            each.status.clone().unwrap_or_default(),
        ]
    });
    output::table(&["Id", "Outcome", "Status"], &rows.collect::<Vec<_>>())
}

#[derive(Deserialize)]
struct DeletedUser {
    id: String,
    attributes: DeletedAttributes,
}

#[derive(Deserialize)]
struct DeletedAttributes {
    username: String,
    deleted_at: String,
    purge_at: String,
}

fn deleted_table(users: &[DeletedUser]) -> String {
    let rows = users.iter().map(|user| {
        let each = &user.attributes;
        vec![
            user.id.clone(),
            each.username.clone(),
            each.deleted_at.clone(),
            each.purge_at.clone(),
        ]
    });
    let header = ["Id", "Name", "Deleted", "Restorable until"];
    output::table(&header, &rows.collect::<Vec<_>>())
}

fn users_table(users: &[User]) -> String {
    let rows = users.iter().map(|user| {
        let each = &user.attributes;
        vec![
            user.id.clone(),
            each.username.clone(),
            each.status.clone(),
            each.group_id.to_string(),
            each.created_at.clone(),
        ]
    });
    let header = ["Id", "Name", "Status", "Group", "Created"];
    output::table(&header, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::super::{Cli, Command};
    use super::{
        Action, SetArgs, User, applications_table, decide_body, decisions_table, set_body,
        users_table,
    };

    fn set(line: &[&str]) -> Result<SetArgs, clap::Error> {
        let line = [&["enroll", "user", "set", "acme", "42"], line].concat();
        match Cli::try_parse_from(line)?.command {
            Command::User(super::UserArgs {
                action: Action::Set(args),
                ..
            }) => Ok(args),
            _ => panic!("not set"),
        }
    }

    #[test]
    fn set_sends_what_was_given_and_nothing_else() {
        let group = set_body(&set(&["--group", "1"]).unwrap());
        let attributes = json!({"group_id": 1});
        assert_eq!(group["data"]["attributes"], attributes);
        let line = ["--status", "rejected", "--message", "no"];
        let attributes = json!({"status": "rejected", "refuse_message": "no"});
        let status = set_body(&set(&line).unwrap());
        assert_eq!(status["data"]["attributes"], attributes);
    }

    #[test]
    fn set_without_anything_to_set_is_refused() {
        for line in [&[][..], &["--message", "no"], &["--status", "gone"]] {
            assert_eq!(set(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn a_decision_names_its_users_and_says_nothing_that_was_not_said() {
        let line = ["enroll", "user", "decide", "acme", "ignore", "42", "43"];
        let Command::User(super::UserArgs {
            action: Action::Decide(args),
            ..
        }) = Cli::try_parse_from(line).unwrap().command
        else {
            panic!("no decision");
        };
        assert_eq!(
            decide_body(&args, &args.ids)["data"],
            json!({"type": "decisions", "attributes": {
                "action": "ignore", "ids": ["42", "43"], "message": null,
            }})
        );
        for wrong in [&["acme", "approve"][..], &["acme", "ban", "42"]] {
            let line = [&["enroll", "user", "decide"], wrong].concat();
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn applications_and_outcomes_are_shown_in_tables() {
        let waiting = serde_json::from_value(json!({"id": "42", "attributes": {
            "username": "Ada", "created_at": "2026-01-01T00:00:00Z",
            "invite_code": null, "register_reason": "I like it",
        }}))
        .unwrap();
        let made = |outcome, status| {
            let attributes = json!({"outcome": outcome, "status": status});
            serde_json::from_value(json!({"id": "43", "attributes": attributes})).unwrap()
        };
        let tables = [
            applications_table(&[waiting]),
            decisions_table(&[
                made("decided", json!("normal")),
                made("not_found", json!(null)),
            ]),
        ]
        .concat();
        for cell in [
            "42",
            "Ada",
            "I like it",
            "43",
            "decided",
            "normal",
            "not_found",
        ] {
            assert!(tables.contains(cell), "{tables}");
        }
    }

    #[test]
    fn users_are_shown_in_a_table() {
        let user: User = serde_json::from_value(json!({"id": "42", "attributes": {
            "username": "Ada", "status": "normal", "group_id": 10, "created_at": "2026-01-01T00:00:00Z",
        }}))
        .unwrap();
        let table = users_table(&[user]);
        for cell in ["42", "Ada", "normal", "10"] {
            assert!(table.contains(cell), "{table}");
        }
    }
}
