//! Both gradients of runs of examples with the same weights. For dX, W is masked in its panels; for dW, the
//! dense gradient of each run is masked at its end.

use super::{Run, drop_from, pieces};
use crate::call::{InputGradient, WeightGradient};
use crate::cpu::bricks::Bricks;
use crate::cpu::grid::{Axes, GradBlock, Patch, Span, pack, pack_grad, patches};
use crate::cpu::own::gradient::{COLUMNS, ROW_BLOCKS, add_panel, finish};
use crate::cpu::simd::{Job, Kept, Level, Row, Simd, WIDTH, numbers};
use crate::cpu::threads::for_each_init;
use crate::cpu::totals::Totals;
use crate::mask::brick::BRICK_EXAMPLES;
use crate::{Error, Mask, Shape, Write};

/// Blocks of the reduction axis that are packed at a time.
const REDUCED_BLOCKS: usize = 16;
/// What the dense kernel takes for decisions.
const UNMASKED: [Kept; REDUCED_BLOCKS] = [Kept::NONE; REDUCED_BLOCKS];

struct Problem<'a> {
    axes: Axes,
    runs: Vec<Run>,
    mask: Option<&'a Mask>,
    shape: Shape,
    grad_output: &'a [f32],
    /// W or X: its rows are the reduced axis.
    matrix: &'a [f32],
    write: Write,
}

impl Problem<'_> {
    /// The axes of one run.
    fn axes(&self, run: &Run) -> Axes {
        Axes { examples: Span::unaligned(run.examples.len(), BRICK_EXAMPLES), ..self.axes }
    }

    /// The panel columns of a patch: the first, and how many.
    fn columns(&self, patch: &Patch<f32>) -> (usize, usize) {
        let first = patch.column_piece * COLUMNS;
        (first, COLUMNS.min(self.axes.inputs.blocks().div_ceil(WIDTH / 8) - first))
    }

    fn scale(&self) -> f32 {
        self.mask.map_or(1.0, |mask| mask.scale() as f32)
    }
}

/// The sums of a unit and of one run, a panel of the matrix, 32 KiB, and its part of G.
struct Scratch {
    sums: Vec<[[Row; 4]; COLUMNS]>,
    totals: Totals,
    run_sums: Vec<[[Row; 4]; COLUMNS]>,
    run_totals: Totals,
    panel: [Vec<[Row; 4]>; COLUMNS],
    grads: Vec<GradBlock>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            sums: Vec::new(),
            totals: Totals::default(),
            run_sums: Vec::new(),
            run_totals: Totals::default(),
            panel: std::array::from_fn(|_| vec![[Row::ZERO; 4]; REDUCED_BLOCKS]),
            grads: vec![[[0.0; 4]; 4]; REDUCED_BLOCKS],
        }
    }
}

/// The input blocks of a panel column, a lane each.
#[inline(always)]
fn input_words<S: Simd>(simd: S, inputs: &Span, column: usize) -> S::Words {
    let input = inputs.block(column * 8);
    simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)))
}

/// dX from W. The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn input_gradient(
    level: Level,
    (mask, runs): (Option<&Mask>, Vec<Run>),
    call: InputGradient<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let InputGradient { shape, grad_output, weight, grad_input, write, .. } = call;
    let axes = Axes::new(&shape, mask);
    let columns = axes.inputs.pieces(COLUMNS * WIDTH / 8);
    let runs = pieces(runs, columns.clone().count())?;
    let problem = &Problem { axes, runs, mask, shape, grad_output, matrix: weight, write };
    let units = patches(grad_input, problem.runs.iter().map(|run| run.examples.len()), columns)?;
    for_each_init(units, Scratch::new, |scratch, patch| level.run(InputUnit { problem, patch, scratch }));
    Ok(())
}

/// One patch of dX.
struct InputUnit<'a> {
    problem: &'a Problem<'a>,
    patch: Patch<'a, f32>,
    scratch: &'a mut Scratch,
}

impl Job for InputUnit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, patch, scratch } = self;
        let run = &problem.runs[patch.row_piece];
        let axes = &problem.axes(run);
        let bricks = problem.mask.map(|mask| Bricks::new(simd, mask));
        let grad_output = run.rows(problem.grad_output, problem.shape.outputs());
        let (column_first, columns) = problem.columns(&patch);

        scratch.sums.clear();
        scratch.sums.resize(axes.examples.blocks(), [[Row::ZERO; 4]; COLUMNS]);
        scratch.totals.clear();
        for first in (0..axes.outputs.blocks()).step_by(REDUCED_BLOCKS) {
            let blocks = REDUCED_BLOCKS.min(axes.outputs.blocks() - first);
            scratch.totals.before_addition(numbers(&mut scratch.sums));
            for (column, panel) in scratch.panel[..columns].iter_mut().enumerate() {
                let column = column_first + column;
                let input = input_words(simd, &axes.inputs, column);
                for (b, block) in panel[..blocks].iter_mut().enumerate() {
                    let i = (&axes.inputs, column * WIDTH);
                    pack(block, problem.matrix, (&axes.outputs, (first + b) * 4), i);
                    if let Some(bricks) = &bricks {
                        let output = simd.eight(axes.outputs.block(first + b));
                        drop_from(simd, block, &bricks.decide_coordinate(input, output, run.coordinate));
                    }
                }
            }
            for (n_block, sums) in scratch.sums.iter_mut().enumerate() {
                let grads = &mut scratch.grads[..blocks];
                for (b, grad) in grads.iter_mut().enumerate() {
                    *grad = pack_grad(axes, grad_output, n_block, first + b);
                }
                for (panel, sums) in scratch.panel[..columns].iter().zip(sums) {
                    add_panel::<S, true, false>(simd, &panel[..blocks], grads, &UNMASKED, sums);
                }
            }
        }
        scratch.totals.finish(numbers(&mut scratch.sums));
        finish(problem.scale(), problem.write, &axes.inputs, (&axes.examples, 0), &scratch.sums, patch);
    }
}

