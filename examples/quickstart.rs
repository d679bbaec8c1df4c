//! A DropConnect layer in a few lines: 5 inputs, 10 outputs, p = 0.5, a batch of 2.
//!
//! `cargo run --release --example quickstart`

use dropconnect::gpu::AdapterChoice;
use dropconnect::{Device, DropConnect, Error, MaskKey, Write};

fn main() -> Result<(), Error> {
    let (device, which) = Device::auto(&AdapterChoice::default());
    println!("computing on {which}\n");

    // The seed, and the number of this layer: each layer of a model has its own.
    let key = MaskKey::new(42, 0);
    let mut layer = DropConnect::new(&device, key, 5, 10).drop_probability(0.5).build()?;
    let x = [[1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0, 6.0]].concat();

    for _ in 0..2 {
        let y = layer.forward(&x).wait()?;
        println!("training, step {}: a mask for each example", layer.step());
        show(&y);
        let grad_x = layer.backward(&x, &vec![1.0; y.len()], Write::Overwrite).wait()?;
        println!("gradient of x");
        show(&grad_x);
        layer.advance();
    }
    println!("evaluation: the plain linear layer");
    show(&layer.eval(&x).wait()?);
    Ok(())
}

/// Prints the two rows of a batch of 2.
fn show(values: &[f32]) {
    for row in values.chunks(values.len() / 2) {
        let row: Vec<_> = row.iter().map(|value| format!("{value:7.3}")).collect();
        println!("  {}", row.join(" "));
    }
    println!();
}
