//! Plain arrays, for processors without a level of their own. They are as wide as SSE2, which the compiler uses where
//! it belongs to the target (x86-64).

use super::comparison::Lanes;
use super::{Job, Kept, MULTIPLIERS, Row, Simd, WIDTH, decide_by_eight};

const LANES: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(in crate::cpu) struct Portable;

impl Portable {
    /// Every processor has what this takes.
    pub(super) fn detect() -> Option<Self> {
        Some(Self)
    }
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 2;
    const RUNS: usize = 1;

    type Floats = [f32; LANES];
    type Words = [u64; 8];

    fn run<J: Job>(self, job: J) {
        job.run(self);
    }

    #[inline(always)]
    fn zero(self) -> Self::Floats {
        [0.0; LANES]
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, row: &Row, column: usize) -> Self::Floats {
        let (columns, _) = row.0.as_chunks::<LANES>();
        columns[column]
    }

    #[inline(always)]
    fn store(self, row: &mut Row, column: usize, value: Self::Floats) {
        let (columns, _) = row.0.as_chunks_mut::<LANES>();
        columns[column] = value;
    }

    #[inline(always)]
    fn kept(self, kept: &[u16; 4], column: usize, a: Self::Floats) -> Self::Floats {
        const { assert!(WIDTH / LANES == 16) };
        let bits = u32::from(kept[column / 4]);
        std::array::from_fn(|lane| {
            let bit = 1 << (column % 4 * LANES + lane);
            let all = if bits & bit == bit { u32::MAX } else { 0 };
            f32::from_bits(a[lane].to_bits() & all)
        })
    }

    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn add_product(self, a: Self::Floats, b: Self::Floats, sum: Self::Floats) -> Self::Floats {
        // Not `f32::mul_add`: without an instruction for it, that is a slow function call.
        std::array::from_fn(|lane| a[lane] * b[lane] + sum[lane])
    }

    #[inline(always)]
    fn add_kept_product(
        self,
        kept: &[u16; 4],
        column: usize,
        a: Self::Floats,
        b: Self::Floats,
        sum: Self::Floats,
    ) -> Self::Floats {
        self.add_product(self.kept(kept, column, a), b, sum)
    }

    #[inline(always)]
    fn sums(self, values: [Self::Floats; 4]) -> [f32; 4] {
        values.map(|v| (v[0] + v[2]) + (v[1] + v[3]))
    }

    #[inline(always)]
    fn words(self, values: [u32; 8]) -> Self::Words {
        values.map(u64::from)
    }

    decide_by_eight!();

    #[inline(always)]
    fn transpose(self, words: [Self::Words; 4], kept: &mut Kept) {
        for (word, kept) in words.iter().zip(&mut kept.0) {
            for (o, kept) in kept.iter_mut().enumerate() {
                for (pair, kept) in word.as_chunks::<2>().0.iter().zip(kept) {
                    let [low, high] = pair.map(|brick| u16::from((brick >> (8 * o)) as u8));
                    *kept = low | high << 8;
                }
            }
        }
    }
}

impl Lanes for Portable {
    type Words = [u64; 8];

    #[inline(always)]
    fn splat_word(self, value: u32) -> Self::Words {
        [u64::from(value); 8]
    }

    #[inline(always)]
    fn products(self, a: Self::Words, multiplier: usize) -> [Self::Words; 2] {
        let b = self.splat_word(MULTIPLIERS[multiplier]);
        let products: Self::Words =
            std::array::from_fn(|lane| (a[lane] & 0xFFFF_FFFF) * (b[lane] & 0xFFFF_FFFF));
        [products, products.map(|product| product >> 32)]
    }

    #[inline(always)]
    fn xor3(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words {
        std::array::from_fn(|lane| a[lane] ^ b[lane] ^ c[lane])
    }

    #[inline(always)]
    fn and_not(self, a: Self::Words, b: Self::Words) -> Self::Words {
        std::array::from_fn(|lane| a[lane] & !b[lane])
    }

    #[inline(always)]
    fn or_not(self, a: Self::Words, b: Self::Words) -> Self::Words {
        std::array::from_fn(|lane| a[lane] | !b[lane])
    }

    #[inline(always)]
    fn rotate_left(self, a: Self::Words, by: u32) -> Self::Words {
        a.map(|word| u64::from((word as u32).rotate_left(by)))
    }
}