/// dW from X. The lengths have been checked, and a mask drops something.
pub(in crate::cpu) fn weight_gradient(
    level: Level,
    (mask, runs): (Option<&Mask>, Vec<Run>),
    call: WeightGradient<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let WeightGradient { shape, grad_output, x, grad_weight, write, .. } = call;
    let axes = Axes::new(&shape, mask);
    let (rows, columns) = (axes.outputs.pieces(ROW_BLOCKS), axes.inputs.pieces(COLUMNS * WIDTH / 8));
    let problem = &Problem { axes, runs, mask, shape, grad_output, matrix: x, write };
    let units = patches(grad_weight, rows, columns)?;
    for_each_init(units, Scratch::new, |scratch, patch| level.run(WeightUnit { problem, patch, scratch }));
    Ok(())
}

/// One patch of dW.
struct WeightUnit<'a> {
    problem: &'a Problem<'a>,
    patch: Patch<'a, f32>,
    scratch: &'a mut Scratch,
}

impl Job for WeightUnit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, patch, scratch } = self;
        let Axes { outputs, inputs, .. } = &problem.axes;
        let bricks = problem.mask.map(|mask| Bricks::new(simd, mask));
        let o_first = patch.row_piece * ROW_BLOCKS;
        let o_blocks = ROW_BLOCKS.min(outputs.blocks() - o_first);
        let (column_first, columns) = problem.columns(&patch);

        for sums in [&mut scratch.sums, &mut scratch.run_sums] {
            sums.clear();
            sums.resize(o_blocks, [[Row::ZERO; 4]; COLUMNS]);
        }
        scratch.totals.clear();
        for run in &problem.runs {
            add_run(simd, problem, run, (o_first, column_first), columns, scratch);
            scratch.totals.before_addition(numbers(&mut scratch.sums));
            for (o_block, (sums, total)) in scratch.run_sums.iter_mut().zip(&mut scratch.sums).enumerate() {
                let output = simd.eight(outputs.block(o_first + o_block));
                for (column, (sums, total)) in sums.iter_mut().zip(total).enumerate() {
                    if let Some(bricks) = &bricks {
                        let input = input_words(simd, inputs, column_first + column);
                        drop_from(simd, sums, &bricks.decide_coordinate(input, output, run.coordinate));
                    }
                    for (sums, total) in sums.iter_mut().zip(total) {
                        for (sum, total) in sums.0.iter_mut().zip(&mut total.0) {
                            *total += std::mem::take(sum);
                        }
                    }
                }
            }
        }
        scratch.totals.finish(numbers(&mut scratch.sums));
        finish(problem.scale(), problem.write, inputs, (outputs, o_first * 4), &scratch.sums, patch);
    }
}

/// Adds the dense gradient of a run's examples to `run_sums`.
#[inline(always)]
fn add_run<S: Simd>(
    simd: S,
    problem: &Problem,
    run: &Run,
    (o_first, column_first): (usize, usize),
    columns: usize,
    scratch: &mut Scratch,
) {
    let axes = &problem.axes(run);
    let grad_output = run.rows(problem.grad_output, problem.shape.outputs());
    let x = run.rows(problem.matrix, problem.shape.inputs());
    scratch.run_totals.clear();
    for first in (0..axes.examples.blocks()).step_by(REDUCED_BLOCKS) {
        let blocks = REDUCED_BLOCKS.min(axes.examples.blocks() - first);
        scratch.run_totals.before_addition(numbers(&mut scratch.run_sums));
        for (column, panel) in scratch.panel[..columns].iter_mut().enumerate() {
            for (b, block) in panel[..blocks].iter_mut().enumerate() {
                let i = (&axes.inputs, (column_first + column) * WIDTH);
                pack(block, x, (&axes.examples, (first + b) * 4), i);
            }
        }
        for (o_block, sums) in scratch.run_sums.iter_mut().enumerate() {
            let grads = &mut scratch.grads[..blocks];
            for (b, grad) in grads.iter_mut().enumerate() {
                *grad = pack_grad(axes, grad_output, first + b, o_first + o_block);
            }
            for (panel, sums) in scratch.panel[..columns].iter().zip(sums) {
                add_panel::<S, false, false>(simd, &panel[..blocks], grads, &UNMASKED, sums);
            }
        }
    }
    scratch.run_totals.finish(numbers(&mut scratch.run_sums));
}
