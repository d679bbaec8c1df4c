//! The gradient of the bias: sums of G over the examples, masked where biases are masked.

use super::bricks::{BlockIndices, Bricks};
use super::grid::Axes;
use super::simd::{Job, Kept, Level, Simd};
use crate::call::BiasGradient;
use crate::mask::BIAS_INPUT_BLOCK;
use crate::{Error, Mask, Write};

/// Blocks of outputs in a unit of work: the lanes of one generator call.
const O_BLOCKS: usize = 8;
/// Blocks of examples that are summed in float32 before they go to a total in float64: one float32 would no longer
/// grow after 2^24 examples.
const N_BLOCKS: usize = 64;

struct Problem<'a> {
    axes: Axes,
    mask: Option<&'a Mask>,
    outputs: usize,
    grad_output: &'a [f32],
    write: Write,
}

/// The lengths have been checked, and a mask drops something.
pub(super) fn bias_gradient(level: Level, call: BiasGradient<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
    let BiasGradient { shape, bias_mask: mask, grad_output, grad_bias, write } = call;
    let axes = Axes::new(&shape, mask);
    let problem = &Problem { axes, mask, outputs: shape.outputs(), grad_output, write };
    let units = super::grid::patches(grad_bias, std::iter::once(1), axes.outputs.pieces(O_BLOCKS))?;
    super::threads::for_each(units, |patch| {
        let (o_first, mut rows) = (patch.column_piece * O_BLOCKS, patch.rows.into_iter());
        if let Some(result) = rows.next() {
            level.run(Unit { problem, o_first, result });
        }
    });
    Ok(())
}

/// The gradient of the biases in [`O_BLOCKS`] blocks of outputs.
struct Unit<'a> {
    problem: &'a Problem<'a>,
    o_first: usize,
    result: &'a mut [f32],
}

impl Job for Unit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, o_first, result } = self;
        let Axes { examples, outputs, .. } = &problem.axes;
        let bricks = problem.mask.map(|mask| Bricks::new(simd, mask));
        let output = simd.words(std::array::from_fn(|b| outputs.block(o_first + b)));
        let input = simd.eight(BIAS_INPUT_BLOCK);
        let skip = outputs.lead_in(o_first * 4);
        let first = outputs.local(o_first * 4 + skip).expect("a piece is not empty");

        let mut totals = [0.0f64; O_BLOCKS * 4];
        let totals = &mut totals[..result.len()];
        for n_first in (0..examples.blocks()).step_by(N_BLOCKS) {
            let mut sums = [0.0f32; O_BLOCKS * 4];
            let sums = &mut sums[..result.len()];
            for n_block in n_first..examples.blocks().min(n_first + N_BLOCKS) {
                let mut kept = Kept::ALL;
                if let Some(bricks) = &bricks {
                    bricks
                        .decide(BlockIndices { input, output, examples: examples.block(n_block) }, &mut kept);
                }
                for n in 0..4 {
                    let Some(row) = examples.local(n_block * 4 + n) else { continue };
                    let grads = &problem.grad_output[row * problem.outputs + first..];
                    for (o, (sum, grad)) in sums.iter_mut().zip(grads).enumerate() {
                        if kept.virtual_input(n, skip + o) {
                            *sum += grad;
                        }
                    }
                }
            }
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(*sum));
        }
        let scale = problem.mask.map_or(1.0, |mask| mask.scale() as f32);
        for (value, total) in result.iter_mut().zip(totals) {
            match problem.write {
                Write::Overwrite => *value = scale * *total as f32,
                Write::Accumulate => *value += scale * *total as f32,
            }
        }
    }
}
