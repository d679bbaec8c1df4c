//! A report in a sentence, as Markdown and as CSV.

use super::json::{Entry, PassEntry, Report, Samples, absent};
use super::table::{beside, change, ms};
use crate::adapters::size;
use crate::escape::escaped;

/// What was found, in one sentence: of the largest problem and its first pass. None before anything was.
pub fn headline(report: &Report) -> Option<String> {
    // Of several as large, the first.
    let entry = report.results.iter().rev().max_by_key(|entry| entry.connections())?;
    let pass = entry.passes.first()?;
    let mut text = format!(
        "On {}, the {} pass of {} in {} at p = {} takes {} ms with a fresh mask for every example",
        escaped(&report.environment.adapter),
        pass.pass,
        entry.shape(),
        entry.element,
        entry.p,
        ms(pass.ours.median_ms)
    );
    let over = |samples: &Option<Samples>| samples.as_ref()?.over_ours.map(|over| over.median);
    if let Some(over) = over(&pass.dense) {
        text += &format!(", {} times as long as a dense layer", times(1.0 / over));
    }
    if let Some(over) = over(&pass.stored_mask) {
        text += &format!("; a stored mask takes {} times as long as that", times(over));
    }
    match (&entry.memory.stored_mask_extra, &entry.stored_mask_missing) {
        (Some(stored), _) => {
            let ours = entry.memory.ours_extra.map_or("nothing that grows".to_owned(), size);
            text += &format!(", and {} of memory where ours takes {ours}", size(*stored));
        }
        (None, Some(_)) => {
            text += &format!("; a stored mask, of {}, does not fit", size(entry.connections()));
        }
        (None, None) => {}
    }
    Some(text + ".")
}

/// Two digits.
fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// What an implementation is, in a row of its own.
fn described(implementation: &str) -> &str {
    match implementation {
        "ours" => "DropConnect, masks regenerated (ours)",
        "dense" => "dense layer, no mask",
        "shared mask" => "one mask for the whole batch (another method)",
        "stored mask" => "DropConnect, mask stored and read",
        "baseline" => "ours, earlier build",
        beside => beside,
    }
}

/// For a README: the sentence, then for each problem a table with a row for each implementation.
pub fn markdown(report: &Report) -> String {
    let environment = &report.environment;
    let mut text = headline(report).map_or_else(String::new, |line| line + "\n\n");
    for entry in &report.results {
        let passes: Vec<_> = entry.passes.iter().map(|pass| pass.pass).collect();
        text += &format!(
            "| {}, {}, p = {}; ms | {} | memory besides the tensors |\n|---|{}---|\n",
            entry.shape(),
            entry.element,
            entry.p,
            passes.join(" | "),
            "---|".repeat(passes.len())
        );
        for implementation in entry.implementations() {
            text += &format!("| {} |", described(implementation));
            for pass in &entry.passes {
                let samples = pass.implementation(implementation);
                let cell = |samples: &Samples| {
                    let Samples { median_ms, low_ms, high_ms, verdict, .. } = samples;
                    let mut cell = format!("{} ({}..{})", ms(*median_ms), ms(*low_ms), ms(*high_ms));
                    if let (Some(verdict), Some(over)) = (verdict, samples.over_ours) {
                        let change = change(1.0 / over.median, 1.0 / over.high, 1.0 / over.low);
                        cell += &format!("; now {}: {change}", verdict.name());
                    }
                    cell
                };
                text += &format!(" {} |", samples.map_or(absent(implementation).to_owned(), cell));
            }
            text += &format!(" {} |\n", memory(entry, implementation));
        }
        text += "\n";
    }
    text += &format!(
        "dropconnect {} on {}, {}, {}; {}. Median of a call and its 95 % interval, {}.\n",
        report.version,
        environment.on(),
        environment.os,
        environment.cpu,
        report.date,
        report.timer_text
    );
    for line in beside(report) {
        // What it says of itself is text, whatever it would be in Markdown.
        let mut marked = String::new();
        for c in line.chars() {
            marked.extend("`|<>*_[]\\".contains(c).then_some('\\'));
            marked.push(c);
        }
        text += &format!("\n- {marked}");
    }
    if !report.beside.is_empty() {
        text += "\n";
    }
    if let Some(reason) = &report.stopped {
        text += &format!("\nStopped before all was measured: {reason}\n");
    }
    text
}

fn memory(entry: &Entry, implementation: &str) -> String {
    match implementation {
        "stored mask" => size(entry.connections()),
        "ours" => entry.memory.ours_extra.map_or("not counted".to_owned(), size),
        _ => String::new(),
    }
}

/// The columns of [`csv`].
const COLUMNS: &str = "batch,outputs,inputs,element,p,pass,way,median_ms,low_ms,high_ms,min_ms,max_ms,samples,\
                       calls,outliers,multiply_adds_per_second,over_ours,over_ours_low,over_ours_high,verdict,floor_ms,\
                       error,adapter";

/// A line for each implementation of each pass.
pub fn csv(report: &Report) -> String {
    let mut text = COLUMNS.to_owned() + "\n";
    let adapter = escaped(&report.environment.adapter).replace('"', "\"\"");
    for entry in &report.results {
        for pass in &entry.passes {
            for (implementation, samples) in pass.implementations() {
                let [batch, outputs, inputs] = [entry.batch, entry.outputs, entry.inputs];
                text += &format!(
                    "{batch},{outputs},{inputs},{},{},{},{implementation},",
                    entry.element, entry.p, pass.pass
                );
                text += &format!("{},\"{adapter}\"\n", line(pass, implementation, samples));
            }
        }
    }
    text
}

fn line(pass: &PassEntry, implementation: &str, samples: &Samples) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let over = samples.over_ours;
    let ours = (implementation == "ours").then_some(());
    let error = match pass.beside.iter().find(|beside| beside.name == implementation) {
        Some(beside) => beside.error,
        None => ours.map(|()| pass.error),
    };
    let fields = [
        samples.median_ms.to_string(),
        samples.low_ms.to_string(),
        samples.high_ms.to_string(),
        samples.min_ms.to_string(),
        samples.max_ms.to_string(),
        samples.samples_ms.len().to_string(),
        samples.calls.to_string(),
        samples.outliers.len().to_string(),
        samples.multiply_adds_per_second.to_string(),
        number(over.map(|over| over.median)),
        number(over.map(|over| over.low)),
        number(over.map(|over| over.high)),
        samples.verdict.map_or_else(String::new, |verdict| verdict.name().to_owned()),
        number(ours.and(pass.floor).map(|floor| floor.ms)),
        number(error),
    ];
    fields.join(",")
}
