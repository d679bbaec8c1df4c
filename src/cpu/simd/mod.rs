//! The vector operations of the passes, once per instruction set.
//!
//! The kernels are written once, over [`Simd`]. A type that implements it is a token: it exists only
//! where the processor has the instructions, so its methods are safe to call. [`Level`] holds the token of
//! one instruction set and runs a [`Job`] with it.

use crate::mask::philox::MULTIPLIERS;
use comparison::Comparison;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod comparison;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod neon;
mod portable;
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod simd128;

/// Inputs in a row of a panel: eight bricks, one generator call in eight lanes.
pub(super) const WIDTH: usize = 64;

/// A piece of a row of X, W or a gradient, [`WIDTH`] inputs wide.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Row(pub [f32; WIDTH]);

impl Row {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);
}

/// The numbers of rows, one after the other.
pub(super) fn numbers<const COLUMNS: usize>(
    rows: &mut [[[Row; 4]; COLUMNS]],
) -> impl Iterator<Item = &mut f32> {
    rows.as_flattened_mut().as_flattened_mut().iter_mut().flat_map(|row| &mut row.0)
}

/// The decisions for 4 examples x 4 outputs x 64 inputs.
///
/// `0[n][o]` has 64 bits, input 0 in the lowest bit of the first word: what a brick calls byte o of
/// word n, for eight bricks in a row.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Kept(pub [[[u16; 4]; 4]; 4]);

impl Kept {
    pub(super) const NONE: Self = Self([[[0; 4]; 4]; 4]);
    pub(super) const ALL: Self = Self([[[u16::MAX; 4]; 4]; 4]);

    /// The decision of example n and output o, where the lanes were eight blocks of outputs at one virtual
    /// input, the first of its brick.
    #[inline(always)]
    pub(super) fn virtual_input(&self, n: usize, o: usize) -> bool {
        self.0[n][o % 4][o / 8] >> (o / 4 % 2 * 8) & 1 == 1
    }
}

/// What the kernels need of an instruction set.
///
/// `Floats` is one register of [`Self::LANES`] numbers. `Words` is eight words of the generator, in the order and the
/// registers that suit the instruction set: x86 multiplies the low halves of 64-bit lanes, so that lanes are that
/// wide there and hold anything in the high halves; NEON and WebAssembly multiply 32-bit lanes next to each other.
pub(super) trait Simd: Copy + Send + Sync + 'static {
    /// Numbers in a register.
    const LANES: usize;
    /// Rows of a register tile, 2 or 4: four columns of as many accumulators must fit the register file.
    const TILE_ROWS: usize;
    /// Runs of the generator, of eight bricks each, that are interleaved, 3 at most: a run holds eight registers.
    const RUNS: usize;

    type Floats: Copy;
    type Words: Copy;

    /// Runs a job compiled for this instruction set. Everything below must be inlined into the job.
    fn run<J: Job>(self, job: J);

    fn zero(self) -> Self::Floats;
    fn splat(self, value: f32) -> Self::Floats;
    /// Numbers `LANES * column..` of a row.
    fn load(self, row: &Row, column: usize) -> Self::Floats;
    fn store(self, row: &mut Row, column: usize, value: Self::Floats);
    /// `a` where the bit in `kept`, 64 bits for a whole row, is set, and 0 elsewhere.
    fn kept(self, kept: &[u16; 4], column: usize, a: Self::Floats) -> Self::Floats;
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + sum`.
    fn add_product(self, a: Self::Floats, b: Self::Floats, sum: Self::Floats) -> Self::Floats;
    /// The same where the bit in `kept` is set. A number behind a cleared bit of `a` does not matter, NaN
    /// included.
    fn add_kept_product(
        self,
        kept: &[u16; 4],
        column: usize,
        a: Self::Floats,
        b: Self::Floats,
        sum: Self::Floats,
    ) -> Self::Floats;
    /// The sums of four registers.
    fn sums(self, values: [Self::Floats; 4]) -> [f32; 4];

    fn words(self, values: [u32; 8]) -> Self::Words;
    fn eight(self, value: u32) -> Self::Words;
    /// [`Comparison::decide`] on the words of eight bricks in each run.
    fn decide<const RUNS: usize, const WORDS: usize>(
        self,
        comparison: &Comparison,
        blocks: [[Self::Words; 3]; RUNS],
        first: usize,
    ) -> [[Self::Words; WORDS]; RUNS];
    /// Word l of `words[n]` is that of brick l: gathers the bytes of each (n, o).
    fn transpose(self, words: [Self::Words; 4], kept: &mut Kept);
}

/// The methods of a [`Simd`] whose eight words are as many [`Lanes`] as it works on at a time.
macro_rules! decide_by_eight {
    () => {
        #[inline(always)]
        fn eight(self, value: u32) -> Self::Words {
            self.splat_word(value)
        }

        #[inline(always)]
        fn decide<const RUNS: usize, const WORDS: usize>(
            self,
            comparison: &$crate::cpu::simd::comparison::Comparison,
            blocks: [[Self::Words; 3]; RUNS],
            first: usize,
        ) -> [[Self::Words; WORDS]; RUNS] {
            comparison.decide::<Self, RUNS, WORDS>(self, blocks, first)
        }
    };
}
use decide_by_eight;

/// Work that runs on one thread with one instruction set.
pub(super) trait Job {
    /// Must be `#[inline(always)]`, so that it is compiled for the instruction set that runs it.
    fn run<S: Simd>(self, simd: S);
}

/// The levels, slowest first: a token each, whose `detect` says whether this processor has the instructions.
macro_rules! levels {
    ($($(#[$when:meta])* $level:ident($token:ty) = $name:literal,)*) => {
        /// An instruction set that this processor has.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Level {
            $($(#[$when])* $level($token),)*
        }

        impl Level {
            /// Those of this processor, slowest first. It is asked once: the standard library keeps its answers.
            fn found() -> impl Iterator<Item = Self> {
                let levels = [$($(#[$when])* <$token>::detect().map(Self::$level),)*];
                levels.into_iter().flatten()
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $($(#[$when])* Self::$level(_) => $name,)*
                }
            }

            pub(super) fn run(self, job: impl Job) {
                match self {
                    $($(#[$when])* Self::$level(simd) => simd.run(job),)*
                }
            }
        }
    };
}

levels! {
    Portable(portable::Portable) = "portable",
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2) = "avx2",
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512) = "avx512",
    #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
    Neon(neon::Neon) = "neon",
    #[cfg(all(target_family = "wasm", target_feature = "simd128"))]
    Simd128(simd128::Simd128) = "simd128",
}

impl Level {
    /// The levels of this processor, slowest first.
    pub(super) fn available() -> Vec<Self> {
        Self::found().collect()
    }

    /// The fastest of them.
    pub(super) fn best() -> Self {
        Self::found().last().unwrap_or(Self::Portable(portable::Portable))
    }
}
