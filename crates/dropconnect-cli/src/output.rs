//! What people read: standard output, standard error, progress. Files are [`target`](crate::target)'s.

use std::io::{self, ErrorKind, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::CliError;
use crate::escape::{escaped_json, escaped_lines};
use crate::target::Target;

/// Prints lines to standard output. A reader that has gone away (`| head`) is no error.
///
/// Names of adapters, files and tensors may be in any text: here and in [`note`] is where none of them gets to
/// command a terminal.
pub fn print(text: &str) -> Result<(), CliError> {
    print_raw(&escaped_lines(text))
}

/// Prints JSON to standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print_raw(&format!("{}\n", json(value)?))
}

/// JSON for people and programs.
pub fn json(value: &impl Serialize) -> Result<String, CliError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| CliError::Stdout(error.into()))?;
    Ok(escaped_json(&json).into_owned())
}

fn print_raw(text: &str) -> Result<(), CliError> {
    print_bytes(text.as_bytes())
}

/// Puts bytes that are no text on standard output.
pub fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}

/// Prints lines to standard error, if anybody listens.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped_lines(text));
}

/// Prints a summary: to standard output, unless a result itself goes there.
pub fn summary(text: &str, results: &[&Target]) -> Result<(), CliError> {
    if results.iter().any(|target| target.is_stdout()) {
        note(text.trim_end_matches('\n'));
        return Ok(());
    }
    print(text)
}

/// A progress bar on a terminal; nothing in a pipe or file.
pub fn progress(length: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} {wide_msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
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
