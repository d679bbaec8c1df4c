//! Files of tensors.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_cli::fuzz::tensors(input));
