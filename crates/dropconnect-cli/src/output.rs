//! What people read: standard output, standard error, progress. Files are [`target`](crate::target)'s.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::error::CliError;
use crate::escape::{escaped_json, escaped_lines};
use crate::target::Target;

/// Set once, before there is any output.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on only results, warnings and errors are printed.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints lines to standard output. A reader that has gone away (`| head`) is no error.
///
/// Names of adapters, files and tensors may be in any text: here and in [`note`] is where none of them gets to
/// command a terminal.
pub fn print(text: &str) -> Result<(), CliError> {
    print_bytes(escaped_lines(text).as_bytes())
}

/// Prints JSON to standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print_bytes(format!("{}\n", json(value)?).as_bytes())
}

/// JSON for people and programs.
pub fn json(value: &impl Serialize) -> Result<String, CliError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| CliError::Stdout(error.into()))?;
    Ok(escaped_json(&json).into_owned())
}

/// Puts bytes that are no text on standard output.
pub fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}

/// Says on standard error what goes on, which `--quiet` does without.
pub fn say(text: &str) {
    if !quiet() {
        note(text);
    }
}

/// Prints warnings and errors to standard error, if anybody listens.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped_lines(text));
}

/// Prints what a file holds that was written, which `--quiet` does without.
pub fn remark(text: &str, results: &[&Target]) -> Result<(), CliError> {
    if quiet() { Ok(()) } else { summary(text, results) }
}

/// Prints a summary: to standard output, unless a result itself goes there.
pub fn summary(text: &str, results: &[&Target]) -> Result<(), CliError> {
    if results.iter().any(|target| target.is_stdout()) {
        note(text.trim_end_matches('\n'));
        return Ok(());
    }
    print(text)
}

/// How long something runs before the time that is left, or has gone by, is shown.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// A progress bar on a terminal, with the time left; nothing in a pipe or file.
pub fn progress(length: u64) -> ProgressBar {
    on_terminal(ProgressBar::new(length), "{bar:30.cyan/dim} {pos}/{len}{left} {wide_msg}")
}

/// The time gone by, on a terminal, for what cannot say how far it is.
pub fn waiting(what: String) -> ProgressBar {
    on_terminal(ProgressBar::new_spinner().with_message(what), "{spinner:.cyan} {wide_msg}{gone}")
}

fn on_terminal(bar: ProgressBar, template: &str) -> ProgressBar {
    if quiet() || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let late = |state: &ProgressState| state.elapsed() >= WORTH_TELLING;
    let style = style
        .with_key("left", move |state: &ProgressState, line: &mut dyn fmt::Write| {
            // Before the first step has ended there is nothing to reckon from.
            if late(state) && state.pos() > 0 {
                let _ = write!(line, ", {:#} left", indicatif::HumanDuration(state.eta()));
            }
        })
        .with_key("gone", move |state: &ProgressState, line: &mut dyn fmt::Write| {
            if late(state) {
                let _ = write!(line, ", {:#}", indicatif::HumanDuration(state.elapsed()));
            }
        });
    let bar = bar.with_style(style);
    // A step may take longer than people wait for a sign of life.
    bar.enable_steady_tick(WORTH_TELLING / 4);
    bar
}

/// A table with a rule below its head and nothing else; columns from `numbers` on stand to the right.
pub fn table(head: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.iter().copied());
    table
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─');
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
