//! Both gradients where each example has a mask of its own, or few share one. They are one computation: a row of
//! the result (an example's dX, or an output's dW) sums rows of a matrix (W, or X), each times one number of G, masked.
//!
//! The register tile is 4 rows of the result, [`WIDTH`] inputs wide, and steps along the reduced axis:
//! the outputs for dX, the examples for dW.

use crate::call::{InputGradient, WeightGradient};
use crate::cpu::bricks::{BlockIndices, Bricks};
use crate::cpu::grid::{Axes, GradBlock, Patch, Span, pack, pack_grad, patches};
use crate::cpu::simd::{Job, Kept, Level, Row, Simd, WIDTH, numbers};
use crate::cpu::threads::for_each_init;
use crate::cpu::totals::Totals;
use crate::{Error, Mask, Write};

/// Blocks of rows in a unit of work.
pub(in crate::cpu) const ROW_BLOCKS: usize = 8;
/// Panel columns, each [`WIDTH`] inputs wide, in a unit of work.
pub(in crate::cpu) const COLUMNS: usize = 2;
/// Blocks of the reduced axis that are packed at a time, and added up before they are added to the result.
pub(super) const REDUCED_BLOCKS: usize = 8;

struct Problem<'a> {
    axes: Axes,
    mask: &'a Mask,
    grad_output: &'a [f32],
    /// W or X: its rows are the reduced axis.
    matrix: &'a [f32],
    write: Write,
}

/// The unit's sums, 16 KiB, a panel of the matrix, 16 KiB, its part of G, 4 KiB, and a tile's decisions,
/// 1 KiB: vectors, as an array would be made on the stack.
struct Scratch {
    sums: Vec<[[Row; 4]; COLUMNS]>,
    totals: Totals,
    panel: [Vec<[Row; 4]>; COLUMNS],
    grads: Vec<[GradBlock; REDUCED_BLOCKS]>,
    kept: Vec<Kept>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            sums: vec![[[Row::ZERO; 4]; COLUMNS]; ROW_BLOCKS],
            totals: Totals::default(),
            panel: std::array::from_fn(|_| vec![[Row::ZERO; 4]; REDUCED_BLOCKS]),
            grads: vec![[[[0.0; 4]; 4]; REDUCED_BLOCKS]; ROW_BLOCKS],
            kept: vec![Kept::NONE; REDUCED_BLOCKS],
        }
    }
}

/// dX from W. The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn input_gradient(
    level: Level,
    mask: &Mask,
    call: InputGradient<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let InputGradient { shape, grad_output, weight, grad_input, write, .. } = call;
    let axes = Axes::new(&shape, Some(mask));
    let problem = &Problem { axes, mask, grad_output, matrix: weight, write };
    gradient::<true>(level, problem, grad_input)
}

/// dW from X. The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn weight_gradient(
    level: Level,
    mask: &Mask,
    call: WeightGradient<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let WeightGradient { shape, grad_output, x, grad_weight, write, .. } = call;
    let axes = Axes::new(&shape, Some(mask));
    let problem = &Problem { axes, mask, grad_output, matrix: x, write };
    gradient::<false>(level, problem, grad_weight)
}

/// The axes of the rows of the result and of the reduced dimension.
fn roles<const OVER_OUTPUTS: bool>(axes: &Axes) -> (&Span, &Span) {
    if OVER_OUTPUTS { (&axes.examples, &axes.outputs) } else { (&axes.outputs, &axes.examples) }
}

fn gradient<const OVER_OUTPUTS: bool>(
    level: Level,
    problem: &Problem,
    result: &mut [f32],
) -> Result<(), Error> {
    let (rows, _) = roles::<OVER_OUTPUTS>(&problem.axes);
    let units = patches(result, rows.pieces(ROW_BLOCKS), problem.axes.inputs.pieces(COLUMNS * WIDTH / 8))?;
    for_each_init(units, Scratch::new, |scratch, patch| {
        level.run(Unit::<OVER_OUTPUTS> { problem, patch, scratch });
    });
    Ok(())
}

/// One patch of the result.
struct Unit<'a, const OVER_OUTPUTS: bool> {
    problem: &'a Problem<'a>,
    patch: Patch<'a, f32>,
    scratch: &'a mut Scratch,
}

