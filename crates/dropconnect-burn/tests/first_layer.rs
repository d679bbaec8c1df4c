//! Making the first layer before any other tensor brings the device up. A process of its own.

mod common;

use burn::tensor::{Device, Tensor};
use common::config;
use dropconnect_burn::Error;

#[test]
fn the_first_layer_brings_the_device_up() {
    // wgpu, if BURN_DEVICE does not say otherwise: it comes before the CPU.
    let layer = match config(8, 4).try_init(&Device::default().autodiff()) {
        Ok(layer) => layer,
        Err(Error::Device(error)) => {
            assert_ne!(std::env::var("DROPCONNECT_REQUIRE_ADAPTER").as_deref(), Ok("1"), "{error}");
            return eprintln!("NOT RUN: the_first_layer_brings_the_device_up: no adapter ({error})");
        }
        Err(error) => panic!("{error}"),
    };
    let x = Tensor::<2>::ones([3, 8], &Device::default().autodiff());
    assert_eq!(layer.try_forward(x).expect("attached").dims(), [3, 4]);
}
