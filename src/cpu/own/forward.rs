//! The output where each example has a mask of its own, or few share one: register tiles of 4 examples x
//! 4 outputs step along the inputs.

use crate::call::Forward;
use crate::cpu::bricks::{BlockIndices, Bricks};
use crate::cpu::grid::{Axes, Patch, pack, patches};
use crate::cpu::simd::{Job, Kept, Level, Row, Simd, WIDTH};
use crate::cpu::threads::for_each_init;
use crate::cpu::totals::Totals;
use crate::mask::BIAS_INPUT_BLOCK;
use crate::{Bias, Error, Mask};

/// Blocks of examples in a unit of work.
pub(in crate::cpu) const N_BLOCKS: usize = 8;
/// Blocks of outputs in a unit of work: the lanes of one generator call, for masked biases.
pub(in crate::cpu) const O_BLOCKS: usize = 8;
/// Panel columns, each [`WIDTH`] inputs wide, between two additions to the unit's sums.
pub(in crate::cpu) const COLUMNS: usize = 8;

struct Problem<'a> {
    axes: Axes,
    mask: &'a Mask,
    x: &'a [f32],
    weight: &'a [f32],
    bias: Bias<&'a [f32]>,
}

/// Panels of X and W, 64 KiB each, a tile's decisions, and the unit's sums, `[n][o]`.
struct Scratch {
    x: Vec<[Row; 4]>,
    weight: Vec<[Row; 4]>,
    kept: Vec<Kept>,
    sums: Vec<[f32; O_BLOCKS * 4]>,
    totals: Totals,
}

impl Scratch {
    fn new() -> Self {
        Self {
            x: vec![[Row::ZERO; 4]; N_BLOCKS * COLUMNS],
            weight: vec![[Row::ZERO; 4]; O_BLOCKS * COLUMNS],
            kept: vec![Kept::NONE; COLUMNS],
            sums: vec![[0.0; O_BLOCKS * 4]; N_BLOCKS * 4],
            totals: Totals::default(),
        }
    }
}

/// The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn forward(
    level: Level,
    mask: &Mask,
    call: Forward<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let Forward { shape, x, weight, bias, y, .. } = call;
    let problem = &Problem { axes: Axes::new(&shape, Some(mask)), mask, x, weight, bias };
    let units = patches(y, problem.axes.examples.pieces(N_BLOCKS), problem.axes.outputs.pieces(O_BLOCKS))?;
    for_each_init(units, Scratch::new, |scratch, patch| level.run(Unit { problem, patch, scratch }));
    Ok(())
}

/// One patch of Y.
struct Unit<'a> {
    problem: &'a Problem<'a>,
    patch: Patch<'a, f32>,
    scratch: &'a mut Scratch,
}

impl Job for Unit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, patch, scratch } = self;
        let Axes { examples, outputs, inputs } = &problem.axes;
        let bricks = &Bricks::new(simd, problem.mask);
        let (n_first, o_first) = (patch.row_piece * N_BLOCKS, patch.column_piece * O_BLOCKS);
        let n_blocks = N_BLOCKS.min(examples.blocks() - n_first);
        let o_blocks = O_BLOCKS.min(outputs.blocks() - o_first);

        let Scratch { x: x_panel, weight: weight_panel, kept, sums, totals } = scratch;
        sums.fill([0.0; O_BLOCKS * 4]);
        totals.clear();
        let all_columns = inputs.blocks().div_ceil(WIDTH / 8);
        for first in (0..all_columns).step_by(COLUMNS) {
            let columns = COLUMNS.min(all_columns - first);
            totals.before_addition(sums.as_flattened_mut());
            for column in 0..columns {
                let i = (inputs, (first + column) * WIDTH);
                for b in 0..n_blocks {
                    pack(&mut x_panel[b * COLUMNS + column], problem.x, (examples, (n_first + b) * 4), i);
                }
                for b in 0..o_blocks {
                    let o = (outputs, (o_first + b) * 4);
                    pack(&mut weight_panel[b * COLUMNS + column], problem.weight, o, i);
                }
            }
            for o_block in 0..o_blocks {
                let weight = &weight_panel[o_block * COLUMNS..][..columns];
                let output = simd.eight(outputs.block(o_first + o_block));
                for n_block in 0..n_blocks {
                    let x = &x_panel[n_block * COLUMNS..][..columns];
                    let kept = &mut kept[..columns];
                    let examples = examples.block(n_first + n_block);
                    bricks.decide_all(kept, |column| {
                        let input = inputs.block((first + column) * 8);
                        let input = simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)));
                        BlockIndices { input, output, examples }
                    });
                    let tile = tile_sums::<S, true>(simd, x, weight, kept);
                    for (n, tile) in tile.iter().enumerate() {
                        for (o, tile) in tile.iter().enumerate() {
                            sums[n_block * 4 + n][o_block * 4 + o] += tile;
                        }
                    }
                }
            }
        }
        totals.finish(sums.as_flattened_mut());
        finish(simd, problem, bricks, sums, patch);
    }
}

