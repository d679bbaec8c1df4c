//! Masks as random variables, at scale: a stream of decisions for each setting goes through frequency, pairs along
//! every axis, across bricks, steps and planes, runs and patterns. Minutes at the default of 10^10 decisions a setting,
//! hence no test. What came out is in `docs/mask-format.md`.
//!
//! `cargo run --release --example mask_statistics -- --decisions 1e10`
//!
//! Every statistic is a number of standard deviations z. With |z| >= 5 anywhere the exit code is 1: a chance of 5.7e-7
//! for each statistic, 3 in 10,000 for all of them, and the seed is fixed. `--self-test` streams masks with faults
//! instead, each of which has to be seen by the statistic that it is for, or the exit code is 1.

mod faults;
mod maths;
mod planes;
mod statistics;
mod stream;

use std::process::ExitCode;
use std::time::Instant;

use dropconnect::{DropProbability, Error, MaskKey};
use faults::Fault;
use maths::normal_tail;
use statistics::STATISTICS;
use stream::Setting;

/// A statistic further off than this fails.
const BOUND: f64 = 5.0;
/// p, over its whole range at 16 bits.
const PROBABILITIES: [f64; 10] =
    [1.0 / 65_536.0, 1.0 / 256.0, 0.1, 0.2, 0.25, 0.5, 0.75, 0.9, 255.0 / 256.0, 65_535.0 / 65_536.0];
/// Enough for faults in one of 64 words to be seen.
const SELF_TEST_DECISIONS: u64 = 200_000_000;

struct Options {
    decisions: u64,
    seed: u64,
    self_test: bool,
}

impl Options {
    fn from_arguments() -> Result<Self, String> {
        let mut options = Self { decisions: 10_000_000_000, seed: 1, self_test: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut number = || {
                let text = arguments.next().ok_or(format!("{name} needs a number"))?;
                let value = text.parse::<f64>().ok().filter(|value| *value >= 0.0 && value.fract() == 0.0);
                Ok::<_, String>(value.ok_or(format!("{name} {text}: no whole number"))? as u64)
            };
            match name.as_str() {
                "--decisions" => options.decisions = number()?.max(1),
                "--seed" => options.seed = number()?,
                "--self-test" => options.self_test = true,
                _ => return Err(format!("{name}? There are --decisions N, --seed N and --self-test")),
            }
        }
        Ok(options)
    }
}

/// All z so far.
#[derive(Default)]
struct Record(Vec<(String, f64)>);

impl Record {
    fn add(&mut self, name: String, z: f64) {
        self.0.push((name, z));
    }

    /// Prints the worst, and what chance has to say about it; whether none passes the bound.
    fn conclude(&self) -> bool {
        let count = self.0.len() as f64;
        let (name, worst) = self.0.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).expect("statistics");
        // The median of the largest of so many: (1 - 2 tail(z))^count = 1/2.
        let expected = maths::normal_quantile(0.5 * (1.0 - 0.5f64.powf(1.0 / count)));
        let square = self.0.iter().map(|(_, z)| z * z).sum::<f64>() / count;
        println!(
            "\n{count} statistics: worst z {worst:+.2} ({name}); the median of the worst of so many is {expected:.2}"
        );
        // Counts of few events are stated nearer 0 than they are (`maths::poisson_sigmas`).
        println!(
            "mean square of z: {square:.3}; by chance 1 within {:.3}, or a little less",
            (2.0 / count).sqrt()
        );
        let chance = 2.0 * normal_tail(BOUND) * count;
        println!("bound: |z| < {BOUND}, which one of so many passes by chance in {chance:.1e} of all seeds");
        let beyond: Vec<_> = self.0.iter().filter(|(_, z)| z.abs() >= BOUND || z.is_nan()).collect();
        for (name, z) in &beyond {
            println!("BEYOND THE BOUND: {name}: z = {z:+.2}");
        }
        beyond.is_empty()
    }
}

fn evidence(options: &Options) -> Result<bool, Error> {
    let mut record = Record::default();
    print!("{:20}", "p");
    STATISTICS.iter().for_each(|name| print!("{name:>7}"));
    println!("{:>15}{:>7}", "decisions", "s");
    // Settings of one key would share planes, and what is found in one would be found in others.
    let mut keys = (0..).map(|layer| MaskKey::new(options.seed, layer));
    let mut key = || keys.next().expect("no end of layers");
    for p in PROBABILITIES {
        let setting = Setting { probability: DropProbability::new(p)?, key: key() };
        let began = Instant::now();
        let counts = stream::count(&setting, options.decisions, None);
        let name = format!("{p:.8}");
        print!("{name:20}");
        for (statistic, z) in STATISTICS.iter().zip(counts.sigmas(&setting.probability)) {
            match z {
                Some(z) => {
                    print!("{z:+7.2}");
                    record.add(format!("p {name}: {statistic}"), z);
                }
                // Too few events for a cell of its own.
                None => print!("{:>7}", "-"),
            }
        }
        println!("{:15}{:7.1}", counts.decisions(), began.elapsed().as_secs_f64());
    }
    println!("\nplanes, 16 of every brick: worst z of a family, and the sum of its squares as one z");
    let began = Instant::now();
    let counts = planes::count(key(), options.decisions, None)?;
    for (family, sigmas) in counts.families() {
        let worst = sigmas.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).expect("planes");
        let sum = maths::chi_square_sigmas(sigmas.iter().map(|z| z * z).sum(), sigmas.len() as f64);
        println!("{family}: {} statistics, worst {worst:+.2}, sum of squares {sum:+.2}", sigmas.len());
        record.add(format!("planes, {family}: sum of squares"), sum);
        sigmas.iter().for_each(|&z| record.add(format!("planes, {family}"), z));
    }
    println!("{} lanes, {:.1} s", counts.lanes(), began.elapsed().as_secs_f64());
    Ok(record.conclude())
}

fn self_test(options: &Options) -> Result<bool, Error> {
    let key = MaskKey::new(options.seed, 0);
    let setting = Setting { probability: DropProbability::new(0.5)?, key };
    let decisions = options.decisions.min(SELF_TEST_DECISIONS);
    let mut all_seen = true;
    let mut seen = |fault: &str, statistic: &str, z: f64| {
        let seen = z.abs() >= BOUND;
        println!("{fault:28} {statistic:24} z = {z:+9.2}  {}", if seen { "seen" } else { "MISSED" });
        all_seen &= seen;
    };
    for fault in Fault::ALL {
        let sigmas = stream::count(&setting, decisions, Some(fault)).sigmas(&setting.probability);
        for statistic in fault.seen_by() {
            let at = STATISTICS.iter().position(|name| name == statistic).expect("a statistic");
            seen(&format!("{fault:?}"), statistic, sigmas[at].unwrap_or(0.0));
        }
    }
    for (fault, family) in planes::FAULTS {
        let counts = planes::count(key, decisions, Some(fault))?;
        let families = counts.families();
        let (_, sigmas) = families.iter().find(|(name, _)| *name == family).expect("a family");
        seen(&format!("{fault:?}"), family, sigmas.iter().fold(0.0, |most: f64, z| most.max(z.abs())));
    }
    Ok(all_seen)
}

fn main() -> ExitCode {
    let outcome = Options::from_arguments().and_then(|options| {
        if options.self_test { self_test(&options) } else { evidence(&options) }
            .map_err(|error| error.to_string())
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("mask_statistics: {message}");
            ExitCode::from(2)
        }
    }
}
