//! Curves as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::Outcome;

/// Curves with their names, on axes from 0.
pub fn lines(path: &Path, title: &str, [x, y]: [&str; 2], curves: &[(String, Vec<[f64; 2]>)]) -> Outcome<()> {
    const COLOURS: [RGBColor; 6] = [BLUE, GREEN, BLACK, RED, MAGENTA, RGBColor(217, 130, 0)];
    let largest = |axis: usize| {
        let values = curves.iter().flat_map(|(_, points)| points).map(|point| point[axis]);
        values.fold(0.0, f64::max).max(1e-9)
    };
    let area = SVGBackend::new(path, (640, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..largest(0), 0.0..largest(1))?;
    chart.configure_mesh().disable_mesh().x_desc(x).y_desc(y).draw()?;
    for ((name, points), colour) in curves.iter().zip(COLOURS) {
        // A few hundred are enough.
        let points = points.iter().step_by(1 + points.len() / 400).chain(points.last());
        let line = LineSeries::new(points.map(|&[x, y]| (x, y)), colour);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour);
        chart.draw_series(line)?.label(name).legend(legend);
    }
    chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).draw()?;
    Ok(())
}
