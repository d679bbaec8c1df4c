//! Where a report goes, besides standard output.

use super::json::Report;
use super::{page, table, words};
use crate::cli::BenchOptions;
use crate::error::{CliError, shown};
use crate::output::{self, note};
use crate::target::Target;

/// The files, and how each is written.
pub struct Targets {
    files: Vec<(&'static str, Target, Write)>,
}

type Write = fn(&Report) -> Result<String, CliError>;

impl Targets {
    pub fn new(options: &BenchOptions) -> Result<Self, CliError> {
        let given: [(_, _, Write); 4] = [
            ("--json", &options.json, |report| Ok(output::json(report)? + "\n")),
            ("--html", &options.html, |report| Ok(page::html(report))),
            ("--markdown", &options.markdown, |report| Ok(words::markdown(report))),
            ("--csv", &options.csv, |report| Ok(words::csv(report))),
        ];
        let mut files: Vec<(&str, Target, Write)> = Vec::new();
        for (option, path, write) in given {
            let Some(path) = path else { continue };
            let target = Target::new(path)?;
            if let Some((other, ..)) = files.iter().find(|(_, other, _)| other.is_same(&target)) {
                let reason = format!("{other} and {option} name the same file; give each its own");
                return Err(CliError::Usage(reason));
            }
            files.push((option, target, write));
        }
        Ok(Self { files })
    }

    /// Writes what was measured everywhere: a place that fails keeps it from no other. Returns the first failure.
    pub fn write(&self, report: &Report) -> Result<(), CliError> {
        let targets: Vec<_> = self.files.iter().map(|(_, target, _)| target).collect();
        let mut outcomes = vec![output::summary(&table::text(report), &targets)];
        for (_, target, write) in &self.files {
            let written = write(report).and_then(|text| target.write_all(text.as_bytes()));
            outcomes.push(written.inspect(|()| output::say(&format!("wrote {}", shown(target.path())))));
        }
        let mut failures = outcomes.into_iter().filter_map(Result::err);
        let first = failures.next();
        failures.for_each(|error| note(&format!("error: {error}")));
        first.map_or(Ok(()), Err)
    }
}
