//! Bricks, eight at a time: the generator and the comparison with the threshold in vector lanes.
//!
//! With AVX-512 and AVX2 a lane holds 64 bits, of which the low half counts. The product of two low halves fills the
//! lane; its low half is already in place for the next round, and its high half needs one shift. So a round is two
//! multiplications, two shifts and two three-way exclusive ors for eight bricks (of twice as many registers with AVX2,
//! which takes an exclusive or apart), and nothing is shuffled between lanes until the decisions are known. Where lanes
//! are narrower (`neon.rs` says why), products are parted into low and high words instead of shifted.
//!
//! A run of the generator is a chain: a round waits seven cycles for the one before it and keeps the machine busy for
//! three. So runs are interleaved, as many as the registers hold ([`Simd::RUNS`]).

use super::simd::comparison::Comparison;
use super::simd::{Kept, Simd};
use crate::{Mask, Sharing};

/// Where eight bricks are: the blocks of inputs and of outputs in lanes, and the global block of examples.
#[derive(Clone, Copy)]
pub(super) struct BlockIndices<S: Simd> {
    pub input: S::Words,
    pub output: S::Words,
    pub examples: u32,
}

/// Decides bricks of one mask.
pub(super) struct Bricks<S: Simd> {
    simd: S,
    sharing: Sharing,
    comparison: Comparison,
}

impl<S: Simd> Bricks<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, mask: &Mask) -> Self {
        Self { simd, sharing: mask.sharing, comparison: Comparison::new(mask) }
    }

    /// Decides eight bricks, one per lane, at all of these indices.
    #[inline(always)]
    pub(super) fn decide_all(&self, kept: &mut [Kept], indices: impl Fn(usize) -> BlockIndices<S>) {
        match S::RUNS {
            1 => self.decide_by::<1>(kept, indices),
            2 => self.decide_by::<2>(kept, indices),
            _ => self.decide_by::<3>(kept, indices),
        }
    }

    #[inline(always)]
    fn decide_by<const RUNS: usize>(&self, kept: &mut [Kept], indices: impl Fn(usize) -> BlockIndices<S>) {
        let (together, rest) = kept.as_chunks_mut::<RUNS>();
        let mut first = 0;
        for kept in together {
            self.decide_together(std::array::from_fn(|run| indices(first + run)), kept);
            first += RUNS;
        }
        for (k, kept) in rest.iter_mut().enumerate() {
            self.decide(indices(first + k), kept);
        }
    }

    /// The same for the indices of one block.
    #[inline(always)]
    pub(super) fn decide(&self, indices: BlockIndices<S>, kept: &mut Kept) {
        self.decide_together([indices], std::array::from_mut(kept));
    }

    /// [`Brick::decide`] in lanes, and the rule of shared masks.
    ///
    /// Four examples from a multiple of four on never need more than one block of mask coordinates: a
    /// group's coordinate passes a multiple of four only where the example passes one.
    ///
    /// [`Brick::decide`]: crate::mask::brick::Brick::decide
    #[inline(always)]
    fn decide_together<const RUNS: usize>(&self, all: [BlockIndices<S>; RUNS], kept: &mut [Kept; RUNS]) {
        let mut blocks = [[self.simd.eight(0); 3]; RUNS];
        for (block, indices) in blocks.iter_mut().zip(all) {
            let coordinates = match self.sharing {
                Sharing::Example => indices.examples,
                Sharing::Group(size) => indices.examples / size,
                Sharing::Batch => 0,
            };
            *block = [indices.input, indices.output, self.simd.eight(coordinates)];
        }
        let words = self.simd.decide::<RUNS, 4>(&self.comparison, blocks, 0);
        for run in 0..RUNS {
            self.simd.transpose(words[run], &mut kept[run]);
            self.share(all[run].examples, &mut kept[run]);
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

    /// The same for one mask coordinate: a quarter of the comparisons, though all of the generator's rounds.
    #[inline(always)]
    pub(super) fn decide_coordinate(
        &self,
        input: S::Words,
        output: S::Words,
        coordinate: u32,
    ) -> [[u16; 4]; 4] {
        let block = [input, output, self.simd.eight(coordinate / 4)];
        let word = (coordinate % 4) as usize;
        let [[word]] = self.simd.decide::<1, 1>(&self.comparison, [block], word);
        let mut kept = Kept::NONE;
        self.simd.transpose([word; 4], &mut kept);
        kept.0[0]
    }
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
            bricks.decide_all(&mut all, |k| BlockIndices {
                input,
                output,
                examples: self.coordinate + k as u32,
            });
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
                // Odd thresholds, so that all the bits are drawn; and both kinds of comparison come up.
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
