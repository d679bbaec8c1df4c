//! An earlier run, to compare with: `--compare`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Deserializer, de};

use super::json::{Entry, FORMAT, Report};
use crate::error::{CliError, shown};
use crate::escape::excerpt;
use crate::output::note;

/// No report is larger, whatever a device or pipe goes on to deliver.
const LARGEST: u64 = 1 << 30;

/// Medians of an earlier run, by problem and pass.
pub struct Earlier {
    medians: HashMap<Key, f64>,
    date: String,
    adapter: String,
    timer: String,
}

/// Batch, outputs, inputs, element type, the bits of p, pass.
type Key = ([u64; 3], String, u64, String);

// What is read of a report. Samples, the bulk of it, are passed over.

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
}

#[derive(Deserialize)]
struct EarlierSamples {
    median_ms: f64,
}

fn this_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match u32::deserialize(deserializer)? {
        FORMAT => Ok(()),
        format => Err(de::Error::custom(format!("format is {format}; this version reads {FORMAT}"))),
    }
}

impl Earlier {
    /// Reads what `--json` wrote.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let fault = |what: &str| CliError::Usage(format!("--compare {}: {}", shown(path), excerpt(what)));
        let file = File::open(path).map_err(|error| fault(&error.to_string()))?;
        let report: EarlierReport = serde_json::from_reader(BufReader::new(file.take(LARGEST)))
            .map_err(|error| fault(&format!("no JSON of `bench`: {error}")))?;
        let mut medians = HashMap::new();
        for entry in report.results {
            for pass in entry.passes {
                let dims = [entry.batch, entry.outputs, entry.inputs];
                let key = (dims, entry.element.clone(), entry.p.to_bits(), pass.pass);
                medians.insert(key, pass.ours.median_ms);
            }
        }
        // These are shown.
        let [date, adapter, timer] =
            [report.date, report.environment.adapter, report.timer_text].map(|text| excerpt(&text));
        Ok(Self { medians, date, adapter, timer })
    }

    /// The median of the same pass then, in milliseconds.
    pub fn median_ms(&self, entry: &Entry, pass: &str) -> Option<f64> {
        let dims = [entry.batch, entry.outputs, entry.inputs].map(|dim| dim as u64);
        self.medians.get(&(dims, entry.element.to_owned(), entry.p.to_bits(), pass.to_owned())).copied()
    }

    /// What the comparison is with.
    pub fn describe(&self) -> String {
        format!("earlier: {} on {}; change: ours against it, negative is faster", self.date, self.adapter)
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
