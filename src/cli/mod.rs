//! The command line. One command is one file with its arguments (`XArgs`) and `run`.
//!
//! Live operations (`tenant`, `apply`, `export`, `import`, `invite`, `user`) go through the admin API, so they are checked and audited like any other change.
//! Refused: commands that write to the databases behind the server's back. Secrets come from the environment, a file or
//! standard input, never as arguments, which every user of the machine can read.

pub mod admin;
pub mod apply;
pub mod audit;
pub mod backup;
pub mod client;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod hash;
pub mod health;
pub mod import;
pub mod invite;
pub mod key;
mod known_databases;
pub mod migrate;
pub mod output;
mod pressure;
pub mod restore;
pub mod serve;
pub mod settings_patch;
pub mod simulate;
pub mod tenant;
mod usage;
pub mod user;

use std::io;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app::AppError;
use crate::settings::SettingsError;

/// A registration server for many tenants.
#[derive(Debug, Parser)]
#[command(name = "enroll", version, propagate_version = true)]
pub struct Cli {
    /// Settings file; only what differs from the defaults (also: ENROLL_CONFIG)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server with two tenants to try things on
    Demo(demo::DemoArgs),
    /// Run the server
    Serve(serve::ServeArgs),
    /// Serve made-up WeChat, SMS and captcha servers to try things on
    Simulate(simulate::SimulateArgs),
    /// Bring the databases to the schema of this version
    Migrate(migrate::MigrateArgs),
    /// Copy every SQLite database while servers serve
    Backup(backup::BackupArgs),
    /// Bring a backup back into an empty data directory
    Restore(restore::RestoreArgs),
    /// Manage administrators of the platform
    Admin(admin::AdminArgs),
    /// Write what administrators did
    Audit(audit::AuditArgs),
    /// Create, look at and change tenants of a running server
    Tenant(tenant::TenantArgs),
    /// Make declared tenants so
    Apply(apply::ApplyArgs),
    /// Write a tenant's users with their hashes into a file
    Export(export::ExportArgs),
    /// Make users that a file or another site has
    Import(import::ImportArgs),
    /// Issue, list and revoke a tenant's invite codes
    Invite(invite::InviteArgs),
    /// Tell what is wrong, and what to do
    Doctor(doctor::DoctorArgs),
    /// Ask the server here whether it is ready
    Health(health::HealthArgs),
    /// List, rotate and revoke the keys that sign a tenant's tokens
    Key(key::KeyArgs),
    /// Measure password hashes on this machine
    Hash(hash::HashArgs),
    /// List a tenant's users, decide about applications, change group and standing
    User(user::UserArgs),
}

/// Runs the command.
///
/// # Errors
/// [`CliError`]; the caller shows it with [`CliError::report`] and leaves with [`CliError::exit_code`].
pub async fn run(cli: Cli) -> Result<(), CliError> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(args, config).await,
        Command::Serve(args) => serve::run(args, config).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Migrate(args) => migrate::run(args, config).await,
        Command::Backup(args) => backup::run(args, config).await,
        Command::Restore(args) => restore::run(args, config).await,
        Command::Admin(args) => admin::run(args, config).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Tenant(args) => tenant::run(args).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Invite(args) => invite::run(args).await,
        Command::Doctor(args) => doctor::run(args, config).await,
        Command::Health(args) => health::run(args, config).await,
        Command::Key(args) => key::run(args).await,
        Command::Hash(args) => hash::run(args, config).await,
        Command::User(args) => user::run(args).await,
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments ask for something impossible.
    #[error("{0}")]
    Usage(String),
    /// The process does not start.
    #[error(transparent)]
    App(#[from] AppError),
    /// The settings cannot stand.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server refused, with its reasons.
    #[error("the server refused:{0}")]
    Refused(client::ErrorDocument),
    /// No answer, or one that makes no sense.
    #[error("{0}")]
    Server(String),
    /// The doctor found something.
    #[error("{errors} errors, {warnings} warnings")]
    Unwell {
        /// What does not work.
        errors: usize,
        /// What does not work well.
        warnings: usize,
        /// The exit status for that.
        code: u8,
    },
    /// Some of many things were not done; the text says how many and which.
    #[error("{0}")]
    Incomplete(String),
    /// A file, standard input or standard output failed.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

impl CliError {
    /// 2 for a wrong call, as clap has it; the doctor's own; 1 for the rest; 0 when only the reader of our output went away.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unwell { code, .. } => *code,
            Self::Io(_, error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// Says on standard error what is wrong, unless the exit code is 0.
    pub fn report(&self) {
        if self.exit_code() != 0 {
            output::note(&format!("error: {self}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_command_and_argument_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
