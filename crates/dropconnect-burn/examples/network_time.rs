//! Where a training step of the paper's network goes inside Burn: 784-800-800-10, batches of 128, p = 0.5, SGD with
//! momentum. The whole step, the step without the optimizer, and our kernels alone.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example network_time -- [cpu|gpu]
//! ```

#[path = "mnist/kernels.rs"]
mod kernels;

use std::error::Error;
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};
use dropconnect_burn::dropconnect::call::{BiasGradient, BothGradients, Forward, WeightGradient};
use dropconnect_burn::dropconnect::{self, Bias, DropProbability, Mask, MaskKey, Shape, Write, cpu};
use dropconnect_burn::{DropConnect, ModelConfig};

const BATCH: usize = 128;
const TRIES: usize = 11;

#[derive(Module, Debug)]
struct Network {
    first: DropConnect,
    second: DropConnect,
    output: Linear,
}

fn main() -> Result<(), Box<dyn Error>> {
    let gpu = match std::env::args().nth(1).as_deref() {
        None | Some("cpu") => false,
        Some("gpu") => true,
        Some(other) => return Err(format!("`{other}`; cpu or gpu").into()),
    };
    let shapes = [(Shape::new(BATCH, 800, 784)?, false), (Shape::new(BATCH, 800, 800)?, true)];
    let (device, setup) = if gpu {
        let (device, setup) = Device::wgpu_options().init_with_setup()?;
        dropconnect_burn::attach(&device, &setup)?;
        (device, Some(setup))
    } else {
        (Device::flex(), None)
    };
    let device = device.autodiff();
    let layers = ModelConfig::new();
    let mut network = Network {
        first: layers.layer(0, 784, 800).try_init(&device)?,
        second: layers.layer(1, 800, 800).try_init(&device)?,
        output: LinearConfig::new(800, 10).init(&device),
    };
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let x = Tensor::<2>::random([BATCH, 784], Distribution::Default, &device);
    let labels = Tensor::<1, Int>::zeros([BATCH], &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    let gradients = |network: &Network| {
        let hidden = relu(network.second.forward(relu(network.first.forward(x.clone()))));
        let loss = loss.forward(network.output.forward(hidden), labels.clone());
        GradientsParams::from_grads(loss.backward(), network)
    };
    let name = setup.as_ref().map_or("Burn's CPU backend".into(), |setup| setup.adapter.get_info().name);
    println!("{name}: 784-800-800-10, batch {BATCH}, p = 0.5; milliseconds a step, median (spread)");
    let passes = shapes.map(|(shape, input_gradient)| kernels::Layer { shape, input_gradient });
    let bare = match &setup {
        Some(setup) => Some((setup, kernels::prepare(&setup.device, &passes, 0.5)?)),
        None => None,
    };
    let mut times = [const { Vec::new() }; 3];
    // Tuning and compiling come first; then the three take turns.
    for attempt in 0..TRIES + 3 {
        let mut took = [0.0; 3];
        let start = Instant::now();
        let found = gradients(&network);
        network = optimizer.step(1e-3, network, found);
        device.sync()?;
        took[0] = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let found = gradients(&network);
        device.sync()?;
        took[1] = start.elapsed().as_secs_f64();
        drop(found);
        took[2] = match &bare {
            Some((setup, step)) => kernels::seconds(&setup.device, &setup.queue, step),
            None => on_the_host(&shapes)?,
        };
        if attempt >= 3 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took * 1e3));
        }
    }
    let names = ["a step", "without the optimizer", "our kernels alone"];
    let mut medians = [0.0; 3];
    for ((name, times), median) in names.iter().zip(&mut times).zip(&mut medians) {
        times.sort_by(f64::total_cmp);
        *median = times[TRIES / 2];
        println!("{median:8.2} ({:.2} to {:.2})  {name}", times[0], times[TRIES - 1]);
    }
    let [whole, passes, ours] = medians;
    println!(
        "of a step {:.0} % are our kernels, {:.0} % Burn's optimizer, {:.0} % the rest: activations, loss, output \
         layer, and what Burn does between",
        100.0 * ours / whole,
        100.0 * (whole - passes) / whole,
        100.0 * (passes - ours) / whole
    );
    Ok(())
}

/// Seconds for the passes of the two layers on slices in host memory.
fn on_the_host(shapes: &[(Shape, bool)]) -> Result<f64, dropconnect::Error> {
    let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5)?);
    let mut seconds = 0.0;
    for &(shape, input_gradient) in shapes {
        let values = |len| -> Vec<f32> { (0..len).map(|at| (at % 101) as f32 / 101.0).collect() };
        let (x, weight, bias) =
            (values(shape.input_len()), values(shape.weight_len()), values(shape.outputs()));
        let grad_output = values(shape.output_len());
        let (mut y, mut dx) = (values(shape.output_len()), values(shape.input_len()));
        let (mut dw, mut db) = (values(shape.weight_len()), values(shape.outputs()));
        let (mask, write) = (Some(&mask), Write::Overwrite);
        let start = Instant::now();
        let bias = Bias::Plain(&bias[..]);
        cpu::forward(Forward { shape, mask, x: &x[..], weight: &weight[..], bias, y: &mut y[..] })?;
        let grad_output = &grad_output[..];
        if input_gradient {
            let (grad_input, grad_weight) = ((&mut dx[..], write), (&mut dw[..], write));
            let (x, weight) = (&x[..], &weight[..]);
            cpu::both_gradients(BothGradients {
                shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input,
                grad_weight,
            })?;
        } else {
            let grad_weight = &mut dw[..];
            cpu::weight_gradient(WeightGradient { shape, mask, grad_output, x: &x[..], grad_weight, write })?;
        }
        cpu::bias_gradient(BiasGradient {
            shape,
            bias_mask: None,
            grad_output,
            grad_bias: &mut db[..],
            write,
        })?;
        seconds += start.elapsed().as_secs_f64();
    }
    Ok(seconds)
}
