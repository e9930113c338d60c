//! `enroll audit`: what administrators did.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::CliError;
use super::client::{AdminArgs, AdminClient, Stream};
use super::invite::{Format, pass_on};
use super::output::Progress;

/// Arguments of `enroll audit`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll audit export > audit.ndjson
  enroll audit export --newest-first --tenant acme --since 2027-01-01T00:00:00Z --format csv > acme.csv")]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the audit to standard output, as long as it is
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// The newest line first
    #[arg(long)]
    newest_first: bool,
    /// Only what concerns the tenant with this key, a deleted one's too
    #[arg(long, value_name = "KEY")]
    tenant: Option<String>,
    /// Only what this administrator did
    #[arg(long, value_name = "NAME")]
    administrator: Option<String>,
    /// Only this action, as tenant.create
    #[arg(long)]
    action: Option<String>,
    /// From when on, as in 2027-01-01T00:00:00Z (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl ExportArgs {
    fn query(&self) -> Vec<(&'static str, &str)> {
        let sort = self.newest_first.then_some("-at");
        [
            ("sort", sort),
            ("filter[tenant]", self.tenant.as_deref()),
            ("filter[administrator]", self.administrator.as_deref()),
            ("filter[action]", self.action.as_deref()),
            ("filter[since]", self.since.as_deref()),
            ("filter[until]", self.until.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// Runs `enroll audit`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it. What was written before is good.
pub async fn run(args: AuditArgs) -> Result<(), CliError> {
    let AuditArgs {
        action: Action::Export(export),
        admin,
    } = args;
    let client = AdminClient::from_args(&admin)?;
    let wanted = Stream {
        method: Method::GET,
        segments: &["audit"],
        query: &export.query(),
        body: None,
        accept: export.format.media_type(),
    };
    let progress = Progress::counting("lines");
    client
        .stream(&wanted, |bytes| pass_on(bytes, &progress))
        .await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::{Action, AuditArgs};

    #[test]
    fn an_export_asks_for_what_was_said_and_nothing_else() {
        let asked = |line: &[&str]| {
            let line = [&["enroll", "audit", "export"], line].concat();
            let Command::Audit(AuditArgs {
                action: Action::Export(args),
                ..
            }) = Cli::try_parse_from(line).unwrap().command
            else {
                panic!("no export");
            };
            args.query()
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&[]), [""; 0]);
        assert_eq!(
            asked(&[
                "--newest-first",
                "--tenant",
                "acme",
                "--until",
                "2027-01-01T00:00:00Z"
            ]),
            [
                "sort=-at",
                "filter[tenant]=acme",
                "filter[until]=2027-01-01T00:00:00Z"
            ]
        );
    }
}
