//! Trains the network of the DropConnect paper on MNIST: 784-800-800-10, ReLU, batches of 128, SGD with momentum 0.9.
//!
//! ```sh
//! scripts/fetch-mnist.sh data/mnist
//! cargo run --release -p dropconnect-burn --example mnist -- --data data/mnist --epochs 2
//! ```
//!
//! Writes `log.json`, `curve.svg` and a checkpoint to `--out`. `--resume` continues from the checkpoint; `--evaluate
//! DIR...` compares the ways to predict with trained networks.

// Cargo takes every file beside this one for an example of its own, so the modules are in a folder.
#[path = "mnist/data.rs"]
mod data;
#[path = "mnist/evaluate.rs"]
mod evaluate;
#[path = "mnist/model.rs"]
mod model;
#[path = "mnist/plot.rs"]
mod plot;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Int, Tensor};
use clap::{Args, Parser};
use dropconnect_testing::Random;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use data::{CROP, Digits, SIDE, View};
use evaluate::{Inference, predict, score};
use model::{Network, Regularizer};

const BATCH: usize = 128;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Train the network of the DropConnect paper on MNIST.
#[derive(Parser)]
struct Options {
    /// Directory with the four IDX files.
    #[arg(long)]
    data: PathBuf,
    /// Compute on Burn's CPU backend, not on its default wgpu device.
    #[arg(long)]
    cpu: bool,
    /// Epochs in all, those before `--resume` included.
    #[arg(long, default_value_t = 20, conflicts_with = "schedule")]
    epochs: usize,
    /// Default: target/mnist/REGULARIZER-SEED.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue from the checkpoint in `--out`.
    #[arg(long)]
    resume: bool,
    /// Do not train: test the checkpoints in these directories with each way to predict, one by one and voting.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    evaluate: Vec<PathBuf>,
    /// Masks of each prediction of `--evaluate`.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    #[command(flatten)]
    settings: Settings,
}

/// What the result depends on, besides the number of epochs: a run is resumed with the same only.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    /// What to drop from the hidden layers.
    #[arg(long, value_enum, default_value = "dropconnect")]
    regularizer: Regularizer,
    /// Seed of the weights, the order of examples, and everything dropped.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Probability of dropping.
    #[arg(long, default_value_t = 0.5)]
    p: f64,
    /// Learning rate of the first epoch.
    #[arg(long, default_value_t = 0.05)]
    rate: f64,
    /// Factor of the learning rate from epoch to epoch.
    #[arg(long, default_value_t = 0.97)]
    decay: f64,
    /// The paper's schedule instead of `--epochs` and `--decay`, scaled: rates of 1, 0.5 and 0.1 times `--rate` for
    /// 600, 400 and 20 epochs times this.
    #[arg(long, conflicts_with = "decay")]
    schedule: Option<f64>,
    /// Train on the paper's 24 x 24 crops, rotated by up to 15 degrees and scaled by up to 15 % at random, and test on
    /// the middle.
    #[arg(long)]
    augment: bool,
    /// Leave a digit out of training and tests: `--evaluate` then tells whether the network doubts it.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..10))]
    without: Option<u8>,
    /// Train on the first so many examples only.
    #[arg(long, default_value_t = 60_000)]
    limit: usize,
}

impl Settings {
    /// The learning rate of each epoch.
    fn rates(&self, epochs: usize) -> Vec<f64> {
        let Some(scale) = self.schedule else {
            return (0..epochs as i32).map(|epoch| self.rate * self.decay.powi(epoch)).collect();
        };
        let parts = [(600.0, 1.0), (400.0, 0.5), (20.0, 0.1)].map(|(epochs, factor): (f64, f64)| {
            vec![self.rate * factor; (epochs * scale).round().max(1.0) as usize]
        });
        parts.concat()
    }

    /// The view of the test set, moved by so many pixels.
    fn test_view(&self, shift: usize) -> View {
        View::Middle { side: if self.augment { CROP } else { SIDE }, shift }
    }

    fn network(&self, device: &Device) -> Network {
        Network::new(self.regularizer, self.test_view(0).pixels(), self.p, self.seed, device)
    }
}

/// What a run writes to `log.json`.
#[derive(Serialize, Deserialize)]
struct Log {
    settings: Settings,
    /// Losses, test error in percent, and seconds.
    epochs: Vec<Value>,
}

