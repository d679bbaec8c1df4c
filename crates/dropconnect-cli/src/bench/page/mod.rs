//! The page of `--html`: one file, no resources from elsewhere, for light and dark.

mod bars;
mod curves;

use std::fmt::Write;

use super::json::{Entry, OURS, Report, Samples, absent, groups};
use super::table::{against, beside, ms, percent, ratio};
use super::words::headline;
use crate::adapters::size;

const STYLE: &str = include_str!("page.css");
/// Text and class of our own implementations.
const TEXTS: [(&str, &str); OURS.len()] = [
    ("regenerated masks (ours)", "ours"),
    ("dense layer, no mask", "dense"),
    ("one mask for the batch", "shared"),
    ("stored mask", "stored"),
    ("ours, earlier build", "baseline"),
];
/// Classes of the programs beside ours, in turn.
const BESIDE: [&str; 4] = ["beside0", "beside1", "beside2", "beside3"];

/// How an implementation is shown.
#[derive(Clone, Copy)]
struct Look<'a> {
    name: &'a str,
    text: &'a str,
    class: &'static str,
}

/// All implementations, in the order of the bars.
fn looks(report: &Report) -> Vec<Look<'_>> {
    let ours = OURS.iter().zip(TEXTS).map(|(name, (text, class))| Look { name, text, class });
    let mut looks: Vec<_> = ours.collect();
    let baseline = looks.pop();
    // A name is of letters that mean nothing to HTML.
    let beside = report.beside.iter().zip(BESIDE.iter().cycle());
    looks.extend(beside.map(|(program, class)| Look { name: &program.name, text: &program.name, class }));
    looks.extend(baseline);
    looks
}

/// The page.
pub fn html(report: &Report) -> String {
    let environment = &report.environment;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>dropconnect on {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>DropConnect on {}</h1>\n\
         <p class=\"lead\">{}</p>\n<dl>\n",
        escape(&environment.adapter),
        escape(&environment.adapter),
        escape(&headline(report).unwrap_or_default()),
    );
    let driver = environment.by().unwrap_or_else(|| "none".to_owned());
    for (what, value) in [
        ("Type", environment.kind.as_str()),
        ("Driver", &driver),
        ("System", &environment.os),
        ("Processor", &environment.cpu),
        ("Kernels", &environment.kernels),
        ("Timer", report.timer_text),
        ("Date", &report.date),
        ("Version", report.version),
    ] {
        put(&mut page, format_args!("<div><dt>{what}</dt><dd>{}</dd></div>\n", escape(value)));
    }
    page += "</dl>\n";
    if let Some(reason) = &report.stopped {
        put(
            &mut page,
            format_args!("<p class=\"note\">Stopped before all was measured: {}</p>\n", escape(reason)),
        );
    }
    for note in report.machine.iter().flat_map(|machine| &machine.notes) {
        put(&mut page, format_args!("<p class=\"busy\">Busy machine: {}</p>\n", escape(note)));
    }
    page += "</header>\n";
    page += "<p class=\"legend\">";
    let (rivals, baseline) = (report.rivals(), report.baseline.is_some());
    let looks = looks(report);
    for Look { name, text, class } in &looks {
        if *name == "ours" || rivals.contains(name) || *name == "baseline" && baseline {
            put(&mut page, format_args!("<span><i class=\"{class}\"></i>{text}</span> "));
        }
    }
    page += "</p>\n";
    curves::section(&mut page, report, &looks);
    page += "<section>\n<h2>Time per pass</h2>\n<p class=\"note\">Median of a call in milliseconds, shorter is \
             better; the thin line is its 95 % interval. The stored mask, a byte per connection, is written by one \
             kernel, counted in the forward pass, and read by another.</p>\n<div class=\"charts\">\n";
    for entries in groups(&report.results) {
        bars::chart(&mut page, entries, &looks);
    }
    page += "</div>\n</section>\n";
    table(&mut page, report);
    memory(&mut page, report);
    page += "</main>\n</body>\n</html>\n";
    page
}

/// Writing to a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments) {
    let _ = page.write_fmt(text);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn table(page: &mut String, report: &Report) {
    let rivals = report.rivals();
    *page += "<section>\n<h2>Numbers</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>shape</th><th>p</th>\
              <th>type</th><th>pass</th><th>ours, ms</th><th>masked G/s</th>";
    if report.rates.is_some() {
        *page += "<th>of floor</th>";
    }
    for name in &rivals {
        put(page, format_args!("<th>{name}, ms</th><th>÷ ours</th>"));
    }
    if report.baseline.is_some() {
        *page += "<th>baseline, ms</th><th>change</th><th>verdict</th>";
    }
    *page += "<th>error</th></tr></thead>\n<tbody>\n";
    let time = |samples: &Samples| {
        let [median, low, high] = [samples.median_ms, samples.low_ms, samples.high_ms].map(ms);
        format!("{median} <small>{low}..{high}</small>")
    };
    for entry in &report.results {
        for (k, pass) in entry.passes.iter().enumerate() {
            let class = if k == 0 { " class=\"first\"" } else { "" };
            put(page, format_args!("<tr{class}>"));
            for text in [entry.shape(), entry.p.to_string(), entry.element.to_owned(), pass.pass.to_owned()] {
                put(page, format_args!("<td>{text}</td>"));
            }
            let mut numbers =
                vec![time(&pass.ours), format!("{:.2}", pass.ours.multiply_adds_per_second / 1e9)];
            if report.rates.is_some() {
                numbers.push(
                    pass.floor.map_or_else(String::new, |floor| percent(floor.ms / pass.ours.median_ms)),
                );
            }
            for name in &rivals {
                let rival = pass.implementation(name);
                numbers.push(rival.map_or(absent(name).to_owned(), time));
                numbers.push(rival.map_or_else(String::new, ratio));
            }
            if let Some(baseline) = &pass.baseline {
                numbers.push(time(baseline));
                numbers.extend(against(baseline));
            }
            numbers.push(format!("{:.0e}", pass.error));
            for text in numbers {
                put(page, format_args!("<td class=\"number\">{text}</td>"));
            }
            *page += "</tr>\n";
        }
    }
    *page += "</tbody>\n</table>\n</div>\n<p class=\"note\">Masked G/s: 10<sup>9</sup> masked multiply-adds a \
              second. Of floor: the least that the pass could take at the rates measured on this adapter, over what it \
              takes. ÷ ours: the time before it over our time, in the same rounds. Error: relative L2 error of a \
              sample of our result against float64, checked before anything was timed.</p>\n";
    for line in beside(report) {
        put(page, format_args!("<p class=\"note\">{}</p>\n", escape(&line)));
    }
    *page += "</section>\n";
}

/// A line for each problem: its last entry has seen the most of its calls.
fn memory(page: &mut String, report: &Report) {
    *page += "<section>\n<h2>Device memory</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>shape</th>\
              <th>type</th><th>X, W, G, Y, dX, dW</th><th>ours, besides</th><th>stored mask, besides</th></tr>\
              </thead>\n<tbody>\n";
    for entry in groups(&report.results).filter_map(<[Entry]>::last) {
        let memory = &entry.memory;
        let missing = || entry.stored_mask_missing.as_deref().map(escape).unwrap_or_default();
        put(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
                 <td class=\"number\">{}</td></tr>\n",
                entry.shape(),
                entry.element,
                size(memory.tensors),
                memory.ours_extra.map_or("not counted".to_owned(), size),
                memory.stored_mask_extra.map_or_else(missing, size)
            ),
        );
    }
    *page += "</tbody>\n</table>\n</div>\n</section>\n";
}
