//! WebAssembly's `simd128`: four lanes, as `neon.rs` arranges them, and for the same reason.
//!
//! A module either has these instructions or does not run where they are missing, so that there is nothing to detect:
//! `-C target-feature=+simd128` decides.

use std::arch::wasm32::*;

use super::comparison::{Comparison, Lanes};
use super::{Job, Kept, MULTIPLIERS, Row, Simd, WIDTH};

const LANES: usize = 4;

/// `simd128` belongs to the target: the intrinsics are safe to call.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Simd128(());

impl Simd128 {
    pub(super) fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

/// All bits of the lanes whose bit is set. A load is cheaper than to spread the bits in registers: the address is
/// worked out beside the vectors.
static SPREAD: [v128; 1 << LANES] = {
    let mut spread = [u32x4(0, 0, 0, 0); 1 << LANES];
    let mut bits = 0;
    while bits < spread.len() {
        let b = bits as u32;
        let [first, second, third, fourth] = [b & 1, b >> 1 & 1, b >> 2 & 1, b >> 3 & 1];
        spread[bits] =
            u32x4(first.wrapping_neg(), second.wrapping_neg(), third.wrapping_neg(), fourth.wrapping_neg());
        bits += 1;
    }
    spread
};

impl Simd for Simd128 {
    const LANES: usize = LANES;
    /// On x86-64 engines have 16 registers.
    const TILE_ROWS: usize = 2;
    const RUNS: usize = 1;

    type Floats = v128;
    /// Bricks 0 to 3, and 4 to 7.
    type Words = [v128; 2];

    fn run<J: Job>(self, job: J) {
        job.run(self);
    }

    #[inline(always)]
    fn zero(self) -> v128 {
        f32x4_splat(0.0)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> v128 {
        f32x4_splat(value)
    }

    #[inline(always)]
    fn load(self, row: &Row, column: usize) -> v128 {
        assert!(column < WIDTH / LANES);
        // SAFETY: the assertion keeps the 4 numbers in the row.
        unsafe { v128_load(row.0.as_ptr().add(column * LANES).cast()) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row, column: usize, value: v128) {
        assert!(column < WIDTH / LANES);
        // SAFETY: as in `load`.
        unsafe { v128_store(row.0.as_mut_ptr().add(column * LANES).cast(), value) }
    }

    #[inline(always)]
    fn kept(self, kept: &[u16; 4], column: usize, a: v128) -> v128 {
        let bits = kept[column / 4] >> (column % 4 * LANES) & 0xF;
        v128_and(a, SPREAD[usize::from(bits)])
    }

    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }

    #[inline(always)]
    fn add_product(self, a: v128, b: v128, sum: v128) -> v128 {
        // There is no fused multiply-add that gives the same result everywhere.
        f32x4_add(f32x4_mul(a, b), sum)
    }

    #[inline(always)]
    fn add_kept_product(self, kept: &[u16; 4], column: usize, a: v128, b: v128, sum: v128) -> v128 {
        self.add_product(self.kept(kept, column, a), b, sum)
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [v128; 4]) -> [f32; 4] {
        // Lanes 0 and 2, then 1 and 3.
        let ab = f32x4_add(u32x4_shuffle::<0, 4, 1, 5>(a, b), u32x4_shuffle::<2, 6, 3, 7>(a, b));
        let cd = f32x4_add(u32x4_shuffle::<0, 4, 1, 5>(c, d), u32x4_shuffle::<2, 6, 3, 7>(c, d));
        let total = f32x4_add(u64x2_shuffle::<0, 2>(ab, cd), u64x2_shuffle::<1, 3>(ab, cd));
        let mut sums = [0.0; 4];
        // SAFETY: `sums` has the 16 bytes that are written; no alignment is asked for.
        unsafe { v128_store(sums.as_mut_ptr().cast(), total) };
        sums
    }

    #[inline(always)]
    fn words(self, [a, b, c, d, e, f, g, h]: [u32; 8]) -> [v128; 2] {
        [u32x4(a, b, c, d), u32x4(e, f, g, h)]
    }

    #[inline(always)]
    fn eight(self, value: u32) -> [v128; 2] {
        [u32x4_splat(value); 2]
    }

    /// One half after the other: the state and the decisions of four bricks are eight registers.
    #[inline(always)]
    fn decide<const RUNS: usize, const WORDS: usize>(
        self,
        comparison: &Comparison,
        blocks: [[[v128; 2]; 3]; RUNS],
        first: usize,
    ) -> [[[v128; 2]; WORDS]; RUNS] {
        let half = |half: usize| blocks.map(|block| block.map(|words| words[half]));
        let halves = [half(0), half(1)].map(|h| comparison.decide::<Four, RUNS, WORDS>(Four, h, first));
        std::array::from_fn(|run| std::array::from_fn(|word| [halves[0][run][word], halves[1][run][word]]))
    }

    #[inline(always)]
    fn transpose(self, words: [[v128; 2]; 4], kept: &mut Kept) {
        for ([first, second], kept) in words.into_iter().zip(&mut kept.0) {
            // Byte o of each of four bricks becomes 32-bit lane o ...
            let (first, second) = (outputs(first), outputs(second));
            // ... and lane o of one goes next to lane o of the other.
            let low = u32x4_shuffle::<0, 4, 1, 5>(first, second);
            let high = u32x4_shuffle::<2, 6, 3, 7>(first, second);
            let to: *mut v128 = std::ptr::from_mut(kept).cast();
            // SAFETY: `kept` is one example of 32 bytes, which is what is written; no alignment is asked for.
            unsafe {
                v128_store(to, low);
                v128_store(to.add(1), high);
            }
        }
    }
}

static MULTIPLIER_LANES: [v128; 2] = {
    let [a, b] = MULTIPLIERS;
    [u32x4(a, a, a, a), u32x4(b, b, b, b)]
};

/// The words of four bricks.
#[derive(Clone, Copy)]
struct Four;

impl Lanes for Four {
    type Words = v128;

    #[inline(always)]
    fn splat_word(self, value: u32) -> v128 {
        u32x4_splat(value)
    }

    #[inline(always)]
    fn products(self, a: v128, multiplier: usize) -> [v128; 2] {
        // Volatile, so that the compiler does not know the lanes, nor reads them ahead. It would make products of two
        // halves, which are one instruction, whole products of 64 bits, which engines take ten for: half the speed.
        // SAFETY: what is read is a static's.
        let b = unsafe { (&raw const MULTIPLIER_LANES[multiplier]).read_volatile() };
        let (first, second) = (u64x2_extmul_low_u32x4(a, b), u64x2_extmul_high_u32x4(a, b));
        [u32x4_shuffle::<0, 2, 4, 6>(first, second), u32x4_shuffle::<1, 3, 5, 7>(first, second)]
    }

    #[inline(always)]
    fn xor3(self, a: v128, b: v128, c: v128) -> v128 {
        v128_xor(a, v128_xor(b, c))
    }

    #[inline(always)]
    fn and_not(self, a: v128, b: v128) -> v128 {
        v128_andnot(a, b)
    }

    #[inline(always)]
    fn or_not(self, a: v128, b: v128) -> v128 {
        v128_or(a, v128_not(b))
    }

    #[inline(always)]
    fn rotate_left(self, a: v128, by: u32) -> v128 {
        // Shifts count modulo 32, so a rotation by 0 is right too.
        v128_or(u32x4_shl(a, by), u32x4_shr(a, 32 - by))
    }
}

#[inline(always)]
fn outputs(bricks: v128) -> v128 {
    u8x16_shuffle::<0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15>(bricks, bricks)
}
