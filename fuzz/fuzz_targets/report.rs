//! An earlier report of `bench`: `--compare`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_cli::fuzz::report(input));
