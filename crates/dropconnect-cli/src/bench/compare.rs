//! An earlier run, to compare with: `--compare`.
//!
//! What differs from one run to the next (clocks, neighbours, temperature) is in no run's samples. So what is compared
//! is our time over that of the dense layer in the same rounds, which the same machine slows alike, and a change has to
//! be larger than one of the same rounds.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Deserializer, de};

use super::json::{Entry, FORMAT, PassEntry, Report, Samples};
use super::rounds::log_ratios;
use super::statistics::{self, SURE_OF_CHANGE, Verdict};
use super::table::{change, ms};
use crate::error::{CliError, reserve, shown};
use crate::escape::excerpt;
use crate::output::note;

/// No report is larger, whatever a device or pipe goes on to deliver: one of all shapes has less than 1 MiB.
const LARGEST: u64 = 64 << 20;
/// Memory that parsing takes at most, for a byte: a digit and a comma become 8 bytes in a vector that doubles.
const PARSED: u64 = 16;

/// A change between two runs is one beyond this.
const MARGIN: f64 = 0.05;

/// The samples of an earlier run, by problem and pass.
pub struct Earlier {
    passes: HashMap<Key, EarlierPass>,
    date: String,
    adapter: String,
    timer: String,
}

/// Batch, outputs, inputs, element type, the bits of p, pass.
type Key = ([u64; 3], String, u64, String);

// What is read of a report.

#[derive(Deserialize)]
struct EarlierReport {
    #[serde(deserialize_with = "this_format")]
    #[expect(dead_code, reason = "to be read, it has to be right")]
    format: (),
    date: String,
    environment: EarlierEnvironment,
    timer_text: String,
    results: Vec<EarlierEntry>,
}

#[derive(Deserialize)]
struct EarlierEnvironment {
    adapter: String,
}

#[derive(Deserialize)]
struct EarlierEntry {
    batch: u64,
    outputs: u64,
    inputs: u64,
    element: String,
    p: f64,
    passes: Vec<EarlierPass>,
}

#[derive(Deserialize)]
struct EarlierPass {
    pass: String,
    ours: EarlierSamples,
    dense: Option<EarlierSamples>,
}

#[derive(Deserialize)]
struct EarlierSamples {
    #[serde(deserialize_with = "at_least_one")]
    every: usize,
    #[serde(deserialize_with = "times")]
    samples_ms: Vec<f64>,
}

/// A divisor.
fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(de::Error::custom("every is 0; a way has a sample of every 1st round at most")),
        every => Ok(every),
    }
}

/// There is at least one, and all have logarithms.
fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let times = Vec::<f64>::deserialize(deserializer)?;
    match times.iter().find(|&&time| !(time > 0.0 && time < f64::INFINITY)) {
        None if !times.is_empty() => Ok(times),
        fault => Err(de::Error::custom(format!("samples_ms has {} times, one of {fault:?} ms", times.len()))),
    }
}

fn this_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match u32::deserialize(deserializer)? {
        FORMAT => Ok(()),
        format => Err(de::Error::custom(format!(
            "format is {format}; this version compares with {FORMAT}, whose samples were taken in rounds"
        ))),
    }
}

impl Earlier {
    /// Reads what `--json` wrote.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let fault = |what: &str| CliError::Usage(format!("--compare {}: {}", shown(path), excerpt(what)));
        let file = File::open(path).map_err(|error| fault(&error.to_string()))?;
        let mut report = Vec::new();
        // Memory that ends is an error of `read_to_end`, and would be the end of the parser.
        file.take(LARGEST + 1).read_to_end(&mut report).map_err(|error| fault(&error.to_string()))?;
        let size = report.len() as u64;
        if size > LARGEST {
            return Err(fault(&format!("it is larger than {} MiB, and no report of `bench`", LARGEST >> 20)));
        }
        reserve("the report of --compare", &[size.checked_mul(PARSED)])?;
        Self::parse(&report).map_err(|error| fault(&format!("no JSON of `bench`: {error}")))
    }

    pub fn parse(report: &[u8]) -> Result<Self, serde_json::Error> {
        let report: EarlierReport = serde_json::from_slice(report)?;
        let mut passes = HashMap::new();
        for entry in report.results {
            for pass in entry.passes {
                let dims = [entry.batch, entry.outputs, entry.inputs];
                let key = (dims, entry.element.clone(), entry.p.to_bits(), pass.pass.clone());
                passes.insert(key, pass);
            }
        }
        // These are shown.
        let [date, adapter, timer] =
            [report.date, report.environment.adapter, report.timer_text].map(|text| excerpt(&text));
        Ok(Self { passes, date, adapter, timer })
    }

    /// The same pass then, in milliseconds; the change, and what it comes to.
    pub fn cells(&self, entry: &Entry, pass: &PassEntry) -> [String; 3] {
        let dims = [entry.batch, entry.outputs, entry.inputs].map(|dim| dim as u64);
        let key = (dims, entry.element.to_owned(), entry.p.to_bits(), pass.pass.to_owned());
        let Some(then) = self.passes.get(&key) else { return ["none", "", ""].map(str::to_owned) };
        let median = statistics::median(&then.ours.samples_ms);
        let (Some(dense_then), Some(dense)) = (&then.dense, &pass.dense) else {
            let ratio = pass.ours.median_ms / median;
            return [ms(median), format!("{:+.1} %", 100.0 * (ratio - 1.0)), "no dense".to_owned()];
        };
        let of = |samples: &EarlierSamples| (samples.every, samples.samples_ms.clone());
        let now = |samples: &Samples| (samples.every, samples.samples_ms.clone());
        let over_dense = |(every, ours): (usize, Vec<f64>), (dense_every, dense): (usize, Vec<f64>)| {
            log_ratios((every, &ours), (dense_every, &dense))
        };
        let before = over_dense(of(&then.ours), of(dense_then));
        let after = over_dense(now(&pass.ours), now(dense));
        if before.is_empty() {
            return [ms(median), String::new(), Verdict::Unclear.name().to_owned()];
        }
        let interval = statistics::difference(&after, &before, SURE_OF_CHANGE);
        let verdict = Verdict::of(&interval, before.len().min(after.len()), MARGIN);
        let ratio = interval.exp();
        [ms(median), change(ratio.median, ratio.low, ratio.high), verdict.name().to_owned()]
    }

    /// What the comparison is with.
    pub fn describe(&self) -> String {
        format!(
            "earlier: {} on {}; change: of our time over that of the dense layer in the same rounds, negative is \
             faster.\nThe runs are of different times, which no interval covers: faster or slower are beyond \
             {:.0} %, and --baseline sees less.",
            self.date,
            self.adapter,
            100.0 * MARGIN
        )
    }

    /// Says what makes the two runs incomparable, and goes on: the figures are still figures.
    pub fn warn(&self, report: &Report) {
        for (what, then, now) in [
            ("adapter", &self.adapter, report.environment.adapter.as_str()),
            ("timer", &self.timer, report.timer_text),
        ] {
            if *then != excerpt(now) {
                note(&format!("--compare: another {what} then: {then}; now: {now}"));
            }
        }
    }
}
