//! The command line. One command is one file with its arguments (`XArgs`) and `run`.
//!
//! Live operations (`tenant`, `invite`) go through the admin API, so they are checked and audited like any other change.
//! Refused: commands that write to the databases behind the server's back. Secrets come from the environment, a file or
//! standard input, never as arguments, which every user of the machine can read.

pub mod client;
pub mod invite;
pub mod output;
pub mod settings_patch;
pub mod tenant;

use std::io;

use clap::{Parser, Subcommand};

use crate::settings::SettingsError;

/// A registration server for many tenants.
#[derive(Debug, Parser)]
#[command(name = "enroll", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create, look at and change tenants of a running server
    Tenant(tenant::TenantArgs),
    /// Issue, list and revoke a tenant's invite codes
    Invite(invite::InviteArgs),
}

/// Runs the command.
///
/// # Errors
/// [`CliError`]; the caller shows it with [`CliError::report`] and leaves with [`CliError::exit_code`].
pub async fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Tenant(args) => tenant::run(args).await,
        Command::Invite(args) => invite::run(args).await,
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments ask for something impossible.
    #[error("{0}")]
    Usage(String),
    /// The settings cannot stand.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server refused, with its reasons.
    #[error("the server refused:{0}")]
    Refused(client::ErrorDocument),
    /// No answer, or one that makes no sense.
    #[error("{0}")]
    Server(String),
    /// A file, standard input or standard output failed.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

impl CliError {
    /// 2 for a wrong call, as clap has it; 1 for the rest; 0 when only the reader of our output went away.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
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
