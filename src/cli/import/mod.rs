//! `enroll import`: users that come from elsewhere, with their hashes.
//!
//! The server judges each row and makes those that are not there yet, so an import that ended early is simply run again.

mod batches;
mod discuzq;
pub(super) mod rows;

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use self::batches::{Batches, Tally};
use self::rows::{Format, Rows};
use super::CliError;
use super::client::{AdminArgs, AdminClient};
use super::output::{self, Progress};

/// Arguments of `enroll import`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  enroll import --tenant acme users.ndjson --dry-run
  enroll import --tenant acme users.csv
  enroll import discuzq --tenant acme --url mysql://reader@db.example/site --prefix pre_

The form of the files: docs/moving-users.md. An import that ended early is run again: rows that are there are not doubled.
Exit status: 0 when every row is there, 1 when rows were refused or it failed, 2 for a wrong call or file."
)]
pub struct ImportArgs {
    #[command(subcommand)]
    source: Option<Source>,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Read the database of an original Discuz! Q site
    Discuzq(discuzq::DiscuzqArgs),
}

#[derive(Args, Debug)]
struct FileArgs {
    /// The file with the rows
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    to: TargetArgs,
    /// How the file is written [default: as its name says]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Where rows go.
#[derive(Args, Clone, Debug)]
pub(super) struct TargetArgs {
    /// The tenant's key
    #[arg(long, value_name = "KEY", required = true)]
    tenant: Option<String>,
    /// Tell what would become of the rows and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Write refused rows there [default: beside the file, with .refused.ndjson]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Imports a file or a site.
///
/// # Errors
/// [`CliError`] as the file, the site, the admin API or the arguments have it, and when rows were refused.
pub async fn run(args: ImportArgs) -> Result<(), CliError> {
    let client = AdminClient::from_args(&args.admin)?;
    let json = args.admin.json;
    match args.source {
        Some(Source::Discuzq(site)) => discuzq::run(site, &client, &args.admin).await,
        None => file(args.file, &client, json).await,
    }
}

async fn file(args: FileArgs, client: &AdminClient, json: bool) -> Result<(), CliError> {
    let (Some(path), Some(tenant)) = (args.file, args.to.tenant) else {
        return Err(CliError::Usage("give --tenant and a file".into()));
    };
    let format = Format::of(args.format, &path);
    let report = args.to.report.unwrap_or_else(|| {
        let mut name = path.clone().into_os_string();
        name.push(".refused.ndjson");
        name.into()
    });
    let mut rows = Rows::open(&path, format)?;
    let length = fs::metadata(&path).map_or(0, |file| file.len());
    let progress = Progress::towards(length, "bytes");
    let mut batches = Batches::new(client, &tenant, args.to.dry_run, report.clone());
    while let Some((row, bytes)) = rows.next()? {
        let place = json!({ "line": row.line });
        match row.value {
            Ok(value) => batches.add(place, value).await?,
            Err(reason) => batches.refuse(place, &reason)?,
        }
        progress.add(bytes);
    }
    let tally = batches.finish().await?;
    drop(progress);
    tell(tally, args.to.dry_run, &report, json)
}

fn tell(
    tally: Tally,
    dry_run: bool,
    report: &std::path::Path,
    as_json: bool,
) -> Result<(), CliError> {
    let Tally {
        made,
        present,
        refused,
    } = tally;
    if as_json {
        let document =
            json!({ "made": made, "present": present, "refused": refused, "dry_run": dry_run });
        output::show(&output::json(&document))?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        output::show(&format!(
            "{made} {would}made, {present} there already, {refused} refused"
        ))?;
    }
    if refused > 0 {
        let text = format!(
            "{refused} rows were refused; {} tells why",
            report.display()
        );
        return Err(CliError::Server(text));
    }
    Ok(())
}
