//! What a benchmark found, as it is written to `--json`. `docs/bench-json.md` describes every field.

use dropconnect::{DropProbability, ElementType, Shape};
use serde::Serialize;

use super::environment::Environment;
use super::floor::{Floor, Rates};
use super::machine::Machine;
use super::rounds::Series;
use super::statistics::{self, CONFIDENCE_OF_CHANGE, CONFIDENCE_OF_TIME, Interval, Verdict};
use super::stopwatch::Timer;

/// The layout of the file. 1 had no rounds: one implementation was measured after the other.
pub const FORMAT: u32 = 2;

/// The names of our own implementations, in the order they are shown; external programs have theirs before the last.
pub const OURS: [&str; 5] = ["ours", "dense", "shared mask", "stored mask", "baseline"];

/// Everything.
#[derive(Serialize)]
pub struct Report {
    /// Of this layout.
    pub format: u32,
    /// Of this program.
    pub version: &'static str,
    /// When it began: RFC 3339, UTC.
    pub date: String,
    pub environment: Environment,
    pub timer: Timer,
    /// The timer in words.
    pub timer_text: &'static str,
    /// The build that `--baseline` names.
    pub baseline: Option<Baseline>,
    /// The programs that `--beside` names.
    pub beside: Vec<Program>,
    /// What this adapter does in a second. Not measured on the CPU.
    pub rates: Option<Rates>,
    /// What else the machine did.
    pub machine: Option<Machine>,
    /// Why there are fewer results than were asked for, where there are.
    pub stopped: Option<String>,
    pub results: Vec<Entry>,
}

/// One shape, element type and p.
#[derive(Serialize)]
pub struct Entry {
    pub batch: usize,
    pub outputs: usize,
    pub inputs: usize,
    pub element: &'static str,
    /// Probability of dropping, as asked for.
    pub p: f64,
    /// And as the masks have it.
    pub p_realised: f64,
    pub memory: Memory,
    /// Why there is no stored mask to compare with.
    pub stored_mask_missing: Option<String>,
    pub passes: Vec<PassEntry>,
}

/// Bytes.
#[derive(Serialize)]
pub struct Memory {
    /// X, W, G, Y, dX and dW.
    pub tensors: u64,
    /// What our passes take besides, at most at a time: the parameters of a pass. Not counted on the CPU,
    /// where threads have scratch memory of a fixed size.
    pub ours_extra: Option<u64>,
    /// The stored mask.
    pub stored_mask_extra: Option<u64>,
}

/// One pass. All its samples are of the same rounds.
#[derive(Serialize)]
pub struct PassEntry {
    pub pass: &'static str,
    /// Of a sample of our result, against float64; relative L2.
    pub error: f64,
    /// What the pass takes at least on this adapter: `docs/performance.md`.
    pub floor: Option<Floor>,
    pub ours: Samples,
    /// The same kernels without a mask.
    pub dense: Option<Samples>,
    /// The same kernels with one mask for the whole batch.
    pub shared_mask: Option<Samples>,
    /// A mask that is written to memory and read.
    pub stored_mask: Option<Samples>,
    /// What the programs of `--beside` do, one for each.
    pub beside: Vec<Beside>,
    /// Ours, of the build that `--baseline` names.
    pub baseline: Option<Samples>,
}

/// A pass of a program that `--beside` names.
#[derive(Serialize)]
pub struct Beside {
    pub name: String,
    /// Of its result against float64, as it says; relative L2.
    pub error: Option<f64>,
    /// Why it has no samples.
    pub missing: Option<String>,
    #[serde(flatten)]
    pub samples: Option<Samples>,
}

/// A program that `--beside` names.
#[derive(Clone, Debug, Serialize)]
pub struct Program {
    /// What its samples are shown under.
    pub name: String,
    /// What was started, without folders.
    pub command: String,
    /// What it says of itself.
    pub version: String,
    pub adapter: String,
    pub kernels: String,
    pub timer: String,
}

/// An earlier build.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// The file, without its folder.
    pub file: String,
    /// What it says of itself.
    pub version: String,
    pub adapter: String,
    pub kernels: String,
}

/// The samples of an implementation of a pass.
#[derive(Clone, Debug, Serialize)]
pub struct Samples {
    /// The middle one, and the interval that holds it with 95 %.
    pub median_ms: f64,
    pub low_ms: f64,
    pub high_ms: f64,
    /// The fastest and the slowest.
    pub min_ms: f64,
    pub max_ms: f64,
    /// Multiply-adds a second at the median, masked or not.
    pub multiply_adds_per_second: f64,
    /// Calls of a sample, and rounds from one sample to the next.
    pub calls: u32,
    pub every: usize,
    /// Calls before the first sample, and whether their times had become steady.
    pub warmup_calls: u32,
    pub steady: bool,
    /// Of rivals: their time over ours, median of the rounds and the interval that holds it with 99 %.
    pub over_ours: Option<Interval>,
    /// Of an earlier build: what ours is against it.
    pub verdict: Option<Verdict>,
    /// How often the processes of both were started; 0 where there are none. A verdict has to show twice.
    pub launches: usize,
    /// Places of the samples far outside the others.
    pub outliers: Vec<usize>,
    /// Of one call, in the order they were taken.
    pub samples_ms: Vec<f64>,
}

