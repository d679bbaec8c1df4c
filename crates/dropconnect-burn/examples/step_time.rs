//! The time of a DropConnect layer's step in Burn, forward and backward, beside that of the bare kernels.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example step_time -- [BATCH OUTPUTS INPUTS]
//! ```

#[path = "mnist/kernels.rs"]
mod kernels;

use std::error::Error;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use dropconnect_burn::DropConnectConfig;
use dropconnect_burn::dropconnect::Shape;

const TRIES: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let dims: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let [batch, outputs, inputs] = match dims[..] {
        [] => [128, 1024, 1024],
        [batch, outputs, inputs] => [batch, outputs, inputs],
        _ => return Err("BATCH OUTPUTS INPUTS, or nothing".into()),
    };
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    dropconnect_burn::attach(&device, &setup)?;
    let device = device.autodiff();
    let layer = DropConnectConfig::new(0, inputs, outputs).init(&device);
    let x = Tensor::<2>::random([batch, inputs], Distribution::Default, &device).require_grad();
    let upstream = Tensor::<2>::random([batch, outputs], Distribution::Default, &device);

    // Alternately, so that both see the same load of the machine.
    let (mut in_burn, mut bare) = (f64::INFINITY, f64::INFINITY);
    let shape = [kernels::Layer { shape: Shape::new(batch, outputs, inputs)?, input_gradient: true }];
    for _ in 0..=TRIES {
        device.sync()?;
        let start = Instant::now();
        // The cheapest loss with a gradient: it makes Burn's own part as small as it gets.
        let gradients = (layer.forward(x.clone()) * upstream.clone()).sum().backward();
        device.sync()?;
        in_burn = in_burn.min(start.elapsed().as_secs_f64());
        drop(gradients);
        bare = bare.min(kernels::seconds_per_step(&setup.device, &setup.queue, &shape, 0.5, 1)?);
    }
    println!("{}, {batch} x {outputs} x {inputs}, p = 0.5, f32", setup.adapter.get_info().name);
    println!(
        "bare kernels {:.3} ms, in Burn {:.3} ms: {:.2} times",
        bare * 1e3,
        in_burn * 1e3,
        in_burn / bare
    );
    let usage = device.memory_pool_usage().map(|usage| usage.bytes_reserved);
    println!(
        "Burn's memory pool: {usage:?} bytes; a mask of bits would take {}",
        batch * outputs * inputs / 8
    );
    Ok(())
}
