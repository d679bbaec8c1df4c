//! The binary `dropconnect`: all of it is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    dropconnect_cli::main()
}
