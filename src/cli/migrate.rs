//! `enroll migrate`: brings the platform database and the shared databases to this version's schema.
//!
//! A tenant's own database is brought up to date when the tenant is launched.

use std::path::Path;

use clap::Args;

use super::{CliError, output};
use crate::app::{AppError, data_dir, ensure_master_key, open_platform};
use crate::clock::{Clock, Entropy};
use crate::settings::Settings;
use crate::store::connection::{Connect, PoolBounds, open};
use crate::store::schema::{Schema, migrate};
use crate::telemetry::Metrics;

/// Bring the platform database and the shared databases to the schema of this version. Makes the file of the master key
/// if there is none.
#[derive(Debug, Args)]
pub struct MigrateArgs {}

/// Migrates, one database after another.
///
/// # Errors
/// [`CliError`] with the first database that fails; what came before it stays migrated.
pub async fn run(_: MigrateArgs, config: Option<&Path>) -> Result<(), CliError> {
    let settings = Settings::load(config, &[])?;
    migrate_all(&settings).await?;
    output::note("every schema is current");
    Ok(())
}

/// What `enroll migrate` does, for the demo to do as well.
pub(super) async fn migrate_all(settings: &Settings) -> Result<(), AppError> {
    let (clock, metrics) = (Clock::system(), Metrics::new(0)?);
    data_dir(settings)?;
    ensure_master_key(settings, Entropy)?;
    let platform = open_platform(settings, clock.clone(), metrics.clone()).await?;
    migrate(&platform, Schema::Platform).await?;
    platform.close().await;
    for (name, shared) in &settings.databases {
        let bounds = PoolBounds::new(&settings.database, 1);
        let connection = open(
            &shared.url,
            bounds,
            Connect::AtOnce,
            None,
            clock.clone(),
            metrics.clone(),
        )
        .await?;
        migrate(&connection, Schema::Tenant).await?;
        connection.close().await;
        output::note(&format!("database {name} is current"));
    }
    Ok(())
}