impl<const OVER_OUTPUTS: bool> Job for Unit<'_, OVER_OUTPUTS> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, patch, scratch } = self;
        let axes = &problem.axes;
        let (rows, reduced) = roles::<OVER_OUTPUTS>(axes);
        let bricks = &Bricks::new(simd, problem.mask);
        let row_first = patch.row_piece * ROW_BLOCKS;
        let row_blocks = ROW_BLOCKS.min(rows.blocks() - row_first);
        let column_first = patch.column_piece * COLUMNS;
        let columns = COLUMNS.min(axes.inputs.blocks().div_ceil(WIDTH / 8) - column_first);

        scratch.sums[..row_blocks].fill([[Row::ZERO; 4]; COLUMNS]);
        scratch.totals.clear();
        for first in (0..reduced.blocks()).step_by(REDUCED_BLOCKS) {
            let blocks = REDUCED_BLOCKS.min(reduced.blocks() - first);
            scratch.totals.before_addition(numbers(&mut scratch.sums[..row_blocks]));
            for (column, panel) in scratch.panel[..columns].iter_mut().enumerate() {
                for (b, block) in panel[..blocks].iter_mut().enumerate() {
                    let i = (&axes.inputs, (column_first + column) * WIDTH);
                    pack(block, problem.matrix, (reduced, (first + b) * 4), i);
                }
            }
            for (row, grads) in scratch.grads[..row_blocks].iter_mut().enumerate() {
                for (b, grad) in grads[..blocks].iter_mut().enumerate() {
                    let [n, o] = coordinates::<OVER_OUTPUTS>(row_first + row, first + b);
                    *grad = pack_grad(axes, problem.grad_output, n, o);
                }
            }
            for column in 0..columns {
                let panel = &scratch.panel[column][..blocks];
                let input = axes.inputs.block((column_first + column) * 8);
                let input = simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)));
                for row in 0..row_blocks {
                    let (grads, sums) = (&scratch.grads[row][..blocks], &mut scratch.sums[row][column]);
                    let kept = &mut scratch.kept[..blocks];
                    bricks.decide_all(kept, |b| {
                        let [n, o] = coordinates::<OVER_OUTPUTS>(row_first + row, first + b);
                        let output = simd.eight(axes.outputs.block(o));
                        BlockIndices { input, output, examples: axes.examples.block(n) }
                    });
                    add_panel::<S, OVER_OUTPUTS, true>(simd, panel, grads, kept, sums);
                }
            }
        }
        scratch.totals.finish(numbers(&mut scratch.sums[..row_blocks]));
        let scale = problem.mask.scale() as f32;
        finish(scale, problem.write, &axes.inputs, (rows, row_first * 4), &scratch.sums, patch);
    }
}

/// (n, o) of an index along the rows and one along the reduced axis.
#[inline(always)]
fn coordinates<const OVER_OUTPUTS: bool>(row: usize, reduced: usize) -> [usize; 2] {
    if OVER_OUTPUTS { [row, reduced] } else { [reduced, row] }
}

/// Adds the sum of a panel's rows, times their numbers of G, to 4 rows of the result.
#[inline(always)]
pub(in crate::cpu) fn add_panel<S: Simd, const OVER_OUTPUTS: bool, const MASKED: bool>(
    simd: S,
    panel: &[[Row; 4]],
    grads: &[GradBlock],
    kept: &[Kept],
    sums: &mut [Row; 4],
) {
    match S::TILE_ROWS {
        4 => add_rows::<S, OVER_OUTPUTS, MASKED, 4>(simd, panel, grads, kept, sums),
        _ => add_rows::<S, OVER_OUTPUTS, MASKED, 2>(simd, panel, grads, kept, sums),
    }
}

#[inline(always)]
fn add_rows<S: Simd, const OVER_OUTPUTS: bool, const MASKED: bool, const ROWS: usize>(
    simd: S,
    panel: &[[Row; 4]],
    grads: &[GradBlock],
    kept: &[Kept],
    result: &mut [Row; 4],
) {
    for (part, rows) in result.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        for quad in 0..WIDTH / S::LANES / 4 {
            let mut sums = [[simd.zero(); 4]; ROWS];
            for ((panel, grad), kept) in panel.iter().zip(grads).zip(kept) {
                for k in 0..4 {
                    let values: [S::Floats; 4] = std::array::from_fn(|c| simd.load(&panel[k], quad * 4 + c));
                    for r in 0..ROWS {
                        let [n, o] = coordinates::<OVER_OUTPUTS>(part * ROWS + r, k);
                        let g = simd.splat(grad[n][o]);
                        for c in 0..4 {
                            sums[r][c] = if MASKED {
                                simd.add_kept_product(&kept.0[n][o], quad * 4 + c, values[c], g, sums[r][c])
                            } else {
                                simd.add_product(values[c], g, sums[r][c])
                            };
                        }
                    }
                }
            }
            for r in 0..ROWS {
                for c in 0..4 {
                    let sum = simd.add(simd.load(&rows[r], quad * 4 + c), sums[r][c]);
                    simd.store(&mut rows[r], quad * 4 + c, sum);
                }
            }
        }
    }
}

/// Scales the sums, of the padded rows from `first_row` on, and writes them, or adds them, to the patch of the
/// result.
#[inline(always)]
pub(in crate::cpu) fn finish<const COLUMNS: usize>(
    scale: f32,
    write: Write,
    inputs: &Span,
    (rows, first_row): (&Span, usize),
    sums: &[[[Row; 4]; COLUMNS]],
    patch: Patch<f32>,
) {
    let mut results = patch.rows.into_iter();
    for row in 0..sums.len() * 4 {
        if rows.local(first_row + row).is_none() {
            continue;
        }
        let mut result: &mut [f32] = results.next().expect("the patch has a line for every row");
        for (column, sums) in sums[row / 4].iter().enumerate() {
            let skip = inputs.lead_in((patch.column_piece * COLUMNS + column) * WIDTH);
            let sums = &sums[row % 4].0[skip..];
            let len = sums.len().min(result.len());
            let here = result.split_off_mut(..len).expect("no more than there is");
            for (value, sum) in here.iter_mut().zip(sums) {
                match write {
                    Write::Overwrite => *value = scale * sum,
                    Write::Accumulate => *value += scale * sum,
                }
            }
        }
    }
}
