//! What is counted in a stream, 64 decisions at a time.

use dropconnect::DropProbability;

use crate::maths::{Pairs, cells_sigmas, chi_square_sigmas, rate_sigmas};
use crate::stream::{Decisions, EXAMPLES, OUTPUTS, WORDS};

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

/// The kinds of pairs, in the order of [`STATISTICS`].
#[derive(Clone, Copy)]
enum Kind {
    InputWithin,
    InputAcross,
    InputBrick,
    OutputWithin,
    OutputAcross,
    OutputBrick,
    ExampleWithin,
    ExampleAcross,
    ExampleBrick,
    Step,
}

/// Lengths of runs from here on are one.
const LONGEST: usize = 16;
const EVERY_EIGHTH: u64 = 0x0101_0101_0101_0101;

/// Sums over boxes.
#[derive(Clone)]
pub struct Counts {
    decisions: u64,
    kept: u64,
    pairs: [Pairs; 10],
    /// Runs of dropped and of kept connections that are at least 1 to 16 long.
    runs: [[u64; LONGEST]; 2],
    /// Patterns of the 8 inputs of a brick at (n % 4, o % 4).
    bytes: Box<[[u64; 256]; 16]>,
    columns: Box<[u64; 256]>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            decisions: 0,
            kept: 0,
            pairs: Default::default(),
            runs: Default::default(),
            bytes: Box::new([[0; 256]; 16]),
            columns: Box::new([0; 256]),
        }
    }
}

