//! AVX-512: sixteen lanes, and the decisions are the mask registers of the multiply-adds.

use std::arch::x86_64::*;

use super::comparison::Lanes;
use super::{Job, Kept, MULTIPLIERS, Row, Simd, WIDTH, decide_by_eight};

const LANES: usize = 16;

/// Exists only where the processor has AVX-512 F and BW: see [`Avx512::detect`].
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        // F and BW hold the instructions below; the rest is what the compiler may use beside them. Every
        // processor with BW has them.
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has.then_some(Self(()))
    }
}

/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
unsafe fn with_features<J: Job>(simd: Avx512, job: J) {
    job.run(simd);
}

impl Simd for Avx512 {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 4;
    const RUNS: usize = 2;

    type Floats = __m512;
    type Words = __m512i;

    fn run<J: Job>(self, job: J) {
        // SAFETY: `self` exists, so `detect` has found the features.
        unsafe { with_features(self, job) }
    }

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, row: &Row, column: usize) -> __m512 {
        assert!(column < WIDTH / LANES);
        // SAFETY: `self` proves AVX-512 F; the assertion keeps the 16 numbers in the row, and rows are
        // aligned to 64 bytes.
        unsafe { _mm512_load_ps(row.0.as_ptr().add(column * LANES)) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row, column: usize, value: __m512) {
        assert!(column < WIDTH / LANES);
        // SAFETY: as in `load`.
        unsafe { _mm512_store_ps(row.0.as_mut_ptr().add(column * LANES), value) }
    }

    #[inline(always)]
    fn kept(self, kept: &[u16; 4], column: usize, a: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_maskz_mov_ps(kept[column], a) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn add_product(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn add_kept_product(self, kept: &[u16; 4], column: usize, a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_mask3_fmadd_ps(a, b, sum, kept[column]) }
    }

    #[inline(always)]
    fn sums(self, values: [__m512; 4]) -> [f32; 4] {
        // SAFETY: `self` proves AVX-512 F.
        unsafe {
            [
                _mm512_reduce_add_ps(values[0]),
                _mm512_reduce_add_ps(values[1]),
                _mm512_reduce_add_ps(values[2]),
                _mm512_reduce_add_ps(values[3]),
            ]
        }
    }

    #[inline(always)]
    fn words(self, values: [u32; 8]) -> __m512i {
        // SAFETY: `self` proves AVX-512 F; `values` has the 32 bytes that are read.
        unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(values.as_ptr().cast())) }
    }

    decide_by_eight!();

    #[inline(always)]
    fn transpose(self, words: [__m512i; 4], kept: &mut Kept) {
        let [first, second] = kept.0.as_chunks_mut::<2>().0 else { unreachable!("four examples") };
        for (pair, kept) in [([words[0], words[1]], first), ([words[2], words[3]], second)] {
            // SAFETY: `self` proves AVX-512 F and BW; `kept` is two examples of 32 bytes, which is what
            // is written.
            unsafe {
                // The low halves of the first word's eight bricks, then of the second word's.
                let low = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                let bricks = _mm512_permutex2var_epi32(pair[0], low, pair[1]);
                // In each lane of four bricks, byte o of every brick becomes 32-bit word o ...
                let bytes = _mm512_broadcast_i32x4(_mm_setr_epi8(
                    0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
                ));
                let outputs = _mm512_shuffle_epi8(bricks, bytes);
                // ... and word o of a lane goes next to word o of the lane with the other four bricks.
                let pairs = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
                let outputs = _mm512_permutexvar_epi32(pairs, outputs);
                _mm512_storeu_si512(std::ptr::from_mut(kept).cast(), outputs);
            }
        }
    }
}

impl Lanes for Avx512 {
    type Words = __m512i;

    #[inline(always)]
    fn splat_word(self, value: u32) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_set1_epi32(value as i32) }
    }

    #[inline(always)]
    fn products(self, a: __m512i, multiplier: usize) -> [__m512i; 2] {
        let b = self.splat_word(MULTIPLIERS[multiplier]);
        // SAFETY: `self` proves AVX-512 F.
        unsafe {
            let products = _mm512_mul_epu32(a, b);
            [products, _mm512_srli_epi64::<32>(products)]
        }
    }

    #[inline(always)]
    fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F. 0x96 is the truth table of a ^ b ^ c.
        unsafe { _mm512_ternarylogic_epi32::<0x96>(a, b, c) }
    }

    #[inline(always)]
    fn and_not(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_andnot_si512(b, a) }
    }

    #[inline(always)]
    fn or_not(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F. 0xF3 is the truth table of a | !b, whatever the third is.
        unsafe { _mm512_ternarylogic_epi32::<0xF3>(a, b, b) }
    }

    #[inline(always)]
    fn rotate_left(self, a: __m512i, by: u32) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_rolv_epi32(a, _mm512_set1_epi32(by as i32)) }
    }
}
