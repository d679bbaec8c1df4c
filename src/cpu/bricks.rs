//! Bricks, eight at a time: the generator and the threshold ladder in vector lanes.
//!
//! A lane holds 64 bits, of which the low half counts. The product of two low halves fills the lane; its low
//! half is already in place for the next round, and its high half needs one shift. So a round is two
//! multiplications, two shifts and two three-way exclusive ors for eight bricks, and nothing is shuffled
//! between lanes until the decisions are known.

use super::simd::{Kept, Simd};
use crate::mask::brick::{HEAD_PLANES, TAIL_ROTATION};
use crate::mask::philox::{KEY_STEP, MULTIPLIERS, Rounds};
use crate::{Mask, Sharing};

/// Decides bricks of one mask.
pub(super) struct Bricks<S: Simd> {
    simd: S,
    rounds: Rounds,
    sharing: Sharing,
    threshold: u32,
    bits: u32,
    multipliers: [S::Words; 2],
    /// The key of each round.
    keys: [[S::Words; 2]; 10],
}

impl<S: Simd> Bricks<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, mask: &Mask) -> Self {
        let mut key = mask.key.words();
        let mut keys = [[simd.splat_word(0); 2]; 10];
        for words in &mut keys {
            *words = [simd.splat_word(key[0]), simd.splat_word(key[1])];
            key = [key[0].wrapping_add(KEY_STEP[0]), key[1].wrapping_add(KEY_STEP[1])];
        }
        Self {
            simd,
            rounds: mask.rounds,
            sharing: mask.sharing,
            threshold: mask.probability.threshold(),
            bits: mask.probability.bits(),
            multipliers: [simd.splat_word(MULTIPLIERS[0]), simd.splat_word(MULTIPLIERS[1])],
            keys,
        }
    }

    /// Decides eight bricks, one per lane of the block coordinates, for the four examples of the global
    /// block `examples`: [`Brick::decide`] in lanes, and the rule of shared masks.
    ///
    /// Four examples from a multiple of four on never need more than one block of mask coordinates: a
    /// group's coordinate passes a multiple of four only where the example passes one.
    ///
    /// [`Brick::decide`]: crate::mask::brick::Brick::decide
    #[inline(always)]
    pub(super) fn decide(&self, input: S::Words, output: S::Words, examples: u32, kept: &mut Kept) {
        let block = match self.sharing {
            Sharing::Example => examples,
            Sharing::Group(size) => examples / size,
            Sharing::Batch => 0,
        };
        let block = [input, output, self.simd.splat_word(block)];
        let words = match self.rounds {
            Rounds::Seven => self.ladder::<7, 4>(block, 0),
            Rounds::Ten => self.ladder::<10, 4>(block, 0),
        };
        self.simd.transpose(words, kept);
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

    /// The same for one mask coordinate: a quarter of the ladder, though all of the generator's calls.
    #[inline(always)]
    pub(super) fn decide_coordinate(
        &self,
        input: S::Words,
        output: S::Words,
        coordinate: u32,
    ) -> [[u16; 4]; 4] {
        let block = [input, output, self.simd.splat_word(coordinate / 4)];
        let word = (coordinate % 4) as usize;
        let [word] = match self.rounds {
            Rounds::Seven => self.ladder::<7, 1>(block, word),
            Rounds::Ten => self.ladder::<10, 1>(block, word),
        };
        let mut kept = Kept::NONE;
        self.simd.transpose([word; 4], &mut kept);
        kept.0[0]
    }

    /// The decisions of `WORDS` mask coordinates of a block, from `first` on.
    #[inline(always)]
    fn ladder<const ROUNDS: usize, const WORDS: usize>(
        &self,
        block: [S::Words; 3],
        first: usize,
    ) -> [S::Words; WORDS] {
        let simd = self.simd;
        let mut keep = [simd.splat_word(0); WORDS];
        if self.bits > HEAD_PLANES {
            let tail = self.call::<ROUNDS>(block, HEAD_PLANES);
            for t in (0..8).rev() {
                if t < (self.bits - HEAD_PLANES) as usize {
                    let set = self.threshold >> (self.bits - 1 - HEAD_PLANES - t as u32) & 1 == 1;
                    for w in 0..WORDS {
                        let plane = simd.rotate_left(tail[(first + w + t) % 4], TAIL_ROTATION[t]);
                        keep[w] = rung(simd, keep[w], plane, set);
                    }
                }
            }
        }
        for j in (0..self.bits.min(HEAD_PLANES)).rev() {
            let set = self.threshold >> (self.bits - 1 - j) & 1 == 1;
            let plane = self.call::<ROUNDS>(block, j);
            for w in 0..WORDS {
                keep[w] = rung(simd, keep[w], plane[first + w], set);
            }
        }
        keep
    }

    /// The generator's words for bit plane `plane`: [`philox4x32`](crate::mask::philox::philox4x32) in
    /// lanes.
    #[inline(always)]
    fn call<const ROUNDS: usize>(&self, block: [S::Words; 3], plane: u32) -> [S::Words; 4] {
        let simd = self.simd;
        let mut c = [block[0], block[1], block[2], simd.splat_word(plane)];
        for key in &self.keys[..ROUNDS] {
            let a = simd.product(c[0], self.multipliers[0]);
            let b = simd.product(c[2], self.multipliers[1]);
            c = [simd.xor3(simd.high(b), c[1], key[0]), b, simd.xor3(simd.high(a), c[3], key[1]), a];
        }
        c
    }
}

/// One rung of the ladder: `keep | !plane` where the threshold's bit is set, else `keep & !plane`.
#[inline(always)]
fn rung<S: Simd>(simd: S, keep: S::Words, plane: S::Words, set: bool) -> S::Words {
    if set { simd.or_not(keep, plane) } else { simd.and_not(keep, plane) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{Job, Level};
    use crate::{DropProbability, MaskKey};

    /// Decides one group of eight bricks and compares every bit with the plain brick code.
    struct Check {
        mask: Mask,
        input: [u32; 8],
        output: [u32; 8],
        coordinate: u32,
    }

    impl Job for Check {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let mut kept = Kept::NONE;
            let (input, output) = (simd.words(self.input), simd.words(self.output));
            let bricks = Bricks::new(simd, &self.mask);
            bricks.decide(input, output, self.coordinate, &mut kept);
            for n in 0..4 {
                assert_eq!(
                    bricks.decide_coordinate(input, output, self.coordinate * 4 + n),
                    kept.0[n as usize]
                );
            }
            for lane in 0..8 {
                let brick = self.mask.brick(self.coordinate, self.output[lane], self.input[lane]);
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

    #[test]
    fn lanes_are_bricks_at_every_resolution() {
        for level in Level::available() {
            for bits in 1..=16 {
                for rounds in [Rounds::Seven, Rounds::Ten] {
                    // Odd thresholds, so that all the bits are drawn; and both kinds of rung come up.
                    let p = 1.0 - f64::from((0xCCCD & ((1 << bits) - 1)) | 1u32) / f64::from(1u32 << bits);
                    let probability = DropProbability::with_bits(p, bits).unwrap();
                    assert_eq!(probability.bits(), bits);
                    let key = MaskKey::new(0x0123_4567_89AB_CDEF, 7).at_step(1 << 40);
                    let mask = Mask::new(key, probability).with_rounds(rounds);
                    let input = std::array::from_fn(|lane| u32::MAX - 3 * lane as u32);
                    let output = std::array::from_fn(|lane| 0x8000_0000 | (5 * lane as u32));
                    level.run(Check { mask, input, output, coordinate: 0x3000_0001 });
                }
            }
        }
    }
}
