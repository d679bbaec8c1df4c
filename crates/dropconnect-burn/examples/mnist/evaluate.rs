//! What trained networks are worth: each way to predict, networks that vote, and whether doubt finds what is odd.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dropconnect_burn::Sampler;

use crate::data::Digits;
use crate::infer::{self, Inference};
use crate::log::Files;
use crate::model::{Network, Regularizer};
use crate::plot;
use crate::view::View;

/// Pixels that shifted digits are moved by.
const SHIFT: usize = 5;
/// Digits of each kind in the figure.
const SHOWN: usize = 1000;

/// A network with the settings that it was trained with.
struct Trained {
    model: Network,
    regularizer: Regularizer,
    augment: bool,
    without: Option<u8>,
}

fn load(dir: &Path, device: &Device) -> Result<Trained, Box<dyn Error>> {
    let files = Files::existing(dir)?;
    let settings = files.read_log()?.settings;
    let fail = |what: &str| format!("{}: the log has no setting `{what}`", dir.display());
    let number = |what: &str| settings[what].as_f64().ok_or_else(|| fail(what));
    let regularizer = match settings["regularizer"].as_str() {
        Some("none") => Regularizer::None,
        Some("dropout") => Regularizer::Dropout,
        Some("dropconnect") => Regularizer::Dropconnect,
        _ => return Err(fail("regularizer").into()),
    };
    let augment = settings["augment"].as_bool().ok_or_else(|| fail("augment"))?;
    let inputs = View::of_tests(augment, 0).pixels();
    let hidden = number("hidden")? as usize;
    let model = Network::new(regularizer, [inputs, hidden], number("p")?, number("seed")? as u64, device);
    let without = settings["without"].as_u64().map(|digit| digit as u8);
    Ok(Trained { model: files.load_model(model)?, regularizer, augment, without })
}

