//! Rounds in which all implementations take turns: what slows the machine down for a while slows all of them.

use std::time::{Duration, Instant};

use super::statistics::{self, CONFIDENCE_OF_CHANGE, FEWEST_TO_JUDGE, Verdict};
use crate::error::CliError;
use crate::interrupt;

/// A sample lasts at least so long: so many calls, one after the other, are one.
pub const SAMPLE: Duration = Duration::from_millis(10);
/// But no more calls than this; a submission of more takes long to record.
const MOST_CALLS: u32 = 4096;
/// A call that lasts longer fills the caches itself: it needs none before it that is not timed.
const LONG_CALL: f64 = 0.05;
/// Warm-up ends when two windows of so many samples have medians no further apart.
const WINDOW: usize = 3;
const CONVERGED: f64 = 0.03;

const FEWEST: usize = 5;
const MOST: usize = 200;
/// Beside an earlier build: until the change is known to this, but at most so many rounds and times the budget.
const PRECISE: f64 = 0.01;
const MOST_PRECISE: usize = 1000;
const TIMEOUT_BUDGETS: u32 = 10;
/// An implementation whose sample takes more than so many of the first one's sits out rounds, but at most so many less
/// one.
const SLOW: f64 = 4.0;
const SITS_OUT: f64 = 8.0;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    /// Calls before the first sample; without a number until they have converged.
    pub warmup: Option<u32>,
    /// Exactly so many rounds.
    pub repeats: Option<u32>,
    /// Otherwise rounds for about so long for each implementation.
    pub budget: Duration,
}

/// The samples of one implementation.
#[derive(Clone, Debug)]
pub struct Series {
    /// Calls of a sample.
    pub calls: u32,
    /// It has a sample of every so manieth round, from the first one on.
    pub every: usize,
    /// Calls before the first sample, and whether they had converged.
    pub warmup: u32,
    pub converged: bool,
    /// Of one call, in milliseconds.
    pub milliseconds: Vec<f64>,
}

impl Series {
    /// What it is against an earlier build's series.
    pub fn verdict(&self, earlier: &Self) -> Verdict {
        let ratios = self.log_ratios(earlier);
        Verdict::of(&statistics::interval(&ratios, CONFIDENCE_OF_CHANGE), ratios.len())
    }

    /// Of the rounds that both have seen, the logarithms of this time over that of the other.
    pub fn log_ratios(&self, other: &Self) -> Vec<f64> {
        let common = greatest_divisor(self.every, other.every);
        let these = self.milliseconds.iter().step_by(other.every / common);
        let those = other.milliseconds.iter().step_by(self.every / common);
        these.zip(those).map(|(this, that)| (this / that).ln()).collect()
    }
}

/// That of two numbers, of which neither is 0.
fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

/// Lets so many implementations take turns. `sample(implementation, calls, warm_up)` runs so many calls and says how
/// long they took, after one that is not timed if `warm_up`. The first implementation is what the others are compared
/// with; `baseline` is the earlier build of it. Fails at the first signal.
pub fn contest(
    time_budget: &TimeBudget,
    implementations: usize,
    baseline: Option<usize>,
    mut sample: impl FnMut(usize, u32, bool) -> Result<Duration, CliError>,
) -> Result<Vec<Series>, CliError> {
    let mut seconds = |implementation, calls, warm_up| {
        interrupt::check()?;
        Ok::<_, CliError>(sample(implementation, calls, warm_up)?.as_secs_f64().max(1e-9))
    };
    let mut all = Vec::new();
    for implementation in 0..implementations {
        all.push(warm_up(time_budget, |calls| seconds(implementation, calls, false))?);
    }
    if time_budget.repeats.is_none() {
        let first = all[0].1 * f64::from(all[0].0.calls);
        for (implementation, (series, call)) in all.iter_mut().enumerate().skip(1) {
            let slower = *call * f64::from(series.calls) / first / SLOW;
            series.every =
                if Some(implementation) == baseline { 1 } else { slower.clamp(1.0, SITS_OUT) as usize };
        }
    }
    let start = Instant::now();
    let budget = time_budget.budget * implementations as u32;
    for round in 0.. {
        // What only the change to the baseline needs, nobody else takes part in.
        let two = baseline.is_some()
            && time_budget.repeats.is_none()
            && round >= FEWEST_TO_JUDGE
            && start.elapsed() >= budget;
        for implementation in order(implementations, round) {
            let (series, call) = &mut all[implementation];
            let takes_part = !two || implementation == 0 || Some(implementation) == baseline;
            // One that has left does not come back: a series has no gaps.
            let has_all = series.milliseconds.len() == round.div_ceil(series.every);
            if takes_part && has_all && round.is_multiple_of(series.every) {
                let taken = seconds(implementation, series.calls, *call < LONG_CALL)?;
                series.milliseconds.push(taken * 1e3 / f64::from(series.calls));
            }
        }
        let precise = || match baseline {
            Some(baseline) => is_precise(&all[0].0, &all[baseline].0),
            None => true,
        };
        let fewest = if baseline.is_some() { FEWEST_TO_JUDGE } else { FEWEST };
        let most = if baseline.is_some() { MOST_PRECISE } else { MOST };
        let enough = match time_budget.repeats {
            Some(repeats) => round + 1 >= repeats as usize,
            None => {
                let sampled = two || all.iter().all(|(series, _)| series.milliseconds.len() >= FEWEST);
                let spent = start.elapsed() >= budget;
                let given_up = start.elapsed() >= budget * TIMEOUT_BUDGETS;
                sampled && round + 1 >= fewest && (round + 1 >= most || given_up || spent && precise())
            }
        };
        if enough {
            break;
        }
    }
    Ok(all.into_iter().map(|(series, _)| series).collect())
}

