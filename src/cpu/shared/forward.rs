//! The output of runs of examples with the same weights: a dense product, with W masked in its panels.

use super::{Run, drop_from, pieces};
use crate::call::Forward;
use crate::cpu::bricks::Bricks;
use crate::cpu::grid::{Axes, Patch, Span, pack, patches};
use crate::cpu::own::forward::{COLUMNS, N_BLOCKS, O_BLOCKS, tile_sums};
use crate::cpu::simd::{Job, Kept, Level, Row, Simd, WIDTH};
use crate::cpu::threads::for_each_init;
use crate::cpu::totals::Totals;
use crate::mask::BIAS_INPUT_BLOCK;
use crate::mask::brick::BRICK_EXAMPLES;
use crate::{Bias, Error, Mask, Shape};

struct Problem<'a> {
    axes: Axes,
    runs: Vec<Run>,
    mask: Option<&'a Mask>,
    shape: Shape,
    x: &'a [f32],
    weight: &'a [f32],
    bias: Bias<&'a [f32]>,
}

/// Panels of X and W, 64 KiB each, and the unit's sums.
struct Scratch {
    x: Vec<[Row; 4]>,
    weight: Vec<[Row; 4]>,
    sums: Vec<[f32; O_BLOCKS * 4]>,
    totals: Totals,
}

impl Scratch {
    fn new() -> Self {
        Self {
            x: vec![[Row::ZERO; 4]; N_BLOCKS * COLUMNS],
            weight: vec![[Row::ZERO; 4]; O_BLOCKS * COLUMNS],
            sums: Vec::new(),
            totals: Totals::default(),
        }
    }
}

/// The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn forward(
    level: Level,
    (mask, runs): (Option<&Mask>, Vec<Run>),
    call: Forward<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let Forward { shape, x, weight, bias, y, .. } = call;
    let axes = Axes::new(&shape, mask);
    let columns = axes.outputs.pieces(O_BLOCKS);
    let runs = pieces(runs, columns.clone().count())?;
    let problem = &Problem { axes, runs, mask, shape, x, weight, bias };
    let units = patches(y, problem.runs.iter().map(|run| run.examples.len()), columns)?;
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
        let Axes { outputs, inputs, .. } = &problem.axes;
        let bricks = problem.mask.map(|mask| Bricks::new(simd, mask));
        let run = &problem.runs[patch.row_piece];
        let examples = &Span::unaligned(run.examples.len(), BRICK_EXAMPLES);
        let x = run.rows(problem.x, problem.shape.inputs());
        let o_first = patch.column_piece * O_BLOCKS;
        let o_blocks = O_BLOCKS.min(outputs.blocks() - o_first);

        scratch.sums.clear();
        scratch.sums.resize(examples.blocks() * 4, [0.0; O_BLOCKS * 4]);
        scratch.totals.clear();
        let all_columns = inputs.blocks().div_ceil(WIDTH / 8);
        for first in (0..all_columns).step_by(COLUMNS) {
            let columns = COLUMNS.min(all_columns - first);
            scratch.totals.before_addition(scratch.sums.as_flattened_mut());
            for b in 0..o_blocks {
                let o = (outputs, (o_first + b) * 4);
                let output = simd.eight(outputs.block(o_first + b));
                for column in 0..columns {
                    let panel = &mut scratch.weight[b * COLUMNS + column];
                    pack(panel, problem.weight, o, (inputs, (first + column) * WIDTH));
                    if let Some(bricks) = &bricks {
                        let input = inputs.block((first + column) * 8);
                        let input = simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)));
                        drop_from(simd, panel, &bricks.decide_coordinate(input, output, run.coordinate));
                    }
                }
            }
            for n_first in (0..examples.blocks()).step_by(N_BLOCKS) {
                let n_blocks = N_BLOCKS.min(examples.blocks() - n_first);
                for b in 0..n_blocks {
                    let n = (examples, (n_first + b) * 4);
                    for column in 0..columns {
                        pack(&mut scratch.x[b * COLUMNS + column], x, n, (inputs, (first + column) * WIDTH));
                    }
                }
                for o_block in 0..o_blocks {
                    let weight = &scratch.weight[o_block * COLUMNS..][..columns];
                    for n_block in 0..n_blocks {
                        let x = &scratch.x[n_block * COLUMNS..][..columns];
                        let tile = tile_sums::<S, false>(simd, x, weight, &[Kept::NONE; COLUMNS]);
                        for (n, tile) in tile.iter().enumerate() {
                            let sums = &mut scratch.sums[(n_first + n_block) * 4 + n][o_block * 4..];
                            for (sum, tile) in sums.iter_mut().zip(tile) {
                                *sum += tile;
                            }
                        }
                    }
                }
            }
        }
        scratch.totals.finish(scratch.sums.as_flattened_mut());
        finish(simd, problem, bricks.as_ref(), &scratch.sums, patch);
    }
}

/// Scales, adds the bias and writes the patch of Y.
#[inline(always)]
fn finish<S: Simd>(
    simd: S,
    problem: &Problem,
    bricks: Option<&Bricks<S>>,
    sums: &[[f32; O_BLOCKS * 4]],
    patch: Patch<f32>,
) {
    let outputs = &problem.axes.outputs;
    let scale = problem.mask.map_or(1.0, |mask| mask.scale() as f32);
    let o_first = patch.column_piece * O_BLOCKS;
    let mut kept = Kept::ALL;
    let mut bias_scale = 1.0;
    if let (Bias::Masked(_), Some(bricks)) = (problem.bias, bricks) {
        let output = simd.words(std::array::from_fn(|b| outputs.block(o_first + b)));
        let input = simd.eight(BIAS_INPUT_BLOCK);
        kept.0[0] = bricks.decide_coordinate(input, output, problem.runs[patch.row_piece].coordinate);
        bias_scale = scale;
    }
    let mut biases = [0.0; O_BLOCKS * 4];
    for (padded, value) in biases.iter_mut().enumerate() {
        if let (Some(bias), Some(o)) = (problem.bias.tensor(), outputs.local(o_first * 4 + padded))
            && kept.virtual_input(0, padded)
        {
            *value = bias_scale * bias[o];
        }
    }
    let skip = outputs.lead_in(o_first * 4);
    for (row, sums) in patch.rows.into_iter().zip(sums) {
        for ((value, sum), bias) in row.iter_mut().zip(&sums[skip..]).zip(&biases[skip..]) {
            *value = scale * sum + bias;
        }
    }
}