impl Log {
    fn read(dir: &Path) -> Outcome<Self> {
        let path = dir.join("log.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }
}

fn load(network: Network, dir: &Path) -> Outcome<Network> {
    Ok(network.try_load_record(ModuleRecord::load(dir.join("model.bpk"))?)?)
}

fn main() -> Outcome<()> {
    let Options { data, cpu, epochs, out, resume, evaluate, passes, settings } = Options::parse();
    let device = if cpu { Device::flex() } else { dropconnect_burn::wgpu_device()? }.autodiff();
    let [mut train_set, mut test_set] = [Digits::read(&data, "train")?, Digits::read(&data, "t10k")?];
    if !evaluate.is_empty() {
        return evaluate::run(&evaluate, &test_set, passes, &device);
    }
    if let Some(digit) = settings.without {
        [train_set, test_set] = [train_set, test_set].map(|digits| digits.only(|other| other != digit));
    }
    let name = format!("{:?}-{}", settings.regularizer, settings.seed).to_lowercase();
    let out = out.unwrap_or_else(|| Path::new("target/mnist").join(&name));
    fs::create_dir_all(&out)?;
    println!("{name} on {device:?}");

    let mut network = settings.network(&device);
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let mut log = Log { settings, epochs: Vec::new() };
    if resume {
        let saved = Log::read(&out)?;
        if saved.settings != log.settings {
            return Err(format!("--resume: the saved run has other settings, {:?}", saved.settings).into());
        }
        log = saved;
        network = load(network, &out)?;
        optimizer = optimizer.load(out.join("optimizer.bpk"))?;
    }
    let settings = log.settings.clone();
    let examples = settings.limit.min(train_set.len());
    let test_view = settings.test_view(0);
    for (epoch, learning_rate) in (1..).zip(settings.rates(epochs)).skip(log.epochs.len()) {
        let started = Instant::now();
        let view = if settings.augment { View::Random { seed: settings.seed, epoch } } else { test_view };
        let order = order(examples, settings.seed, epoch);
        let batches = order.chunks(BATCH).map(|numbers| train_set.batch(numbers, view, &device));
        let train_loss;
        (network, train_loss) = train(network, &mut optimizer, batches, learning_rate, &device);
        let train_seconds = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let probabilities = predict(&network, Inference::Mean, &test_set, test_view, passes, &device)?;
        let (test_loss, test_error) = score(probabilities, &test_set);
        let test_seconds = started.elapsed().as_secs_f64();
        log.epochs.push(json!({
            "epoch": epoch, "learning_rate": learning_rate, "train_loss": train_loss, "test_loss": test_loss,
            "test_error": test_error, "train_seconds": train_seconds, "test_seconds": test_seconds,
        }));
        println!(
            "epoch {epoch}: training loss {train_loss:.4}, test loss {test_loss:.4}, test error {test_error:.2} %, \
             {train_seconds:.1} s + {test_seconds:.1} s"
        );
        network.clone().into_record().save(out.join("model.bpk"))?;
        optimizer.save(out.join("optimizer.bpk"))?;
        fs::write(out.join("log.json"), serde_json::to_string_pretty(&log)?)?;
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let errors = log.epochs.iter().map(|epoch| [number(&epoch["epoch"]), number(&epoch["test_error"])]);
        let curve = ("test error, %".to_owned(), errors.collect());
        plot::lines(&out.join("curve.svg"), &name, ["epoch", ""], &[curve])?;
    }
    Ok(())
}

/// Trains for one epoch. Returns the mean loss.
fn train(
    mut network: Network,
    optimizer: &mut ModuleOptimizer,
    batches: impl Iterator<Item = (Tensor<2>, Tensor<1, Int>)>,
    rate: f64,
    device: &Device,
) -> (Network, f64) {
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    let (mut total, mut examples) = (Tensor::<1>::zeros([1], &device.clone().inner()), 0.0);
    for (images, labels) in batches {
        let size = labels.dims()[0] as f64;
        let loss = cross_entropy.forward(network.forward(images), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(rate, network, gradients);
        // Read at the end only: reading waits for the device.
        (total, examples) = (total + loss.inner().mul_scalar(size), examples + size);
    }
    (network, total.into_scalar::<f64>() / examples)
}

/// The examples in an order that depends on seed and epoch alone, so that a resumed run takes the same.
fn order(examples: usize, seed: u64, epoch: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..examples as u32).collect();
    let mut random = Random(seed ^ (epoch as u64) << 32);
    for last in (1..examples).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}
