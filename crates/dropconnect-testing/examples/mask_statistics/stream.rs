//! Boxes of decisions, one to a training step, and faults that a generator could have.

use dropconnect::cpu::Backend;
use dropconnect::{DropProbability, Error, Mask, MaskKey, Origin, Shape};
use dropconnect_testing::Random;
use rayon::prelude::*;

use crate::counts::Counts;

pub const EXAMPLES: usize = 64;
pub const OUTPUTS: usize = 64;
/// Words of 64 inputs in a row.
pub const WORDS: usize = 16;
/// Words from an output to the next, and from an example to the next.
pub const OUTPUT: usize = WORDS;
pub const EXAMPLE: usize = OUTPUTS * WORDS;
const DECISIONS: u64 = (EXAMPLES * EXAMPLE * 64) as u64;
/// Boxes that follow each other at the same place, a step apart, so that neighbouring steps can be compared.
const CHAIN: u64 = 16;

/// A few decisions of one of so many words are at fault.
pub const ONE_OF: u64 = 64;

/// A word that a fault changes.
pub struct Word<'a> {
    /// All of them.
    words: &'a [u64],
    index: usize,
    /// Of the step before, if there is one.
    last: Option<u64>,
    random: u64,
}

impl Word<'_> {
    fn value(&self) -> u64 {
        self.words[self.index]
    }

    /// The word so many before, where that is to be the same.
    fn earlier(&self, distance: usize, applies: bool) -> u64 {
        if applies { self.words[self.index - distance] } else { self.value() }
    }

    /// The decisions of `mask` stand also so many inputs on.
    fn copied(&self, mask: u64, on: u32) -> u64 {
        let x = self.value();
        x & !(mask << on) | (x & mask) << on
    }

    /// Two places on from those of `mask` stands whether they and the next differ: no pair shows it.
    fn parity(&self, mask: u64, on: u32) -> u64 {
        let x = self.value();
        x & !(mask << (2 * on)) | ((x ^ x >> on) & mask) << (2 * on)
    }

    fn output(&self) -> usize {
        self.index / OUTPUT % OUTPUTS
    }

    fn example(&self) -> usize {
        self.index / EXAMPLE
    }
}

/// A fault, the statistics that have to see it, and what it makes of a word.
pub type Fault = (&'static str, &'static [&'static str], fn(&Word) -> u64);

/// Each keeps what the others break, so that it takes its own statistic to see it.
pub const FAULTS: [Fault; 14] = [
    ("more are kept", &["rate"], |w| w.value() | scramble(w.random)),
    ("a lane is kept more often", &["lanes"], |w| {
        w.value() | if w.example() % 4 == 1 && w.output() % 4 == 2 { 0x2020_2020_2020_2020 } else { 0 }
    }),
    ("equal inputs in a brick", &["in 1", "runs", "bytes"], |w| w.copied(0x5555_5555_5555_5555, 1)),
    ("equal inputs at an edge", &["in /", "runs"], |w| w.copied(0x0080_8080_8080_8080, 1)),
    ("equal bricks, inputs", &["in 8", "cols"], |w| w.copied(0x00FF_00FF_00FF_00FF, 8)),
    ("equal outputs in a brick", &["out 1"], |w| w.earlier(OUTPUT, w.output() % 4 == 1)),
    ("equal outputs at an edge", &["out /"], |w| {
        w.earlier(OUTPUT, w.output().is_multiple_of(4) && w.output() > 0)
    }),
    ("equal bricks, outputs", &["out 4"], |w| w.earlier(4 * OUTPUT, w.output() % 8 >= 4)),
    ("equal examples in a brick", &["ex 1"], |w| w.earlier(EXAMPLE, w.example() % 4 == 1)),
    ("equal examples at an edge", &["ex /"], |w| {
        w.earlier(EXAMPLE, w.example().is_multiple_of(4) && w.example() > 0)
    }),
    ("equal bricks, examples", &["ex 4"], |w| w.earlier(4 * EXAMPLE, w.example() % 8 >= 4)),
    ("equal steps", &["step"], |w| w.last.unwrap_or(w.value())),
    ("parity in a brick", &["kept", "dropd", "bytes"], |w| w.parity(0x0101_0101_0101_0101, 1)),
    ("parity of bricks", &["cols"], |w| w.parity(0xFF, 8)),
];

/// 64 random bits of a place.
pub fn scramble(x: u64) -> u64 {
    Random(x).word()
}

/// The decisions of a step, at box `place` of examples and outputs: bit `i % 64` of a row's word `i / 64` tells
/// whether (n, o, i) is kept.
fn draw(key: MaskKey, p: DropProbability, step: u64, place: [u64; 2]) -> Result<Vec<u64>, Error> {
    let shape = Shape::new(EXAMPLES, OUTPUTS, 64 * WORDS)?;
    let [example, output] = [place[0] as u32 * EXAMPLES as u32, place[1] as u32 * OUTPUTS as u32];
    let mask = Mask::new(key.at_step(step), p).at(Origin { example, output, input: 0 });
    let mut kept = vec![0; DECISIONS as usize];
    Backend::detect().mask(&shape, &mask, &mut kept)?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &kept| word << 1 | u64::from(kept));
    Ok(kept.chunks(64).map(word).collect())
}

/// Streams at least so many decisions, over whole chains, and counts them.
pub fn count(
    key: MaskKey,
    p: DropProbability,
    decisions: u64,
    fault: Option<Fault>,
) -> Result<Counts, Error> {
    let chain = |chain: u64| {
        let mut counts = Counts::default();
        let mut last: Option<Vec<u64>> = None;
        for step in chain * CHAIN..(chain + 1) * CHAIN {
            let mut words = draw(key, p, step, [chain / 16 % 16, chain % 16])?;
            for index in 0..fault.map_or(0, |_| words.len()) {
                let random = scramble(step << 32 | index as u64);
                if let Some((_, _, apply)) = fault.filter(|_| random.is_multiple_of(ONE_OF)) {
                    let last = last.as_ref().map(|last| last[index]);
                    words[index] = apply(&Word { words: &words, index, last, random });
                }
            }
            counts.add_box(&words, last.as_deref());
            last = Some(words);
        }
        Ok(counts)
    };
    let chains = decisions.div_ceil(DECISIONS * CHAIN);
    (0..chains).into_par_iter().map(chain).try_reduce(Counts::default, |a, b| Ok(a.plus(b)))
}
