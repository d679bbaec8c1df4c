//! The library's validation, by numbers up to the largest there are, and its CPU backend.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_testing::fuzz::arguments(input));
