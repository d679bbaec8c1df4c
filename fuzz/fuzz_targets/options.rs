//! The command line: an argument a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_cli::fuzz::options(input));
