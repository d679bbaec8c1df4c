//! Calls on tensors anywhere in a buffer, by kernels of any shape, on a device that does nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dropconnect_testing::fuzz::kernels(input));