/// Prints the table, and writes `doubt.svg` beside a checkpoint that was trained without a digit.
pub fn run(dirs: &[PathBuf], test: &Digits, passes: u32, device: &Device) -> Result<(), Box<dyn Error>> {
    println!("test error in %, mean loss in brackets; mc: {passes} passes");
    println!("{:<44} {:>16} {:>16} {:>16}", "", "mean", "gaussian", "mc");
    let mut votes: Vec<(Inference, Vec<f64>, usize)> =
        Inference::ALL.iter().map(|&how| (how, Vec::new(), 0)).collect();
    let mut labels = Vec::new();
    let mut errors: Vec<Vec<f64>> = vec![Vec::new(); 3];
    for dir in dirs {
        let trained = load(dir, device)?;
        let kept = |digit| Some(digit) != trained.without;
        let known = test.only(kept);
        let mut line = format!("{:<44}", dir.display());
        for (at, (how, sum, voters)) in votes.iter_mut().enumerate() {
            if !how.serves(trained.regularizer) {
                let _ = write!(line, " {:>16}", "-");
                continue;
            }
            let view = View::of_tests(trained.augment, 0);
            let (rows, truth) = infer::all(&trained.model, &known, view, (*how, passes), device)?;
            let (loss, error) = infer::score(&rows, &truth);
            let _ = write!(line, " {:>16}", format!("{error:.2} ({loss:.4})"));
            errors[at].push(error);
            sum.resize(rows.len(), 0.0);
            for (sum, row) in sum.iter_mut().zip(&rows) {
                *sum += f64::from(*row);
            }
            *voters += 1;
            labels = truth;
        }
        println!("{line}");
        if let Some(digit) = trained.without {
            doubt(&trained, digit, test, passes, dir, device)?;
        }
    }
    if dirs.len() < 2 {
        return Ok(());
    }
    let mut mean = format!("{:<44}", "mean, standard error");
    let mut vote = format!("{:<44}", format!("the {} networks voting", dirs.len()));
    for ((_, sum, voters), errors) in votes.iter().zip(&errors) {
        let n = errors.len() as f64;
        let average = errors.iter().sum::<f64>() / n;
        let spread =
            (errors.iter().map(|error| (error - average).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
        let all = *voters == dirs.len() && sum.len() == labels.len() * 10;
        let rows: Vec<f32> = sum.iter().map(|sum| (sum / *voters as f64) as f32).collect();
        let (cell, voted) = if all {
            let (loss, error) = infer::score(&rows, &labels);
            (format!("{average:.2} ± {spread:.2}"), format!("{error:.2} ({loss:.4})"))
        } else {
            ("-".into(), "-".into())
        };
        let _ = (write!(mean, " {cell:>16}"), write!(vote, " {voted:>16}"));
    }
    println!("{mean}\n{vote}");
    Ok(())
}

/// How well doubt tells test digits from shifted ones, and from a digit that the network never saw.
fn doubt(
    trained: &Trained,
    digit: u8,
    test: &Digits,
    passes: u32,
    dir: &Path,
    device: &Device,
) -> Result<(), Box<dyn Error>> {
    let (known, unseen) = (test.only(|other| other != digit), test.only(|other| other == digit));
    let inner = device.clone().inner();
    let model = trained.model.valid();
    // Entropy and mutual information over masks, and the entropy of the plain network.
    let doubts = |digits: &Digits, shift| -> Result<[Vec<f64>; 3], Box<dyn Error>> {
        let mut doubts = [const { Vec::new() }; 3];
        let numbers: Vec<u32> = (0..digits.len().min(SHOWN) as u32).collect();
        for (step, numbers) in numbers.chunks(250).enumerate() {
            let (images, _) = digits.batch(numbers, View::of_tests(trained.augment, shift), &inner);
            let plain = Inference::Mean.probabilities(&model, images.clone(), passes, 0)?;
            let plain = -(plain.clone() * plain.clamp_min(f32::MIN_POSITIVE).log()).sum_dim(1);
            let mut all: Vec<Tensor<2>> = vec![plain.clone(), plain.zeros_like(), plain];
            if trained.regularizer == Regularizer::Dropconnect {
                let sampler = Sampler::new(passes)?.with_step(1000 + step as u64);
                let sure = sampler.predictive(images, |images| model.forward(images))?;
                (all[0], all[1]) = (sure.entropy, sure.mutual_information);
            }
            for (doubts, tensor) in doubts.iter_mut().zip(all) {
                doubts.extend(tensor.into_data().try_into_vec_as::<f32>()?.into_iter().map(f64::from));
            }
        }
        Ok(doubts)
    };
    let (usual, shifted, unseen) = (doubts(&known, 0)?, doubts(&known, SHIFT)?, doubts(&unseen, 0)?);
    let names = ["entropy over masks", "mutual information", "entropy, plain network"];
    let kinds =
        [(format!("moved by {SHIFT} pixels"), &shifted), (format!("digit {digit}, never seen"), &unseen)];
    let mut curves = Vec::new();
    for (kind, odd) in kinds {
        for (at, name) in names.iter().enumerate() {
            let (points, area) = roc(&usual[at], &odd[at]);
            let middles = [middle(&usual[at]), middle(&odd[at])];
            println!(
                "  {kind:<24} {name:<24} AUC {area:.3}, medians {:.4} (test digits) and {:.4}",
                middles[0], middles[1]
            );
            curves.push((format!("{kind}, {name}: {area:.3}"), points));
        }
    }
    let path = dir.join("doubt.svg");
    std::fs::write(&path, plot::roc("Doubt of odd digits against test digits", &curves))?;
    println!("  {}", path.display());
    Ok(())
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Rates of false and true alarms for every threshold, and the area under them. Ties count half.
fn roc(usual: &[f64], odd: &[f64]) -> (Vec<[f64; 2]>, f64) {
    let mut all: Vec<(f64, bool)> =
        usual.iter().map(|&value| (value, false)).chain(odd.iter().map(|&value| (value, true))).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = vec![[0.0, 0.0]];
    let [mut false_alarms, mut alarms, mut area] = [0.0; 3];
    for tie in all.chunk_by(|a, b| a.0 == b.0) {
        let hits = tie.iter().filter(|value| value.1).count() as f64 / odd.len() as f64;
        let others = tie.iter().filter(|value| !value.1).count() as f64 / usual.len() as f64;
        area += others * (alarms + hits / 2.0);
        (false_alarms, alarms) = (false_alarms + others, alarms + hits);
        points.push([false_alarms, alarms]);
    }
    (points, area)
}
