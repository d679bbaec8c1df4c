//! What the tests share.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::env;

use burn::tensor::{Device, Tensor, TensorData};
use dropconnect_burn::{DropConnectConfig, Error, wgpu_device};

/// Burn's default wgpu device. Without an adapter the test does not run and says so; where
/// `DROPCONNECT_REQUIRE_ADAPTER` is 1 that is a failure.
pub fn device(test: &str) -> Option<Device> {
    match wgpu_device() {
        Ok(device) => Some(device),
        Err(Error::Device(error)) if env::var("DROPCONNECT_REQUIRE_ADAPTER").as_deref() != Ok("1") => {
            eprintln!("NOT RUN: {test}: no adapter ({error})");
            None
        }
        Err(error) => panic!("{test}: {error}"),
    }
}

/// A test tensor with values in -0.5..0.5 that repeat only after 1009 elements.
pub fn ramp<const D: usize>(dims: [usize; D], a: usize, c: usize, device: &Device) -> Tensor<D> {
    let values = dropconnect_testing::ramp(dims.iter().product(), a, c);
    Tensor::from_data(TensorData::new(values, dims), device)
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as().expect("floats")
}

/// The harness's, against results of Burn.
pub fn relative_error(got: &[f32], want: &[f32]) -> f64 {
    dropconnect_testing::relative_error(got, &dropconnect_testing::wide(want))
}

#[track_caller]
pub fn assert_close(got: &[f32], want: &[f32], tolerance: f64, what: &str) {
    let error = relative_error(got, want);
    assert!(error < tolerance, "{what}: relative error {error:e}");
}

/// Layer 0 of a model, with a probability that takes all 16 bits.
pub fn config(d_input: usize, d_output: usize) -> DropConnectConfig {
    numbered(0, d_input, d_output)
}

/// Another layer of that model.
pub fn numbered(layer: u32, d_input: usize, d_output: usize) -> DropConnectConfig {
    DropConnectConfig::new(layer, d_input, d_output).with_prob(0.3).with_seed(42)
}
