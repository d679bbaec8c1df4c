//! Medians with intervals, outliers, and verdicts. `docs/performance.md`, "How the benchmark judges", says why so.

use dropconnect_testing::Random;
use serde::{Deserialize, Serialize};

/// Resamples behind an interval.
const RESAMPLES: usize = 2000;
/// Where they start from: the same samples always have the same interval.
const SEED: u64 = 20;
/// How often the interval of a time holds it, and that of a comparison, of which a run makes many.
pub const CONFIDENCE_OF_TIME: Confidence = Confidence { share: 0.95, deviations: 1.960 };
pub const CONFIDENCE_OF_CHANGE: Confidence = Confidence { share: 0.99, deviations: 2.576 };
/// With fewer rounds no interval is one of 99 %: those of eight are all above the median once in 256 times.
pub const FEWEST_TO_JUDGE: usize = 10;
/// It is a change if all of its interval lies beyond this, and none if all of it lies within the other.
const MARGIN: f64 = 0.02;
const ALIKE: f64 = 0.05;
/// A sample further than so many interquartile ranges beyond the quartiles is an outlier.
const FENCE: f64 = 3.0;

/// How often an interval is to hold what it is of.
#[derive(Clone, Copy, Debug)]
pub struct Confidence {
    /// In so much of all cases.
    pub share: f64,
    /// Standard deviations of a normal distribution that this takes to either side.
    pub deviations: f64,
}

/// A median, and where it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Of logarithms, that of the numbers.
    pub fn exp(self) -> Self {
        Self { median: self.median.exp(), low: self.low.exp(), high: self.high.exp() }
    }

    /// Half its width.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Faster,
    Slower,
    /// Not surely further apart than the margin, and surely no further than [`ALIKE`].
    Same,
    /// Too few or too uneven samples to say.
    Unclear,
}

impl Verdict {
    /// From the interval of the logarithm of our time over another, of so many rounds.
    pub fn of(change: &Interval, rounds: usize) -> Self {
        let (beyond, within) = (MARGIN.ln_1p(), ALIKE.ln_1p());
        if rounds < FEWEST_TO_JUDGE {
            Self::Unclear
        } else if change.high < -beyond {
            Self::Faster
        } else if change.low > beyond {
            Self::Slower
        } else if -within < change.low && change.high < within {
            Self::Same
        } else {
            Self::Unclear
        }
    }

    /// Whether processes have to be started once more, after they gave these: where one happens to lie in memory makes
    /// a change, or hides one, now and then, which the next does not repeat.
    pub fn needs_another(verdicts: &[Self]) -> bool {
        match *verdicts {
            [one, other] => one != other,
            _ => verdicts.len() < 2,
        }
    }

    /// What two of them say; else unclear.
    pub fn of_all(verdicts: &[Self]) -> Self {
        match *verdicts {
            [only] => only,
            [one, other, ..] if one == other => one,
            [one, other, last] if last == one || last == other => last,
            _ => Self::Unclear,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::Unclear => "unclear",
        }
    }
}

/// The value that this fraction of `values`, of which there is at least one, lies below; between two of them by
/// proportion. Their order is lost.
pub fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    let place = fraction * (values.len() - 1) as f64;
    let (_, &mut lower, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    match above.iter().copied().min_by(f64::total_cmp) {
        Some(upper) if place.fract() > 0.0 => lower + place.fract() * (upper - lower),
        _ => lower,
    }
}

/// The middle one, or the mean of the middle two.
pub fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

/// Samples that are drawn together.
fn block(samples: usize) -> usize {
    (samples as f64).cbrt().ceil() as usize
}