impl Counts {
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    pub fn plus(mut self, other: Self) -> Self {
        let add = |sums: &mut [u64], values: &[u64]| sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        self.decisions += other.decisions;
        self.kept += other.kept;
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(sum, pairs)| sum.add(pairs));
        add(self.runs.as_flattened_mut(), other.runs.as_flattened());
        add(self.bytes.as_flattened_mut(), other.bytes.as_flattened());
        add(&mut self.columns[..], &other.columns[..]);
        self
    }

    /// Counts a box; `last` is the one at the step before, at the same place.
    pub fn add_box(&mut self, decisions: &Decisions, last: Option<&Decisions>) {
        let mut kept = vec![0; EXAMPLES * OUTPUTS];
        for (n, o) in (0..EXAMPLES).flat_map(|n| (0..OUTPUTS).map(move |o| (n, o))) {
            let row = decisions.row(n, o);
            let count = ones(row);
            kept[n * OUTPUTS + o] = count;
            self.kept += count;
            self.decisions += 64 * WORDS as u64;
            self.add_inputs(row, count);
            self.add_runs(row);
            self.add_patterns(row, n % 4 * 4 + o % 4);
        }
        let mut pair = |kind: Kind, a: [usize; 2], b: [usize; 2]| {
            let [x, y] = [a, b].map(|[n, o]| kept[n * OUTPUTS + o]);
            self.add_pair(kind, decisions.row(a[0], a[1]), decisions.row(b[0], b[1]), [x, y]);
        };
        for (n, o) in (0..EXAMPLES).flat_map(|n| (0..OUTPUTS).map(move |o| (n, o))) {
            if o + 1 < OUTPUTS {
                let kind = if o % 4 < 3 { Kind::OutputWithin } else { Kind::OutputAcross };
                pair(kind, [n, o], [n, o + 1]);
            }
            if o + 4 < OUTPUTS {
                pair(Kind::OutputBrick, [n, o], [n, o + 4]);
            }
            if n + 1 < EXAMPLES {
                let kind = if n % 4 < 3 { Kind::ExampleWithin } else { Kind::ExampleAcross };
                pair(kind, [n, o], [n + 1, o]);
            }
            if n + 4 < EXAMPLES {
                pair(Kind::ExampleBrick, [n, o], [n + 4, o]);
            }
        }
        if let Some(last) = last {
            for (n, o) in (0..EXAMPLES).flat_map(|n| (0..OUTPUTS).map(move |o| (n, o))) {
                let (x, y) = (last.row(n, o), decisions.row(n, o));
                self.add_pair(Kind::Step, x, y, [ones(x), kept[n * OUTPUTS + o]]);
            }
        }
    }

    fn add_pair(&mut self, kind: Kind, x: &[u64; WORDS], y: &[u64; WORDS], [kept_x, kept_y]: [u64; 2]) {
        let both = x.iter().zip(y).map(|(x, y)| u64::from((x & y).count_ones())).sum();
        self.pairs[kind as usize].add(&Pairs { count: 64 * WORDS as u64, x: kept_x, y: kept_y, both });
    }

    fn add_inputs(&mut self, row: &[u64; WORDS], kept: u64) {
        let mut within = Pairs { count: 7 * 8 * WORDS as u64, ..Default::default() };
        let mut across = Pairs { count: (8 * WORDS - 1) as u64, ..Default::default() };
        let mut bricks = 0;
        for (at, &x) in row.iter().enumerate() {
            let last = at + 1 == WORDS;
            let following = if last { 0 } else { row[at + 1] };
            let next = x >> 1 | following << 63;
            let edge = if last { EVERY_EIGHTH << 7 & !(1 << 63) } else { EVERY_EIGHTH << 7 };
            for (pairs, mask) in [(&mut within, !(EVERY_EIGHTH << 7)), (&mut across, edge)] {
                pairs.x += u64::from((x & mask).count_ones());
                pairs.y += u64::from((next & mask).count_ones());
                pairs.both += u64::from((x & next & mask).count_ones());
            }
            // Zeros follow the last word, so that no pair reaches beyond the row.
            bricks += u64::from((x & (x >> 8 | following << 56)).count_ones());
        }
        self.pairs[Kind::InputWithin as usize].add(&within);
        self.pairs[Kind::InputAcross as usize].add(&across);
        self.pairs[Kind::InputBrick as usize].add(&Pairs {
            count: 64 * WORDS as u64 - 8,
            x: kept - u64::from((row[WORDS - 1] >> 56).count_ones()),
            y: kept - u64::from((row[0] & 0xFF).count_ones()),
            both: bricks,
        });
    }

    /// Runs that begin within the row, with [`LONGEST`] inputs to come: the number of those is settled before their
    /// lengths are, which are geometric then.
    fn add_runs(&mut self, row: &[u64; WORDS]) {
        for (value, runs) in self.runs.iter_mut().enumerate() {
            let flip = if value == 1 { 0 } else { u64::MAX };
            for (at, &x) in row.iter().enumerate() {
                let x = x ^ flip;
                let before = if at == 0 { 1 } else { (row[at - 1] ^ flip) >> 63 };
                let mut beginnings = x & !(x << 1 | before);
                let mut following = 0;
                if at + 1 < WORDS {
                    following = row[at + 1] ^ flip;
                } else {
                    beginnings &= u64::MAX >> (LONGEST - 1);
                }
                if at == 0 {
                    // What lies before input 0 is not known, and its run may be longer than it shows.
                    beginnings &= !1;
                }
                let both = u128::from(following) << 64 | u128::from(x);
                for (more, count) in runs.iter_mut().enumerate() {
                    beginnings &= (both >> more) as u64;
                    if beginnings == 0 {
                        break;
                    }
                    *count += u64::from(beginnings.count_ones());
                }
            }
        }
    }

    fn add_patterns(&mut self, row: &[u64; WORDS], place: usize) {
        let bytes = &mut self.bytes[place];
        for &x in row {
            x.to_le_bytes().into_iter().for_each(|byte| bytes[usize::from(byte)] += 1);
            transposed(x).to_le_bytes().into_iter().for_each(|byte| self.columns[usize::from(byte)] += 1);
        }
    }

    /// Every statistic in standard deviations, in the order of [`STATISTICS`].
    pub fn sigmas(&self, probability: &DropProbability) -> [Option<f64>; 17] {
        let drop = probability.realised();
        let keep = 1.0 - drop;
        let mut sigmas = [None; 17];
        sigmas[0] = Some(rate_sigmas(self.kept, self.decisions, keep));
        sigmas[1] = Some(self.lane_sigmas(keep));
        for (sigma, pairs) in sigmas[2..12].iter_mut().zip(&self.pairs) {
            *sigma = Some(pairs.sigmas(keep));
        }
        // Each pair of neighbours that differ ends a run: fewer of them agree where there are more runs.
        let mut neighbours = self.pairs[Kind::InputWithin as usize];
        neighbours.add(&self.pairs[Kind::InputAcross as usize]);
        sigmas[12] = Some(-neighbours.sigmas(keep));
        sigmas[13] = run_sigmas(&self.runs[1], keep);
        sigmas[14] = run_sigmas(&self.runs[0], drop);
        let probability = |byte: usize| {
            let kept = byte.count_ones() as i32;
            keep.powi(kept) * drop.powi(8 - kept)
        };
        let total = |byte: usize| self.bytes.iter().map(|place| place[byte]).sum();
        sigmas[15] = cells_sigmas((0..256).map(|byte| (total(byte), probability(byte))));
        sigmas[16] = cells_sigmas((0..256).map(|byte| (self.columns[byte], probability(byte))));
        sigmas
    }

    fn lane_sigmas(&self, keep: f64) -> f64 {
        let mut chi_square = 0.0;
        for place in self.bytes.iter() {
            for bit in 0..8 {
                let kept = (0..256).filter(|byte| byte >> bit & 1 == 1).map(|byte| place[byte]).sum();
                chi_square += rate_sigmas(kept, self.decisions / 128, keep).powi(2);
            }
        }
        chi_square_sigmas(chi_square, 128.0)
    }
}

fn ones(row: &[u64; WORDS]) -> u64 {
    row.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// Lengths of runs against those of independent decisions, of which this fraction goes on with a run.
fn run_sigmas(at_least: &[u64; LONGEST], on: f64) -> Option<f64> {
    let longest = LONGEST - 1;
    cells_sigmas((0..LONGEST).map(|more| {
        let longer = if more < longest { at_least[more + 1] } else { 0 };
        let ends = if more < longest { 1.0 - on } else { 1.0 };
        (at_least[more] - longer, on.powi(more as i32) * ends)
    }))
}

/// 8 x 8 bits, transposed (Warren, "Hacker's Delight", 7-3).
fn transposed(x: u64) -> u64 {
    [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)].into_iter().fold(
        x,
        |x, (shift, mask): (u32, u64)| {
            let swap = (x ^ x >> shift) & mask;
            x ^ swap ^ swap << shift
        },
    )
}
