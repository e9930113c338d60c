//! `enroll apply`: makes declared tenants so.
//!
//! A file declares a tenant whole: what it does not say goes back to its default. The server compares, because it alone can
//! tell whether a secret is another one; nothing is changed that is as declared, so a second run does nothing. Tenants
//! that no file declares are left alone, or with `--prune` suspended: never deleted, since that cannot be undone.

mod declared;
mod plan;

use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::plan::{Action, State, Step};
use super::CliError;
use super::client::{AdminArgs, AdminClient};
use super::output::{self, Progress};

/// Arguments of `enroll apply`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll apply -f config/tenants/ --dry-run
  enroll apply -f config/tenants/acme.toml
  enroll apply -f config/tenants/ --prune --yes

Exit status: 0 when all is as declared (or the plan was shown), 1 when the server refused, a file could not be read or the
server could not be reached, 2 when the declarations or the arguments are wrong, or nobody confirmed.")]
pub struct ApplyArgs {
    /// A file that declares a tenant, or a folder of such files; may be repeated
    #[arg(short, long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Suspend active tenants that no file declares
    #[arg(long)]
    prune: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Shows the plan, asks, and carries it out.
///
/// # Errors
/// [`CliError`] as the files, the admin API or the arguments have it.
pub async fn run(args: ApplyArgs) -> Result<(), CliError> {
    let declared = declared::read_all(&args.files)?;
    let client = AdminClient::from_args(&args.admin)?;
    let steps = plan::make(&client, declared, args.prune).await?;
    show(&steps, args.admin.json)?;
    let work: Vec<Step> = steps
        .into_iter()
        .filter(|step| !step.does_nothing())
        .collect();
    if args.dry_run || work.is_empty() {
        return Ok(());
    }
    if !args.yes {
        output::confirm("This changes the tenants as shown.", "apply")?;
    }
    carry_out(&client, work).await
}

fn show(steps: &[Step], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let plan: Vec<Value> = steps.iter().map(Step::json).collect();
        return output::show(&output::json(&json!({ "plan": plan })));
    }
    let mut lines: Vec<String> = steps.iter().flat_map(Step::lines).collect();
    let count = |name: &str| {
        steps
            .iter()
            .filter(|step| step.action.name() == name)
            .count()
    };
    lines.push(format!(
        "{} to create, {} to change, {} to suspend, {} unchanged",
        count("create"),
        count("change"),
        count("suspend"),
        count("unchanged"),
    ));
    output::show_lines(&lines)
}

/// One tenant after the other. What is refused keeps nobody else from their change.
async fn carry_out(client: &AdminClient, steps: Vec<Step>) -> Result<(), CliError> {
    let (total, mut failed) = (steps.len(), 0_usize);
    let progress = Progress::towards(total as u64, "tenants");
    for step in steps {
        let key = step.key.clone();
        if let Err(error) = take(client, step).await {
            failed += 1;
            output::note(&format!("error: tenant {key}: {error}"));
        }
        progress.add(1);
    }
    drop(progress);
    if failed > 0 {
        let text = format!("{failed} of {total} tenants are not as declared");
        return Err(CliError::Server(text));
    }
    output::note(&format!("{total} tenants are as declared now"));
    Ok(())
}

async fn take(client: &AdminClient, step: Step) -> Result<(), CliError> {
    let key = step.key.as_str();
    match step.action {
        Action::Nothing => Ok(()),
        Action::Prune => move_to(client, key, State::Suspended).await,
        Action::Create {
            attributes,
            suspended,
        } => {
            client
                .call(Method::POST, &["tenants"], Some(&body(attributes)))
                .await?;
            if suspended {
                move_to(client, key, State::Suspended).await?;
            }
            Ok(())
        }
        Action::Change { attributes, state } => {
            if !attributes.is_empty() {
                let path = ["tenants", key];
                client
                    .call(Method::PATCH, &path, Some(&body(attributes)))
                    .await?;
            }
            match state {
                Some(state) => move_to(client, key, state).await,
                None => Ok(()),
            }
        }
    }
}

async fn move_to(client: &AdminClient, key: &str, state: State) -> Result<(), CliError> {
    let path = ["tenants", key, state.verb()];
    client.call(Method::POST, &path, None).await.map(drop)
}

fn body(attributes: Map<String, Value>) -> Value {
    json!({"data": {"type": "tenants", "attributes": attributes}})
}
