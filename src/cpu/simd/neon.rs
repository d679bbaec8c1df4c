//! NEON, which every AArch64 processor has: four lanes; the decisions are spread over a register and clear the dropped
//! numbers.
//!
//! `vmull_u32` multiplies two pairs of 32-bit lanes into two 64-bit lanes. Words could stay as wide as the products,
//! four registers of two lanes; each product would narrow its operand first. They are narrow instead, two registers of
//! four lanes, and the products are parted. In a round, for eight bricks:
//!
//! | words | narrow operands | multiply | low words | high words | exclusive ors | together |
//! |---|---|---|---|---|---|---|
//! | four registers | 4 | 8 | | 8 | 16 | 36 |
//! | two registers | | 8 | 4 | 4 | 8 | 24 |
//!
//! and the comparison with the threshold, which takes as long as the rounds where p has 16 bits, is half of what it
//! would be.

use std::arch::aarch64::*;

use super::comparison::Lanes;
use super::{Job, Kept, MULTIPLIERS, Row, Simd, WIDTH, decide_by_eight};

const LANES: usize = 4;

/// Exists only in code for targets that NEON belongs to, which is what makes its methods safe to call.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Neon(());

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

/// Bit `4 * column + lane` of 16: picks a column's four decisions.
const SELECT: [[u32; LANES]; 4] = {
    let mut select = [[0; LANES]; 4];
    let mut bit = 0;
    while bit < 16 {
        select[bit / LANES][bit % LANES] = 1 << bit;
        bit += 1;
    }
    select
};

impl Simd for Neon {
    const LANES: usize = LANES;
    /// 32 registers: 16 sums, and four of each operand.
    const TILE_ROWS: usize = 4;
    /// Words are two registers each, which is as good.
    const RUNS: usize = 1;

    type Floats = float32x4_t;
    /// Bricks 0 to 3, and 4 to 7.
    type Words = [uint32x4_t; 2];

    fn run<J: Job>(self, job: J) {
        job.run(self);
    }

    #[inline(always)]
    fn zero(self) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    fn load(self, row: &Row, column: usize) -> float32x4_t {
        assert!(column < WIDTH / LANES);
        // SAFETY: `self` proves NEON; the assertion keeps the 4 numbers in the row.
        unsafe { vld1q_f32(row.0.as_ptr().add(column * LANES)) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row, column: usize, value: float32x4_t) {
        assert!(column < WIDTH / LANES);
        // SAFETY: as in `load`.
        unsafe { vst1q_f32(row.0.as_mut_ptr().add(column * LANES), value) }
    }

    #[inline(always)]
    fn kept(self, kept: &[u16; 4], column: usize, a: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON; an entry of `SELECT` has the 16 bytes that are read.
        unsafe {
            // Twice in each lane, where one load puts them; the bits of `SELECT` are in the lower half.
            let bits = vreinterpretq_u32_u16(vdupq_n_u16(kept[column / 4]));
            let select = vld1q_u32(SELECT[column % 4].as_ptr());
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vtstq_u32(bits, select)))
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn add_product(self, a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vfmaq_f32(sum, a, b) }
    }

    #[inline(always)]
    fn add_kept_product(
        self,
        kept: &[u16; 4],
        column: usize,
        a: float32x4_t,
        b: float32x4_t,
        sum: float32x4_t,
    ) -> float32x4_t {
        self.add_product(self.kept(kept, column, a), b, sum)
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [float32x4_t; 4]) -> [f32; 4] {
        // SAFETY: `self` proves NEON; `sums` has the 16 bytes that are written.
        unsafe {
            let total = vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d));
            let mut sums = [0.0; 4];
            vst1q_f32(sums.as_mut_ptr(), total);
            sums
        }
    }

    #[inline(always)]
    fn words(self, values: [u32; 8]) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON; `values` has the 32 bytes that are read.
        unsafe { [vld1q_u32(values.as_ptr()), vld1q_u32(values.as_ptr().add(4))] }
    }

    decide_by_eight!();

    #[inline(always)]
    fn transpose(self, words: [[uint32x4_t; 2]; 4], kept: &mut Kept) {
        // SAFETY: `self` proves NEON; `kept` is one example of 32 bytes, which is what is written.
        unsafe {
            for (word, kept) in words.into_iter().zip(&mut kept.0) {
                let [first, second] = word.map(|bricks| vreinterpretq_u8_u32(bricks));
                // Bytes 0 and 2 of every brick, bytes 1 and 3; and then each byte of every brick.
                let (even, odd) = (vuzp1q_u8(first, second), vuzp2q_u8(first, second));
                let outputs = [vuzp1q_u8(even, odd), vuzp2q_u8(even, odd)];
                let to: *mut u8 = std::ptr::from_mut(kept).cast();
                vst1q_u8(to, outputs[0]);
                vst1q_u8(to.add(16), outputs[1]);
            }
        }
    }
}

impl Lanes for Neon {
    type Words = [uint32x4_t; 2];

    #[inline(always)]
    fn splat_word(self, value: u32) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_u32(value); 2] }
    }

    #[inline(always)]
    fn products(self, a: [uint32x4_t; 2], multiplier: usize) -> [[uint32x4_t; 2]; 2] {
        let b = self.splat_word(MULTIPLIERS[multiplier]);
        let ([low0, high0], [low1, high1]) = (halves(a[0], b[0]), halves(a[1], b[1]));
        [[low0, low1], [high0, high1]]
    }

    #[inline(always)]
    fn xor3(self, a: [uint32x4_t; 2], b: [uint32x4_t; 2], c: [uint32x4_t; 2]) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            // The state and the key first: they are there before the product is.
            [veorq_u32(a[0], veorq_u32(b[0], c[0])), veorq_u32(a[1], veorq_u32(b[1], c[1]))]
        }
    }

    #[inline(always)]
    fn and_not(self, a: [uint32x4_t; 2], b: [uint32x4_t; 2]) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe { [vbicq_u32(a[0], b[0]), vbicq_u32(a[1], b[1])] }
    }

    #[inline(always)]
    fn or_not(self, a: [uint32x4_t; 2], b: [uint32x4_t; 2]) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe { [vornq_u32(a[0], b[0]), vornq_u32(a[1], b[1])] }
    }

    #[inline(always)]
    fn rotate_left(self, a: [uint32x4_t; 2], by: u32) -> [uint32x4_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            // A negative number shifts to the right; by 32 it gives 0, so a rotation by 0 is right too.
            let (left, right) = (vdupq_n_s32(by as i32), vdupq_n_s32(by as i32 - 32));
            [
                vorrq_u32(vshlq_u32(a[0], left), vshlq_u32(a[0], right)),
                vorrq_u32(vshlq_u32(a[1], left), vshlq_u32(a[1], right)),
            ]
        }
    }
}

/// The low and the high words of four products.
#[inline(always)]
fn halves(a: uint32x4_t, b: uint32x4_t) -> [uint32x4_t; 2] {
    // SAFETY: NEON belongs to the target wherever this is compiled.
    unsafe {
        let first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), vget_low_u32(b)));
        let second = vreinterpretq_u32_u64(vmull_high_u32(a, b));
        [vuzp1q_u32(first, second), vuzp2q_u32(first, second)]
    }
}
