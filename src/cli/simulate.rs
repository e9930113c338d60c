//! `enroll simulate`: WeChat, SMS and captcha servers to try things on.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{CliError, output};
use crate::clock::{Clock, Entropy};
use crate::shutdown::Signals;
use crate::simulate::Simulator;

/// Serve believable WeChat, SMS and captcha servers on this machine, with made-up accounts and people. When it listens
/// it prints one line of JSON with its address; GET /control there tells the accounts.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Loopback address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Write the line with the address to this file too
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`CliError::Usage`] when the address is not a loopback address, [`CliError::Io`] when it cannot be listened on or the
/// file cannot be written.
pub async fn run(args: SimulateArgs) -> Result<(), CliError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => CliError::Usage(error.to_string()),
        _ => CliError::Io(args.listen.to_string(), error),
    };
    let mut signals = Signals::new().map_err(|error| CliError::Io("signals".into(), error))?;
    let simulator = Simulator::start(args.listen, Clock::system(), Entropy).map_err(failed)?;
    let url = format!("http://{}", simulator.address());
    let line = json!({"event": "listening", "simulator": url}).to_string();
    if let Some(file) = &args.file {
        write(file, &line).map_err(|error| CliError::Io(file.display().to_string(), error))?;
    }
    output::show(&line)?;
    signals.next().await;
    signals.end_at_once();
    simulator.stop().await;
    Ok(())
}

/// Writes the file as a whole or not at all, for whoever waits for it.
fn write(file: &Path, line: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut out = std::fs::File::create(&new)?;
    writeln!(out, "{line}")?;
    std::fs::rename(&new, file)
}
