//! Bricks, eight at a time: the generator and the threshold ladder in vector lanes.
//!
//! With AVX-512 and AVX2 a lane holds 64 bits, of which the low half counts. The product of two low halves fills the
//! lane; its low half is already in place for the next round, and its high half needs one shift. So a round is two
//! multiplications, two shifts and two three-way exclusive ors for eight bricks (of twice as many registers with AVX2,
//! which takes an exclusive or apart), and nothing is shuffled between lanes until the decisions are known. Where lanes
//! are narrower (`neon.rs` says why), products are parted into low and high words instead of shifted.
//!
//! A run of the generator is a chain: a round waits seven cycles for the one before it and keeps the machine busy for
//! three. So runs are interleaved, as many as the registers hold ([`Simd::RUNS`]).

use super::simd::{Kept, Lanes, Simd};
use crate::mask::brick::{MOST_ROUNDS, PLANE_ROUNDS, ROTATIONS, STATE_PLANES};
use crate::mask::philox::{ROUNDS, round_key};
use crate::{Mask, Sharing};

/// Where eight bricks are: the blocks of inputs and of outputs in lanes, and the global block of examples.
#[derive(Clone, Copy)]
pub(super) struct Place<S: Simd> {
    pub input: S::Words,
    pub output: S::Words,
    pub examples: u32,
}

/// Decides bricks of one mask.
pub(super) struct Bricks<S: Simd> {
    simd: S,
    sharing: Sharing,
    ladder: Ladder,
}

/// The generator with its keys, and what its bits are compared with.
pub(super) struct Ladder {
    threshold: u32,
    bits: u32,
    keys: [[u32; 2]; MOST_ROUNDS as usize],
}

impl<S: Simd> Bricks<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, mask: &Mask) -> Self {
        let key = mask.key.words();
        Self {
            simd,
            sharing: mask.sharing,
            ladder: Ladder {
                threshold: mask.probability.threshold(),
                bits: mask.probability.bits(),
                keys: std::array::from_fn(|round| round_key(key, round as u32)),
            },
        }
    }

    /// Decides eight bricks, one per lane, at every place.
    #[inline(always)]
    pub(super) fn decide_all(&self, kept: &mut [Kept], place: impl Fn(usize) -> Place<S>) {
        match S::RUNS {
            1 => self.decide_by::<1>(kept, place),
            2 => self.decide_by::<2>(kept, place),
            _ => self.decide_by::<3>(kept, place),
        }
    }

    #[inline(always)]
    fn decide_by<const RUNS: usize>(&self, kept: &mut [Kept], place: impl Fn(usize) -> Place<S>) {
        let (together, rest) = kept.as_chunks_mut::<RUNS>();
        let mut first = 0;
        for kept in together {
            self.decide_together(std::array::from_fn(|run| place(first + run)), kept);
            first += RUNS;
        }
        for (k, kept) in rest.iter_mut().enumerate() {
            self.decide(place(first + k), kept);
        }
    }

    /// The same at one place.
    #[inline(always)]
    pub(super) fn decide(&self, place: Place<S>, kept: &mut Kept) {
        self.decide_together([place], std::array::from_mut(kept));
    }

    /// [`Brick::decide`] in lanes, and the rule of shared masks.
    ///
    /// Four examples from a multiple of four on never need more than one block of mask coordinates: a
    /// group's coordinate passes a multiple of four only where the example passes one.
    ///
    /// [`Brick::decide`]: crate::mask::brick::Brick::decide
    #[inline(always)]
    fn decide_together<const RUNS: usize>(&self, places: [Place<S>; RUNS], kept: &mut [Kept; RUNS]) {
        let mut blocks = [[self.simd.eight(0); 3]; RUNS];
        for (block, place) in blocks.iter_mut().zip(places) {
            let coordinates = match self.sharing {
                Sharing::Example => place.examples,
                Sharing::Group(size) => place.examples / size,
                Sharing::Batch => 0,
            };
            *block = [place.input, place.output, self.simd.eight(coordinates)];
        }
        let words = self.simd.climb::<RUNS, 4>(&self.ladder, blocks, 0);
        for run in 0..RUNS {
            self.simd.transpose(words[run], &mut kept[run]);
            self.share(places[run].examples, &mut kept[run]);
        }
    }

    /// Gives each example of the block the decisions of its mask coordinate.
    #[inline(always)]
    fn share(&self, examples: u32, kept: &mut Kept) {
        match self.sharing {
            Sharing::Example => {}
            Sharing::Group(size) => {
                let first = u64::from(examples) * 4;
                let decided = kept.0;
                for (n, kept) in kept.0.iter_mut().enumerate() {
                    *kept = decided[((first + n as u64) / u64::from(size.get()) % 4) as usize];
                }
            }
            Sharing::Batch => kept.0 = [kept.0[0]; 4],
        }
    }

    /// The same for one mask coordinate: a quarter of the ladder, though all of the generator's rounds.
    #[inline(always)]
    pub(super) fn decide_coordinate(
        &self,
        input: S::Words,
        output: S::Words,
        coordinate: u32,
    ) -> [[u16; 4]; 4] {
        let block = [input, output, self.simd.eight(coordinate / 4)];
        let word = (coordinate % 4) as usize;
        let [[word]] = self.simd.climb::<1, 1>(&self.ladder, [block], word);
        let mut kept = Kept::NONE;
        self.simd.transpose([word; 4], &mut kept);
        kept.0[0]
    }
}