impl Samples {
    /// Of a series of calls with so many multiply-adds.
    pub fn new(series: &Series, multiply_adds: u64) -> Self {
        let samples_ms = series.milliseconds.clone();
        let median = statistics::median(&samples_ms);
        // Of logarithms: no time is below 0.
        let logarithms: Vec<_> = samples_ms.iter().map(|ms| ms.ln()).collect();
        let Interval { low, high, .. } = statistics::interval(&logarithms, CONFIDENCE_OF_TIME).exp();
        Self {
            median_ms: median,
            low_ms: low,
            high_ms: high,
            min_ms: samples_ms.iter().copied().fold(f64::INFINITY, f64::min),
            max_ms: samples_ms.iter().copied().fold(0.0, f64::max),
            multiply_adds_per_second: multiply_adds as f64 / (median / 1e3),
            calls: series.calls,
            every: series.every,
            warmup_calls: series.warmup,
            steady: series.converged,
            over_ours: None,
            verdict: None,
            launches: 0,
            outliers: statistics::outliers(&samples_ms),
            samples_ms,
        }
    }

    /// Those of a rival, compared with ours in the rounds of both.
    pub fn beside(series: &Series, multiply_adds: u64, ours: &Series) -> Self {
        let ratios = series.log_ratios(ours);
        let over_ours = statistics::interval(&ratios, CONFIDENCE_OF_CHANGE).exp();
        Self { over_ours: Some(over_ours), ..Self::new(series, multiply_adds) }
    }

    /// Those of an earlier build, with the verdict of each time that both were started.
    pub fn of_baseline(series: &Series, multiply_adds: u64, ours: &Series, verdicts: &[Verdict]) -> Self {
        let verdict = Some(Verdict::of_all(verdicts));
        Self { verdict, launches: verdicts.len(), ..Self::beside(series, multiply_adds, ours) }
    }
}

impl PassEntry {
    /// Of ours alone.
    pub fn new(pass: &'static str, error: f64, ours: Samples) -> Self {
        Self {
            pass,
            error,
            floor: None,
            ours,
            dense: None,
            shared_mask: None,
            stored_mask: None,
            beside: Vec::new(),
            baseline: None,
        }
    }

    /// All that was measured, by name.
    pub fn implementations(&self) -> impl Iterator<Item = (&str, &Samples)> {
        let rivals =
            [("dense", &self.dense), ("shared mask", &self.shared_mask), ("stored mask", &self.stored_mask)];
        let beside = self.beside.iter().map(|beside| (&beside.name[..], &beside.samples));
        let rivals = rivals.into_iter().chain(beside).chain([("baseline", &self.baseline)]);
        let rivals = rivals.filter_map(|(name, samples)| Some((name, samples.as_ref()?)));
        std::iter::once(("ours", &self.ours)).chain(rivals)
    }

    /// The samples of an implementation.
    pub fn implementation(&self, name: &str) -> Option<&Samples> {
        self.implementations().find(|(implementation, _)| *implementation == name).map(|(_, samples)| samples)
    }
}

impl Report {
    /// The rivals that there is something to say of, by the names of [`PassEntry::implementations`].
    pub fn rivals(&self) -> Vec<&str> {
        let missing = self.results.iter().any(|entry| entry.stored_mask_missing.is_some());
        let passes = || self.results.iter().flat_map(|entry| &entry.passes);
        let there = |name: &&str| {
            *name == "stored mask" && missing || passes().any(|pass| pass.implementation(name).is_some())
        };
        let ours = ["dense", "shared mask", "stored mask"].into_iter().filter(there);
        ours.chain(self.beside.iter().map(|program| &program.name[..])).collect()
    }

    pub fn new(environment: Environment, timer: Timer) -> Self {
        let now = time::OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            date: now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
            environment,
            timer,
            timer_text: timer.describe(),
            baseline: None,
            beside: Vec::new(),
            rates: None,
            machine: None,
            stopped: None,
            results: Vec::new(),
        }
    }
}

impl Entry {
    pub fn new(
        shape: &Shape,
        element: ElementType,
        probability: &DropProbability,
        memory: Memory,
        stored_mask_missing: Option<String>,
        passes: Vec<PassEntry>,
    ) -> Self {
        Self {
            batch: shape.batch(),
            outputs: shape.outputs(),
            inputs: shape.inputs(),
            element: element.name(),
            p: probability.requested(),
            p_realised: probability.realised(),
            memory,
            stored_mask_missing,
            passes,
        }
    }

    /// Examples x outputs x inputs: as many bytes as a stored mask has.
    pub fn connections(&self) -> u64 {
        [self.batch, self.outputs, self.inputs]
            .iter()
            .fold(1, |product: u64, &size| product.saturating_mul(size as u64))
    }

    /// The implementations that were timed or do not fit, in their order.
    pub fn implementations(&self) -> Vec<&str> {
        let mut timed: Vec<_> = self
            .passes
            .iter()
            .flat_map(|pass| pass.implementations())
            .map(|(implementation, _)| implementation)
            .collect();
        timed.extend(self.stored_mask_missing.as_ref().map(|_| "stored mask"));
        let [ours @ .., baseline] = OURS;
        let beside = self.passes.iter().take(1).flat_map(|pass| &pass.beside).map(|beside| &beside.name[..]);
        let timed = |implementation: &&str| timed.contains(implementation);
        let ours = ours.into_iter().filter(timed);
        ours.chain(beside).chain(Some(baseline).into_iter().filter(timed)).collect()
    }

    /// Batch x outputs x inputs.
    pub fn shape(&self) -> String {
        format!("{} x {} x {}", self.batch, self.outputs, self.inputs)
    }
}

/// What stands where a rival has no samples: its reason is elsewhere.
pub fn absent(implementation: &str) -> &'static str {
    if implementation == "stored mask" { "does not fit" } else { "unable" }
}

/// Runs of entries that share shape and element type.
pub fn groups(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|a, b| a.shape() == b.shape() && a.element == b.element)
}
