//! AVX2 with FMA: eight lanes; the decisions are spread over a register and clear the dropped numbers.
//!
//! No closures around intrinsics: a closure is a function without the features, and intrinsics that the
//! compiler does not inline into it are calls. That has cost a factor of four here.

use std::arch::x86_64::*;

use super::comparison::Lanes;
use super::{Job, Kept, MULTIPLIERS, Row, Simd, WIDTH, decide_by_eight};

const LANES: usize = 8;

/// Exists only where the processor has AVX2 and FMA: see [`Avx2::detect`].
#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has.then_some(Self(()))
    }
}

/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe fn with_features<J: Job>(simd: Avx2, job: J) {
    job.run(simd);
}

/// Bit `8 * byte + lane` in lane `lane`: picks a byte's eight decisions out of four bytes.
const SELECT: [[i32; LANES]; 4] = {
    let mut select = [[0; LANES]; 4];
    let mut bit = 0;
    while bit < 32 {
        select[bit / LANES][bit % LANES] = (1u32 << bit) as i32;
        bit += 1;
    }
    select
};

impl Simd for Avx2 {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 2;
    /// Words are two registers each, which is as good.
    const RUNS: usize = 1;

    type Floats = __m256;
    /// Bricks 0, 1, 4, 5 and bricks 2, 3, 6, 7: the order that `transpose` wants.
    type Words = [__m256i; 2];

    fn run<J: Job>(self, job: J) {
        // SAFETY: `self` exists, so `detect` has found the features.
        unsafe { with_features(self, job) }
    }

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, row: &Row, column: usize) -> __m256 {
        assert!(column < WIDTH / LANES);
        // SAFETY: `self` proves AVX2; the assertion keeps the 8 numbers in the row, and rows are aligned
        // to 64 bytes.
        unsafe { _mm256_load_ps(row.0.as_ptr().add(column * LANES)) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row, column: usize, value: __m256) {
        assert!(column < WIDTH / LANES);
        // SAFETY: as in `load`.
        unsafe { _mm256_store_ps(row.0.as_mut_ptr().add(column * LANES), value) }
    }

    #[inline(always)]
    fn kept(self, kept: &[u16; 4], column: usize, a: __m256) -> __m256 {
        // Four columns share one broadcast of their 32 decisions.
        let half = column / 4 * 2;
        let bits = u32::from(kept[half]) | u32::from(kept[half + 1]) << 16;
        // SAFETY: `self` proves AVX2; an entry of `SELECT` has the 32 bytes that are read.
        unsafe {
            let select = _mm256_loadu_si256(SELECT[column % 4].as_ptr().cast());
            let chosen = _mm256_and_si256(_mm256_set1_epi32(bits as i32), select);
            _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_cmpeq_epi32(chosen, select)))
        }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn add_product(self, a: __m256, b: __m256, sum: __m256) -> __m256 {
        // SAFETY: `self` proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn add_kept_product(self, kept: &[u16; 4], column: usize, a: __m256, b: __m256, sum: __m256) -> __m256 {
        self.add_product(self.kept(kept, column, a), b, sum)
    }

    #[inline(always)]
    fn sums(self, values: [__m256; 4]) -> [f32; 4] {
        // SAFETY: `self` proves AVX2; `sums` has the 16 bytes that are written.
        unsafe {
            let low = _mm256_hadd_ps(values[0], values[1]);
            let high = _mm256_hadd_ps(values[2], values[3]);
            let halves = _mm256_hadd_ps(low, high);
            let total = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
            let mut sums = [0.0; 4];
            _mm_storeu_ps(sums.as_mut_ptr(), total);
            sums
        }
    }

    #[inline(always)]
    fn words(self, v: [u32; 8]) -> [__m256i; 2] {
        let v = v.map(i64::from);
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_setr_epi64x(v[0], v[1], v[4], v[5]), _mm256_setr_epi64x(v[2], v[3], v[6], v[7])] }
    }

    decide_by_eight!();

    #[inline(always)]
    fn transpose(self, words: [[__m256i; 2]; 4], kept: &mut Kept) {
        for ([first, second], kept) in words.into_iter().zip(&mut kept.0) {
            // SAFETY: `self` proves AVX2; `kept` is one example of 32 bytes, which is what is written.
            unsafe {
                // The low halves, in the order of the bricks.
                let bricks = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(
                    _mm256_castsi256_ps(first),
                    _mm256_castsi256_ps(second),
                ));
                // In each lane of four bricks, byte o of every brick becomes 32-bit word o ...
                let bytes = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                    0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
                ));
                let outputs = _mm256_shuffle_epi8(bricks, bytes);
                // ... and word o of one lane goes next to word o of the other.
                let outputs = _mm256_permutevar8x32_epi32(outputs, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
                _mm256_storeu_si256(std::ptr::from_mut(kept).cast(), outputs);
            }
        }
    }
}

impl Lanes for Avx2 {
    type Words = [__m256i; 2];

    #[inline(always)]
    fn splat_word(self, value: u32) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2.
        [unsafe { _mm256_set1_epi32(value as i32) }; 2]
    }

    #[inline(always)]
    fn products(self, a: [__m256i; 2], multiplier: usize) -> [[__m256i; 2]; 2] {
        let b = self.splat_word(MULTIPLIERS[multiplier]);
        // SAFETY: `self` proves AVX2.
        unsafe {
            let products = [_mm256_mul_epu32(a[0], b[0]), _mm256_mul_epu32(a[1], b[1])];
            [products, [_mm256_srli_epi64::<32>(products[0]), _mm256_srli_epi64::<32>(products[1])]]
        }
    }

    #[inline(always)]
    fn xor3(self, a: [__m256i; 2], b: [__m256i; 2], c: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2.
        unsafe {
            [
                _mm256_xor_si256(_mm256_xor_si256(a[0], b[0]), c[0]),
                _mm256_xor_si256(_mm256_xor_si256(a[1], b[1]), c[1]),
            ]
        }
    }

    #[inline(always)]
    fn and_not(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_andnot_si256(b[0], a[0]), _mm256_andnot_si256(b[1], a[1])] }
    }

    #[inline(always)]
    fn or_not(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let ones = _mm256_set1_epi32(-1);
            [
                _mm256_or_si256(a[0], _mm256_xor_si256(b[0], ones)),
                _mm256_or_si256(a[1], _mm256_xor_si256(b[1], ones)),
            ]
        }
    }

    #[inline(always)]
    fn rotate_left(self, a: [__m256i; 2], by: u32) -> [__m256i; 2] {
        // SAFETY: `self` proves AVX2. A shift by 32 gives 0, so a rotation by 0 is right too.
        unsafe {
            let (left, right) = (_mm256_set1_epi32(by as i32), _mm256_set1_epi32(32 - by as i32));
            [
                _mm256_or_si256(_mm256_sllv_epi32(a[0], left), _mm256_srlv_epi32(a[0], right)),
                _mm256_or_si256(_mm256_sllv_epi32(a[1], left), _mm256_srlv_epi32(a[1], right)),
            ]
        }
    }
}