impl Ladder {
    /// The decisions of `WORDS` mask coordinates of each block, from `first` on.
    #[inline(always)]
    pub(super) fn climb<L: Lanes, const RUNS: usize, const WORDS: usize>(
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
                            keep[run][w] = rung(lanes, keep[run][w], plane, set);
                        }
                    }
                    bit += 1;
                }
            }
        } else {
            climb(lanes, &mut keep, &states, first, set(0));
            bit = 1;
        }
        let (later, _) = self.keys[ROUNDS as usize..].as_chunks::<{ PLANE_ROUNDS as usize }>();
        for (keys, bit) in later.iter().zip(bit..self.bits) {
            for key in keys {
                Self::round(lanes, &mut states, key);
            }
            climb(lanes, &mut keep, &states, first, set(bit));
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

/// One rung of each run's ladder, whose plane is its state.
#[inline(always)]
fn climb<L: Lanes, const RUNS: usize, const WORDS: usize>(
    lanes: L,
    keep: &mut [[L::Words; WORDS]; RUNS],
    states: &[[L::Words; 4]; RUNS],
    first: usize,
    set: bool,
) {
    for run in 0..RUNS {
        for w in 0..WORDS {
            keep[run][w] = rung(lanes, keep[run][w], states[run][first + w], set);
        }
    }
}

/// `keep | !plane` where the threshold's bit is set, else `keep & !plane`.
#[inline(always)]
fn rung<L: Lanes>(lanes: L, keep: L::Words, plane: L::Words, set: bool) -> L::Words {
    if set { lanes.or_not(keep, plane) } else { lanes.and_not(keep, plane) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{Job, Level};
    use crate::{DropProbability, MaskKey};

    /// Decides some groups of eight bricks and compares every bit with the plain brick code.
    struct Check {
        mask: Mask,
        input: [u32; 8],
        output: [u32; 8],
        coordinate: u32,
    }

    impl Job for Check {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let (input, output) = (simd.words(self.input), simd.words(self.output));
            let bricks = Bricks::new(simd, &self.mask);
            // Runs that are interleaved, and those that are left.
            let mut all = [Kept::NONE; 7];
            bricks.decide_all(&mut all, |k| Place { input, output, examples: self.coordinate + k as u32 });
            for (coordinate, kept) in (self.coordinate..).zip(&all) {
                for n in 0..4 {
                    assert_eq!(
                        bricks.decide_coordinate(input, output, coordinate * 4 + n),
                        kept.0[n as usize]
                    );
                }
                for lane in 0..8 {
                    let brick = self.mask.brick(coordinate, self.output[lane], self.input[lane]);
                    for n in 0..4 {
                        let word = brick.word(n as u32);
                        for o in 0..4 {
                            let byte = kept.0[n][o][lane / 2].to_le_bytes()[lane % 2];
                            assert_eq!(byte, word.to_le_bytes()[o], "lane {lane}, n {n}, o {o}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn lanes_are_bricks_at_every_resolution() {
        for level in Level::available() {
            for bits in 1..=16 {
                // Odd thresholds, so that all the bits are drawn; and both kinds of rung come up.
                let p = 1.0 - f64::from((0xCCCD & ((1 << bits) - 1)) | 1u32) / f64::from(1u32 << bits);
                let probability = DropProbability::with_bits(p, bits).unwrap();
                assert_eq!(probability.bits(), bits);
                let mask = Mask::new(MaskKey::new(0x0123_4567_89AB_CDEF, 7).at_step(1 << 40), probability);
                let input = std::array::from_fn(|lane| u32::MAX - 3 * lane as u32);
                let output = std::array::from_fn(|lane| 0x8000_0000 | (5 * lane as u32));
                level.run(Check { mask, input, output, coordinate: 0x3000_0001 });
            }
        }
    }
}