/// The sums over a panel's inputs for 4 examples x 4 outputs.
#[inline(always)]
pub(in crate::cpu) fn tile_sums<S: Simd, const MASKED: bool>(
    simd: S,
    x: &[[Row; 4]],
    weight: &[[Row; 4]],
    kept: &[Kept],
) -> [[f32; 4]; 4] {
    match S::TILE_ROWS {
        4 => tile_rows::<S, MASKED, 4>(simd, x, weight, kept),
        _ => tile_rows::<S, MASKED, 2>(simd, x, weight, kept),
    }
}

#[inline(always)]
fn tile_rows<S: Simd, const MASKED: bool, const ROWS: usize>(
    simd: S,
    x: &[[Row; 4]],
    weight: &[[Row; 4]],
    kept: &[Kept],
) -> [[f32; 4]; 4] {
    let mut tile = [[0.0; 4]; 4];
    for (part, tile) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        let mut sums = [[simd.zero(); 4]; ROWS];
        for ((x, weight), kept) in x.iter().zip(weight).zip(kept) {
            for column in 0..WIDTH / S::LANES {
                let w: [S::Floats; 4] = std::array::from_fn(|o| simd.load(&weight[o], column));
                for r in 0..ROWS {
                    let n = part * ROWS + r;
                    let x = simd.load(&x[n], column);
                    for o in 0..4 {
                        sums[r][o] = if MASKED {
                            simd.add_kept_product(&kept.0[n][o], column, w[o], x, sums[r][o])
                        } else {
                            simd.add_product(w[o], x, sums[r][o])
                        };
                    }
                }
            }
        }
        for (tile, sums) in tile.iter_mut().zip(sums) {
            *tile = simd.sums(sums);
        }
    }
    tile
}

/// Scales, adds the bias and writes the patch of Y.
#[inline(always)]
fn finish<S: Simd>(
    simd: S,
    problem: &Problem,
    bricks: &Bricks<S>,
    sums: &[[f32; O_BLOCKS * 4]],
    patch: Patch<f32>,
) {
    let Axes { examples, outputs, .. } = &problem.axes;
    let scale = problem.mask.scale() as f32;
    let (n_first, o_first) = (patch.row_piece * N_BLOCKS, patch.column_piece * O_BLOCKS);
    let mut rows = patch.rows.into_iter();
    for n_block in 0..N_BLOCKS.min(examples.blocks() - n_first) {
        let mut kept = Kept::NONE;
        if let Bias::Masked(_) = problem.bias {
            let output = simd.words(std::array::from_fn(|b| outputs.block(o_first + b)));
            let input = simd.eight(BIAS_INPUT_BLOCK);
            let examples = examples.block(n_first + n_block);
            bricks.decide(BlockIndices { input, output, examples }, &mut kept);
        }
        for n in 0..4 {
            if examples.local((n_first + n_block) * 4 + n).is_none() {
                continue;
            }
            let row = rows.next().expect("the patch has a row for every example");
            let mut row = row.iter_mut();
            for (padded, sum) in sums[n_block * 4 + n].iter().enumerate() {
                let Some(o) = outputs.local(o_first * 4 + padded) else { continue };
                let bias = match problem.bias {
                    Bias::None => 0.0,
                    Bias::Plain(bias) => bias[o],
                    Bias::Masked(bias) if kept.virtual_input(n, padded) => scale * bias[o],
                    Bias::Masked(_) => 0.0,
                };
                *row.next().expect("the patch has a column for every output") = scale * sum + bias;
            }
        }
    }
}
