//! The picture, as SVG.

use std::fmt::Write as _;

use dropconnect::Moments;

const WIDTH: f32 = 760.0;
const HEIGHT: f32 = 420.0;
const X: [f32; 2] = [-2.0, 2.0];
const Y: [f32; 2] = [-3.0, 3.0];
const TOP: f32 = 56.0;

fn place(x: f32, y: f32) -> [f32; 2] {
    let across = (x - X[0]) / (X[1] - X[0]);
    let up = (y.clamp(Y[0], Y[1]) - Y[0]) / (Y[1] - Y[0]);
    [44.0 + across * (WIDTH - 64.0), HEIGHT - 36.0 - up * (HEIGHT - 36.0 - TOP)]
}

fn path(points: impl Iterator<Item = (f32, f32)>) -> String {
    let mut text = String::new();
    for (k, (x, y)) in points.enumerate() {
        let [x, y] = place(x, y);
        let _ = write!(text, "{}{x:.1} {y:.1}", if k == 0 { "M" } else { " L" });
    }
    text
}

/// Mean and band by matched moments; the band by drawn masks as lines; data and target.
pub fn svg(
    x: &[f32],
    y: &[f32],
    grid: &[f32],
    target: fn(f32) -> f32,
    matched: &Moments,
    drawn: &Moments,
) -> String {
    let edge = |moments: &Moments, sign: f32| -> Vec<(f32, f32)> {
        let sides = moments.mean.iter().zip(&moments.variance);
        grid.iter()
            .zip(sides)
            .map(|(&x, (mean, variance))| (x, mean + sign * 2.0 * variance.sqrt()))
            .collect()
    };
    let upper = edge(matched, 1.0);
    let band = path(upper.into_iter().chain(edge(matched, -1.0).into_iter().rev()));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"none\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"44\" y=\"22\" fill=\"#222\" font-size=\"15\">What a DropConnect layer predicts, \
         and how surely</text>\n\
         <path d=\"{band} Z\" fill=\"#9ec5f0\" fill-opacity=\"0.6\"/>\n"
    );
    for sign in [1.0, -1.0] {
        let line = path(edge(drawn, sign).into_iter());
        let _ = writeln!(svg, "<path d=\"{line}\" stroke=\"#b3541e\" stroke-dasharray=\"5 3\"/>");
    }
    let truth = path(grid.iter().map(|&x| (x, target(x))));
    let _ =
        writeln!(svg, "<path d=\"{truth}\" stroke=\"#888\" stroke-dasharray=\"1 3\" stroke-width=\"1.5\"/>");
    let mean = path(grid.iter().copied().zip(matched.mean.iter().copied()));
    let _ = writeln!(svg, "<path d=\"{mean}\" stroke=\"#1d4f91\" stroke-width=\"2.2\"/>");
    for (&x, &y) in x.iter().zip(y) {
        let [x, y] = place(x, y);
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"#222\"/>");
    }
    axes(&mut svg);
    legend(&mut svg);
    svg + "</svg>\n"
}

fn axes(svg: &mut String) {
    let ([left, bottom], [right, top]) = (place(X[0], Y[0]), place(X[1], Y[1]));
    let _ = writeln!(svg, "<path d=\"M{left} {top} V{bottom} H{right}\" stroke=\"#555\"/>");
    for tick in [-2.0, -1.0, 0.0, 1.0, 2.0] {
        let ([x, _], [_, y]) = (place(tick, 0.0), place(0.0, tick));
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#555\" text-anchor=\"middle\">{tick}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#555\" text-anchor=\"end\">{tick}</text>",
            bottom + 18.0,
            left - 8.0,
            y + 4.0
        );
    }
}

fn legend(svg: &mut String) {
    let entries = [
        ("data", "<circle cx=\"11\" cy=\"-4\" r=\"2.6\" fill=\"#222\"/>", 0.0),
        (
            "target",
            "<path d=\"M0 -4 H22\" stroke=\"#888\" stroke-dasharray=\"1 3\" stroke-width=\"1.5\"/>",
            80.0,
        ),
        ("mean", "<path d=\"M0 -4 H22\" stroke=\"#1d4f91\" stroke-width=\"2.2\"/>", 170.0),
        (
            "2 deviations, moments matched",
            "<rect y=\"-10\" width=\"22\" height=\"12\" fill=\"#9ec5f0\"/>",
            250.0,
        ),
        (
            "2 deviations, 200 masks",
            "<path d=\"M0 -4 H22\" stroke=\"#b3541e\" stroke-dasharray=\"5 3\"/>",
            490.0,
        ),
    ];
    for (name, mark, x) in entries {
        let _ = writeln!(
            svg,
            "<g transform=\"translate({} 44)\">{mark}<text x=\"28\" fill=\"#222\">{name}</text></g>",
            44.0 + x
        );
    }
}
