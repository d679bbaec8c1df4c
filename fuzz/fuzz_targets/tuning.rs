//! The text of a `Tuning`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_testing::fuzz::tuning(input));
