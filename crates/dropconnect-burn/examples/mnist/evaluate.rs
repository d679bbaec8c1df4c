//! What trained networks are worth: each way to predict, networks that vote, and whether doubt finds odd digits.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dropconnect_burn::Sampler;

use crate::data::{Digits, View};
use crate::model::{Network, Regularizer};
use crate::{Log, Outcome, Settings, load, plot};

/// Pixels that shifted digits are moved by.
const SHIFT: usize = 5;
/// Digits of each kind in the figure.
const SHOWN: usize = 1000;

/// How a trained network predicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inference {
    /// With the weights as they are.
    Mean,
    /// The paper's Algorithm 2: each layer's outputs are normal over the masks, and their mean through the ReLU goes
    /// on.
    Gaussian,
    /// The mean softmax over masks.
    Mc,
}

/// The probabilities of the classes of all these digits, `[digits, 10]`.
pub fn predict(
    network: &Network,
    inference: Inference,
    digits: &Digits,
    view: View,
    passes: u32,
    device: &Device,
) -> Outcome<Tensor<2>> {
    let network = network.valid();
    let [probabilities] = batched(digits, view, 500, device, |images, step| {
        Ok([match inference {
            Inference::Mean => softmax(network.forward(images), 1),
            Inference::Gaussian => softmax(network.gaussian(images), 1),
            Inference::Mc => {
                Sampler::new(passes)?
                    .with_step(step)
                    .predictive(images, |images| network.forward(images))?
                    .mean
            }
        }])
    })?;
    Ok(probabilities)
}

/// What a function makes of so many digits at a time, put together again.
fn batched<const N: usize>(
    digits: &Digits,
    view: View,
    batch: usize,
    device: &Device,
    f: impl Fn(Tensor<2>, u64) -> Outcome<[Tensor<2>; N]>,
) -> Outcome<[Tensor<2>; N]> {
    let device = device.clone().inner();
    let numbers: Vec<u32> = (0..digits.len() as u32).collect();
    let mut results = [const { Vec::new() }; N];
    for (step, numbers) in (0..).zip(numbers.chunks(batch)) {
        let parts = f(digits.batch(numbers, view, &device).0, step)?;
        results.iter_mut().zip(parts).for_each(|(result, part)| result.push(part));
    }
    Ok(results.map(|parts| Tensor::cat(parts, 0)))
}

/// Mean loss, and the percentage of digits that are not recognised.
pub fn score(probabilities: Tensor<2>, digits: &Digits) -> (f64, f64) {
    let labels: Vec<i32> = digits.labels.iter().map(|&label| label.into()).collect();
    let labels = TensorData::new(labels, [digits.len(), 1]);
    let labels = Tensor::<2, Int>::from_data(labels, &probabilities.device());
    let wrong = probabilities.clone().argmax(1).not_equal(labels.clone()).int().sum().into_scalar::<i64>();
    let loss =
        -probabilities.gather(1, labels).clamp_min(f32::MIN_POSITIVE).log().mean().into_scalar::<f64>();
    (loss, 100.0 * wrong as f64 / digits.len() as f64)
}

