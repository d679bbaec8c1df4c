//! Our forward pass beside Burn's own dense `matmul` on the same adapter.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example dense -- [BATCH OUTPUTS INPUTS]
//! ```

use std::error::Error;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use dropconnect_burn::drop_connect;
use dropconnect_burn::dropconnect::{DropProbability, Mask, MaskKey};

const TRIES: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let dims: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let [batch, outputs, inputs] = match dims[..] {
        [] => [128, 1024, 1024],
        [batch, outputs, inputs] => [batch, outputs, inputs],
        _ => return Err("BATCH OUTPUTS INPUTS, or nothing".into()),
    };
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    dropconnect_burn::attach(&device, &setup)?;
    let x = Tensor::<2>::random([batch, inputs], Distribution::Default, &device);
    // Both layouts of the weight: as Burn's `Linear` makes it, and as our layer keeps it.
    let weight = Tensor::<2>::random([inputs, outputs], Distribution::Default, &device);
    let stored = Tensor::<2>::random([outputs, inputs], Distribution::Default, &device);
    let mask = |p| -> Result<_, dropconnect_burn::dropconnect::Error> {
        Ok(Mask::new(MaskKey::new(1, 0), DropProbability::new(p)?))
    };
    let (half, fifth) = (mask(0.5)?, mask(0.2)?);
    let ours = |mask| drop_connect(x.clone(), stored.clone().transpose(), None, mask, false);
    let ways: [(&str, &dyn Fn() -> Tensor<2>); 4] = [
        ("Burn matmul, weight [inputs, outputs]", &|| x.clone().matmul(weight.clone())),
        ("Burn matmul, weight [outputs, inputs] transposed", &|| {
            x.clone().matmul(stored.clone().transpose())
        }),
        ("DropConnect, p = 0.5", &|| ours(half)),
        ("DropConnect, p = 0.2", &|| ours(fifth)),
    ];
    // Tuning and compiling come first; then the ways take turns, so that all see the same load of the machine.
    for _ in 0..3 {
        for (_, run) in &ways {
            run();
            device.sync()?;
        }
    }
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..TRIES {
        for ((_, run), times) in ways.iter().zip(&mut times) {
            let start = Instant::now();
            let y = run();
            device.sync()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            drop(y);
        }
    }
    println!(
        "{}, {batch} x {outputs} x {inputs}, f32; wall clock, milliseconds",
        setup.adapter.get_info().name
    );
    for ((name, _), times) in ways.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{:7.2} ({:.2} to {:.2})  {name}", times[TRIES / 2], times[0], times[TRIES - 1]);
    }
    Ok(())
}
