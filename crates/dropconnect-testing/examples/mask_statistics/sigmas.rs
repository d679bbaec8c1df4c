//! Counts as numbers of standard deviations.

/// Where an event is rarer than this, its count is Poisson's rather than normal.
const RARE: f64 = 1.0 / 64.0;
/// From so many expected events on the normal distribution serves for rare ones, too.
const MANY: f64 = 10_000.0;
/// A cell of a chi-square holds at least so many expected events.
const CELL: f64 = 50.0;

/// P(Z > z) of a standard normal Z.
pub fn normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    if z < 3.0 {
        // z + z^3 / 3 + z^5 / (3 5) + ...
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > 1e-18 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        0.5 - density * sum
    } else {
        // 1 / (z + 1 / (z + 2 / (z + ...)))
        density / (1..=60).rev().fold(z, |below, k| z + f64::from(k) / below)
    }
}

/// The z whose [`normal_tail`] this is.
pub fn normal_quantile(tail: f64) -> f64 {
    let (mut low, mut high) = (-38.0, 38.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if normal_tail(middle) > tail { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The z that is as unlikely as this count of Poisson events is, or nearer 0: a count of few events takes few values.
fn poisson_sigmas(observed: f64, expected: f64) -> f64 {
    let logarithm = |count: f64| {
        let factorial: f64 = (1..=count as u64).map(|k| (k as f64).ln()).sum();
        count * expected.ln() - expected - factorial
    };
    let mut term = logarithm(observed).exp();
    let (mut tail, mut count) = (0.0, observed);
    let above = observed >= expected;
    while term > tail * 1e-17 && term > 0.0 {
        tail += term;
        if above {
            count += 1.0;
            term *= expected / count;
        } else {
            term *= count / expected;
            count -= 1.0;
        }
    }
    let size = normal_quantile(tail.clamp(1e-300, 0.5));
    if above { size } else { -size }
}

/// How far a count is off that has this expectation and, where it is normal, this deviation; `rarity` is the
/// probability of what makes the event rare.
fn count_sigmas(observed: f64, expected: f64, deviation: f64, rarity: f64) -> f64 {
    if rarity < RARE && expected < MANY {
        poisson_sigmas(observed, expected)
    } else {
        (observed - expected) / deviation
    }
}

/// How far `hits` of `trials` is off what a probability predicts.
pub fn rate_sigmas(hits: u64, trials: u64, probability: f64) -> f64 {
    // The rarer outcome is counted.
    let (hits, rare, sign) =
        if probability > 0.5 { (trials - hits, 1.0 - probability, -1.0) } else { (hits, probability, 1.0) };
    let expected = trials as f64 * rare;
    sign * count_sigmas(hits as f64, expected, (expected * (1.0 - rare)).sqrt(), rare)
}

/// Pairs (x, y) of decisions: how many, and in how many x, y, both are kept.
#[derive(Clone, Copy, Default)]
pub struct Pairs {
    pub count: u64,
    pub x: u64,
    pub y: u64,
    pub both: u64,
}

impl Pairs {
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.x += other.x;
        self.y += other.y;
        self.both += other.both;
    }

    /// The sum of (x - keep) (y - keep). Such products are uncorrelated also where pairs share a decision, as those of
    /// a chain of neighbours do, so that each adds (keep drop)^2 to the variance.
    pub fn sigmas(&self, keep: f64) -> f64 {
        let drop = 1.0 - keep;
        let rare = keep.min(drop);
        let count = self.count as f64;
        // Where one outcome is rare, the sum is a count of pairs of the rare one, beside what x and y say alone.
        let (x, y, both) = if keep > 0.5 {
            (self.count - self.x, self.count - self.y, self.count + self.both - self.x - self.y)
        } else {
            (self.x, self.y, self.both)
        };
        let (x, y, both) = (x as f64, y as f64, both as f64);
        if rare < RARE && count * rare * rare < MANY {
            return poisson_sigmas(both, x * y / count);
        }
        (both - rare * (x + y) + count * rare * rare) / (keep * drop * count.sqrt())
    }
}

/// A chi-square with so many degrees of freedom as a z, by Wilson and Hilferty.
pub fn chi_square_sigmas(chi_square: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// Counts of cells against their probabilities, which add up to 1. Cells of few events are taken together; `None` where
/// that leaves one.
pub fn cells_sigmas(cells: impl Iterator<Item = (u64, f64)> + Clone) -> Option<f64> {
    let total = cells.clone().map(|(observed, _)| observed).sum::<u64>() as f64;
    let mut rest = (0.0, 0.0);
    let mut large = Vec::new();
    for (observed, probability) in cells {
        let (observed, expected) = (observed as f64, probability * total);
        if expected < CELL {
            rest = (rest.0 + observed, rest.1 + expected);
        } else {
            large.push((observed, expected));
        }
    }
    if rest.1 >= CELL {
        large.push(rest);
    } else {
        let least = large.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1))?;
        *least = (least.0 + rest.0, least.1 + rest.1);
    }
    let chi_square = large.iter().map(|(o, e)| (o - e) * (o - e) / e).sum();
    (large.len() > 1).then(|| chi_square_sigmas(chi_square, (large.len() - 1) as f64))
}
