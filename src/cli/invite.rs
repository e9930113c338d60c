//! `enroll invite`: a tenant's invite codes.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient, read};
use super::output::{self, Progress};
use crate::clock::Timestamp;

/// Codes asked for in one request. The API takes up to 1000; half of that keeps the bar moving and the answer quick.
const BATCH: u32 = 500;

/// Arguments of `enroll invite`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll invite issue acme --max-uses 10 --expires-at 2027-01-01T00:00:00Z --note 'spring fair'
  enroll invite issue acme --count 20000 --json > codes.json
  enroll invite list acme
  enroll invite revoke acme WELCOME-2027")]
pub struct InviteArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Issue one code, or many
    Issue(IssueArgs),
    /// List a tenant's codes
    List {
        /// The tenant's key
        tenant: String,
    },
    /// Revoke a code: it opens nothing from then on
    Revoke {
        /// The tenant's key
        tenant: String,
        /// The code
        code: String,
    },
}

#[derive(Args, Debug)]
struct IssueArgs {
    /// The tenant's key
    tenant: String,
    /// The code itself, instead of a random one
    #[arg(long, conflicts_with = "count")]
    code: Option<String>,
    /// How many random codes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    /// How many accounts each code is good for [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_uses: Option<u32>,
    /// When the codes expire, as in 2027-01-01T00:00:00Z (RFC 3339) [default: never]
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    expires_at: Option<String>,
    /// The group of the accounts it brings, by its number in the tenant's settings [default: the tenant's default group]
    #[arg(long, value_name = "ID")]
    group: Option<i32>,
    /// A note for administrators
    #[arg(long)]
    note: Option<String>,
}

/// Runs `enroll invite`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it.
pub async fn run(args: InviteArgs) -> Result<(), CliError> {
    let InviteArgs { action, admin } = args;
    let client = AdminClient::from_args(&admin)?;
    match action {
        Action::Issue(issue) => {
            let (issued, outcome) = issue_all(&client, &issue).await;
            // Codes that were issued before a failure exist: show them, then fail.
            if !issued.is_empty() {
                show_list(issued, admin.json)?;
            }
            outcome
        }
        Action::List { tenant } => {
            let progress = Progress::counting("invite codes");
            let invites = client
                .list(&["tenants", &tenant, "invites"], None, &progress)
                .await?;
            drop(progress);
            show_list(invites, admin.json)
        }
        Action::Revoke { tenant, code } => {
            client
                .call(
                    Method::DELETE,
                    &["tenants", &tenant, "invites", &code],
                    None,
                )
                .await?;
            output::note(&format!("{code} is revoked"));
            Ok(())
        }
    }
}

/// Issues what was asked for, batch by batch. Gives all that was issued, and the failure that ended it early.
async fn issue_all(client: &AdminClient, args: &IssueArgs) -> (Vec<Value>, Result<(), CliError>) {
    let Some(count) = args.count else {
        return match issue(client, args, None).await {
            Ok(invite) => (vec![invite], Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
    };
    let progress = Progress::towards(count.into(), "invite codes");
    let mut issued = Vec::new();
    for batch in batches(count) {
        match issue(client, args, Some(batch))
            .await
            .and_then(read::<Vec<Value>>)
        {
            Ok(invites) => {
                progress.add(invites.len());
                issued.extend(invites);
            }
            Err(error) => return (issued, Err(error)),
        }
    }
    (issued, Ok(()))
}

async fn issue(
    client: &AdminClient,
    args: &IssueArgs,
    count: Option<u32>,
) -> Result<Value, CliError> {
    let path = ["tenants", &args.tenant, "invites"];
    let body = issue_body(args, count);
    let document: Document = read(client.call(Method::POST, &path, Some(&body)).await?)?;
    Ok(document.data)
}

/// How many codes each request asks for.
fn batches(count: u32) -> impl Iterator<Item = u32> {
    let rest = count % BATCH;
    let full = (0..count / BATCH).map(|_| BATCH);
    full.chain((rest > 0).then_some(rest))
}

fn issue_body(args: &IssueArgs, count: Option<u32>) -> Value {
    let attributes = [
        ("code", args.code.clone().map(Value::from)),
        ("count", count.map(Value::from)),
        ("max_uses", args.max_uses.map(Value::from)),
        ("expires_at", args.expires_at.clone().map(Value::from)),
        ("group_id", args.group.map(Value::from)),
        ("note", args.note.clone().map(Value::from)),
    ];
    let given = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    json!({"data": {"type": "invites", "attributes": given.collect::<Map<_, _>>()}})
}

fn read_time(text: &str) -> Result<String, &'static str> {
    Timestamp::parse_rfc3339(text)
        .map(|_| text.to_owned())
        .ok_or("must be a date and time with its offset, as in 2027-01-01T00:00:00Z")
}

fn show_list(invites: Vec<Value>, json: bool) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&json!({ "data": invites })));
    }
    let invites = invites
        .into_iter()
        .map(read::<Invite>)
        .collect::<Result<Vec<_>, _>>()?;
    output::show(&invites_table(&invites))
}

