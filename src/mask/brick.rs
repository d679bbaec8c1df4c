//! The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one run of the generator.
//! Mirrors `shaders/brick.wgsl`, and `shaders/tile.wgsl` for the bricks of a tile together.

use super::philox::{PLANE_ROUNDS, ROUNDS, STATE_PLANES, go_on};
use super::probability::DropProbability;

/// Examples in a brick: one word of the generator's result each.
pub const BRICK_EXAMPLES: u32 = 4;
/// Outputs in a brick: one byte of a word each.
pub const BRICK_OUTPUTS: u32 = 4;
/// Inputs in a brick: one bit of a byte each.
pub const BRICK_INPUTS: u32 = 8;

/// Words of the first state are rotated by so much, for the planes that come from it from the most significant down:
/// chosen so that two connections share at most one of its bits.
pub(crate) const ROTATIONS: [u32; 8] = [0, 28, 22, 8, 9, 25, 3, 30];
/// The decisions of one brick: a bit for each of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brick([u32; 4]);

impl Brick {
    /// Decides a brick. `block` is (input / 8, output / 4, example / 4), the generator's counter.
    ///
    /// The generator's states are planes of random integers u, from the least significant one on: `u < threshold` is
    /// decided on the way, for 32 connections at a time. Where the threshold's bit is 1, a 0 in the plane settles for
    /// keeping, and where it is 0, a 1 settles for dropping; otherwise the planes below have decided.
    pub fn decide(block: [u32; 3], key: [u32; 2], probability: &DropProbability) -> Self {
        let (threshold, bits) = (probability.threshold(), probability.bits());
        if bits == 0 {
            return Self([u32::MAX; 4]);
        }
        let mut round = ROUNDS;
        let mut state = go_on([block[0], block[1], block[2], 0], key, 0, round);
        let mut keep = [0; 4];
        let from_first = bits.saturating_sub(STATE_PLANES);
        for t in (0..from_first as usize).rev() {
            let plane = std::array::from_fn(|w| state[(w + t) % 4].rotate_left(ROTATIONS[t]));
            keep = compare_bit(keep, plane, threshold, from_first - 1 - t as u32);
        }
        for bit in from_first..bits {
            // The first state is a plane itself only where no planes have been made of it.
            if bit > 0 {
                state = go_on(state, key, round, PLANE_ROUNDS);
                round += PLANE_ROUNDS;
            }
            keep = compare_bit(keep, state, threshold, bit);
        }
        Self(keep)
    }

    /// The decisions of its example n, 0 to 3: bit `o * 8 + i` tells whether (n, o, i) is kept.
    ///
    /// # Panics
    /// If there is no such example in a brick.
    pub fn word(&self, n: u32) -> u32 {
        self.0[n as usize]
    }

    /// The decision at (n, o, i) within the brick.
    ///
    /// # Panics
    /// As [`word`](Self::word).
    pub fn keep(&self, n: u32, o: u32, i: u32) -> bool {
        self.word(n) >> (o * BRICK_INPUTS + i) & 1 == 1
    }
}

/// Compares one bit, from the least significant one on: `keep | !plane` where this bit of the threshold is set, else
/// `keep & !plane`.
fn compare_bit(keep: [u32; 4], plane: [u32; 4], threshold: u32, bit: u32) -> [u32; 4] {
    let set = (threshold >> bit & 1).wrapping_neg();
    std::array::from_fn(|w| {
        let below = !plane[w];
        (keep[w] & below) | (set & (keep[w] | below))
    })
}
