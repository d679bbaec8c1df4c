//! A layer without any GPU code in the program: wgpu is not even compiled.
//!
//! `cargo run --release -p dropconnect --no-default-features --example cpu`

use dropconnect::{Device, DropConnect, Error, MaskKey, Write};

fn main() -> Result<(), Error> {
    let device = Device::Cpu;
    println!("computing on {device} ({})", dropconnect::cpu::Backend::detect().name());
    let mut layer = DropConnect::new(&device, MaskKey::new(42, 0), 5, 10).drop_probability(0.5).build()?;
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // a batch of 2
    let y = layer.forward(&x).wait()?;
    let grad_x = layer.backward(&x, &vec![1.0; y.len()], Write::Overwrite).wait()?;
    println!("{y:?}\n{grad_x:?}");
    layer.advance(); // the next step draws new masks
    Ok(())
}
