//! The page of `--html`: one file, no resources from elsewhere, for light and dark.

use std::fmt::Write;

use super::json::{Entry, PassEntry, Report, Samples, groups};
use super::table::{against, ms, ratio};
use crate::adapters::size;

const STYLE: &str = include_str!("report.css");
/// The ways, in the order of the bars: name, text, class.
const WAYS: [(&str, &str, &str); 5] = [
    ("ours", "regenerated masks (ours)", "ours"),
    ("dense", "dense layer, no mask", "dense"),
    ("shared mask", "one mask for the batch", "shared"),
    ("stored mask", "stored mask", "stored"),
    ("baseline", "ours, earlier build", "baseline"),
];

/// The page.
pub fn html(report: &Report) -> String {
    let environment = &report.environment;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>dropconnect on {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>DropConnect on {}</h1>\n\
         <p class=\"lead\">A fresh weight mask for every example, regenerated in the kernel and never \
         stored.</p>\n<dl>\n",
        escape(&environment.adapter),
        escape(&environment.adapter),
    );
    let driver = format!("{}, {}", environment.backend, environment.driver);
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
    page += "</header>\n";
    page += "<section>\n<h2>Time per pass</h2>\n<p class=\"legend\">";
    let (rivals, baseline) = (report.rivals(), report.baseline.is_some());
    for (name, text, class) in WAYS {
        if name == "ours" || rivals.contains(&name) || name == "baseline" && baseline {
            put(&mut page, format_args!("<span><i class=\"{class}\"></i>{text}</span> "));
        }
    }
    page += "</p>\n<p class=\"note\">Median of a call in milliseconds, shorter is better; the thin line is \
             its 95 % interval. The stored mask, a byte per connection, is written by one kernel, counted in the \
             forward pass, and read by another.</p>\n<div class=\"charts\">\n";
    for entries in groups(&report.results) {
        chart(&mut page, entries);
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

const WIDTH: f64 = 560.0;
/// Where bars begin and how long the longest is; labels take the rest.
const LEFT: f64 = 118.0;
const LONGEST: f64 = 380.0;
const BAR: f64 = 14.0;
const GAP: f64 = 14.0;

/// The bars of a pass, by way; nothing where a mask does not fit.
fn bars<'a>(entry: &Entry, pass: &'a PassEntry) -> Vec<(&'static str, Option<&'a Samples>)> {
    let mut bars: Vec<_> = pass.ways().map(|(name, samples)| (name, Some(samples))).collect();
    bars.extend(entry.stored_mask_missing.as_ref().map(|_| ("stored mask", None)));
    bars
}

/// Bars of every pass and p of one problem, on one scale.
fn chart(page: &mut String, entries: &[Entry]) {
    let rows: Vec<_> =
        entries.iter().flat_map(|entry| entry.passes.iter().map(move |pass| (entry, pass))).collect();
    let longest = rows
        .iter()
        .flat_map(|(_, pass)| pass.ways().map(|(_, samples)| samples.median_ms))
        .fold(f64::MIN_POSITIVE, f64::max);
    let heading = 22.0;
    let row_height = |(entry, pass): &(&Entry, &PassEntry)| bars(entry, pass).len() as f64 * BAR + GAP;
    let height = entries.len() as f64 * heading + rows.iter().map(row_height).sum::<f64>();
    let Some(first) = entries.first() else { return };
    put(
        page,
        format_args!(
            "<figure>\n<figcaption>{} <small>batch × outputs × inputs, {}</small></figcaption>\n\
             <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Times of {} in {}\">\n",
            first.shape(),
            first.element,
            first.shape(),
            first.element
        ),
    );
    let mut y = 0.0;
    for entry in entries {
        put(page, format_args!("<text class=\"p\" x=\"0\" y=\"{}\">p = {}</text>\n", y + 13.0, entry.p));
        put(
            page,
            format_args!("<line class=\"rule\" x1=\"70\" x2=\"{WIDTH}\" y1=\"{0}\" y2=\"{0}\"/>\n", y + 9.0),
        );
        y += heading;
        for pass in &entry.passes {
            let bars = bars(entry, pass);
            let middle = y + bars.len() as f64 / 2.0 * BAR + 4.0;
            put(
                page,
                format_args!(
                    "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\n",
                    LEFT - 12.0,
                    pass.pass
                ),
            );
            for (name, samples) in bars {
                let (_, text, class) = WAYS.into_iter().find(|(way, ..)| *way == name).unwrap_or(WAYS[0]);
                bar(page, y, samples, text, class, longest);
                y += BAR;
            }
            y += GAP;
        }
    }
    *page += "</svg>\n</figure>\n";
}

fn bar(page: &mut String, y: f64, samples: Option<&Samples>, name: &str, class: &str, longest: f64) {
    let base = y + BAR - 4.0;
    let Some(samples) = samples else {
        put(
            page,
            format_args!("<text class=\"value\" x=\"{}\" y=\"{base}\">does not fit</text>\n", LEFT + 6.0),
        );
        return;
    };
    let x = |ms: f64| LEFT + (ms / longest * LONGEST).min(LONGEST + 8.0);
    let (end, low, high) = (x(samples.median_ms), x(samples.low_ms), x(samples.high_ms));
    let value = ms(samples.median_ms);
    let (top, centre, height, width) = (y + 1.0, y + BAR / 2.0, BAR - 2.0, (end - LEFT).max(1.0));
    let (surely, at_most, after) = (ms(samples.low_ms), ms(samples.high_ms), end.max(high) + 6.0);
    put(
        page,
        format_args!(
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\" \
             rx=\"2\"><title>{name}: {value} ms (95 %: {surely} to {at_most})</title></rect>\n\
             <line class=\"spread\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{centre:.1}\" y2=\"{centre:.1}\"/>\n\
             <text class=\"value\" x=\"{after:.1}\" y=\"{base:.1}\">{value}</text>\n"
        ),
    );
}

fn table(page: &mut String, report: &Report) {
    let rivals = report.rivals();
    *page += "<section>\n<h2>Numbers</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>shape</th><th>p</th>\
              <th>type</th><th>pass</th><th>ours, ms</th><th>masked G/s</th>";
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
            for name in &rivals {
                let rival = pass.ways().find(|(way, _)| way == name).map(|(_, samples)| samples);
                numbers.push(rival.map_or("does not fit".to_owned(), time));
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
              second. ÷ ours: the time before it over our time, in the same rounds. Error: relative L2 error of a \
              sample of our result against float64, checked before anything was timed.</p>\n</section>\n";
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
