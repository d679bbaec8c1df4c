//! A small model of the characters of a text: embedding, LSTM, and how well it predicts the part that it did not see,
//! with and without DropConnect on the recurrent weights.
//!
//! ```sh
//! cargo run --release -p dropconnect-burn --example characters -- README.md docs/*.md
//! ```
//!
//! The perplexity of a model that knows nothing is the number of different characters.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, LstmState};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::{Parser, ValueEnum};
use dropconnect_burn::{DropConnectLstm, DropConnectRnnConfig, Per};

/// Sequences side by side.
const BATCH: usize = 16;
/// Characters of a piece of a sequence, which backpropagation goes through.
const TIME: usize = 64;
const FEATURES: usize = 32;
const HIDDEN: usize = 128;

/// Train a character model on text files, the last tenth of which is for validation.
#[derive(Parser)]
struct Options {
    /// The text.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Probabilities of dropping a recurrent weight, one training each; 0 is the plain LSTM.
    #[arg(long, num_args = 1.., default_values_t = [0.0, 0.5])]
    p: Vec<f64>,
    /// What has a mask of its own.
    #[arg(long, value_enum, default_value = "sequence")]
    per: Masks,
    #[arg(long, num_args = 1.., default_values_t = [0])]
    seeds: Vec<u64>,
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Compute on Burn's default wgpu device, not on its CPU backend.
    #[arg(long)]
    gpu: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Masks {
    Sequence,
    Batch,
}

#[derive(Module, Debug)]
struct Model {
    embedding: Embedding,
    lstm: DropConnectLstm,
    output: Linear,
}

/// A text as numbers of characters, cut into as many streams as the batch is large.
struct Text {
    streams: Vec<Vec<i32>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut text = String::new();
    for file in &options.files {
        text += &std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    let number = |c| characters.binary_search(&c).map_or(0, |at| at as i32);
    let numbers: Vec<i32> = text.chars().map(number).collect();
    let (known, held_out) = numbers.split_at(numbers.len() - numbers.len() / 10);
    let streams = |part: &[i32]| -> Result<Text, Box<dyn Error>> {
        let length = part.len() / BATCH;
        if length < 2 {
            return Err(format!("{} characters are too few", part.len()).into());
        }
        Ok(Text { streams: part.chunks_exact(length).take(BATCH).map(<[i32]>::to_vec).collect() })
    };
    let (train, valid) = (streams(known)?, streams(held_out)?);
    let device = if options.gpu { dropconnect_burn::wgpu_device()? } else { Device::flex() };
    println!(
        "{} characters, {} different ones; LSTM of {HIDDEN}, a mask for each {:?}",
        numbers.len(),
        characters.len(),
        options.per
    );
    println!("  p  seed  epochs  perplexity: training  validation (best epoch)   seconds");
    for &p in &options.p {
        for &seed in &options.seeds {
            let started = Instant::now();
            let curve =
                fit(&options, p, seed, characters.len(), [&train, &valid], &device.clone().autodiff())?;
            let (last, best) =
                (curve.last(), curve.iter().map(|epoch| epoch[1]).fold(f64::INFINITY, f64::min));
            let [fitted, held] = *last.ok_or("--epochs has to be at least 1")?;
            println!(
                "{p:>4} {seed:>4} {:>7} {fitted:>21.3} {held:>11.3} ({best:.3}) {:>15.0}",
                options.epochs,
                started.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

/// Trains a model. Perplexity in training, with what is dropped, and in validation, for each epoch.
fn fit(
    options: &Options,
    p: f64,
    seed: u64,
    classes: usize,
    [train, valid]: [&Text; 2],
    device: &Device,
) -> Result<Vec<[f64; 2]>, dropconnect_burn::Error> {
    // The same seed gives the same weights at every p.
    device.seed(seed);
    let per = if options.per == Masks::Batch { Per::Batch } else { Per::Sequence };
    let lstm = DropConnectRnnConfig::new(0, FEATURES, HIDDEN).with_prob(p).with_seed(seed).with_per(per);
    let mut model = Model {
        embedding: EmbeddingConfig::new(classes, FEATURES).init(device),
        lstm: lstm.try_init_lstm(device)?,
        output: LinearConfig::new(HIDDEN, classes).init(device),
    };
    let clipping = Some(GradientClippingConfig::Norm(1.0));
    let mut optimizer: ModuleOptimizer = AdamConfig::new().with_grad_clipping(clipping).init();
    let mut curve = Vec::new();
    for _ in 0..options.epochs {
        let mut losses = Vec::new();
        let mut state = None;
        for (x, y) in train.pieces(device) {
            let (loss, last) = model.loss(x, y, state);
            // The next piece starts where this one ended, but its gradient ends there.
            state = Some(last.map_state(|state| state.detach()));
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            losses.push(loss.inner());
            model = optimizer.step(3e-3, model, gradients);
        }
        let plain = model.valid();
        let mut held = Vec::new();
        let mut state = None;
        for (x, y) in valid.pieces(&device.clone().inner()) {
            let (loss, last) = plain.loss(x, y, state);
            state = Some(last);
            held.push(loss);
        }
        curve.push([perplexity(losses), perplexity(held)]);
    }
    Ok(curve)
}

impl Model {
    /// The mean loss of a character, and the state after the piece.
    fn loss(
        &self,
        x: Tensor<2, Int>,
        y: Tensor<1, Int>,
        state: Option<LstmState<2>>,
    ) -> (Tensor<1>, LstmState<2>) {
        let (hidden, state) = self.lstm.forward(self.embedding.forward(x), state);
        let [batch, time, size] = hidden.dims();
        let logits = self.output.forward(hidden.reshape([batch * time, size]));
        (CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, y), state)
    }
}

impl Text {
    /// The streams in pieces, `[batch, time]`, and the characters that follow each, in one row.
    fn pieces(&self, device: &Device) -> impl Iterator<Item = (Tensor<2, Int>, Tensor<1, Int>)> {
        let length = self.streams[0].len() - 1;
        (0..length).step_by(TIME).map(move |from| {
            let to = (from + TIME).min(length);
            let cut = |shift: usize| -> Vec<i32> {
                self.streams.iter().flat_map(|stream| stream[from + shift..to + shift].to_vec()).collect()
            };
            let size = self.streams.len() * (to - from);
            let x = TensorData::new(cut(0), [self.streams.len(), to - from]);
            (Tensor::from_data(x, device), Tensor::from_data(TensorData::new(cut(1), [size]), device))
        })
    }
}

/// e to the mean loss of pieces.
fn perplexity(losses: Vec<Tensor<1>>) -> f64 {
    let pieces = losses.len() as f64;
    let sum: f64 = losses.into_iter().map(|loss| f64::from(loss.into_scalar::<f32>())).sum();
    (sum / pieces).exp()
}
