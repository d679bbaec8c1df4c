//! An earlier run, to compare with: `--compare`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::json::{Entry, FORMAT, Report};
use crate::error::CliError;
use crate::output::note;

/// Medians of an earlier run, by problem and pass.
pub struct Earlier {
    medians: HashMap<Key, f64>,
    date: String,
    adapter: String,
    timer: String,
}

/// Batch, outputs, inputs, element type, the bits of p, pass.
type Key = ([u64; 3], String, u64, String);

impl Earlier {
    /// Reads what `--json` wrote.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let fault = |what: &str| CliError::Usage(format!("--compare: {}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| fault(&error.to_string()))?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| fault(&format!("no JSON of `bench`: {error}")))?;
        if report["format"] != FORMAT {
            return Err(fault(&format!("format is {}; this version reads {FORMAT}", report["format"])));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let read = || {
            let mut medians = HashMap::new();
            for entry in report["results"].as_array()? {
                let dims = ["batch", "outputs", "inputs"].map(|name| entry[name].as_u64());
                let [Some(batch), Some(outputs), Some(inputs)] = dims else { return None };
                for pass in entry["passes"].as_array()? {
                    let key = (
                        [batch, outputs, inputs],
                        text(&entry["element"])?,
                        entry["p"].as_f64()?.to_bits(),
                        text(&pass["pass"])?,
                    );
                    medians.insert(key, pass["ours"]["median_ms"].as_f64()?);
                }
            }
            Some(Self {
                medians,
                date: text(&report["date"])?,
                adapter: text(&report["environment"]["adapter"])?,
                timer: text(&report["timer_text"])?,
            })
        };
        read().ok_or_else(|| fault("a field of a benchmark is missing or of another type"))
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
            if then != now {
                note(&format!("--compare: another {what} then: {then}; now: {now}"));
            }
        }
    }
}
