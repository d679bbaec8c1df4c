//! Many masks of a whole network in one run against one run for each: time and memory, at 784-800-800-10.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example sampler -- [BATCH PASSES [gpu]]
//! ```

use std::error::Error;
use std::fs;
use std::time::Instant;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use dropconnect_burn::{DropConnect, ModelConfig, Sampler};

const TRIES: usize = 5;

struct Network {
    first: DropConnect,
    second: DropConnect,
    output: Linear,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, other: usize| arguments.get(at).map_or(Ok(other), |text| text.parse());
    let (batch, passes) = (number(0, 100)?, number(1, 50)?);
    let gpu = arguments.get(2).is_some_and(|place| place == "gpu");
    let device = if gpu { dropconnect_burn::wgpu_device()? } else { Device::flex() };
    let layers = ModelConfig::new();
    let network = Network {
        first: layers.layer(0, 784, 800).try_init(&device)?,
        second: layers.layer(1, 800, 800).try_init(&device)?,
        output: LinearConfig::new(800, 10).init(&device),
    };
    let model = |x: Tensor<2>| {
        let hidden = relu(network.second.forward(relu(network.first.forward(x))));
        network.output.forward(hidden)
    };
    let x = Tensor::<2>::random([batch, 784], Distribution::Default, &device);
    let sampler = Sampler::new(passes as u32)?;
    let ways = [
        ("one run", sampler.clone().with_max_examples(usize::MAX)),
        ("a run a pass", sampler.with_max_examples(1)),
    ];
    println!("{passes} passes of a batch of {batch}, 784-800-800-10, p = 0.5, {device:?}");
    println!("what                time in ms, median (spread)   memory above the resting process, MiB");
    let mut means = Vec::new();
    let mut times = [const { Vec::new() }; 2];
    let mut peaks = [None; 2];
    // The first try warms up and is not counted; the ways take turns.
    for attempt in 0..=TRIES {
        for (at, (_, sampler)) in ways.iter().enumerate() {
            let before = reset_peak();
            let started = Instant::now();
            let (mean, variance) = sampler.moments(x.clone(), model)?;
            let read = (mean.into_data().try_into_vec_as::<f32>()?, variance.into_data());
            if attempt > 0 {
                times[at].push(started.elapsed().as_secs_f64() * 1e3);
            }
            peaks[at] = peak().zip(before).map(|(peak, before)| peak.saturating_sub(before) / 1024);
            means.push(read.0);
        }
    }
    for ((name, _), (times, peak)) in ways.iter().zip(times.iter_mut().zip(peaks)) {
        times.sort_by(f64::total_cmp);
        let memory = peak.map_or("not known here".into(), |mebibytes| mebibytes.to_string());
        println!(
            "{name:<16} {:>10.0} ({:.0} to {:.0}) {memory:>24}",
            times[TRIES / 2],
            times[0],
            times[TRIES - 1]
        );
    }
    let largest = means[0].iter().zip(&means[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("largest difference of the means: {largest:e}");
    Ok(())
}

/// Forgets the largest memory of this process so far; what it has now, in KiB. Linux only.
fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS:")
}

/// The largest memory of this process since then, in KiB.
fn peak() -> Option<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
