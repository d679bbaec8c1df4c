//! Counts as numbers of standard deviations z.

use statrs::distribution::{ContinuousCDF, DiscreteCDF, Normal, Poisson};

/// Where an event is rarer than this, its count is Poisson's rather than normal.
const RARE: f64 = 1.0 / 64.0;
/// From so many expected events on, the normal distribution serves for rare ones, too.
const MANY: f64 = 10_000.0;
/// A cell of a chi-square holds at least so many expected events.
const CELL: f64 = 50.0;

/// P(|Z| > z) of a standard normal Z.
pub fn two_tails(z: f64) -> f64 {
    2.0 * Normal::standard().sf(z)
}

/// The z whose [`two_tails`] this is.
pub fn quantile(tails: f64) -> f64 {
    -Normal::standard().inverse_cdf(0.5 * tails)
}

/// The z that is as unlikely as this count of Poisson events is, or nearer 0: a count of few events takes few values.
fn of_poisson(observed: u64, expected: f64) -> f64 {
    let Ok(poisson) = Poisson::new(expected) else { return 0.0 };
    let above = observed as f64 >= expected;
    let tail = match (above, observed) {
        (true, 0) => 1.0,
        (true, _) => poisson.sf(observed - 1),
        (false, _) => poisson.cdf(observed),
    };
    let size = quantile(2.0 * tail.clamp(1e-300, 0.5));
    if above { size } else { -size }
}

/// How far `hits` of `trials` is off what a probability predicts.
pub fn of_rate(hits: u64, trials: u64, probability: f64) -> f64 {
    // The rarer outcome is counted.
    let (hits, rare, sign) =
        if probability > 0.5 { (trials - hits, 1.0 - probability, -1.0) } else { (hits, probability, 1.0) };
    let expected = trials as f64 * rare;
    sign * if rare < RARE && expected < MANY {
        of_poisson(hits, expected)
    } else {
        (hits as f64 - expected) / (expected * (1.0 - rare)).sqrt()
    }
}

/// Of `count` pairs (x, y) of decisions, in `x`, `y` and `both` of which x, y and both are kept: the sum of
/// (x - keep) (y - keep). Such products are uncorrelated also where pairs share a decision, as those of a chain of
/// neighbours do, so that each adds (keep drop)^2 to the variance.
pub fn of_pairs([count, x, y, both]: [u64; 4], keep: f64) -> f64 {
    let drop = 1.0 - keep;
    let rare = keep.min(drop);
    // Where one outcome is rare, the sum is a count of pairs of the rare one, beside what x and y say alone.
    let [x, y, both] = if keep > 0.5 { [count - x, count - y, count + both - x - y] } else { [x, y, both] };
    let [n, x_and_y] = [count as f64, (x + y) as f64];
    if rare < RARE && n * rare * rare < MANY {
        return of_poisson(both, x as f64 * y as f64 / n);
    }
    (both as f64 - rare * x_and_y + n * rare * rare) / (keep * drop * n.sqrt())
}

/// A chi-square with so many degrees of freedom, by Wilson and Hilferty.
pub fn of_chi_square(chi_square: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// Counts of cells against their probabilities, which add up to 1. Cells of few events are taken together; `None` where
/// that leaves one.
pub fn of_cells(cells: impl Iterator<Item = (u64, f64)> + Clone) -> Option<f64> {
    let total = cells.clone().map(|(observed, _)| observed).sum::<u64>() as f64;
    let cells = cells.map(|(observed, probability)| (observed as f64, probability * total));
    let (mut large, small): (Vec<_>, Vec<_>) = cells.partition(|&(_, expected)| expected >= CELL);
    let rest = small.iter().fold((0.0, 0.0), |rest, cell| (rest.0 + cell.0, rest.1 + cell.1));
    if rest.1 >= CELL {
        large.push(rest);
    } else {
        let least = large.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1))?;
        *least = (least.0 + rest.0, least.1 + rest.1);
    }
    let chi_square = large.iter().map(|(o, e)| (o - e) * (o - e) / e).sum();
    (large.len() > 1).then(|| of_chi_square(chi_square, (large.len() - 1) as f64))
}
