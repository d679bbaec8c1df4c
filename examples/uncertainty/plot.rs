//! The picture, as SVG.

use std::error::Error;

use dropconnect::Moments;
use plotters::prelude::*;

/// Values beyond are drawn at the edge.
const LARGEST: f32 = 3.0;

/// Mean and band of two deviations by matched moments; the band by drawn masks as lines; data and target.
pub fn draw(
    path: &str,
    [x, y]: [&[f32]; 2],
    grid: &[f32],
    target: fn(f32) -> f32,
    [matched, drawn]: [&Moments; 2],
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (760, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("What a DropConnect layer predicts, and how surely", ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(36)
        .build_cartesian_2d(grid[0]..grid[grid.len() - 1], -LARGEST..LARGEST)?;
    chart.configure_mesh().disable_mesh().draw()?;
    let edge = |moments: &Moments, deviations: f32| {
        let values = moments.mean.iter().zip(&moments.variance);
        let values = values.map(|(mean, variance)| mean + deviations * variance.sqrt());
        let points = grid.iter().zip(values).map(|(&x, y)| (x, y.clamp(-LARGEST, LARGEST)));
        points.collect::<Vec<_>>()
    };

    let band = RGBColor(158, 197, 240).mix(0.6);
    let outline = edge(matched, 2.0).into_iter().chain(edge(matched, -2.0).into_iter().rev());
    chart
        .draw_series([Polygon::new(outline.collect::<Vec<_>>(), band)])?
        .label("2 deviations, moments matched")
        .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], band.filled()));
    let [orange, grey, blue] = [RGBColor(179, 84, 30), RGBColor(136, 136, 136), RGBColor(29, 79, 145)];
    let truth = grid.iter().map(|&x| (x, target(x))).collect();
    for (points, style, name) in [
        (edge(drawn, -2.0), orange.stroke_width(1), None),
        (edge(drawn, 2.0), orange.stroke_width(1), Some("2 deviations, 200 masks")),
        (truth, grey.stroke_width(1), Some("target")),
        (edge(matched, 0.0), blue.stroke_width(2), Some("mean")),
    ] {
        let line = chart.draw_series(LineSeries::new(points, style))?;
        if let Some(name) = name {
            line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
    }
    chart
        .draw_series(x.iter().zip(y).map(|(&x, &y)| Circle::new((x, y), 2, BLACK.filled())))?
        .label("data")
        .legend(|(x, y)| Circle::new((x + 10, y), 2, BLACK.filled()));
    chart.configure_series_labels().position(SeriesLabelPosition::UpperMiddle).draw()?;
    Ok(())
}
