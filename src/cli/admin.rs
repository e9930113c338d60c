//! `enroll admin token create`: makes an administrator and shows the token, once.
//!
//! The one command that writes to the platform database itself: the first administrator must come from somewhere, and
//! whoever can reach that database could make one anyway.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{CliError, output};
use crate::admin::{AdministratorToken, create_administrator};
use crate::app::{AppError, open_platform};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::domain::role::Role;
use crate::domain::tenant_key::TenantKey;
use crate::settings::Settings;
use crate::store::administrators::Administrator;
use crate::store::error::StoreError;
use crate::store::platform_db::PlatformDb;
use crate::store::tenants::TenantState;
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
    /// What the administrator may do: everything, read everything, or one tenant
    #[arg(long, value_enum, default_value_t = RoleName::Platform)]
    role: RoleName,
    /// The key of the one tenant of role `tenant`
    #[arg(long, required_if_eq("role", "tenant"))]
    tenant: Option<String>,
    /// Print {"name":..,"token":..} instead of the bare token
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    Platform,
    Auditor,
    Tenant,
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
    let made = create(&platform, &args).await;
    platform.close().await;
    let token = match made? {
        Ok((_, token)) => token,
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

async fn create(
    platform: &PlatformDb,
    args: &CreateArgs,
) -> Result<Result<(Administrator, AdministratorToken), StoreError>, CliError> {
    let role = match (args.role, &args.tenant) {
        (RoleName::Tenant, Some(key)) => Role::Tenant(tenant_of(platform, key).await?),
        (RoleName::Tenant, None) => {
            return Err(CliError::Usage("role tenant needs --tenant".into()));
        }
        (_, Some(_)) => {
            return Err(CliError::Usage(
                "--tenant goes with role tenant alone".into(),
            ));
        }
        (RoleName::Platform, None) => Role::Platform,
        (RoleName::Auditor, None) => Role::Auditor,
    };
    Ok(create_administrator(platform, Entropy, None, &args.name, role).await)
}

async fn tenant_of(platform: &PlatformDb, key: &str) -> Result<TenantId, CliError> {
    let found = match TenantKey::parse(key) {
        Some(key) => platform.find_tenant(&key).await.map_err(AppError::from)?,
        None => None,
    };
    found
        .filter(|tenant| tenant.state != TenantState::Deleted)
        .map(|tenant| tenant.id)
        .ok_or_else(|| CliError::Usage("there is no such tenant".into()))
}
