//! `enroll health`: whether the server here is ready, for containers that have no other program to ask it.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::CliError;
use crate::settings::Settings;

/// How long the server may take to say so. Its answer is a verdict that lies ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask the server at `server.admin_listen` whether it is ready. Exit status: 0 when it is, 1 when it is not or does not answer.
#[derive(Debug, Args)]
pub struct HealthArgs {}

/// Asks, and says nothing when all is well.
///
/// # Errors
/// [`CliError::Server`] when the server is not ready or does not answer.
pub async fn run(_: HealthArgs, config: Option<&Path>) -> Result<(), CliError> {
    let address = Settings::load(config, &[])?.server.admin_listen;
    let not_answered = |_| CliError::Server(format!("no server answers at {address}"));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(not_answered)?;
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    if answer.map_err(not_answered)?.status().is_success() {
        return Ok(());
    }
    let what = "is not ready; GET /readyz there names what is missing";
    Err(CliError::Server(format!("the server at {address} {what}")))
}
