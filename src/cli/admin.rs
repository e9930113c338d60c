//! `enroll admin token create`: makes an administrator and shows the token, once.
//!
//! The one command that writes to the platform database itself: the first administrator must come from somewhere, and
//! whoever can reach that database could make one anyway.

use std::path::Path;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{CliError, output};
use crate::admin::create_administrator;
use crate::app::{AppError, open_platform};
use crate::clock::{Clock, Entropy};
use crate::settings::Settings;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::telemetry::Metrics;

/// Manage administrators of the platform.
#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Manage administrators' tokens
    Token(TokenArgs),
}

#[derive(Debug, Args)]
struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make an administrator and show the token, which is stored nowhere and shown once
    Create(CreateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The administrator's name, as the audit shows it
    #[arg(long)]
    name: String,
    /// Print {"name":..,"token":..} instead of the bare token
    #[arg(long)]
    json: bool,
}

/// Longest name that the audit keeps.
const LONGEST_NAME: usize = 100;

/// Makes the administrator.
///
/// # Errors
/// [`CliError::Usage`] when the name is empty, too long or taken.
pub async fn run(args: AdminArgs, config: Option<&Path>) -> Result<(), CliError> {
    let AdminCommand::Token(TokenArgs {
        command: TokenCommand::Create(args),
    }) = args.command;
    let length = args.name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || args.name.chars().any(char::is_control) {
        return Err(CliError::Usage(
            "a name has 1 to 100 printable characters".into(),
        ));
    }
    let settings = Settings::load(config, &[])?;
    let metrics = Metrics::new(0).map_err(AppError::from)?;
    let connection = open_platform(&settings, Clock::system(), metrics).await?;
    let platform = PlatformDb::new(connection, Clock::system(), Entropy);
    let made = create_administrator(&platform, Entropy, &args.name).await;
    platform.close().await;
    let token = match made {
        Ok(token) => token,
        Err(StoreError::Duplicate(_)) => {
            return Err(CliError::Usage(
                "an administrator has this name already".into(),
            ));
        }
        Err(error) => return Err(AppError::from(error).into()),
    };
    let secret = token.secret().expose_secret();
    if args.json {
        output::show(&json!({ "name": args.name, "token": secret }).to_string())
    } else {
        output::show(secret)
    }
}
