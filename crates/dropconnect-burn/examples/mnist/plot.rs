//! The learning curve as SVG.

use std::fmt::Write;

use crate::log::Epoch;

const SIZE: [f64; 2] = [640.0, 400.0];
const MARGIN: f64 = 56.0;

/// Training loss and test error over the epochs.
pub fn svg(title: &str, epochs: &[Epoch]) -> String {
    let [width, height] = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{title}</text>\n"
    );
    let losses: Vec<f64> = epochs.iter().map(|epoch| epoch.train_loss).collect();
    let errors: Vec<f64> = epochs.iter().map(|epoch| epoch.test_error).collect();
    curve(&mut svg, &losses, "#888888", "training loss", Side::Right);
    curve(&mut svg, &errors, "#1f5fbf", "test error, %", Side::Left);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">epoch (1 to {})</text>\n</svg>",
        width / 2.0,
        height - 16.0,
        epochs.len()
    );
    svg
}

/// Curves of true against false alarms, with their names.
pub fn roc(title: &str, curves: &[(String, Vec<[f64; 2]>)]) -> String {
    const COLOURS: [&str; 6] = ["#1f5fbf", "#2e8b57", "#888888", "#c0392b", "#d98200", "#444444"];
    let [width, height] = SIZE;
    let side = height - 2.0 * MARGIN;
    let at = |[x, y]: [f64; 2]| format!("{:.1},{:.1}", MARGIN + x * side, height - MARGIN - y * side);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{title}</text>\n\
         <rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{side}\" height=\"{side}\" fill=\"none\" stroke=\"#cccccc\"/>\n"
    );
    for (row, ((name, points), colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        // A point for every other pixel is enough.
        let mut drawn = points[..1].to_vec();
        for &point in points {
            let last = drawn[drawn.len() - 1];
            if (point[0] - last[0]).max(point[1] - last[1]) > 2.0 / side || point == [1.0, 1.0] {
                drawn.push(point);
            }
        }
        let points: Vec<String> = drawn.into_iter().map(at).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            MARGIN + side + 12.0,
            MARGIN + 24.0 + 20.0 * row as f64,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">false alarms (0 to 1), true alarms upwards; \
         behind the names the area</text>\n</svg>",
        width / 2.0,
        height - 16.0
    );
    svg
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// One curve with a scale of its own, from 0 to its largest value.
fn curve(svg: &mut String, values: &[f64], color: &str, name: &str, side: Side) {
    let [width, height] = SIZE;
    let largest = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max).max(1e-9);
    let y = |value: f64| height - MARGIN - value / largest * (height - 2.0 * MARGIN);
    let across = (width - 2.0 * MARGIN) / (values.len().max(2) - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(at, &value)| format!("{:.1},{:.1}", MARGIN + at as f64 * across, y(value)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
        points.join(" ")
    );
    let (x, anchor) = match side {
        Side::Left => (MARGIN - 6.0, "end"),
        Side::Right => (width - MARGIN + 6.0, "start"),
    };
    for part in [0.0, 0.5, 1.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{:.2}</text>",
            y(part * largest) + 4.0,
            part * largest
        );
    }
    let (x, anchor) = match side {
        Side::Left => (MARGIN, "start"),
        Side::Right => (width - MARGIN, "end"),
    };
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"44\" text-anchor=\"{anchor}\" fill=\"{color}\">{name}</text>");
}
