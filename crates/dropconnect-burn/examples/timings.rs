//! What DropConnect costs inside Burn: wall clock, medians and ranges in milliseconds. Implementations are interleaved,
//! so that all see the same load of the machine.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example timings -- --what network --device cpu
//! ```

use std::error::Error;
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::activation::relu;
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, Distribution, Int, Tensor};
use clap::{Parser, ValueEnum};
use dropconnect_burn::dropconnect::call::{BiasGradient, BothGradients, Call, Forward, WeightGradient};
use dropconnect_burn::dropconnect::gpu::{self, Kernels};
use dropconnect_burn::dropconnect::{
    Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Write, cpu, wgpu,
};
use dropconnect_burn::{DropConnect, DropConnectConfig, ModelConfig, Sampler};

const WARM_UP: usize = 3;
const TRIES: usize = 11;
/// Of the network.
const BATCH: usize = 128;
/// Of the sampler.
const SAMPLER_BATCH: usize = 100;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Options {
    #[arg(long, value_enum)]
    what: What,
    #[arg(long, value_enum, default_value = "gpu")]
    device: Backend,
    /// Batch, outputs and inputs of `layer`.
    #[arg(long, num_args = 3, default_values_t = [128, 1024, 1024])]
    shape: Vec<usize>,
    /// Masks of `sampler`.
    #[arg(long, default_value_t = 50)]
    passes: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// A layer forward and backward, and our kernels alone.
    Layer,
    /// A training step of the paper's network, the same without the optimizer, and our kernels alone.
    Network,
    /// Many masks of the network in one run, and in a run each: time and memory.
    Sampler,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Backend {
    Cpu,
    Gpu,
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    let (device, setup) = match options.device {
        Backend::Cpu => (Device::flex(), None),
        Backend::Gpu => {
            let (device, setup) = Device::wgpu_options().init_with_setup()?;
            dropconnect_burn::attach(&device, &setup)?;
            (device, Some(setup))
        }
    };
    println!("{}", setup.as_ref().map_or("CPU".into(), |setup| setup.adapter.get_info().name));
    let shape = Shape::new(options.shape[0], options.shape[1], options.shape[2])?;
    match options.what {
        What::Layer => layer(shape, &device.autodiff(), setup),
        What::Network => network(&device.autodiff(), setup),
        What::Sampler => sampler(options.passes, &device),
    }
}

/// A name, and what is timed.
type Implementation<'a> = (&'a str, Box<dyn FnMut() -> Outcome<()> + 'a>);

/// Times all in turn and prints them. Returns the medians.
fn interleave<const N: usize>(
    device: &Device,
    mut implementations: [Implementation; N],
) -> Outcome<[f64; N]> {
    let mut times = [const { Vec::new() }; N];
    // Tuning and compiling come first.
    for attempt in 0..WARM_UP + TRIES {
        for ((_, run), times) in implementations.iter_mut().zip(&mut times) {
            device.sync()?;
            let start = Instant::now();
            run()?;
            device.sync()?;
            if attempt >= WARM_UP {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    for ((name, _), times) in implementations.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{:8.2} ({:.2} to {:.2})  {name}", times[TRIES / 2], times[0], times[TRIES - 1]);
    }
    Ok(times.map(|times| times[TRIES / 2]))
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Default, device)
}

fn layer(shape: Shape, device: &Device, setup: Option<WgpuSetup>) -> Outcome<()> {
    let [batch, outputs, inputs] = [shape.batch(), shape.outputs(), shape.inputs()];
    let layer = DropConnectConfig::new(0, inputs, outputs).init(device);
    let x = random([batch, inputs], device).require_grad();
    let upstream = random([batch, outputs], device);
    let step = || {
        // The cheapest loss with a gradient: it makes Burn's own part as small as it gets.
        (layer.forward(x.clone()) * upstream.clone()).sum().backward();
        Ok(())
    };
    let bare = bare_step(setup, vec![(shape, true)])?;
    let [inside, alone] =
        interleave(device, [("a layer's step in Burn", Box::new(step)), ("our kernels alone", bare)])?;
    println!("{:.2} times", inside / alone);
    let usage = device.memory_pool_usage().map(|usage| usage.bytes_reserved);
    let mask = batch * outputs * inputs / 8;
    println!("Burn's memory pool: {usage:?} bytes; a mask of bits would take {mask}");
    Ok(())
}

#[derive(Module, Debug)]
struct Network {
    first: DropConnect,
    second: DropConnect,
    output: Linear,
}

impl Network {
    /// 784-800-800-10, p = 0.5.
    fn new(device: &Device) -> Outcome<Self> {
        let layers = ModelConfig::new();
        Ok(Self {
            first: layers.layer(0, 784, 800).try_init(device)?,
            second: layers.layer(1, 800, 800).try_init(device)?,
            output: LinearConfig::new(800, 10).init(device),
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(relu(self.second.forward(relu(self.first.forward(x)))))
    }
}

fn network(device: &Device, setup: Option<WgpuSetup>) -> Outcome<()> {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let x = random([BATCH, 784], device);
    let labels = Tensor::<1, Int>::zeros([BATCH], device);
    let loss = CrossEntropyLossConfig::new().init(device);
    let gradients = |network: &Network| {
        let loss = loss.forward(network.forward(x.clone()), labels.clone());
        GradientsParams::from_grads(loss.backward(), network)
    };
    let (mut trained, constant) = (Network::new(device)?, Network::new(device)?);
    let step = || {
        let found = gradients(&trained);
        trained = optimizer.step(1e-3, trained.clone(), found);
        Ok(())
    };
    let without = || {
        gradients(&constant);
        Ok(())
    };
    let shapes = vec![(Shape::new(BATCH, 800, 784)?, false), (Shape::new(BATCH, 800, 800)?, true)];
    let implementations: [Implementation; 3] = [
        ("a step, batch 128, SGD with momentum", Box::new(step)),
        ("without the optimizer", Box::new(without)),
        ("our kernels alone", bare_step(setup, shapes)?),
    ];
    let [whole, passes, ours] = interleave(device, implementations)?;
    println!(
        "of a step {:.0} % are our kernels, {:.0} % Burn's optimizer, {:.0} % the rest: activations, loss, output \
         layer, and what Burn does between",
        100.0 * ours / whole,
        100.0 * (whole - passes) / whole,
        100.0 * (passes - ours) / whole
    );
    Ok(())
}

fn sampler(passes: u32, device: &Device) -> Outcome<()> {
    let network = Network::new(device)?;
    let x = random([SAMPLER_BATCH, 784], device);
    let sampler = Sampler::new(passes)?;
    let mut memory = [None; 2];
    let [mut together, mut apart] = [None, None];
    let [one, many] = &mut memory;
    let run = |sampler: Sampler, mean: &mut Option<Vec<f32>>, memory: &mut Option<u64>| -> Outcome<()> {
        let before = reset_peak();
        let (of_masks, variance) = sampler.moments(x.clone(), |x| network.forward(x))?;
        *mean = Some(of_masks.into_data().try_into_vec_as()?);
        variance.try_into_data()?;
        let peak = status("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before) / 1024);
        *memory = peak.max(*memory);
        Ok(())
    };
    let all = sampler.clone().with_max_examples(usize::MAX);
    let each = sampler.with_max_examples(1);
    interleave(
        device,
        [
            ("one run", Box::new(|| run(all.clone(), &mut together, one))),
            ("a run for each mask", Box::new(|| run(each.clone(), &mut apart, many))),
        ],
    )?;
    println!("{passes} masks, a batch of {SAMPLER_BATCH}; memory above the resting process, MiB: {memory:?}");
    let means = together.into_iter().flatten().zip(apart.into_iter().flatten());
    println!("largest difference of the means: {:e}", means.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max));
    Ok(())
}

/// Forgets the largest memory of this process so far; what it has now, in KiB. Linux only.
fn reset_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS:")
}

fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Our kernels for a training step of these layers, without Burn around them.
fn bare_step(
    setup: Option<WgpuSetup>,
    layers: Vec<(Shape, bool)>,
) -> Outcome<Box<dyn FnMut() -> Outcome<()>>> {
    let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5)?);
    let lengths =
        |shape: &Shape| [shape.input_len(), shape.weight_len(), shape.outputs(), shape.output_len()];
    let Some(WgpuSetup { device, queue, .. }) = setup else {
        let values = |len: usize| (0..len).map(|at| (at % 101) as f32 / 101.0).collect::<Vec<_>>();
        let tensors = |(shape, _): &(Shape, bool)| [lengths(shape).map(values), lengths(shape).map(values)];
        let mut tensors: Vec<_> = layers.iter().map(tensors).collect();
        return Ok(Box::new(move || {
            for (&layer, [operands, results]) in layers.iter().zip(&mut tensors) {
                let (operands, results) = (operands.each_ref(), results.each_mut());
                let calls = calls(layer, &mask, operands.map(|t| &t[..]), results.map(|t| &mut t[..]));
                calls.into_iter().try_for_each(cpu::run)?;
            }
            Ok(())
        }));
    };
    let kernels = Kernels::new(&device, &Default::default())?;
    let buffer = |elements: usize| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: elements as u64 * 4,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let mut step = Vec::new();
    for layer in layers {
        let [operands, results] = [(); 2].map(|()| lengths(&layer.0).map(buffer));
        let tensor = |buffer| gpu::Tensor::new(buffer, ElementType::F32);
        for call in calls(layer, &mask, operands.each_ref().map(tensor), results.each_ref().map(tensor)) {
            step.push(kernels.record(call)?);
        }
    }
    Ok(Box::new(move || {
        let mut encoder = device.create_command_encoder(&Default::default());
        step.iter().for_each(|recording| recording.encode(&mut encoder));
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }))
}

/// The calls of a layer's training step, from X, W, b and G, into dX, dW, db and Y. A first layer needs no gradient of
/// its input.
fn calls<'m, T: Copy, R>(
    (shape, input_gradient): (Shape, bool),
    mask: &'m Mask,
    [x, weight, bias, grad_output]: [T; 4],
    [grad_input, grad_weight, grad_bias, y]: [R; 4],
) -> [Call<'m, T, R>; 3] {
    let (mask, bias, write) = (Some(mask), Bias::Plain(bias), Write::Overwrite);
    [
        Forward { shape, mask, x, weight, bias, y }.into(),
        if input_gradient {
            let (grad_input, grad_weight) = ((grad_input, write), (grad_weight, write));
            BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight }.into()
        } else {
            WeightGradient { shape, mask, grad_output, x, grad_weight, write }.into()
        },
        BiasGradient { shape, bias_mask: None, grad_output, grad_bias, write }.into(),
    ]
}
