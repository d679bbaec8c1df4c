//! The headless binary `dropconnect`: benchmarks, checks, masks and whole passes on any device.

mod adapters;
mod apply;
mod bench;
mod cli;
mod device;
mod error;
mod escape;
mod interrupt;
mod mask;
mod output;
mod probability;
mod target;
mod tensors;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::install();
    let result = match &cli.command {
        None => bench::run(&cli::BenchOptions::default(), &cli.device),
        Some(Command::Bench(options)) => bench::run(options, &cli.device),
        Some(Command::Verify(options)) => verify::run(options, &cli.device),
        Some(Command::Adapters(options)) => adapters::run(options, &cli.device),
        Some(Command::Mask(command)) => mask::run(command, &cli.device),
        Some(Command::Apply(command)) => apply::run(command, &cli.device),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error}"));
            error.exit_code()
        }
    }
}