/// Prints a line for each way to predict, and draws the doubt of a network that was trained without a digit.
pub fn run(dirs: &[PathBuf], test_set: &Digits, passes: u32, device: &Device) -> Outcome<()> {
    let mut networks = Vec::new();
    for dir in dirs {
        let settings = Log::read(dir)?.settings;
        networks.push((load(settings.network(device), dir)?, settings));
    }
    let first = &networks[0].1;
    let kind = |settings: &Settings| (settings.regularizer, settings.without);
    if networks.iter().any(|(_, settings)| kind(settings) != kind(first)) {
        return Err("--evaluate: only networks of one regularizer and the same digits vote".into());
    }
    let known = test_set.only(|digit| Some(digit) != first.without);
    println!("test error in % of each network, and its mean loss in brackets; mc: {passes} masks");
    for inference in [Inference::Mean, Inference::Gaussian, Inference::Mc] {
        // Only masks of weights have moments and samples here.
        if inference != Inference::Mean && first.regularizer != Regularizer::Dropconnect {
            continue;
        }
        print!("{:8}", format!("{inference:?}").to_lowercase());
        let mut votes = Vec::new();
        let mut errors = Vec::new();
        for (network, settings) in &networks {
            let probabilities = predict(network, inference, &known, settings.test_view(0), passes, device)?;
            let (loss, error) = score(probabilities.clone(), &known);
            print!("  {error:.2} ({loss:.4})");
            votes.push(probabilities);
            errors.push(error);
        }
        if errors.len() > 1 {
            let n = errors.len() as f64;
            let mean = errors.iter().sum::<f64>() / n;
            let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let votes: Tensor<2> = Tensor::stack::<3>(votes, 0).mean_dim(0).squeeze_dim(0);
            let (loss, error) = score(votes, &known);
            print!("  mean {mean:.2} ± {:.2}, voting {error:.2} ({loss:.4})", (variance / n).sqrt());
        }
        println!();
    }
    for (dir, (network, settings)) in dirs.iter().zip(&networks) {
        if let Some(digit) = settings.without {
            doubt(network, settings, digit, test_set, passes, dir, device)?;
        }
    }
    Ok(())
}

/// Draws how well doubt tells test digits from shifted ones, and from a digit that the network never saw.
fn doubt(
    network: &Network,
    settings: &Settings,
    digit: u8,
    test_set: &Digits,
    passes: u32,
    dir: &Path,
    device: &Device,
) -> Outcome<()> {
    let network = network.valid();
    let doubts = |seen: bool, shift| -> Outcome<[Vec<f32>; 3]> {
        let digits = test_set.only(|other| (other != digit) == seen).first(SHOWN);
        let doubts = batched(&digits, settings.test_view(shift), 250, device, |images, step| {
            let plain = softmax(network.forward(images.clone()), 1);
            let plain = -(plain.clone() * plain.clamp_min(f32::MIN_POSITIVE).log()).sum_dim(1);
            let sampler = Sampler::new(passes)?.with_step(1000 + step);
            let masks = sampler.predictive(images, |images| network.forward(images))?;
            Ok([masks.entropy, masks.mutual_information, plain])
        })?;
        let [entropy, information, plain] = doubts.map(|doubt| doubt.try_into_vec_as());
        Ok([entropy?, information?, plain?])
    };
    let usual = doubts(true, 0)?;
    let kinds = [
        (format!("moved by {SHIFT} pixels"), doubts(true, SHIFT)?),
        (format!("digit {digit}, never seen"), doubts(false, 0)?),
    ];
    let names = ["entropy over masks", "mutual information", "entropy, plain network"];
    let mut curves = Vec::new();
    for (kind, odd) in &kinds {
        for ((name, usual), odd) in names.iter().zip(&usual).zip(odd) {
            let (points, area) = roc(usual, odd);
            println!(
                "  {kind}, {name}: AUC {area:.3}, medians {:.4} (test digits) and {:.4}",
                median(usual),
                median(odd)
            );
            curves.push((format!("{kind}, {name}: {area:.3}"), points));
        }
    }
    let title = "Doubt of odd digits against test digits, and areas under the curves";
    plot::lines(&dir.join("doubt.svg"), title, ["false alarms", "true alarms"], &curves)
}

fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[sorted.len() / 2]
}

/// Rates of false and true alarms for every threshold, and the area under them. Ties count half.
fn roc(usual: &[f32], odd: &[f32]) -> (Vec<[f64; 2]>, f64) {
    let label = |values: &[f32], odd| values.iter().map(|&value| (value, odd)).collect::<Vec<_>>();
    let mut all = [label(usual, false), label(odd, true)].concat();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = vec![[0.0, 0.0]];
    let [mut false_alarms, mut alarms, mut area] = [0.0; 3];
    for tie in all.chunk_by(|a, b| a.0 == b.0) {
        let hits = tie.iter().filter(|value| value.1).count();
        let others = (tie.len() - hits) as f64 / usual.len() as f64;
        let hits = hits as f64 / odd.len() as f64;
        area += others * (alarms + hits / 2.0);
        (false_alarms, alarms) = (false_alarms + others, alarms + hits);
        points.push([false_alarms, alarms]);
    }
    (points, area)
}
