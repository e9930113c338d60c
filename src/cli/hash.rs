//! `enroll hash bench` and `enroll hash calibrate`: what password hashes cost on this machine.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{CliError, output};
use crate::clock::Entropy;
use crate::hashing::{
    EngineError, EngineKind, HashParams, HashingSettings, bare_rate, choose_engine, time_of_one,
};
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Measure password hashes on this machine.
#[derive(Debug, Args)]
pub struct HashArgs {
    #[command(subcommand)]
    command: HashCommand,
}

#[derive(Debug, Subcommand)]
enum HashCommand {
    /// Print how many hashes a second this machine makes with nothing around them
    Bench(BenchArgs),
    /// Propose parameters for a wanted time and memory of one hash
    Calibrate(CalibrateArgs),
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// How long to hash
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Which code computes; by default the one that the server would use
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineArg {
    Fast,
    Reference,
    ReferencePlain,
}

#[derive(Debug, Args)]
struct CalibrateArgs {
    /// Wanted time of one hash, in milliseconds
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    milliseconds: u32,
    /// Memory of one hash, in KiB
    #[arg(long, default_value_t = 19_456, value_parser = clap::value_parser!(u32).range(7_168..=4_194_304))]
    memory_kib: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`].
pub async fn run(args: HashArgs, config: Option<&Path>) -> Result<(), CliError> {
    let hashing = Settings::load(config, &[])?.hashing;
    match args.command {
        HashCommand::Bench(args) => bench(&args, &hashing),
        HashCommand::Calibrate(args) => calibrate(&args, &hashing),
    }
}

fn bench(args: &BenchArgs, settings: &HashingSettings) -> Result<(), CliError> {
    let kind = match args.engine {
        Some(EngineArg::Fast) => EngineKind::Fast,
        Some(EngineArg::Reference) => EngineKind::Reference,
        Some(EngineArg::ReferencePlain) => EngineKind::ReferencePlain,
        None => engine_of(settings)?,
    };
    let params = HashParams::new(settings.memory_kib, settings.iterations, settings.lanes)
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let threads = settings.thread_count();
    let rate = bare_rate(kind, &params, threads, args.seconds).map_err(failed)?;
    if args.json {
        let figures = json!({
            "engine": kind.as_str(),
            "threads": threads,
            "memory_kib": settings.memory_kib,
            "iterations": settings.iterations,
            "lanes": settings.lanes,
            "seconds": args.seconds,
            "hashes_per_second": (rate * 10.0).round() / 10.0,
        });
        output::show(&figures.to_string())
    } else {
        output::show(&format!(
            "{rate:.1} hashes a second: engine {kind}, {threads} threads, m={} KiB, t={}, p={}",
            settings.memory_kib, settings.iterations, settings.lanes
        ))
    }
}

/// More iterations than this take longer than any login may.
const MOST_ITERATIONS: u32 = 64;

fn calibrate(args: &CalibrateArgs, settings: &HashingSettings) -> Result<(), CliError> {
    let kind = engine_of(settings)?;
    let wanted = Duration::from_millis(args.milliseconds.into());
    let mut best: Option<(u32, Duration)> = None;
    for iterations in 1..=MOST_ITERATIONS {
        let params = HashParams::new(args.memory_kib, iterations, 1)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        let took = time_of_one(kind, &params).map_err(failed)?;
        let strong = params.meet_the_floor();
        // The weakest that OWASP allows is proposed even when it takes longer than wanted.
        if strong && (best.is_none() || took <= wanted) {
            best = Some((iterations, took));
        }
        if strong && took > wanted {
            break;
        }
    }
    let (iterations, took) = best.ok_or_else(|| {
        CliError::Usage("no number of iterations makes so little memory safe".into())
    })?;
    let millis = took.as_secs_f64() * 1000.0;
    if args.json {
        let proposal = json!({
            "engine": kind.as_str(),
            "memory_kib": args.memory_kib,
            "iterations": iterations,
            "lanes": 1,
            "milliseconds": (millis * 10.0).round() / 10.0,
        });
        return output::show(&proposal.to_string());
    }
    if took > wanted {
        output::note(&format!(
            "with so little time no safe hash is possible; this is the weakest that OWASP allows ({} ms wanted)",
            args.milliseconds
        ));
    }
    output::show(&format!(
        "# one hash takes {millis:.1} ms (engine {kind})\n[hashing]\nmemory_kib = {}\niterations = {iterations}\nlanes = 1",
        args.memory_kib
    ))
}

fn engine_of(settings: &HashingSettings) -> Result<EngineKind, CliError> {
    let metrics = Metrics::new(0).map_err(crate::app::AppError::from)?;
    let chosen = choose_engine(settings.engine, Entropy, &metrics);
    Ok(chosen.map_err(crate::app::AppError::from)?)
}

fn failed(error: EngineError) -> CliError {
    CliError::Server(error.to_string())
}
