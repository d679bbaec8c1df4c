//! The table on standard output.

use super::floor::Rates;
use super::json::{Entry, Program, Report, Samples, absent, groups};
use crate::adapters::size;
use crate::output::table;

/// What the rivals are, where they were timed.
const RIVALS: [(&str, &str); 3] = [
    ("dense", "dense: the same kernels without a mask."),
    ("shared mask", "shared mask: one for the whole batch, which is another method."),
    (
        "stored mask",
        "stored mask: one byte per connection, written by one kernel (counted in the forward pass) and \
                     read by another.",
    ),
];

/// The whole report as text.
pub fn text(report: &Report) -> String {
    let environment = &report.environment;
    let mut text = format!(
        "dropconnect {} on {}\n{}, {}\n{}\ntimes: median of a call (95 % interval) in ms; {}\n",
        report.version,
        environment.on(),
        environment.os,
        environment.cpu,
        report.date,
        report.timer_text
    );
    if let Some(baseline) = &report.baseline {
        text +=
            &format!("baseline: {}, dropconnect {}, {}\n", baseline.file, baseline.version, baseline.kernels);
    }
    if let Some(reason) = &report.stopped {
        text += &format!("STOPPED before all was measured: {reason}\n");
    }
    for note in report.machine.iter().flat_map(|machine| &machine.notes) {
        text += &format!("BUSY: {note}\n");
    }
    text += "\n";
    text += &times(report);
    text += "\n\n";
    text += &memory(report);
    text += "\n\n";
    text += &legend(report);
    text += &outliers(report);
    text
}

fn times(report: &Report) -> String {
    let rivals = report.rivals();
    let mut columns = vec!["shape", "p", "type", "pass", "ours", "masked G/s"];
    let floor = report.rates.is_some();
    columns.extend(floor.then_some("of floor"));
    columns.extend(rivals.iter().flat_map(|name| [name, "/ours"]));
    columns.extend(report.baseline.iter().flat_map(|_| ["baseline", "change (99 % interval)", "verdict"]));
    let mut table = table(&columns, 4..columns.len());
    for entry in &report.results {
        for (k, pass) in entry.passes.iter().enumerate() {
            let first = |text: String| if k == 0 { text } else { String::new() };
            let mut row = vec![
                first(entry.shape()),
                first(entry.p.to_string()),
                first(entry.element.to_owned()),
                pass.pass.to_owned(),
                spread(&pass.ours),
                format!("{:.2}", pass.ours.multiply_adds_per_second / 1e9),
            ];
            if floor {
                row.push(
                    pass.floor.map_or_else(String::new, |floor| percent(floor.ms / pass.ours.median_ms)),
                );
            }
            for name in &rivals {
                let rival = pass.implementation(name);
                row.push(rival.map_or(absent(name).to_owned(), spread));
                row.push(rival.map_or_else(String::new, ratio));
            }
            if let Some(baseline) = &pass.baseline {
                row.push(spread(baseline));
                row.extend(against(baseline));
            }
            table.add_row(row);
        }
    }
    table.trim_fmt()
}

/// Ours against an earlier build, and what that comes to.
pub fn against(baseline: &Samples) -> [String; 2] {
    let change = baseline.over_ours.map(|over| {
        // The other way round: ours over theirs.
        change(1.0 / over.median, 1.0 / over.high, 1.0 / over.low)
    });
    [
        change.unwrap_or_default(),
        baseline.verdict.map_or_else(String::new, |verdict| verdict.name().to_owned()),
    ]
}

/// A ratio as a change in percent.
pub fn change(median: f64, low: f64, high: f64) -> String {
    let [median, low, high] = [median, low, high].map(|ratio| 100.0 * (ratio - 1.0));
    format!("{median:+.1} % ({low:+.1}..{high:+.1})")
}

