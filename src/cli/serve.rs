//! `enroll serve`: runs the server.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::{CliError, output};
use crate::app::App;
use crate::settings::Settings;
use crate::telemetry::tracing::init;

/// Run the server. When it listens it prints one line of JSON with both addresses.
#[derive(Debug, Args)]
pub struct ServeArgs {}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// [`CliError`] when it cannot start.
pub async fn run(_: ServeArgs, config: Option<&Path>) -> Result<(), CliError> {
    let settings = Settings::load(config, &[])?;
    let log = init(&settings.telemetry).map_err(crate::app::AppError::from)?;
    let app = App::build(settings, log).await?;
    let event = json!({
        "event": "listening",
        "public": app.public.to_string(),
        "admin": app.operators.to_string(),
    });
    output::show(&event.to_string())?;
    app.run().await;
    Ok(())
}
