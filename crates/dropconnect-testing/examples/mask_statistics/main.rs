//! Masks as random variables, at scale: a stream of decisions for each setting goes through frequency, pairs along
//! every axis, across bricks, steps and planes, runs and patterns. Minutes at the default of 10^10 decisions a setting,
//! hence no test. What came out is in `docs/mask-format.md`.
//!
//! `cargo run --release -p dropconnect-testing --example mask_statistics -- --decisions 1e10`
//!
//! Every statistic is a number of standard deviations z. With |z| >= 5 anywhere the exit code is 1: a chance of 5.7e-7
//! for each statistic, 3 in 10,000 for all of them, and the seed is fixed. `--self-test` streams masks with faults
//! instead, each of which has to be seen by the statistic that it is for, or the exit code is 1.

mod counts;
mod planes;
mod sigmas;
mod stream;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use counts::STATISTICS;
use dropconnect::{DropProbability, MaskKey};

/// A statistic further off than this fails.
const BOUND: f64 = 5.0;
/// p, over its whole range at 16 bits.
const PROBABILITIES: [f64; 10] =
    [1.0 / 65_536.0, 1.0 / 256.0, 0.1, 0.2, 0.25, 0.5, 0.75, 0.9, 255.0 / 256.0, 65_535.0 / 65_536.0];
/// Enough for faults in one of 64 words to be seen.
const SELF_TEST_DECISIONS: u64 = 200_000_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The value of an option.
fn number(option: &str) -> Outcome<Option<f64>> {
    let value = std::env::args().skip_while(|argument| argument != option).nth(1);
    Ok(value.map(|value| value.parse()).transpose()?)
}

/// Prints the worst, and what chance has to say about it; whether none passes the bound.
fn conclude(all: &[(String, f64)]) -> bool {
    let count = all.len() as f64;
    let (name, worst) = all.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).expect("statistics");
    // The median of the largest of so many: (1 - tails(z))^count = 1/2.
    let expected = sigmas::quantile(1.0 - 0.5f64.powf(1.0 / count));
    let square = all.iter().map(|(_, z)| z * z).sum::<f64>() / count;
    let spread = (2.0 / count).sqrt();
    let chance = sigmas::two_tails(BOUND) * count;
    println!(
        "\n{count} statistics: worst z {worst:+.2} ({name}); the median of the worst of so many is {expected:.2}"
    );
    // Counts of few events are stated nearer 0 than they are.
    println!("mean square of z: {square:.3}; by chance 1 within {spread:.3}, or a little less");
    println!("bound: |z| < {BOUND}, which one of so many passes by chance in {chance:.1e} of all seeds");
    let beyond: Vec<_> = all.iter().filter(|(_, z)| z.abs() >= BOUND || z.is_nan()).collect();
    beyond.iter().for_each(|(name, z)| println!("BEYOND THE BOUND: {name}: z = {z:+.2}"));
    beyond.is_empty()
}

fn evidence(seed: u64, decisions: u64) -> Outcome<bool> {
    let mut all = Vec::new();
    print!("{:20}", "p");
    STATISTICS.iter().for_each(|name| print!("{name:>7}"));
    println!("{:>15}{:>7}", "decisions", "s");
    // Settings of one key would share planes, and what is found in one would be found in others.
    let key = |layer: usize| MaskKey::new(seed, layer as u32);
    for (layer, p) in PROBABILITIES.into_iter().enumerate() {
        let probability = DropProbability::new(p)?;
        let began = Instant::now();
        let counts = stream::count(key(layer), probability, decisions, None)?;
        let name = format!("{p:.8}");
        print!("{name:20}");
        for (statistic, z) in STATISTICS.iter().zip(counts.sigmas(&probability)) {
            print!("{:>7}", z.map_or("-".to_owned(), |z| format!("{z:+.2}")));
            all.extend(z.map(|z| (format!("p {name}: {statistic}"), z)));
        }
        println!("{:15}{:7.1}", counts.decisions(), began.elapsed().as_secs_f64());
    }
    println!("\nplanes, 16 of every brick: worst z of a family, and the sum of its squares as one z");
    let began = Instant::now();
    let (lanes, families) = planes::sigmas(key(PROBABILITIES.len()), decisions, None)?;
    for (family, sigmas) in families {
        let worst = sigmas.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).expect("planes");
        let sum = sigmas::of_chi_square(sigmas.iter().map(|z| z * z).sum(), sigmas.len() as f64);
        println!("{family}: {} statistics, worst {worst:+.2}, sum of squares {sum:+.2}", sigmas.len());
        all.push((format!("planes, {family}: sum of squares"), sum));
        all.extend(sigmas.iter().map(|&z| (format!("planes, {family}"), z)));
    }
    println!("{lanes} lanes, {:.1} s", began.elapsed().as_secs_f64());
    Ok(conclude(&all))
}

fn self_test(seed: u64, decisions: u64) -> Outcome<bool> {
    let key = MaskKey::new(seed, 0);
    let probability = DropProbability::new(0.5)?;
    let decisions = decisions.min(SELF_TEST_DECISIONS);
    let mut all_seen = true;
    let mut seen = |fault: &str, statistic: &str, z: f64| {
        let seen = z.abs() >= BOUND;
        println!("{fault:28} {statistic:24} z = {z:+9.2}  {}", if seen { "seen" } else { "MISSED" });
        all_seen &= seen;
    };
    for fault in stream::FAULTS {
        let sigmas = stream::count(key, probability, decisions, Some(fault))?.sigmas(&probability);
        for (statistic, z) in STATISTICS.iter().zip(sigmas).filter(|(name, _)| fault.1.contains(name)) {
            seen(fault.0, statistic, z.unwrap_or(0.0));
        }
    }
    for fault in planes::FAULTS {
        let (_, families) = planes::sigmas(key, decisions, Some(fault))?;
        let (_, sigmas) = families.iter().find(|(name, _)| *name == fault.1).expect("a family");
        seen(fault.0, fault.1, sigmas.iter().fold(0.0, |most: f64, z| most.max(z.abs())));
    }
    Ok(all_seen)
}

fn main() -> ExitCode {
    let run = || {
        let seed = number("--seed")?.unwrap_or(1.0) as u64;
        let decisions = number("--decisions")?.unwrap_or(1e10).max(1.0) as u64;
        let self_tested = std::env::args().any(|argument| argument == "--self-test");
        if self_tested { self_test(seed, decisions) } else { evidence(seed, decisions) }
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mask_statistics: {error}");
            ExitCode::from(2)
        }
    }
}