/// Of a whole.
pub fn percent(fraction: f64) -> String {
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

fn legend(report: &Report) -> String {
    let mut text =
        "masked G/s: 10^9 masked multiply-adds a second. both gradients: one call, which may draw the mask \
                    once for both.\n"
            .to_owned();
    let rivals = report.rivals();
    for (name, meaning) in RIVALS.iter().filter(|(name, _)| rivals.contains(name)) {
        text += meaning;
        text.push('\n');
        debug_assert!(meaning.starts_with(name));
    }
    for line in beside(report) {
        text += &line;
        text.push('\n');
    }
    if !rivals.is_empty() {
        text += "/ours: that time over ours, in the rounds of both.\n";
    }
    if let Some(rates) = &report.rates {
        text += &rates_text(rates);
    }
    if report.baseline.is_some() {
        text += "verdict: faster or slower if all of the interval lies beyond 2 %, same if within 5 %, else unclear.\n";
    }
    text
}

/// What the programs of `--beside` are, how far off they say they are, and what they are unable to do.
pub fn beside(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for program in &report.beside {
        let Program { name, version, adapter, kernels, timer, .. } = program;
        let of = || {
            let passes =
                report.results.iter().flat_map(|entry| entry.passes.iter().map(move |pass| (entry, pass)));
            passes.flat_map(|(entry, pass)| pass.beside.iter().map(move |beside| (entry, pass, beside)))
        };
        let of = || of().filter(|(.., beside)| beside.name == *name);
        let error = of().filter_map(|(.., beside)| beside.error).max_by(f64::total_cmp);
        let error =
            error.map_or_else(String::new, |error| format!("; off by {error:.0e} at most, by its own check"));
        lines.push(format!("{name}: {version}, {kernels}; {adapter}; {timer}{error}."));
        let mut unable = Vec::new();
        for (entry, pass, beside) in of() {
            let Some(reason) = &beside.missing else { continue };
            let line =
                format!("{name} is unable: {}, {}, {}: {reason}", entry.shape(), entry.element, pass.pass);
            // Of one p as of another.
            if !unable.contains(&line) {
                unable.push(line);
            }
        }
        lines.append(&mut unable);
    }
    lines
}

fn rates_text(rates: &Rates) -> String {
    let giga = |rate: f64| ms(rate / 1e9);
    let off = rates.philox_rounds_predicted_per_second / rates.philox_rounds_per_second - 1.0;
    format!(
        "of floor: the operations a pass cannot do without (docs/performance.md), at the rates measured here, over the \
         time of ours.\nG a second on this adapter: {} multiply-adds, {} {} products with an exclusive or, {} logic \
         operations of three operands,\n{} tests of a bit; {:.0} % of the shorter waits for the longer; {} GB/s read \
         from 8 MiB, {} GB/s from 128 MiB.\nPhilox alone: {} G rounds a second, {} predicted from the products \
         ({:+.0} %).\n",
        giga(rates.multiply_adds_per_second),
        giga(rates.products_per_second),
        rates.product,
        giga(rates.logic_per_second),
        giga(rates.tests_per_second),
        100.0 * rates.shared,
        giga(rates.cached_bytes_per_second),
        giga(rates.bytes_per_second),
        giga(rates.philox_rounds_per_second),
        giga(rates.philox_rounds_predicted_per_second),
        100.0 * off,
    )
}

/// The samples that lie far from the others, which medians pass over: those of the passes that have most of them.
fn outliers(report: &Report) -> String {
    const NAMED: usize = 5;
    let mut lines = Vec::new();
    for (entry, pass) in
        report.results.iter().flat_map(|entry| entry.passes.iter().map(move |pass| (entry, pass)))
    {
        let of = |(name, samples): (&str, &Samples)| {
            let far = samples.outliers.iter().map(|&at| samples.samples_ms[at]).fold(0.0, f64::max);
            let [some, all] = [samples.outliers.len(), samples.samples_ms.len()];
            (some > 0).then(|| format!("{name} {some} of {all} (to {} ms)", ms(far)))
        };
        let named: Vec<_> = pass.implementations().filter_map(of).collect();
        if !named.is_empty() {
            let count: usize = pass.implementations().map(|(_, samples)| samples.outliers.len()).sum();
            let line = format!(
                "outliers: {}, p = {}, {}: {}\n",
                entry.shape(),
                entry.p,
                pass.pass,
                named.join(", ")
            );
            lines.push((count, line));
        }
    }
    lines.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
    let rest = lines.len().saturating_sub(NAMED);
    let mut text: String = lines.into_iter().take(NAMED).map(|(_, line)| line).collect();
    if rest > 0 {
        text += &format!("outliers: {rest} more rows have some, which --json names\n");
    }
    text
}

fn spread(samples: &Samples) -> String {
    let Samples { median_ms, low_ms, high_ms, .. } = samples;
    format!("{} ({}..{})", ms(*median_ms), ms(*low_ms), ms(*high_ms))
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
pub fn ratio(other: &Samples) -> String {
    other.over_ours.map_or_else(String::new, |over| format!("{:.2}", over.median))
}
