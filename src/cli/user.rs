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
  enroll user set acme 6612345678901234 --group 1
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
    /// Change a user's group or standing
    Set(SetArgs),
}

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
        Action::Set(set) => {
            let path = ["tenants", &set.tenant, "users", &set.id];
            let body = set_body(&set);
            let document: Document = read(client.call(Method::PATCH, &path, Some(&body)).await?)?;
            show(vec![document.data], admin.json)
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

fn show(users: Vec<Value>, json: bool) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&json!({ "data": users })));
    }
    let users = users
        .into_iter()
        .map(read::<User>)
        .collect::<Result<Vec<_>, _>>()?;
    output::show(&users_table(&users))
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
    use super::{Action, SetArgs, User, set_body, users_table};

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
