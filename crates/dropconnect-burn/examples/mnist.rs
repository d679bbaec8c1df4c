//! Trains the network of the DropConnect paper on MNIST: 784-800-800-10, ReLU, batches of 128, SGD with
//! momentum 0.9.
//!
//! ```sh
//! scripts/fetch-mnist.sh data/mnist
//! cargo run --release -p dropconnect-burn --example mnist -- --data data/mnist --epochs 2 --regularizer dropconnect
//! ```
//!
//! Writes `log.json`, `curve.svg` and a checkpoint to `--out`; `--resume` goes on from there, `--evaluate DIR...` says
//! what checkpoints are worth with each way to predict, and voting.

// Cargo takes every file beside this one for a program of its own, so the parts lie in a folder.
#[path = "mnist/data.rs"]
mod data;
#[path = "mnist/evaluate.rs"]
mod evaluate;
#[path = "mnist/infer.rs"]
mod infer;
#[path = "mnist/kernels.rs"]
mod kernels;
#[path = "mnist/log.rs"]
mod log;
#[path = "mnist/model.rs"]
mod model;
#[path = "mnist/plot.rs"]
mod plot;
#[path = "mnist/view.rs"]
mod view;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, ElementConversion};
use clap::{Parser, ValueEnum};
use dropconnect_burn::dropconnect::Shape;
use dropconnect_testing::Random;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use data::{Digits, Mnist};
use infer::Inference;
use log::{Epoch, Files, Log};
use model::{Network, Regularizer};
use view::View;

