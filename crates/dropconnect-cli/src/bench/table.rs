//! The table on standard output.

use super::compare::Earlier;
use super::json::{Entry, Report, groups};
use super::measure::Samples;
use crate::adapters::size;
use crate::output::table;

/// The whole report as text.
pub fn text(report: &Report, earlier: Option<&Earlier>) -> String {
    let environment = &report.environment;
    let mut text = format!(
        "dropconnect {} on {} ({}, {})\n{}, {}\n{}\ntimes: median (min..max) in ms; {}\n\n",
        report.version,
        environment.adapter,
        environment.backend,
        environment.driver,
        environment.os,
        environment.cpu,
        report.date,
        report.timer_text
    );
    if let Some(reason) = &report.stopped {
        text += &format!("STOPPED before all was measured: {reason}\n\n");
    }
    text += &times(report, earlier);
    text += "\n\n";
    text += &memory(report);
    text += "\n\nmasked G/s: 10^9 masked multiply-adds a second. both gradients: one call, which may draw the mask \
             once for both.\ndense: the same kernels without a mask. stored mask: one byte per connection, written by \
             one kernel (counted in\nthe forward pass) and read by another. /ours: that time over ours.\n";
    if let Some(rate) = report.multiply_adds_per_second {
        text += &format!(
            "of floor: the issue slots a pass cannot do without (docs/performance.md), at the {:.4} T multiply-adds a \
             second\nthat this adapter does from registers, over the time of ours.\n",
            rate / 1e12
        );
    }
    if let Some(earlier) = earlier {
        text += &earlier.describe();
        text.push('\n');
    }
    text
}

fn times(report: &Report, earlier: Option<&Earlier>) -> String {
    let mut columns = vec!["shape", "p", "type", "pass", "ours", "masked G/s"];
    let floor = report.multiply_adds_per_second.is_some();
    columns.extend(floor.then_some("of floor"));
    columns.extend(["dense", "/ours", "stored mask", "/ours"]);
    columns.extend(earlier.iter().flat_map(|_| ["earlier", "change"]));
    let mut table = table(&columns, 4..columns.len());
    for entry in &report.results {
        for (k, pass) in entry.passes.iter().enumerate() {
            let first = |text: String| if k == 0 { text } else { String::new() };
            let [ours, dense, stored] = pass.ways().map(|samples| samples.map(spread));
            let missing = || "does not fit".to_owned();
            let mut row = vec![
                first(entry.shape()),
                first(entry.p.to_string()),
                first(entry.element.to_owned()),
                pass.pass.to_owned(),
                ours.unwrap_or_default(),
                format!("{:.2}", pass.ours.multiply_adds_per_second / 1e9),
            ];
            if floor {
                row.push(
                    pass.floor_ms.map_or_else(String::new, |floor| percent(floor / pass.ours.median_ms)),
                );
            }
            row.extend([
                dense.unwrap_or_default(),
                ratio(&pass.dense, &pass.ours),
                stored.unwrap_or_else(missing),
                pass.stored_mask.as_ref().map_or_else(String::new, |stored| ratio(stored, &pass.ours)),
            ]);
            if let Some(earlier) = earlier {
                let median = earlier.median_ms(entry, pass.pass);
                row.push(median.map_or_else(|| "none".to_owned(), ms));
                let change = median.map(|median| pass.ours.median_ms / median - 1.0);
                row.push(change.map_or_else(String::new, |change| format!("{:+.0} %", 100.0 * change)));
            }
            table.add_row(row);
        }
    }
    table.trim_fmt()
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", 100.0 * fraction)
}

fn memory(report: &Report) -> String {
    let mut table = table(
        &["device memory", "type", "X, W, G, Y, dX, dW", "ours, besides", "stored mask, besides"],
        2..5,
    );
    // The last entry of a problem has seen the most of its calls.
    for entry in groups(&report.results).filter_map(<[Entry]>::last) {
        let memory = &entry.memory;
        let missing = || entry.stored_mask_missing.clone().unwrap_or_default();
        table.add_row([
            entry.shape(),
            entry.element.to_owned(),
            size(memory.tensors),
            memory.ours_extra.map_or("not counted".to_owned(), size),
            memory.stored_mask_extra.map_or_else(missing, size),
        ]);
    }
    table.trim_fmt()
}

fn spread(samples: &Samples) -> String {
    let Samples { median_ms, min_ms, max_ms, .. } = samples;
    format!("{} ({}..{})", ms(*median_ms), ms(*min_ms), ms(*max_ms))
}

/// Three digits.
pub fn ms(value: f64) -> String {
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// How often the time of ours goes into that of the other.
pub fn ratio(other: &Samples, ours: &Samples) -> String {
    format!("{:.2}", other.median_ms / ours.median_ms)
}
