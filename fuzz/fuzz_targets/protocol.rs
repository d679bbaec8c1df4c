//! What a benchmark and an earlier build say to each other.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_cli::fuzz::protocol(input));
