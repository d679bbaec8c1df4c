//! The bars of a problem.

use super::{Look, put};
use crate::bench::json::{Entry, PassEntry, Samples, absent};
use crate::bench::table::ms;

const WIDTH: f64 = 560.0;
/// Where bars begin and how long the longest is; labels take the rest.
const LEFT: f64 = 118.0;
const LONGEST: f64 = 380.0;
const BAR: f64 = 14.0;
const GAP: f64 = 14.0;

/// The bars of a pass, by implementation; nothing where a mask does not fit, or a program is unable.
fn bars<'a>(entry: &Entry, pass: &'a PassEntry) -> Vec<(&'a str, Option<&'a Samples>)> {
    let mut bars: Vec<_> = pass.implementations().map(|(name, samples)| (name, Some(samples))).collect();
    bars.extend(entry.stored_mask_missing.as_ref().map(|_| ("stored mask", None)));
    let unable = pass.beside.iter().filter(|beside| beside.samples.is_none());
    bars.extend(unable.map(|beside| (&beside.name[..], None)));
    bars
}

/// Bars of every pass and p of one problem, on one scale.
pub fn chart(page: &mut String, entries: &[Entry], looks: &[Look]) {
    let rows: Vec<_> =
        entries.iter().flat_map(|entry| entry.passes.iter().map(move |pass| (entry, pass))).collect();
    let longest = rows
        .iter()
        .flat_map(|(_, pass)| pass.implementations().map(|(_, samples)| samples.median_ms))
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
                let Some(look) = looks.iter().find(|look| look.name == name) else { continue };
                bar(page, y, samples, look, longest);
                y += BAR;
            }
            y += GAP;
        }
    }
    *page += "</svg>\n</figure>\n";
}

fn bar(page: &mut String, y: f64, samples: Option<&Samples>, look: &Look, longest: f64) {
    let Look { name: implementation, text: name, class } = look;
    let base = y + BAR - 4.0;
    let Some(samples) = samples else {
        put(
            page,
            format_args!(
                "<text class=\"value\" x=\"{}\" y=\"{base}\">{}</text>\n",
                LEFT + 6.0,
                absent(implementation)
            ),
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
