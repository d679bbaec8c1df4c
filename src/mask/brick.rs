//! The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one generator call per bit plane.
//! Twins: `shaders/brick.wgsl`, and `shaders/tile.wgsl` for the bricks of a tile together.

use super::philox::{Rounds, philox4x32};
use super::probability::DropProbability;

/// Examples in a brick: one word of the generator's result each.
pub const BRICK_EXAMPLES: u32 = 4;
/// Outputs in a brick: one byte of a word each.
pub const BRICK_OUTPUTS: u32 = 4;
/// Inputs in a brick: one bit of a byte each.
pub const BRICK_INPUTS: u32 = 8;

/// The planes before the tail cost a call each.
pub(crate) const HEAD_PLANES: u32 = 8;
/// Rotation of the tail call for planes 8 to 15, chosen so that two connections share at most one of
/// its bits.
pub(crate) const TAIL_ROTATION: [u32; 8] = [0, 28, 22, 8, 9, 25, 3, 30];

/// The decisions of one brick: a bit for each of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brick([u32; 4]);

impl Brick {
    /// Decides a brick. `block` is (input / 8, output / 4, example / 4), the generator's counter.
    ///
    /// The random integer u of a connection has its most significant bit in plane 0. `u < threshold` is
    /// decided from the least significant plane to the most, for 32 connections at a time: where the
    /// threshold's bit is 1, a 0 in the plane settles for keeping, and where it is 0, a 1 settles for
    /// dropping; otherwise the planes below have decided.
    pub fn decide(block: [u32; 3], key: [u32; 2], probability: &DropProbability, rounds: Rounds) -> Self {
        let (threshold, bits) = (probability.threshold(), probability.bits());
        if !probability.drops() {
            return Self([u32::MAX; 4]);
        }
        let call = |plane| philox4x32([block[0], block[1], block[2], plane], key, rounds);
        let mut keep = [0; 4];
        if bits > HEAD_PLANES {
            let tail = call(HEAD_PLANES);
            for t in (0..bits - HEAD_PLANES).rev() {
                let plane = std::array::from_fn(|w| {
                    tail[(w + t as usize) % 4].rotate_left(TAIL_ROTATION[t as usize])
                });
                keep = rung(keep, plane, threshold, bits - 1 - (HEAD_PLANES + t));
            }
        }
        for j in (0..bits.min(HEAD_PLANES)).rev() {
            keep = rung(keep, call(j), threshold, bits - 1 - j);
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

/// One rung of the ladder: `keep | !plane` where the threshold's bit is set, else `keep & !plane`.
fn rung(keep: [u32; 4], plane: [u32; 4], threshold: u32, bit: u32) -> [u32; 4] {
    let set = (threshold >> bit & 1).wrapping_neg();
    std::array::from_fn(|w| {
        let below = !plane[w];
        (keep[w] & below) | (set & (keep[w] | below))
    })
}
