//! Mean and variance of the output under its mask, in one walk over X and W.

use rayon::prelude::*;

use super::grid::{Axes, Tile, pack, tiles};
use super::simd::{Job, Level, Row, Simd, WIDTH};
use crate::call::OutputMoments;
use crate::{Bias, Error};

/// Blocks of examples in a unit of work.
const N_BLOCKS: usize = 8;
/// Blocks of outputs in a unit of work.
const O_BLOCKS: usize = 8;
/// Panel columns, each [`WIDTH`] inputs wide, between two additions to the unit's sums.
const COLUMNS: usize = 8;

struct Pass<'a> {
    axes: Axes,
    x: &'a [f32],
    weight: &'a [f32],
    bias: Bias<&'a [f32]>,
    /// p / (1 - p).
    spread: f32,
}

/// Panels of X and W, 64 KiB each.
struct Scratch {
    x: Vec<[Row; 4]>,
    weight: Vec<[Row; 4]>,
}

impl Scratch {
    fn new() -> Self {
        Self { x: vec![[Row::ZERO; 4]; N_BLOCKS * COLUMNS], weight: vec![[Row::ZERO; 4]; O_BLOCKS * COLUMNS] }
    }
}

/// The lengths have been checked.
pub(super) fn moments(level: Level, call: OutputMoments<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
    let OutputMoments { shape, probability, x, weight, bias, mean, variance } = call;
    let axes = Axes::new(&shape, None);
    let pass = &Pass { axes, x, weight, bias, spread: probability.spread() as f32 };
    let cut = |result| tiles(result, axes.examples.pieces(N_BLOCKS), axes.outputs.pieces(O_BLOCKS));
    let (mean, variance) = (cut(mean)?, cut(variance)?);
    mean.into_par_iter().zip(variance).for_each_init(Scratch::new, |scratch, (mean, variance)| {
        level.run(Unit { pass, mean, variance, scratch });
    });
    Ok(())
}

/// The same tile of both results.
struct Unit<'a> {
    pass: &'a Pass<'a>,
    mean: Tile<'a, f32>,
    variance: Tile<'a, f32>,
    scratch: &'a mut Scratch,
}

impl Job for Unit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { pass, mean, variance, scratch } = self;
        let Axes { examples, outputs, inputs } = &pass.axes;
        let (n_first, o_first) = (mean.row_piece * N_BLOCKS, mean.column_piece * O_BLOCKS);
        let n_blocks = N_BLOCKS.min(examples.blocks() - n_first);
        let o_blocks = O_BLOCKS.min(outputs.blocks() - o_first);

        // [n][o] in the unit: sums of products, and of their squares times p / (1 - p).
        let mut sums = [[[0.0f32; 2]; O_BLOCKS * 4]; N_BLOCKS * 4];
        let all_columns = inputs.blocks().div_ceil(WIDTH / 8);
        for first in (0..all_columns).step_by(COLUMNS) {
            let columns = COLUMNS.min(all_columns - first);
            for column in 0..columns {
                let i = (inputs, (first + column) * WIDTH);
                for b in 0..n_blocks {
                    pack(&mut scratch.x[b * COLUMNS + column], pass.x, (examples, (n_first + b) * 4), i);
                }
                for b in 0..o_blocks {
                    let o = (outputs, (o_first + b) * 4);
                    pack(&mut scratch.weight[b * COLUMNS + column], pass.weight, o, i);
                }
            }
            for o_block in 0..o_blocks {
                let weight = &scratch.weight[o_block * COLUMNS..][..columns];
                for n_block in 0..n_blocks {
                    let x = &scratch.x[n_block * COLUMNS..][..columns];
                    let tile = tile_sums(simd, x, weight, pass.spread);
                    for (n, tile) in tile.iter().enumerate() {
                        for (o, tile) in tile.iter().enumerate() {
                            let sums = &mut sums[n_block * 4 + n][o_block * 4 + o];
                            *sums = [sums[0] + tile[0], sums[1] + tile[1]];
                        }
                    }
                }
            }
        }
        let rows = mean.rows.into_iter().zip(variance.rows).zip(&sums);
        for ((mean, variance), sums) in rows {
            for (o, ((mean, variance), [sum, squares])) in mean.iter_mut().zip(variance).zip(sums).enumerate()
            {
                let o = o_first * 4 + o;
                let (bias, masked) = match pass.bias {
                    Bias::None => (0.0, 0.0),
                    Bias::Plain(bias) => (bias[o], 0.0),
                    Bias::Masked(bias) => (bias[o], pass.spread * bias[o] * bias[o]),
                };
                *mean = sum + bias;
                *variance = match *mean {
                    mean if mean.is_nan() => mean,
                    // Not 0 * infinity.
                    _ if pass.spread == 0.0 => 0.0,
                    _ => squares + masked,
                };
            }
        }
    }
}

/// The sums over a panel's inputs for 4 examples x 4 outputs. Half the rows of the forward pass at a time:
/// there are two sums for each.
#[inline(always)]
fn tile_sums<S: Simd>(simd: S, x: &[[Row; 4]], weight: &[[Row; 4]], spread: f32) -> [[[f32; 2]; 4]; 4] {
    match S::TILE_ROWS {
        4 => tile_rows::<S, 2>(simd, x, weight, spread),
        _ => tile_rows::<S, 1>(simd, x, weight, spread),
    }
}

#[inline(always)]
fn tile_rows<S: Simd, const ROWS: usize>(
    simd: S,
    x: &[[Row; 4]],
    weight: &[[Row; 4]],
    spread: f32,
) -> [[[f32; 2]; 4]; 4] {
    let spread = simd.splat(spread);
    let mut tile = [[[0.0; 2]; 4]; 4];
    for (part, tile) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        let mut sums = [[simd.zero(); 4]; ROWS];
        let mut squares = [[simd.zero(); 4]; ROWS];
        for (x, weight) in x.iter().zip(weight) {
            for column in 0..WIDTH / S::LANES {
                let w: [S::Floats; 4] = std::array::from_fn(|o| simd.load(&weight[o], column));
                for r in 0..ROWS {
                    let x = simd.load(&x[part * ROWS + r], column);
                    for o in 0..4 {
                        // Squaring the product, not the factors, and taking its share of the variance
                        // first: nothing leaves float32 that the results do not leave.
                        let product = simd.multiply(w[o], x);
                        let share = simd.multiply(product, spread);
                        sums[r][o] = simd.add_product(w[o], x, sums[r][o]);
                        squares[r][o] = simd.add_product(share, product, squares[r][o]);
                    }
                }
            }
        }
        for (tile, (sums, squares)) in tile.iter_mut().zip(sums.into_iter().zip(squares)) {
            let (sums, squares) = (simd.sums(sums), simd.sums(squares));
            *tile = std::array::from_fn(|o| [sums[o], squares[o]]);
        }
    }
    tile
}
