//! `enroll doctor`: looks at everything that the server rests on and tells what is wrong, and what to do.
//!
//! It needs no running server and changes nothing: a database that is not there is not made, a schema that is behind stays
//! so. It reads the platform database itself, as `enroll serve` would; what it shows holds no secret. Every look has a
//! deadline, and of many tenants a bounded number is looked at.

mod databases;
mod findings;
mod machine;
mod providers;
mod tenants;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use self::findings::{Findings, Level};
use super::{CliError, output};
use crate::app::AppError;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Arguments of `enroll doctor`.
#[derive(Args, Debug)]
#[command(
    after_help = "It needs no running server and no token. Exit status: 0 when nothing is wrong, 1 when \
something does not work, 2 for a wrong call, 3 when there are warnings alone."
)]
pub struct DoctorArgs {
    /// Print the findings as a JSON document
    #[arg(long)]
    json: bool,
}

/// Looks at everything, shows what was found.
///
/// # Errors
/// [`CliError::Unwell`] by the worst finding.
pub async fn run(args: DoctorArgs, config: Option<&Path>) -> Result<(), CliError> {
    let mut findings = Findings::default();
    match Settings::load(config, &[]) {
        Ok(settings) => look(&settings, &mut findings).await?,
        Err(error) => {
            for fault in error.faults {
                let fix = "correct it where it is written; config/default.toml tells what each setting may be";
                findings.error("settings", fault.to_string(), fix);
            }
        }
    }
    if args.json {
        output::show(&findings.json())?;
    } else {
        output::show_lines(&findings.lines())?;
    }
    match findings.exit_code() {
        0 => Ok(()),
        code => Err(CliError::Unwell {
            errors: findings.count(Level::Error),
            warnings: findings.count(Level::Warning),
            code,
        }),
    }
}

async fn look(settings: &Settings, findings: &mut Findings) -> Result<(), CliError> {
    let (clock, metrics) = (Clock::system(), Metrics::new(0).map_err(AppError::from)?);
    look_at_settings(settings, findings);
    let master_key = machine::master_key(settings, findings);
    let platform = databases::look(settings, &clock, &metrics, findings).await;
    let seen = match platform {
        Some(platform) => {
            let seen = tenants::look(
                settings,
                &platform,
                master_key.as_ref(),
                &clock,
                &metrics,
                findings,
            )
            .await;
            platform.close().await;
            seen
        }
        None => tenants::Seen::default(),
    };
    machine::data_folder(settings, &seen, findings);
    providers::look(settings, &seen, &clock, &metrics, findings).await;
    machine::limits(settings, &seen, &metrics, findings);
    server(settings, findings).await;
    Ok(())
}

fn look_at_settings(settings: &Settings, findings: &mut Findings) {
    findings.fine("settings", "all settings can stand");
    let server = &settings.server;
    if settings.hashing.allow_weak {
        let fix = "unset hashing.allow_weak; it is for tests";
        findings.warning(
            "settings",
            "hashing.allow_weak lets passwords be hashed too cheaply",
            fix,
        );
    }
    if !server.admin_listen.ip().is_loopback() {
        let text = format!(
            "the operators' listener {} is not on loopback, and speaks plain HTTP",
            server.admin_listen
        );
        let fix = "keep it on a private network, or behind a proxy with TLS";
        findings.warning("settings", text, fix);
    }
    if !server.public_listen.ip().is_loopback() && server.public_url.is_empty() {
        let fix = "set server.public_url to the address that clients use; it goes into every token";
        findings.warning(
            "settings",
            "server.public_url is not set, though others can reach the server",
            fix,
        );
    }
}

/// How long the server itself may take to say how it is.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// Whether a server runs here. None is no fault: the doctor is asked before the first start, too.
async fn server(settings: &Settings, findings: &mut Findings) {
    let address = settings.server.admin_listen;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(SERVER_PATIENCE)
        .build();
    let Ok(client) = client else { return };
    match client.get(format!("http://{address}/readyz")).send().await {
        Err(_) => findings.fine("server", format!("none answers at {address}")),
        Ok(answer) if answer.status().is_success() => {
            findings.fine("server", format!("runs at {address} and is ready"));
        }
        Ok(answer) if answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE => {
            let text = format!("runs at {address} and is not ready");
            findings.error("server", text, "GET /readyz there names what is missing");
        }
        Ok(_) => {
            let text = format!("something else than this server answers at {address}");
            findings.warning("server", text, "set server.admin_listen to a free address");
        }
    }
}