/// Train the network of the DropConnect paper on MNIST.
#[derive(Parser)]
struct Options {
    /// Directory with the four IDX files.
    #[arg(long)]
    data: PathBuf,
    /// What to drop from the hidden layers.
    #[arg(long, value_enum, default_value = "dropconnect")]
    regularizer: Regularizer,
    /// Epochs in all, those before `--resume` included.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Where to compute: Burn's default wgpu device, or its CPU backend.
    #[arg(long, value_enum, default_value = "gpu")]
    device: Place,
    /// Units of each hidden layer.
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u32).range(1..))]
    hidden: u32,
    /// Seed of weights, order of examples, and everything dropped.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Probability of dropping.
    #[arg(long, default_value_t = 0.5)]
    p: f64,
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Learning rate of the first epoch.
    #[arg(long, default_value_t = 0.05)]
    rate: f64,
    /// Factor of the learning rate from epoch to epoch.
    #[arg(long, default_value_t = 0.97)]
    decay: f64,
    /// The paper's schedule, scaled: rates of 1, 0.5 and 0.1 times `--rate` over 600, 400 and 20 epochs times this. It
    /// says how many epochs there are.
    #[arg(long, conflicts_with_all = ["epochs", "decay"])]
    schedule: Option<f64>,
    /// Train on the paper's 24 x 24 crops, turned by up to 15 degrees and scaled by up to 15 % at random, and test on
    /// the middle.
    #[arg(long)]
    augment: bool,
    /// How the test set is predicted after each epoch.
    #[arg(long, value_enum, default_value = "mean")]
    inference: Inference,
    /// Masks of each prediction with `--inference mc`, and of `--evaluate`.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    /// Leave a digit out of training and tests: `--evaluate` then says whether the network doubts it.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..10))]
    without: Option<u8>,
    /// Do not train: test the checkpoints in these directories, with each way to predict, one by one and voting.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    evaluate: Vec<PathBuf>,
    /// Stop when the test error has not improved for so many epochs; 0 never stops.
    #[arg(long, default_value_t = 0)]
    patience: usize,
    /// Train on the first so many examples only; 0 takes all.
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Where log, curve and checkpoint go. Default: target/mnist/REGULARIZER-SEED.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on from the checkpoint in `--out`.
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Place {
    Gpu,
    Cpu,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn name(&self) -> String {
        format!("{:?}-{}", self.regularizer, self.seed).to_lowercase()
    }

    fn settings(&self) -> serde_json::Value {
        json!({
            "regularizer": format!("{:?}", self.regularizer).to_lowercase(),
            "hidden": self.hidden, "seed": self.seed, "p": self.p, "batch": self.batch,
            "rate": self.rate, "decay": self.decay, "limit": self.limit, "schedule": self.schedule,
            "augment": self.augment, "without": self.without,
            "inference": format!("{:?}", self.inference).to_lowercase(),
        })
    }

    /// Epochs of each part of the paper's schedule, if that is taken.
    fn parts(&self) -> Option<[usize; 3]> {
        let scale = self.schedule?;
        Some([600.0, 400.0, 20.0].map(|epochs| (epochs * scale).round().max(1.0) as usize))
    }

    fn epochs(&self) -> usize {
        self.parts().map_or(self.epochs, |parts| parts.iter().sum())
    }

    /// The learning rate of an epoch, counted from 1.
    fn rate(&self, epoch: usize) -> f64 {
        self.rate
            * match self.parts() {
                None => self.decay.powi(epoch as i32 - 1),
                Some([first, _, _]) if epoch <= first => 1.0,
                Some([first, second, _]) if epoch <= first + second => 0.5,
                Some(_) => 0.1,
            }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if !(0.0..1.0).contains(&options.p) {
        return Err(format!("--p is {}; it must be at least 0 and below 1", options.p).into());
    }
    if options.schedule.is_some_and(|scale| !(scale > 0.0 && scale <= 10.0)) {
        return Err("--schedule has to be above 0 and at most 10".into());
    }
    if !options.inference.serves(options.regularizer) {
        return Err("--inference gaussian and mc need --regularizer dropconnect".into());
    }
    let mut mnist = Mnist::read(&options.data)?;
    if !options.evaluate.is_empty() {
        let device = bring_up(options.device)?.0.autodiff();
        return evaluate::run(&options.evaluate, &mnist.test, options.passes, &device);
    }
    if let Some(digit) = options.without {
        let kept = |other| other != digit;
        mnist = Mnist { train: mnist.train.only(kept), test: mnist.test.only(kept) };
    }
    let files = Files::new(
        &options.out.clone().unwrap_or_else(|| PathBuf::from("target/mnist").join(options.name())),
    )?;
    let (device, setup) = bring_up(options.device)?;
    let device = device.autodiff();
    let adapter = setup.as_ref().map_or("CPU".into(), |setup| setup.adapter.get_info().name);
    println!("{adapter}, {}", options.name());

    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let hidden = options.hidden as usize;
    let tests = View::of_tests(options.augment, 0);
    let mut model =
        Network::new(options.regularizer, [tests.pixels(), hidden], options.p, options.seed, &device);
    let mut log =
        Log { settings: options.settings(), adapter, epochs: Vec::new(), kernel_seconds_per_epoch: None };
    if options.resume {
        let saved = files.read_log()?;
        if saved.settings != log.settings {
            return Err(format!("--resume: the saved run has other settings, {}", saved.settings).into());
        }
        log.epochs = saved.epochs;
        (model, optimizer) = files.load(model, optimizer)?;
        println!("going on after epoch {}", log.epochs.len());
    }

    let examples = match options.limit {
        0 => mnist.train.len(),
        limit => limit.min(mnist.train.len()),
    };
    for epoch in log.epochs.len() + 1..=options.epochs() {
        let rate = options.rate(epoch);
        let view = if options.augment { View::Random { seed: options.seed, epoch } } else { tests };
        let order = order(examples, options.seed, epoch);
        let started = Instant::now();
        let train_loss;
        (model, train_loss) =
            train(model, &mut optimizer, (&mnist.train, view), &order, options.batch, rate, &device);
        let train_seconds = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let how = (options.inference, options.passes);
        let (rows, labels) = infer::all(&model, &mnist.test, tests, how, &device)?;
        let (test_loss, test_error) = infer::score(&rows, &labels);
        let test_seconds = started.elapsed().as_secs_f64();
        println!(
            "epoch {epoch}: training loss {train_loss:.4}, test loss {test_loss:.4}, test error {test_error:.2} %, \
             {train_seconds:.1} s + {test_seconds:.1} s"
        );
        let learning_rate = rate;
        log.epochs.push(Epoch {
            epoch,
            learning_rate,
            train_loss,
            test_loss,
            test_error,
            train_seconds,
            test_seconds,
        });
        files.save(&model, &optimizer)?;
        files.write_log(&log, &options.name())?;
        if !train_loss.is_finite() {
            return Err(format!("the training loss of epoch {epoch} is {train_loss}; lower --rate").into());
        }
        if options.patience > 0 && epochs_without_progress(&log.epochs) >= options.patience {
            println!("no better test error in {} epochs: stopped", options.patience);
            break;
        }
    }

    if options.regularizer == Regularizer::Dropconnect
        && let Some((last, setup)) = log.epochs.last().zip(setup)
    {
        let batch = options.batch as usize;
        let layers = [
            kernels::Layer { shape: Shape::new(batch, hidden, tests.pixels())?, input_gradient: false },
            kernels::Layer { shape: Shape::new(batch, hidden, hidden)?, input_gradient: true },
        ];
        device.sync()?;
        let step = kernels::seconds_per_step(&setup.device, &setup.queue, &layers, options.p, 5)?;
        let seconds = step * examples.div_ceil(batch) as f64;
        println!(
            "the DropConnect kernels alone take {:.1} ms a step, {seconds:.1} s an epoch: {:.0} % of its training",
            step * 1e3,
            100.0 * seconds / last.train_seconds
        );
        log.kernel_seconds_per_epoch = Some(seconds);
        files.write_log(&log, &options.name())?;
    }
    Ok(())
}

/// The device, and the wgpu handles behind it where it has them.
fn bring_up(place: Place) -> Result<(Device, Option<WgpuSetup>), Box<dyn Error>> {
    Ok(match place {
        Place::Cpu => (Device::flex(), None),
        Place::Gpu => {
            let (device, setup) = Device::wgpu_options().init_with_setup()?;
            dropconnect_burn::attach(&device, &setup)?;
            (device, Some(setup))
        }
    })
}

/// One epoch. Returns the mean loss.
fn train(
    mut model: Network,
    optimizer: &mut ModuleOptimizer,
    (digits, view): (&Digits, View),
    order: &[u32],
    batch: u32,
    rate: f64,
    device: &Device,
) -> (Network, f64) {
    let loss = CrossEntropyLossConfig::new().init(device);
    let batches = order.chunks(batch as usize);
    let bar = progress(batches.len());
    let (mut total, mut shown) = (0.0, 0.0);
    let mut pending = None;
    for (at, numbers) in batches.enumerate() {
        let (images, labels) = digits.batch(numbers, view, device);
        let value = loss.forward(model.forward(images), labels);
        let gradients = GradientsParams::from_grads(value.backward(), &model);
        let sum = value.inner().mul_scalar(numbers.len() as f64);
        pending = Some(pending.map_or(sum.clone(), |pending| pending + sum));
        model = optimizer.step(rate, model, gradients);
        // Reading waits for the device: now and then is enough.
        if at % 32 == 31 {
            let part: f64 = pending.take().map_or(0.0, |sum| sum.into_scalar::<f32>().elem());
            (total, shown) = (total + part, part / (32.0 * f64::from(batch)));
        }
        bar.set_message(format!("loss {shown:.3}"));
        bar.inc(1);
    }
    total += pending.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));
    bar.finish_and_clear();
    (model, total / order.len() as f64)
}

/// The examples in an order that seed and epoch decide, so that a resumed run takes the same.
fn order(examples: usize, seed: u64, epoch: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..examples as u32).collect();
    let mut random = Random(seed ^ (epoch as u64) << 32);
    for last in (1..examples).rev() {
        // The bias of the remainder is below 2^-47 here.
        order.swap(last, random.below(last + 1));
    }
    order
}

fn epochs_without_progress(epochs: &[Epoch]) -> usize {
    let best = epochs.iter().enumerate().min_by(|a, b| a.1.test_error.total_cmp(&b.1.test_error));
    best.map_or(0, |(at, _)| epochs.len() - 1 - at)
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
