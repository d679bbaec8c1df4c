//! What is counted in a stream, 64 decisions at a time.

use dropconnect::DropProbability;

use crate::sigmas::{of_cells, of_chi_square, of_pairs, of_rate};
use crate::stream::{EXAMPLE, EXAMPLES, OUTPUT, OUTPUTS, WORDS};

/// The statistics of a setting:
/// - `rate`: kept decisions; `lanes`: the same for each of the 128 connections of a brick (chi-square).
/// - `in 1`, `in /`, `in 8`: pairs of neighbouring inputs within a brick, across the edge of two, and of the same
///   connection in neighbouring bricks; `out` and `ex` likewise for outputs and examples.
/// - `step`: pairs of the same connection at neighbouring steps.
/// - `runs`: the number of runs along rows of inputs, for the kept and dropped there are (Wald and Wolfowitz).
/// - `kept`, `dropd`: lengths of runs of kept and of dropped connections along rows (chi-square).
/// - `bytes`: patterns of 8 inputs in a brick; `cols`: of the same connection in 8 bricks in turn (chi-square).
pub const STATISTICS: [&str; 17] = [
    "rate", "lanes", "in 1", "in /", "in 8", "out 1", "out /", "out 4", "ex 1", "ex /", "ex 4", "step",
    "runs", "kept", "dropd", "bytes", "cols",
];
/// Kinds of pairs, from `in 1` to `step`.
const PAIRS: usize = 10;
/// Lengths of runs from here on are one.
const LONGEST: usize = 16;
const EVERY_EIGHTH: u64 = 0x0101_0101_0101_0101;

/// Sums over boxes.
pub struct Counts {
    /// Of each kind: pairs, and those of which the first, the second, and both are kept.
    pairs: [[u64; 4]; PAIRS],
    /// Runs of dropped and of kept connections that are at least 1 to 16 long.
    runs: [[u64; LONGEST]; 2],
    /// Patterns of the 8 inputs of a brick at (n % 4, o % 4).
    bytes: Box<[[u64; 256]; 16]>,
    columns: [u64; 256],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            pairs: Default::default(),
            runs: Default::default(),
            bytes: Box::new([[0; 256]; 16]),
            columns: [0; 256],
        }
    }
}

impl Counts {
    fn sums(&mut self) -> [&mut [u64]; 4] {
        let Self { pairs, runs, bytes, columns } = self;
        [pairs.as_flattened_mut(), runs.as_flattened_mut(), bytes.as_flattened_mut(), columns]
    }

