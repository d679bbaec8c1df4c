//! `u < threshold` bit by bit, for the connections of many bricks at a time. Mirrors `src/mask/brick.rs`.

use crate::Mask;
use crate::mask::brick::ROTATIONS;
use crate::mask::philox::{MOST_ROUNDS, PLANE_ROUNDS, ROUNDS, STATE_PLANES, round_key};

/// What the generator and the comparison need of an instruction set: as many lanes as they are to work on at a time.
pub(super) trait Lanes: Copy {
    type Words: Copy;

    fn splat_word(self, value: u32) -> Self::Words;
    /// The low and the high words of the products with one of the generator's two [`MULTIPLIERS`].
    fn products(self, a: Self::Words, multiplier: usize) -> [Self::Words; 2];
    fn xor3(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    /// `a & !b`.
    fn and_not(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// `a | !b`.
    fn or_not(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// `by` below 32.
    fn rotate_left(self, a: Self::Words, by: u32) -> Self::Words;
}

/// The generator with its keys, and what its bits are compared with.
pub(in crate::cpu) struct Comparison {
    threshold: u32,
    bits: u32,
    keys: [[u32; 2]; MOST_ROUNDS as usize],
}

impl Comparison {
    #[inline(always)]
    pub(in crate::cpu) fn new(mask: &Mask) -> Self {
        let key = mask.key.words();
        Self {
            threshold: mask.probability.threshold(),
            bits: mask.probability.bits(),
            keys: std::array::from_fn(|round| round_key(key, round as u32)),
        }
    }

    /// The decisions of `WORDS` mask coordinates of each block, from `first` on.
    #[inline(always)]
    pub(super) fn decide<L: Lanes, const RUNS: usize, const WORDS: usize>(
        &self,
        lanes: L,
        blocks: [[L::Words; 3]; RUNS],
        first: usize,
    ) -> [[L::Words; WORDS]; RUNS] {
        let mut keep = [[lanes.splat_word(0); WORDS]; RUNS];
        let mut states = blocks.map(|[input, output, example]| [input, output, example, lanes.splat_word(0)]);
        for key in &self.keys[..ROUNDS as usize] {
            Self::round(lanes, &mut states, key);
        }
        let set = |bit: u32| self.threshold >> bit & 1 == 1;
        let mut bit = 0;
        if self.bits > STATE_PLANES {
            for t in (0..STATE_PLANES as usize).rev() {
                if t < (self.bits - STATE_PLANES) as usize {
                    let set = set(bit);
                    for run in 0..RUNS {
                        for w in 0..WORDS {
                            let plane = lanes.rotate_left(states[run][(first + w + t) % 4], ROTATIONS[t]);
                            keep[run][w] = compare_bit(lanes, keep[run][w], plane, set);
                        }
                    }
                    bit += 1;
                }
            }
        } else {
            compare_states(lanes, &mut keep, &states, first, set(0));
            bit = 1;
        }
        let (later, _) = self.keys[ROUNDS as usize..].as_chunks::<{ PLANE_ROUNDS as usize }>();
        for (keys, bit) in later.iter().zip(bit..self.bits) {
            for key in keys {
                Self::round(lanes, &mut states, key);
            }
            compare_states(lanes, &mut keep, &states, first, set(bit));
        }
        keep
    }

    /// One round of each run: [`philox4x32`](crate::mask::philox::philox4x32) in lanes.
    #[inline(always)]
    fn round<L: Lanes, const RUNS: usize>(lanes: L, states: &mut [[L::Words; 4]; RUNS], key: &[u32; 2]) {
        let key = [lanes.splat_word(key[0]), lanes.splat_word(key[1])];
        for c in states {
            let [a, high_a] = lanes.products(c[0], 0);
            let [b, high_b] = lanes.products(c[2], 1);
            *c = [lanes.xor3(high_b, c[1], key[0]), b, lanes.xor3(high_a, c[3], key[1]), a];
        }
    }
}

/// Compares one bit of each run, whose plane is its state.
#[inline(always)]
fn compare_states<L: Lanes, const RUNS: usize, const WORDS: usize>(
    lanes: L,
    keep: &mut [[L::Words; WORDS]; RUNS],
    states: &[[L::Words; 4]; RUNS],
    first: usize,
    set: bool,
) {
    for run in 0..RUNS {
        for w in 0..WORDS {
            keep[run][w] = compare_bit(lanes, keep[run][w], states[run][first + w], set);
        }
    }
}

/// `keep | !plane` where the threshold's bit is set, else `keep & !plane`.
#[inline(always)]
fn compare_bit<L: Lanes>(lanes: L, keep: L::Words, plane: L::Words, set: bool) -> L::Words {
    if set { lanes.or_not(keep, plane) } else { lanes.and_not(keep, plane) }
}