/// The medians of resamples, sorted. Samples that follow each other are alike when a machine drifts, so what is drawn
/// are runs of them (a moving-block bootstrap), as long as the cube root of their number.
fn resampled_medians(values: &[f64]) -> Vec<f64> {
    let block = block(values.len());
    let mut random = Random(SEED);
    let mut resample = Vec::with_capacity(values.len() + block);
    let mut medians: Vec<_> = (0..RESAMPLES)
        .map(|_| {
            resample.clear();
            while resample.len() < values.len() {
                let start = random.below(values.len());
                resample.extend((start..start + block).map(|at| values[at % values.len()]));
            }
            quantile(&mut resample[..values.len()], 0.5)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    medians
}

/// Of values, of which there is at least one, the median and its bootstrap percentile interval.
pub fn interval(values: &[f64], confidence: Confidence) -> Interval {
    between(median(values), &mut resampled_medians(values), confidence, values.len())
}

/// Percentiles of the resamples of so many samples. Few blocks do not know how uneven blocks are: the interval is wider
/// by what Student's distribution is wider than the normal one (the first term of the expansion in one over the degrees
/// of freedom).
fn between(median: f64, resampled: &mut [f64], confidence: Confidence, samples: usize) -> Interval {
    let tail = (1.0 - confidence.share) / 2.0;
    let freedom = (samples as f64 / block(samples) as f64 - 1.0).max(1.0);
    let wider = 1.0 + (confidence.deviations.powi(2) + 1.0) / (4.0 * freedom);
    let end = |at: f64| median + wider * (at - median);
    Interval { median, low: end(quantile(resampled, tail)), high: end(quantile(resampled, 1.0 - tail)) }
}

/// The places of outliers (Tukey's outer fences), in their order; none among so few that nothing is far from them.
pub fn outliers(values: &[f64]) -> Vec<usize> {
    if values.len() < FEWEST_TO_JUDGE {
        return Vec::new();
    }
    let mut sorted = values.to_vec();
    let [lower, upper] = [0.25, 0.75].map(|fraction| quantile(&mut sorted, fraction));
    let fence = FENCE * (upper - lower);
    let inside = lower - fence..=upper + fence;
    (0..values.len()).filter(|&at| !inside.contains(&values[at])).collect()
}

#[cfg(test)]
mod tests {
    use dropconnect_testing::full;

    use super::*;

    /// Nearly a standard normal number: the sum of twelve uniform ones.
    fn normal(random: &mut Random) -> f64 {
        (0..12).map(|_| f64::from(random.value()) / 2.0).sum()
    }

    /// Pairs of a round as a shared machine gives them: a speed that wanders by some percent and now and then halves,
    /// seen alike by both, noise of 3 % of their own, and one sample in 20 that something else held up.
    fn log_ratios(seed: u64, rounds: usize, slowdown: f64) -> Vec<f64> {
        let mut random = Random(seed);
        let mut drift = 0.0;
        (0..rounds)
            .map(|round| {
                drift += 0.02 * normal(&mut random);
                let busy = if round / 7 % 3 == 0 { 2f64.ln() } else { 0.0 };
                let mut sample = |factor: f64| {
                    let held_up = if random.below(20) == 0 { 0.5 } else { 0.0 };
                    factor.ln() + drift + busy + 0.03 * normal(&mut random) + held_up
                };
                sample(1.0 + slowdown) - sample(1.0)
            })
            .collect()
    }

    /// In so many of a hundred runs.
    fn verdicts(rounds: usize, slowdown: f64, wanted: Verdict) -> f64 {
        let runs = if full() { 200 } else { 20 };
        let verdict = |seed| {
            let ratios = log_ratios(seed, rounds, slowdown);
            Verdict::of(&interval(&ratios, CONFIDENCE_OF_CHANGE), rounds)
        };
        let count = (1..=runs).filter(|&seed| verdict(seed) == wanted).count();
        100.0 * count as f64 / runs as f64
    }

    #[test]
    fn quantiles_are_between_their_neighbours() {
        for (values, fraction, want) in [
            (&[3.0][..], 0.5, 3.0),
            (&[4.0, 1.0], 0.5, 2.5),
            (&[3.0, 1.0, 2.0], 0.5, 2.0),
            (&[0.0, 10.0], 0.9, 9.0),
        ] {
            assert_eq!(quantile(&mut values.to_vec(), fraction), want, "{values:?}");
        }
        assert_eq!(quantile(&mut [1.0, 2.0, 5.0], 1.0), 5.0);
    }

    #[test]
    fn intervals_hold_the_median_as_often_as_they_say() {
        let held = |confidence| {
            let holds = |seed| {
                let mut random = Random(seed);
                let values: Vec<_> = (0..40).map(|_| normal(&mut random)).collect();
                let Interval { low, high, .. } = interval(&values, confidence);
                low <= 0.0 && 0.0 <= high
            };
            (1..=400).filter(|&seed| holds(seed)).count()
        };
        // Of 400; an interval that were always there, or of another level, would not be in these.
        let small = Confidence { share: 0.4, deviations: 0.524 };
        assert!((364..=396).contains(&held(CONFIDENCE_OF_TIME)), "{}", held(CONFIDENCE_OF_TIME));
        assert!((120..=200).contains(&held(small)), "{}", held(small));
    }

    /// The first with more of it than an interval of 99 % allows by itself: the margin is what keeps it quiet.
    #[test]
    fn the_same_code_is_no_change() {
        for rounds in [12, 60, 200] {
            let changes = verdicts(rounds, 0.0, Verdict::Faster) + verdicts(rounds, 0.0, Verdict::Slower);
            assert!(changes <= 1.0, "{changes} % at {rounds} rounds");
        }
        assert!(verdicts(200, 0.0, Verdict::Same) >= 95.0, "{}", verdicts(200, 0.0, Verdict::Same));
    }

    #[test]
    fn five_percent_are_found() {
        let found = verdicts(200, 0.05, Verdict::Slower);
        assert!(found >= 95.0, "{found} %");
        assert!(verdicts(200, -0.05, Verdict::Faster) >= 95.0);
        // Half of the margin is none, however many rounds there are.
        assert_eq!(verdicts(1000, 0.01, Verdict::Slower), 0.0);
    }

    /// A machine that drifts and gives runs of like samples: drawn one by one they promise more than they hold.
    #[test]
    fn runs_of_like_samples_widen_the_interval() {
        let mut random = Random(5);
        let mut level = 0.0;
        let values: Vec<_> = (0..200)
            .map(|at| {
                if at % 10 == 0 {
                    level = normal(&mut random);
                }
                level + 0.1 * normal(&mut random)
            })
            .collect();
        let mut shuffled = values.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, random.below(at + 1));
        }
        let [drifting, mixed] =
            [&values, &shuffled].map(|values| interval(values, CONFIDENCE_OF_CHANGE).half_width());
        assert!(drifting > 1.3 * mixed, "{drifting} and {mixed}");
    }

    #[test]
    fn few_or_uneven_rounds_are_unclear() {
        let of = |low, high, rounds| Verdict::of(&Interval { median: 0.0, low, high }, rounds);
        assert_eq!(of(0.5, 0.6, FEWEST_TO_JUDGE - 1), Verdict::Unclear);
        assert_eq!(of(0.5, 0.6, FEWEST_TO_JUDGE), Verdict::Slower);
        assert_eq!(of(-0.6, -0.5, FEWEST_TO_JUDGE), Verdict::Faster);
        assert_eq!(of(-0.3, 0.01, 100), Verdict::Unclear);
        assert_eq!(of(-0.01, 0.03, 100), Verdict::Same);
        assert_eq!(of(f64::NAN, f64::NAN, 100), Verdict::Unclear);
    }

    #[test]
    fn a_verdict_has_to_show_twice() {
        use Verdict::{Faster, Same, Slower, Unclear};
        for (verdicts, another, all) in [
            (&[Same][..], true, Same),
            (&[Same, Same], false, Same),
            (&[Same, Slower], true, Unclear),
            (&[Slower, Slower], false, Slower),
            (&[Faster, Same], true, Unclear),
            (&[Faster, Same, Faster], false, Faster),
            (&[Faster, Same, Same], false, Same),
            (&[Faster, Same, Slower], false, Unclear),
        ] {
            assert_eq!(
                (Verdict::needs_another(verdicts), Verdict::of_all(verdicts)),
                (another, all),
                "{verdicts:?}"
            );
        }
    }

    #[test]
    fn outliers_are_named_by_their_places() {
        let mut values: Vec<_> = (0..20).map(|at| 1.0 + 0.01 * f64::from(at)).collect();
        assert_eq!(outliers(&values), [0; 0]);
        values[7] = 3.0;
        values[11] = 0.1;
        assert_eq!(outliers(&values), [7, 11]);
        assert_eq!(outliers(&[2.0, 2.0, 2.0, 9.0]), [0; 0]);
    }
}