    pub fn plus(mut self, mut other: Self) -> Self {
        for (sums, others) in self.sums().into_iter().zip(other.sums()) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += *other);
        }
        self
    }

    pub fn decisions(&self) -> u64 {
        8 * self.bytes.as_flattened().iter().sum::<u64>()
    }

    /// Counts a box; `last` is the one at the step before, at the same place.
    pub fn add_box(&mut self, words: &[u64], last: Option<&[u64]>) {
        for (row, row_words) in words.chunks(WORDS).enumerate() {
            let place = row / OUTPUTS % 4 * 4 + row % 4;
            for &x in row_words {
                x.to_le_bytes().into_iter().for_each(|byte| self.bytes[place][usize::from(byte)] += 1);
                transposed(x).to_le_bytes().into_iter().for_each(|byte| self.columns[usize::from(byte)] += 1);
            }
            self.add_runs(row_words);
        }
        for at in 0..words.len() {
            for (kind, sums) in self.pairs.iter_mut().enumerate() {
                let Some([x, y, which]) = neighbours(kind, at, words, last) else { continue };
                for (sum, bits) in sums.iter_mut().zip([which, x & which, y & which, x & y & which]) {
                    *sum += u64::from(bits.count_ones());
                }
            }
        }
    }

    /// Runs that begin within the row, with [`LONGEST`] inputs to come: the number of those is settled before their
    /// lengths are, which are geometric then.
    fn add_runs(&mut self, row: &[u64]) {
        for (flip, runs) in [u64::MAX, 0].into_iter().zip(&mut self.runs) {
            let word = |at: usize| row.get(at).map(|x| x ^ flip);
            for (at, x) in row.iter().map(|x| x ^ flip).enumerate() {
                // What lies before input 0 is not known, and its run may be longer than it shows.
                let before = if at == 0 { 1 } else { (row[at - 1] ^ flip) >> 63 };
                let settled = if word(at + 1).is_some() { u64::MAX } else { u64::MAX >> (LONGEST - 1) };
                let mut begun = x & !(x << 1 | before) & settled;
                let both = u128::from(word(at + 1).unwrap_or(0)) << 64 | u128::from(x);
                for (more, count) in runs.iter_mut().enumerate() {
                    begun &= (both >> more) as u64;
                    *count += u64::from(begun.count_ones());
                }
            }
        }
    }

    /// Every statistic, in the order of [`STATISTICS`]; `None` where there are too few events.
    pub fn sigmas(&self, probability: &DropProbability) -> [Option<f64>; 17] {
        let drop = probability.realised();
        let keep = 1.0 - drop;
        let kept_of = |place: &[u64; 256], bits: u32| {
            let ones = |(byte, count): (usize, &u64)| u64::from((byte as u32 & bits).count_ones()) * count;
            place.iter().enumerate().map(ones).sum::<u64>()
        };
        let kept = self.bytes.iter().map(|place| kept_of(place, 0xFF)).sum();
        let lane = |lane: usize| {
            of_rate(kept_of(&self.bytes[lane / 8], 1 << (lane % 8)), self.decisions() / 128, keep).powi(2)
        };
        // Each pair of neighbours that differ ends a run: fewer of them agree where there are more runs.
        let neighbours = std::array::from_fn(|k| self.pairs[0][k] + self.pairs[1][k]);
        let patterns = |counts: &dyn Fn(usize) -> u64| {
            of_cells((0..256).map(|byte: usize| {
                let kept = byte.count_ones() as i32;
                (counts(byte), keep.powi(kept) * drop.powi(8 - kept))
            }))
        };
        let mut sigmas = [None; 17];
        sigmas[0] = Some(of_rate(kept, self.decisions(), keep));
        sigmas[1] = Some(of_chi_square((0..128).map(lane).sum(), 128.0));
        for (sigma, &pairs) in sigmas[2..].iter_mut().zip(&self.pairs) {
            *sigma = Some(of_pairs(pairs, keep));
        }
        sigmas[12] = Some(-of_pairs(neighbours, keep));
        sigmas[13] = run_sigmas(&self.runs[1], keep);
        sigmas[14] = run_sigmas(&self.runs[0], drop);
        sigmas[15] = patterns(&|byte| self.bytes.iter().map(|place| place[byte]).sum());
        sigmas[16] = patterns(&|byte| self.columns[byte]);
        sigmas
    }
}

/// A word, its decisions' neighbours of a kind, and which of them have one.
fn neighbours(kind: usize, at: usize, words: &[u64], last: Option<&[u64]>) -> Option<[u64; 3]> {
    let (x, ends) = (words[at], at % WORDS == WORDS - 1);
    let [n, o] = [at / EXAMPLE, at / OUTPUT % OUTPUTS];
    let inputs = |on: u32| {
        let following = if ends { 0 } else { words[at + 1] };
        [x >> on | following << (64 - on), if ends { u64::MAX >> on } else { u64::MAX }]
    };
    let words = |on: usize, applies: bool| applies.then(|| [x, words[at + on], u64::MAX]);
    let edge = EVERY_EIGHTH << 7;
    match kind {
        0 | 1 => {
            let [y, which] = inputs(1);
            Some([x, y, which & if kind == 0 { !edge } else { edge }])
        }
        2 => Some(inputs(8)).map(|[y, which]| [x, y, which]),
        3 => words(OUTPUT, o % 4 < 3),
        4 => words(OUTPUT, o % 4 == 3 && o + 1 < OUTPUTS),
        5 => words(4 * OUTPUT, o + 4 < OUTPUTS),
        6 => words(EXAMPLE, n % 4 < 3),
        7 => words(EXAMPLE, n % 4 == 3 && n + 1 < EXAMPLES),
        8 => words(4 * EXAMPLE, n + 4 < EXAMPLES),
        _ => last.map(|last| [last[at], x, u64::MAX]),
    }
}

/// Lengths of runs against those of independent decisions, of which this fraction goes on with a run.
fn run_sigmas(at_least: &[u64; LONGEST], on: f64) -> Option<f64> {
    of_cells((0..LONGEST).map(|more| match at_least.get(more + 1) {
        Some(longer) => (at_least[more] - longer, on.powi(more as i32) * (1.0 - on)),
        None => (at_least[more], on.powi(more as i32)),
    }))
}

/// 8 x 8 bits, transposed (Warren, "Hacker's Delight", 7-3).
fn transposed(x: u64) -> u64 {
    let steps = [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)];
    steps.into_iter().fold(x, |x, (shift, mask): (u32, u64)| {
        let swap = (x ^ x >> shift) & mask;
        x ^ swap ^ swap << shift
    })
}
