//! How time and memory grow with a dimension: curves on logarithmic scales, from any entries that differ in it alone.

use super::{Look, put};
use crate::adapters::size;
use crate::bench::json::{Entry, PassEntry, Report};
use crate::bench::table::ms;

/// Fewer sizes make no curve.
const FEWEST: usize = 3;
const DIMENSIONS: [&str; 3] = ["batch", "outputs", "inputs"];
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
/// The area of the curves within: left, right, top, bottom.
const AREA: [f64; 4] = [62.0, 500.0, 14.0, 262.0];
/// Of memory the picture ends at so many times the most that we need: a stored mask leaves it.
const MEMORY_TOP: f64 = 4.0;
/// Times further apart than this have a line for each power of ten, others one for each of two.
const NARROW: f64 = 30.0;

/// The dimensions of a shape.
fn dims(entry: &Entry) -> [usize; 3] {
    [entry.batch, entry.outputs, entry.inputs]
}

/// Entries that differ in one dimension alone, in its order.
struct Family<'a> {
    dimension: usize,
    entries: Vec<&'a Entry>,
}

fn families(report: &Report) -> Vec<Family<'_>> {
    let mut families = Vec::new();
    for dimension in 0..DIMENSIONS.len() {
        let same = |a: &Entry, b: &Entry| {
            let others = (0..3).filter(|&at| at != dimension).all(|at| dims(a)[at] == dims(b)[at]);
            others && a.element == b.element && a.p == b.p
        };
        let mut left: Vec<_> = report.results.iter().collect();
        while let Some(&first) = left.first() {
            let (mut entries, others): (Vec<_>, _) = left.into_iter().partition(|entry| same(entry, first));
            left = others;
            entries.sort_by_key(|entry| dims(entry)[dimension]);
            entries.dedup_by_key(|entry| dims(entry)[dimension]);
            if entries.len() >= FEWEST {
                families.push(Family { dimension, entries });
            }
        }
    }
    families
}

/// The section, or nothing where no entries make a curve.
pub fn section(page: &mut String, report: &Report, looks: &[Look]) {
    let families = families(report);
    if families.is_empty() {
        return;
    }
    *page += "<section>\n<h2>How it grows</h2>\n<p class=\"note\">Both scales are logarithmic. Time is the median of a \
              call, with its 95 % interval. Memory is that of all tensors, with what the implementation takes \
              besides: a stored mask takes a byte for each connection, and leaves the picture.</p>\n\
              <div class=\"charts\">\n";
    for family in &families {
        // The first pass that all of them have.
        let [first, ..] = &family.entries[..] else { continue };
        let of = |entry: &Entry, name: &str| entry.passes.iter().any(|pass| pass.pass == name);
        let pass = first.passes.iter().find(|pass| family.entries.iter().all(|entry| of(entry, pass.pass)));
        if let Some(pass) = pass {
            time(page, family, pass.pass, looks);
        }
        memory(page, family, looks);
    }
    *page += "</div>\n</section>\n";
}

/// A line: its class, what it is, and points of x, y, low, high.
struct Line<'a> {
    class: &'static str,
    name: &'a str,
    points: Vec<[f64; 4]>,
}

fn time(page: &mut String, family: &Family, pass: &str, looks: &[Look]) {
    let mut lines = Vec::new();
    for &Look { name: implementation, text: name, class } in looks {
        let point = |entry: &&Entry| {
            let of = |pass: &&PassEntry| {
                pass.implementation(implementation)
                    .map(|samples| [samples.median_ms, samples.low_ms, samples.high_ms])
            };
            let [median, low, high] = of(&entry.passes.iter().find(|one| one.pass == pass)?)?;
            Some([dims(entry)[family.dimension] as f64, median, low, high])
        };
        let points: Vec<_> = family.entries.iter().filter_map(point).collect();
        if !points.is_empty() {
            lines.push(Line { class, name, points });
        }
    }
    let values =
        || lines.iter().flat_map(|line| line.points.iter().flat_map(|[_, y, low, high]| [*y, *low, *high]));
    let range = [values().fold(f64::INFINITY, f64::min) / 1.3, values().fold(0.0, f64::max) * 1.3];
    let step = if range[1] / range[0] < NARROW { 2.0 } else { 10.0 };
    figure(page, family, &format!("{pass}, ms"), &lines, range, round, step);
}

fn memory(page: &mut String, family: &Family, looks: &[Look]) {
    let line = |implementation, bytes: &dyn Fn(&Entry) -> u64| {
        let look = looks.iter().find(|look| look.name == implementation);
        let (class, name) = look.map_or(("", implementation), |look| (look.class, look.text));
        let point = |entry: &&Entry| {
            let bytes = bytes(entry) as f64;
            [dims(entry)[family.dimension] as f64, bytes, bytes, bytes]
        };
        Line { class, name, points: family.entries.iter().map(point).collect() }
    };
    let ours = line("ours", &|entry| entry.memory.tensors + entry.memory.ours_extra.unwrap_or(0));
    let stored = line("stored mask", &|entry| entry.memory.tensors.saturating_add(entry.connections()));
    let needed = || ours.points.iter().map(|point| point[1]);
    let top = MEMORY_TOP * needed().fold(0.0, f64::max);
    let range = [needed().fold(f64::INFINITY, f64::min) / 1.3, top];
    figure(page, family, "device memory", &[ours, stored], range, |value| size(value as u64), 4.0);
}

