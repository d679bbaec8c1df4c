//! The headless binary `dropconnect`: benchmarks, checks, masks and whole passes on any device.
//!
//! A library so that fuzz targets (`fuzz/`) reach what the binary reads. It has no interface but [`main`].

mod adapters;
mod apply;
mod bench;
mod cli;
mod compiler;
mod device;
mod driver;
mod error;
mod escape;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod interrupt;
mod manual;
mod mask;
mod output;
mod probability;
mod shader;
mod target;
mod tensors;
mod threads;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use error::CliError;

/// The program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    output::set_quiet(cli.quiet);
    interrupt::install();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error}"));
            error.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Result<(), CliError> {
    // What only prints needs none.
    if !matches!(cli.command, Some(Command::Shader(_) | Command::Completions(_) | Command::Man(_))) {
        threads::start()?;
    }
    match &cli.command {
        None => bench::run(&cli::BenchOptions::default(), &cli.device),
        Some(Command::Bench(options)) => bench::run(options, &cli.device),
        Some(Command::BenchServe(options)) => bench::serve(options, &cli.device),
        Some(Command::Verify(options)) => verify::run(options, &cli.device),
        Some(Command::Adapters(options)) => adapters::run(options, &cli.device),
        Some(Command::Mask(command)) => mask::run(command, &cli.device),
        Some(Command::Apply(command)) => apply::run(command, &cli.device),
        Some(Command::Shader(command)) => shader::run(command, &cli.device),
        Some(Command::Completions(command)) => manual::completions(command),
        Some(Command::Man(command)) => manual::pages(command),
    }
}