fn is_precise(ours: &Series, baseline: &Series) -> bool {
    // The interval of many samples takes milliseconds: not after every round.
    let ratios = ours.log_ratios(baseline);
    ratios.len().is_multiple_of(10)
        && statistics::interval(&ratios, CONFIDENCE_OF_CHANGE).half_width() <= PRECISE
}

/// Who goes first changes: every implementation comes after every other alike, so that what one leaves behind (caches,
/// clocks)
/// is no advantage of another.
fn order(implementations: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..implementations).collect();
    order.rotate_left(round / 2 % implementations);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Finds how many calls make a sample, and goes on until they take the same time. Returns a series without samples,
/// and the seconds of a call.
fn warm_up(
    time_budget: &TimeBudget,
    mut seconds: impl FnMut(u32) -> Result<f64, CliError>,
) -> Result<(Series, f64), CliError> {
    let start = Instant::now();
    let mut warmup = time_budget.warmup.unwrap_or(0);
    for _ in 0..warmup {
        seconds(1)?;
        // Where one call takes as long as all are meant to, one is warm-up enough.
        if time_budget.repeats.is_none() && start.elapsed() >= time_budget.budget {
            break;
        }
    }
    let whole = SAMPLE.as_secs_f64();
    let fitting = |call: f64| (whole / call).ceil().clamp(1.0, f64::from(MOST_CALLS)) as u32;
    let mut calls = 1;
    let mut call;
    loop {
        let taken = seconds(calls)?;
        warmup += calls;
        call = taken / f64::from(calls);
        if taken >= whole || calls == MOST_CALLS {
            break;
        }
        calls = fitting(call).clamp(calls + 1, (calls * 16).min(MOST_CALLS));
    }
    let mut converged = false;
    if time_budget.warmup.is_none() {
        let mut windows = Vec::new();
        let limit = time_budget.budget.max(SAMPLE * WINDOW as u32 * 2);
        while !converged && start.elapsed() < limit {
            windows.push(seconds(calls)? / f64::from(calls));
            warmup += calls;
            if let Some(last) = windows.len().checked_sub(2 * WINDOW) {
                let [before, after] = [last..last + WINDOW, last + WINDOW..last + 2 * WINDOW]
                    .map(|window| statistics::median(&windows[window]));
                converged = (after / before).ln().abs() <= CONVERGED;
                call = after;
            }
        }
    }
    let calls = fitting(call);
    Ok((Series { calls, every: 1, warmup, converged, milliseconds: Vec::new() }, call))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_BUDGET: TimeBudget =
        TimeBudget { warmup: None, repeats: Some(6), budget: Duration::from_millis(50) };

    #[test]
    fn samples_are_long_and_of_one_call_each() {
        let calls_ms = [0.1, 3.0, 40.0];
        let mut seen = vec![Vec::new(); 3];
        let series = contest(&TIME_BUDGET, 3, None, |implementation, calls, _| {
            seen[implementation].push(calls);
            Ok(Duration::from_secs_f64(calls_ms[implementation] / 1e3 * f64::from(calls)))
        });
        for ((series, ms), seen) in series.unwrap().iter().zip(calls_ms).zip(&seen) {
            let least = (10.0 / ms).ceil() as u32;
            assert!((least..=least + 1).contains(&series.calls), "{} calls of {ms} ms", series.calls);
            assert_eq!(series.milliseconds.len(), 6);
            assert!(series.milliseconds.iter().all(|&one| (one / ms - 1.0).abs() < 1e-3), "{series:?}");
            assert_eq!(series.warmup, seen[..seen.len() - 6].iter().sum::<u32>());
            assert!(series.converged);
        }
    }

    #[test]
    fn each_way_follows_each_other_one() {
        for implementations in 1..6 {
            let rounds: Vec<_> =
                (0..2 * implementations).map(|round| order(implementations, round)).collect();
            for a in 0..implementations {
                let place = |implementation| {
                    rounds.iter().map(move |order| order.iter().position(|&at| at == implementation).unwrap())
                };
                assert_eq!(
                    place(a).sum::<usize>(),
                    place(0).sum::<usize>(),
                    "{implementations} implementations"
                );
                for b in (0..implementations).filter(|&b| b != a) {
                    let before = place(a).zip(place(b)).filter(|(a, b)| a < b).count();
                    assert_eq!(before, implementations, "{a} before {b} of {implementations}");
                }
            }
        }
    }

    #[test]
    fn slow_ways_sit_out_and_pairs_are_of_a_round() {
        let time_budget = TimeBudget { repeats: None, ..TIME_BUDGET };
        let mut round = 0.0;
        let series = contest(&time_budget, 2, None, |implementation, calls, warm_up| {
            // So slow that it is no matter how fast this machine is; each round has a factor of its own.
            round += if implementation == 0 && warm_up { 1.0 } else { 0.0 };
            Ok(Duration::from_secs_f64([0.02, 1.0][implementation] * (1.0 + 0.01 * round) * f64::from(calls)))
        });
        let [fast, slow] = &series.unwrap()[..] else { panic!("two implementations") };
        assert_eq!((fast.every, slow.every), (1, 8));
        assert!(
            slow.milliseconds.len() >= FEWEST && fast.milliseconds.len() > 8 * (slow.milliseconds.len() - 1)
        );
        let ratios = slow.log_ratios(fast);
        assert_eq!(ratios.len(), slow.milliseconds.len());
        assert!(ratios.iter().all(|ratio| (ratio - 50f64.ln()).abs() < 0.02), "{ratios:?}");
        let series = |every, milliseconds: &[f64]| Series {
            calls: 1,
            every,
            warmup: 0,
            converged: true,
            milliseconds: milliseconds.to_vec(),
        };
        let second = series(2, &[1.0, 2.0, 4.0, 8.0]);
        assert_eq!(series(1, &[1.0, 2.0, 4.0, 8.0]).log_ratios(&series(2, &[1.0, 1.0])), [0.0, 4f64.ln()]);
        assert_eq!(second.log_ratios(&series(3, &[1.0, 1.0, 1.0])), [0.0, 8f64.ln()]);
    }

    #[test]
    fn a_twin_is_measured_until_the_change_is_known() {
        let time_budget = TimeBudget { repeats: None, budget: Duration::from_millis(1), ..TIME_BUDGET };
        let mut random = dropconnect_testing::Random(3);
        let series = contest(&time_budget, 2, Some(1), |implementation, calls, _| {
            let noise = 1.0 + 0.04 * f64::from(random.value());
            Ok(Duration::from_secs_f64([0.0105, 0.0100][implementation] * noise * f64::from(calls)))
        });
        let [ours, baseline] = &series.unwrap()[..] else { panic!("two implementations") };
        assert!(ours.milliseconds.len() >= FEWEST_TO_JUDGE);
        assert_eq!(ours.milliseconds.len(), baseline.milliseconds.len());
    }

    /// On a machine whose speed wanders: the clock is a made-up one.
    #[test]
    fn five_percent_are_found_and_the_same_is_the_same() {
        let time_budget = TimeBudget { repeats: Some(200), ..TIME_BUDGET };
        for (ratio, verdict) in [(1.05, Verdict::Slower), (1.0, Verdict::Same), (0.95, Verdict::Faster)] {
            for seed in 0..20 {
                let (mut random, mut samples) = (dropconnect_testing::Random(seed), 0.0);
                let series = contest(&time_budget, 2, Some(1), |implementation, calls, _| {
                    samples += 1.0;
                    let drift = 1.0 + 0.3 * f64::sin(samples / 50.0);
                    let noise = drift * (1.0 + 0.04 * f64::from(random.value()));
                    Ok(Duration::from_secs_f64(
                        [0.01 * ratio, 0.01][implementation] * noise * f64::from(calls),
                    ))
                });
                let [ours, baseline] = &series.unwrap()[..] else { panic!("two implementations") };
                assert_eq!(ours.verdict(baseline), verdict, "{ratio}, seed {seed}");
            }
        }
    }
}