/// Where values are in the picture: along x and y, by logarithms.
struct Scale {
    x: [f64; 2],
    y: [f64; 2],
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        let [left, right, ..] = AREA;
        left + (value / self.x[0]).ln() / (self.x[1] / self.x[0]).ln() * (right - left)
    }

    fn y(&self, value: f64) -> f64 {
        let [.., top, bottom] = AREA;
        bottom - (value / self.y[0]).ln() / (self.y[1] / self.y[0]).ln() * (bottom - top)
    }
}

/// A time without zeros at its end.
fn round(value: f64) -> String {
    let text = ms(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `step` is the factor between the lines of the grid.
fn figure(
    page: &mut String,
    family: &Family,
    what: &str,
    lines: &[Line<'_>],
    range: [f64; 2],
    label: impl Fn(f64) -> String,
    step: f64,
) {
    let [left, right, top, bottom] = AREA;
    let (Some(&first), Some(&last)) = (family.entries.first(), family.entries.last()) else { return };
    let sizes = || family.entries.iter().map(|entry| dims(entry)[family.dimension]);
    let of = |entry: &Entry| dims(entry)[family.dimension] as f64;
    let scale = Scale { x: [of(first) / 1.15, of(last) * 1.15], y: range };
    let dimension = DIMENSIONS[family.dimension];
    let fixed = |at: &usize| *at != family.dimension;
    let others: Vec<_> =
        (0..3).filter(fixed).map(|at| format!("{} {}", DIMENSIONS[at], dims(first)[at])).collect();
    put(
        page,
        format_args!(
            "<figure>\n<figcaption>{what} against {dimension} <small>{}, {}, p = {}</small></figcaption>\n\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{what} against {dimension}\">\n",
            others.join(", "),
            first.element,
            first.p
        ),
    );
    let mut tick = step.powf((range[0].ln() / step.ln()).ceil());
    while tick <= range[1] {
        let (y, text) = (scale.y(tick), label(tick));
        put(
            page,
            format_args!("<line class=\"rule\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"),
        );
        put(
            page,
            format_args!(
                "<text class=\"value\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
                left - 6.0,
                y + 4.0
            ),
        );
        tick *= step;
    }
    for size in sizes() {
        let x = scale.x(size as f64);
        put(
            page,
            format_args!(
                "<text class=\"value\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>\n",
                bottom + 18.0
            ),
        );
    }
    put(
        page,
        format_args!("<line class=\"rule\" x1=\"{left}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\n"),
    );
    put(
        page,
        format_args!(
            "<text class=\"value\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{dimension}</text>\n",
            (left + right) / 2.0,
            bottom + 34.0
        ),
    );
    for line in lines {
        draw(page, line, &scale, &label, top);
    }
    *page += "</svg>\n</figure>\n";
}

/// A curve as far as it is in the picture; where it leaves, what it comes to is said.
fn draw(page: &mut String, line: &Line<'_>, scale: &Scale, label: &impl Fn(f64) -> String, top: f64) {
    let Line { class, name, points } = line;
    let at: Vec<_> = points.iter().map(|[x, y, ..]| [scale.x(*x), scale.y(*y)]).collect();
    let mut path = Vec::new();
    let mut left_at = None;
    for (k, &[x, y]) in at.iter().enumerate() {
        if y >= top {
            path.push([x, y]);
            continue;
        }
        // Straight lines stay straight on logarithmic scales.
        let edge = match k.checked_sub(1).map(|before| at[before]) {
            Some([before_x, before_y]) => {
                [before_x + (x - before_x) * (before_y - top) / (before_y - y), top]
            }
            None => [x, top],
        };
        path.push(edge);
        left_at = Some(edge);
        break;
    }
    let text: Vec<_> = path.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    put(
        page,
        format_args!(
            "<polyline class=\"{class}\" points=\"{}\"><title>{name}</title></polyline>\n",
            text.join(" ")
        ),
    );
    for (&[x, y], &[_, value, low, high]) in at.iter().zip(points).filter(|([_, y], _)| *y >= top) {
        let [high_y, low_y] = [scale.y(high).max(top), scale.y(low)];
        put(
            page,
            format_args!(
                "<line class=\"spread\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{high_y:.1}\" y2=\"{low_y:.1}\"/>\n\
                 <circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"><title>{name}: {} ({} to {})</title>\
                 </circle>\n",
                label(value),
                label(low),
                label(high)
            ),
        );
    }
    if let (Some([x, y]), Some([.., value, _, _])) = (left_at, points.last()) {
        // Away from the edge that is nearer.
        let (anchor, x) = if x > WIDTH / 2.0 { ("end", x - 40.0) } else { ("start", x + 8.0) };
        put(
            page,
            format_args!(
                "<text class=\"value\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name}, up to {} ↑</text>\n",
                y + 12.0,
                label(*value)
            ),
        );
    }
}