#[derive(Deserialize)]
struct Document {
    data: Value,
}

#[derive(Deserialize)]
struct Invite {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    code: String,
    max_uses: u64,
    uses: u64,
    expires_at: Option<String>,
    note: Option<String>,
    created_at: String,
    state: String,
}

fn invites_table(invites: &[Invite]) -> String {
    let rows = invites.iter().map(|Invite { attributes: each }| {
        vec![
            each.code.clone(),
            each.state.clone(),
            format!("{}/{}", each.uses, each.max_uses),
            each.expires_at.clone().unwrap_or_else(|| "never".into()),
            each.created_at.clone(),
            each.note.clone().unwrap_or_default(),
        ]
    });
    let header = ["Code", "State", "Uses", "Expires", "Created", "Note"];
    output::table(&header, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::super::client::tests::serve;
    use super::super::{Cli, Command};
    use super::{Action, Invite, IssueArgs, batches, invites_table, issue_all, issue_body};

    fn issue(line: &[&str]) -> Result<IssueArgs, clap::Error> {
        let line = [&["enroll", "invite", "issue", "acme"], line].concat();
        match Cli::try_parse_from(line)?.command {
            Command::Invite(super::InviteArgs {
                action: Action::Issue(args),
                ..
            }) => Ok(args),
            _ => panic!("not issue"),
        }
    }

    #[test]
    fn batches_add_up_to_the_count() {
        assert_eq!(batches(1).collect::<Vec<_>>(), [1]);
        assert_eq!(batches(500).collect::<Vec<_>>(), [500]);
        assert_eq!(batches(1201).collect::<Vec<_>>(), [500, 500, 201]);
    }

    #[tokio::test]
    async fn codes_issued_before_a_failure_are_kept() {
        let errors = json!({"errors": [{"status": "503", "code": "busy", "detail": []}]});
        let (client, asked) = serve(vec![
            ("201 Created", json!({"data": [1, 2]})),
            ("503 Service Unavailable", errors),
        ]);
        let (issued, outcome) = issue_all(&client, &issue(&["--count", "501"]).unwrap()).await;
        assert_eq!(issued, [json!(1), json!(2)]);
        assert!(outcome.unwrap_err().to_string().contains("503 busy"));
        let asked = asked.join().unwrap();
        assert!(
            asked[0].starts_with("POST /behind/admin/v1/tenants/acme/invites "),
            "{}",
            asked[0]
        );
        assert!(asked[0].contains("\"count\":500") && asked[1].contains("\"count\":1"));
    }

    #[test]
    fn issue_sends_what_was_given_and_nothing_else() {
        let bare = issue_body(&issue(&[]).unwrap(), None);
        assert_eq!(bare, json!({"data": {"type": "invites", "attributes": {}}}));
        let line = [
            "--count",
            "700",
            "--max-uses",
            "3",
            "--expires-at",
            "2027-01-01T00:00:00+08:00",
            "--group",
            "10",
            "--note",
            "n",
        ];
        let full = issue_body(&issue(&line).unwrap(), Some(500));
        assert_eq!(
            full["data"]["attributes"],
            json!({
                "count": 500, "max_uses": 3, "expires_at": "2027-01-01T00:00:00+08:00", "group_id": 10, "note": "n",
            })
        );
    }

    #[test]
    fn issue_refuses_what_the_server_would() {
        for line in [
            &["--code", "A", "--count", "2"][..],
            &["--count", "0"],
            &["--max-uses", "0"],
            &["--expires-at", "tomorrow"],
        ] {
            assert_eq!(issue(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn invites_are_shown_in_a_table() {
        let invite: Invite = serde_json::from_value(json!({"type": "invites", "id": "1", "attributes": {
            "code": "WELCOME", "max_uses": 10, "uses": 4, "expires_at": null, "revoked_at": null,
            "note": "fair", "created_at": "2026-01-01T00:00:00Z", "state": "usable",
        }}))
        .unwrap();
        let table = invites_table(&[invite]);
        for cell in ["WELCOME", "4/10", "never", "fair", "usable"] {
            assert!(table.contains(cell), "{table}");
        }
    }
}
