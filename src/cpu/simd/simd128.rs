//! WebAssembly's `simd128`: four lanes, as `neon.rs` arranges them, and for the same reason.
//!
//! A module either has these instructions or does not run where they are missing, so that there is nothing to detect:
//! `-C target-feature=+simd128` decides.

use std::arch::wasm32::*;

use super::{Job, Kept, Row, Simd, WIDTH};

const LANES: usize = 4;

/// `simd128` belongs to the target: the intrinsics are safe to call.
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Simd128(());

impl Simd128 {
    pub(super) fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

/// Bit `4 * column + lane` of 16: picks a column's four decisions.
const SELECT: [v128; 4] =
    [u32x4(1, 2, 4, 8), u32x4(16, 32, 64, 128), u32x4(256, 512, 1024, 2048), u32x4(4096, 8192, 16384, 32768)];

impl Simd for Simd128 {
    const LANES: usize = LANES;
    /// On x86-64 engines have 16 registers.
    const TILE_ROWS: usize = 2;
    /// Words are two registers each, which is as good.
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
        // Twice in each lane, where one load puts them; the bits of `SELECT` are in the lower half.
        let (bits, select) = (u16x8_splat(kept[column / 4]), SELECT[column % 4]);
        v128_and(a, u32x4_eq(v128_and(bits, select), select))
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
    fn splat_word(self, value: u32) -> [v128; 2] {
        [u32x4_splat(value); 2]
    }

    #[inline(always)]
    fn products(self, a: [v128; 2], b: [v128; 2]) -> [[v128; 2]; 2] {
        let ([low0, high0], [low1, high1]) = (halves(a[0], b[0]), halves(a[1], b[1]));
        [[low0, low1], [high0, high1]]
    }

    #[inline(always)]
    fn xor3(self, a: [v128; 2], b: [v128; 2], c: [v128; 2]) -> [v128; 2] {
        [v128_xor(a[0], v128_xor(b[0], c[0])), v128_xor(a[1], v128_xor(b[1], c[1]))]
    }

    #[inline(always)]
    fn and_not(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        [v128_andnot(a[0], b[0]), v128_andnot(a[1], b[1])]
    }

    #[inline(always)]
    fn or_not(self, a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        [v128_or(a[0], v128_not(b[0])), v128_or(a[1], v128_not(b[1]))]
    }

    #[inline(always)]
    fn rotate_left(self, a: [v128; 2], by: u32) -> [v128; 2] {
        // Shifts count modulo 32, so a rotation by 0 is right too.
        let right = 32 - by;
        [
            v128_or(u32x4_shl(a[0], by), u32x4_shr(a[0], right)),
            v128_or(u32x4_shl(a[1], by), u32x4_shr(a[1], right)),
        ]
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

/// The low and the high words of four products.
#[inline(always)]
fn halves(a: v128, b: v128) -> [v128; 2] {
    let (first, second) = (u64x2_extmul_low_u32x4(a, b), u64x2_extmul_high_u32x4(a, b));
    [u32x4_shuffle::<0, 2, 4, 6>(first, second), u32x4_shuffle::<1, 3, 5, 7>(first, second)]
}

#[inline(always)]
fn outputs(bricks: v128) -> v128 {
    u8x16_shuffle::<0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15>(bricks, bricks)
}
