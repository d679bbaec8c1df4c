//! Rounds in which all ways of doing the same take turns: what slows the machine down for a while slows all of them.

use std::time::{Duration, Instant};

use super::statistics::{self, FEWEST_TO_JUDGE, SURE_OF_CHANGE, Verdict};
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
const STEADY: f64 = 0.03;

const FEWEST: usize = 5;
const MOST: usize = 200;
/// Beside an earlier build: until the change is known to this, but at most so many rounds and times the budget.
const PRECISE: f64 = 0.01;
const MOST_PRECISE: usize = 1000;
const PATIENCE: u32 = 10;
/// A way whose sample takes more than so many of the first one's sits out rounds, but at most so many less one.
const SLOW: f64 = 4.0;
const SITS_OUT: f64 = 8.0;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Calls before the first sample; without a number until they are steady.
    pub warmup: Option<u32>,
    /// Exactly so many rounds.
    pub repeats: Option<u32>,
    /// Otherwise rounds for about so long for each way.
    pub budget: Duration,
}

/// The samples of one way.
#[derive(Clone, Debug)]
pub struct Series {
    /// Calls of a sample.
    pub calls: u32,
    /// It has a sample of every so manieth round, from the first one on.
    pub every: usize,
    /// Calls before the first sample, and whether they had become steady.
    pub warmup: u32,
    pub steady: bool,
    /// Of one call, in milliseconds.
    pub milliseconds: Vec<f64>,
}

