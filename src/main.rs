//! The `enroll` command.

use std::process::ExitCode;

use clap::Parser;
use enroll::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    // One system for all commands: `serve` and `demo` start actors on it, the others just wait on its runtime.
    match actix::System::new().block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}
