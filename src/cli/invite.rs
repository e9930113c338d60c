//! `enroll invite`: a tenant's invite codes.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient, Stream, read};
use super::output::{self, Progress};
use crate::clock::{Entropy, Timestamp};

/// Arguments of `enroll invite`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll invite issue acme --max-uses 10 --expires-at 2027-01-01T00:00:00Z --note 'spring fair'
  enroll invite issue acme --count 20000 --batch spring-2027 --format csv > codes.csv
  enroll invite list acme
  enroll invite export acme --state unused --batch spring-2027 > unused.ndjson
  enroll invite registrations acme WELCOME-2027
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
    /// Write a tenant's codes to standard output, as many as there are
    Export(ExportArgs),
    /// List whom a code brought
    Registrations {
        /// The tenant's key
        tenant: String,
        /// The code
        code: String,
    },
    /// Revoke a code: it opens nothing from then on
    Revoke {
        /// The tenant's key
        tenant: String,
        /// The code
        code: String,
    },
}

/// How a long list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON document a line
    Ndjson,
    /// Comma-separated values with a header; what a spreadsheet would take for a formula gets an apostrophe in front
    Csv,
}

impl Format {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

#[derive(Args, Debug)]
struct IssueArgs {
    /// The tenant's key
    tenant: String,
    /// The code itself, instead of a random one
    #[arg(long, conflicts_with = "count")]
    code: Option<String>,
    /// How many random codes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: Option<u32>,
    /// Name of the batch; repeated with it, a command that broke off shows the codes there are and makes the rest
    #[arg(long, value_name = "NAME", requires = "count")]
    batch: Option<String>,
    /// Write the codes of a batch as they come, instead of a table at the end
    #[arg(long, requires = "count", conflicts_with = "json")]
    format: Option<Format>,
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

#[derive(Args, Debug)]
struct ExportArgs {
    /// The tenant's key
    tenant: String,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Only codes in this state
    #[arg(long, value_parser = ["unused", "usable", "spent", "expired", "revoked"])]
    state: Option<String>,
    /// Only codes with exactly this note
    #[arg(long)]
    note: Option<String>,
    /// Only codes of this batch
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
}

/// Runs `enroll invite`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it.
pub async fn run(args: InviteArgs) -> Result<(), CliError> {
    let InviteArgs { action, admin } = args;
    let client = AdminClient::from_args(&admin)?;
    match action {
        Action::Issue(issue) => match issue.count {
            Some(count) => issue_batch(&client, &issue, count, admin.json).await,
            None => {
                let path = ["tenants", &issue.tenant, "invites"];
                let body = issue_body("invites", &issue);
                let document: Document =
                    read(client.call(Method::POST, &path, Some(&body)).await?)?;
                show_list(vec![document.data], admin.json)
            }
        },
        Action::List { tenant } => {
            let progress = Progress::counting("invite codes");
            let invites = client
                .list(&["tenants", &tenant, "invites"], &[], &progress)
                .await?;
            drop(progress);
            show_list(invites, admin.json)
        }
        Action::Export(args) => export(&client, &args).await,
        Action::Registrations { tenant, code } => {
            let progress = Progress::counting("registrations");
            let path = ["tenants", &tenant, "invites", &code, "registrations"];
            let users = client.list(&path, &[], &progress).await?;
            drop(progress);
            show_registrations(users, admin.json)
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

/// Makes a batch, or what is missing of it.
async fn issue_batch(
    client: &AdminClient,
    args: &IssueArgs,
    count: u32,
    json: bool,
) -> Result<(), CliError> {
    let batch = match &args.batch {
        Some(name) => name.clone(),
        None => fresh_name()?,
    };
    let body = issue_body("invite-batches", args);
    let wanted = Stream {
        method: Method::PUT,
        segments: &["tenants", &args.tenant, "invite-batches", &batch],
        query: &[],
        body: Some(&body),
        accept: args.format.unwrap_or(Format::Ndjson).media_type(),
    };
    let progress = Progress::towards(count.into(), "invite codes");
    let outcome = if args.format.is_some() {
        client
            .stream(&wanted, |bytes| pass_on(bytes, &progress))
            .await
    } else {
        let (invites, outcome) = collect(client, &wanted, &progress).await;
        drop(progress);
        // Codes that came before a failure exist: show them, then fail.
        if !invites.is_empty() {
            show_list(invites, json)?;
        }
        outcome
    };
    if matches!(outcome, Err(CliError::Server(_))) {
        output::note(&format!(
            "every code of batch {batch} that was shown exists, and maybe more: --batch {batch} shows all and makes the rest"
        ));
    }
    outcome
}

async fn export(client: &AdminClient, args: &ExportArgs) -> Result<(), CliError> {
    let filters = [
        ("filter[state]", &args.state),
        ("filter[note]", &args.note),
        ("filter[batch]", &args.batch),
    ];
    let given = |(name, value): (&'static str, &'_ Option<String>)| {
        value.clone().map(|value| (name, value))
    };
    let query: Vec<(&str, String)> = filters.into_iter().filter_map(given).collect();
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let wanted = Stream {
        method: Method::GET,
        segments: &["tenants", &args.tenant, "invites"],
        query: &query,
        body: None,
        accept: args.format.media_type(),
    };
    let progress = Progress::counting("invite codes");
    client
        .stream(&wanted, |bytes| pass_on(bytes, &progress))
        .await
}

/// A name that no batch has.
fn fresh_name() -> Result<String, CliError> {
    let bytes = Entropy.bytes::<8>();
    let bytes = bytes.map_err(|error| CliError::Server(error.to_string()))?;
    Ok(format!("cli-{:016x}", u64::from_be_bytes(bytes)))
}

/// Writes what came to standard output.
pub(super) fn pass_on(bytes: &[u8], progress: &Progress) -> Result<(), CliError> {
    output::write(bytes)?;
    progress.add(bytes.iter().filter(|byte| **byte == b'\n').count());
    Ok(())
}

/// All that came, and how it ended.
async fn collect(
    client: &AdminClient,
    wanted: &Stream<'_>,
    progress: &Progress,
) -> (Vec<Value>, Result<(), CliError>) {
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    let outcome = client.stream(wanted, |bytes| {
        rest.extend_from_slice(bytes);
        let whole = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            found.push(serde_json::from_slice(line).map_err(super::client::no_sense)?);
            progress.add(1);
        }
        Ok(())
    });
    let outcome = outcome.await;
    (found, outcome)
}

fn issue_body(kind: &str, args: &IssueArgs) -> Value {
    let attributes = [
        ("code", args.code.clone().map(Value::from)),
        ("count", args.count.map(Value::from)),
        ("max_uses", args.max_uses.map(Value::from)),
        ("expires_at", args.expires_at.clone().map(Value::from)),
        ("group_id", args.group.map(Value::from)),
        ("note", args.note.clone().map(Value::from)),
    ];
    let given = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    json!({"data": {"type": kind, "attributes": given.collect::<Map<_, _>>()}})
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

fn show_registrations(users: Vec<Value>, json: bool) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&json!({ "data": users })));
    }
    let users = users.into_iter().map(read::<Registration>);
    let users = users.collect::<Result<Vec<_>, _>>()?;
    let row = |Registration { id, attributes }: &Registration| {
        let Registered {
            username,
            status,
            created_at,
        } = attributes;
        vec![
            id.clone(),
            username.clone(),
            status.clone(),
            created_at.clone(),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    output::show(&output::table(
        &["Id", "Name", "Status", "Registered"],
        &rows,
    ))
}

#[derive(Deserialize)]
struct Registration {
    id: String,
    attributes: Registered,
}

#[derive(Deserialize)]
struct Registered {
    username: String,
    status: String,
    created_at: String,
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
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use clap::Parser;
    use reqwest::Method;
    use serde_json::json;

    use super::super::client::{AdminClient, Stream};
    use super::super::output::Progress;
    use super::super::{Cli, Command};
    use super::{Action, Invite, IssueArgs, collect, invites_table, issue_body};

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

    #[tokio::test]
    async fn codes_that_came_before_the_answer_broke_off_are_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = stream.read(&mut [0; 65536]).unwrap();
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            // Two whole lines and a part of one, and no last chunk.
            write!(stream, "{head}5\r\n1\n2\n3\r\n").unwrap();
            asked
        });
        let client = AdminClient::new(&address, &"token".into()).unwrap();
        let wanted = Stream {
            method: Method::PUT,
            segments: &["tenants", "acme", "invite-batches", "spring"],
            query: &[],
            body: None,
            accept: "application/x-ndjson",
        };
        let progress = Progress::counting("codes");
        let (found, outcome) = collect(&client, &wanted, &progress).await;
        assert_eq!(found, [json!(1), json!(2)]);
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("breaks off"), "{error}");
        assert!(server.join().unwrap() > 0);
    }

    #[test]
    fn issue_sends_what_was_given_and_nothing_else() {
        let bare = issue_body("invites", &issue(&[]).unwrap());
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
        let full = issue_body("invite-batches", &issue(&line).unwrap());
        assert_eq!(
            full["data"]["attributes"],
            json!({
                "count": 700, "max_uses": 3, "expires_at": "2027-01-01T00:00:00+08:00", "group_id": 10, "note": "n",
            })
        );
    }

    #[test]
    fn issue_refuses_what_the_server_would() {
        for line in [
            &["--code", "A", "--count", "2"][..],
            &["--count", "0"],
            &["--count", "100001"],
            &["--batch", "spring"],
            &["--format", "csv"],
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