impl Series {
    /// What it is against an earlier build's series.
    pub fn verdict(&self, earlier: &Self) -> Verdict {
        let ratios = self.log_ratios(earlier);
        Verdict::of(&statistics::interval(&ratios, SURE_OF_CHANGE), ratios.len())
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

/// Lets `ways` of them take turns. `sample(way, calls, lead)` runs so many calls and says how long they took, after
/// one that is not timed if `lead`. The first way is what the others are compared with; `twin` is the earlier build of
/// it. Fails at the first signal.
pub fn contest(
    effort: &Effort,
    ways: usize,
    twin: Option<usize>,
    mut sample: impl FnMut(usize, u32, bool) -> Result<Duration, CliError>,
) -> Result<Vec<Series>, CliError> {
    let mut seconds = |way, calls, lead| {
        interrupt::check()?;
        Ok::<_, CliError>(sample(way, calls, lead)?.as_secs_f64().max(1e-9))
    };
    let mut entrants = Vec::new();
    for way in 0..ways {
        entrants.push(warm_up(effort, |calls| seconds(way, calls, false))?);
    }
    if effort.repeats.is_none() {
        let first = entrants[0].1 * f64::from(entrants[0].0.calls);
        for (way, (series, call)) in entrants.iter_mut().enumerate().skip(1) {
            let slower = *call * f64::from(series.calls) / first / SLOW;
            series.every = if Some(way) == twin { 1 } else { slower.clamp(1.0, SITS_OUT) as usize };
        }
    }
    let start = Instant::now();
    let budget = effort.budget * ways as u32;
    for round in 0.. {
        // What only the change to the twin needs, nobody else takes part in.
        let two = twin.is_some()
            && effort.repeats.is_none()
            && round >= FEWEST_TO_JUDGE
            && start.elapsed() >= budget;
        for way in order(ways, round) {
            let (series, call) = &mut entrants[way];
            let takes_part = !two || way == 0 || Some(way) == twin;
            // One that has left does not come back: a series has no gaps.
            let has_all = series.milliseconds.len() == round.div_ceil(series.every);
            if takes_part && has_all && round.is_multiple_of(series.every) {
                let taken = seconds(way, series.calls, *call < LONG_CALL)?;
                series.milliseconds.push(taken * 1e3 / f64::from(series.calls));
            }
        }
        let precise = || match twin {
            Some(twin) => is_precise(&entrants[0].0, &entrants[twin].0),
            None => true,
        };
        let fewest = if twin.is_some() { FEWEST_TO_JUDGE } else { FEWEST };
        let most = if twin.is_some() { MOST_PRECISE } else { MOST };
        let enough = match effort.repeats {
            Some(repeats) => round + 1 >= repeats as usize,
            None => {
                let all = two || entrants.iter().all(|(series, _)| series.milliseconds.len() >= FEWEST);
                let spent = start.elapsed() >= budget;
                let given_up = start.elapsed() >= budget * PATIENCE;
                all && round + 1 >= fewest && (round + 1 >= most || given_up || spent && precise())
            }
        };
        if enough {
            break;
        }
    }
    Ok(entrants.into_iter().map(|(series, _)| series).collect())
}

fn is_precise(ours: &Series, twin: &Series) -> bool {
    // The interval of many samples takes milliseconds: not after every round.
    let ratios = ours.log_ratios(twin);
    ratios.len().is_multiple_of(10) && statistics::interval(&ratios, SURE_OF_CHANGE).reach() <= PRECISE
}

/// Who goes first changes: every way comes after every other alike, so that what one leaves behind (caches, clocks)
/// is no advantage of another.
fn order(ways: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..ways).collect();
    order.rotate_left(round / 2 % ways);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Finds how many calls make a sample, and goes on until they take the same time. Returns a series without samples,
/// and the seconds of a call.
fn warm_up(
    effort: &Effort,
    mut seconds: impl FnMut(u32) -> Result<f64, CliError>,
) -> Result<(Series, f64), CliError> {
    let start = Instant::now();
    let mut warmup = effort.warmup.unwrap_or(0);
    for _ in 0..warmup {
        seconds(1)?;
        // Where one call takes as long as all are meant to, one is warm-up enough.
        if effort.repeats.is_none() && start.elapsed() >= effort.budget {
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
    let mut steady = false;
    if effort.warmup.is_none() {
        let mut windows = Vec::new();
        let limit = effort.budget.max(SAMPLE * WINDOW as u32 * 2);
        while !steady && start.elapsed() < limit {
            windows.push(seconds(calls)? / f64::from(calls));
            warmup += calls;
            if let Some(last) = windows.len().checked_sub(2 * WINDOW) {
                let [before, after] = [last..last + WINDOW, last + WINDOW..last + 2 * WINDOW]
                    .map(|window| statistics::median(&windows[window]));
                steady = (after / before).ln().abs() <= STEADY;
                call = after;
            }
        }
    }
    let calls = fitting(call);
    Ok((Series { calls, every: 1, warmup, steady, milliseconds: Vec::new() }, call))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { warmup: None, repeats: Some(6), budget: Duration::from_millis(50) };

    #[test]
    fn samples_are_long_and_of_one_call_each() {
        let calls_ms = [0.1, 3.0, 40.0];
        let mut seen = vec![Vec::new(); 3];
        let series = contest(&EFFORT, 3, None, |way, calls, _| {
            seen[way].push(calls);
            Ok(Duration::from_secs_f64(calls_ms[way] / 1e3 * f64::from(calls)))
        });
        for ((series, ms), seen) in series.unwrap().iter().zip(calls_ms).zip(&seen) {
            let least = (10.0 / ms).ceil() as u32;
            assert!((least..=least + 1).contains(&series.calls), "{} calls of {ms} ms", series.calls);
            assert_eq!(series.milliseconds.len(), 6);
            assert!(series.milliseconds.iter().all(|&one| (one / ms - 1.0).abs() < 1e-3), "{series:?}");
            assert_eq!(series.warmup, seen[..seen.len() - 6].iter().sum::<u32>());
            assert!(series.steady);
        }
    }

    #[test]
    fn each_way_follows_each_other_one() {
        for ways in 1..6 {
            let rounds: Vec<_> = (0..2 * ways).map(|round| order(ways, round)).collect();
            for a in 0..ways {
                let place =
                    |way| rounds.iter().map(move |order| order.iter().position(|&at| at == way).unwrap());
                assert_eq!(place(a).sum::<usize>(), place(0).sum::<usize>(), "{ways} ways");
                for b in (0..ways).filter(|&b| b != a) {
                    let before = place(a).zip(place(b)).filter(|(a, b)| a < b).count();
                    assert_eq!(before, ways, "{a} before {b} of {ways}");
                }
            }
        }
    }

    #[test]
    fn slow_ways_sit_out_and_pairs_are_of_a_round() {
        let effort = Effort { repeats: None, ..EFFORT };
        let mut round = 0.0;
        let series = contest(&effort, 2, None, |way, calls, lead| {
            // So slow that it is no matter how fast this machine is; each round has a factor of its own.
            round += if way == 0 && lead { 1.0 } else { 0.0 };
            Ok(Duration::from_secs_f64([0.02, 1.0][way] * (1.0 + 0.01 * round) * f64::from(calls)))
        });
        let [fast, slow] = &series.unwrap()[..] else { panic!("two ways") };
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
            steady: true,
            milliseconds: milliseconds.to_vec(),
        };
        let second = series(2, &[1.0, 2.0, 4.0, 8.0]);
        assert_eq!(series(1, &[1.0, 2.0, 4.0, 8.0]).log_ratios(&series(2, &[1.0, 1.0])), [0.0, 4f64.ln()]);
        assert_eq!(second.log_ratios(&series(3, &[1.0, 1.0, 1.0])), [0.0, 8f64.ln()]);
    }

    #[test]
    fn a_twin_is_measured_until_the_change_is_known() {
        let effort = Effort { repeats: None, budget: Duration::from_millis(1), ..EFFORT };
        let mut random = dropconnect_testing::Random(3);
        let series = contest(&effort, 2, Some(1), |way, calls, _| {
            let noise = 1.0 + 0.04 * f64::from(random.value());
            Ok(Duration::from_secs_f64([0.0105, 0.0100][way] * noise * f64::from(calls)))
        });
        let [ours, twin] = &series.unwrap()[..] else { panic!("two ways") };
        assert!(ours.milliseconds.len() >= FEWEST_TO_JUDGE);
        assert_eq!(ours.milliseconds.len(), twin.milliseconds.len());
    }

    /// On a machine whose speed wanders: the clock is a made-up one.
    #[test]
    fn five_percent_are_found_and_the_same_is_the_same() {
        let effort = Effort { repeats: Some(200), ..EFFORT };
        for (ratio, verdict) in [(1.05, Verdict::Slower), (1.0, Verdict::Same), (0.95, Verdict::Faster)] {
            for seed in 0..20 {
                let (mut random, mut samples) = (dropconnect_testing::Random(seed), 0.0);
                let series = contest(&effort, 2, Some(1), |way, calls, _| {
                    samples += 1.0;
                    let drift = 1.0 + 0.3 * f64::sin(samples / 50.0);
                    let noise = drift * (1.0 + 0.04 * f64::from(random.value()));
                    Ok(Duration::from_secs_f64([0.01 * ratio, 0.01][way] * noise * f64::from(calls)))
                });
                let [ours, twin] = &series.unwrap()[..] else { panic!("two ways") };
                assert_eq!(ours.verdict(twin), verdict, "{ratio}, seed {seed}");
            }
        }
    }
}
