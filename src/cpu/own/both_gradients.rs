//! Both gradients from one drawing of the mask, where each example has a mask of its own, or few share one.
//!
//! A unit of work owns a column of both results, [`WIDTH`] inputs wide: dX of all examples, which it keeps until the
//! end, and dW, which it finishes some outputs at a time. It decides [`CHUNK`] x [`CHUNK`] blocks of examples and
//! outputs at once, and adds what they keep to dX along the outputs and to dW along the examples, by the kernel of
//! the single gradients and in their order: the results are theirs, bit for bit. So it is free to ask how many
//! threads there are.

use super::gradient::{REDUCED_BLOCKS, add_panel, finish};
use crate::call::BothGradients;
use crate::cpu::bricks::{BlockIndices, Bricks};
use crate::cpu::grid::{Axes, GradBlock, Patch, pack, pack_grad, patches};
use crate::cpu::simd::{Job, Kept, Level, Row, Simd, WIDTH, numbers};
use crate::cpu::threads::for_each_init;
use crate::cpu::totals::{MOST_ADDITIONS, Totals};
use crate::mask::brick::BRICK_INPUTS;
use crate::{Error, Mask, Shape, Write, host};

/// Blocks of examples, and of outputs, that are decided at a time: what they need is 56 KiB.
const CHUNK: usize = 8;
/// Blocks of examples that a unit of work holds X and sums of dX for at most: 2 KiB each, 1 MiB in all.
const MOST_BLOCKS: usize = 512;
// So that dW needs no totals, and both results are added up as the single gradients are.
const _: () = assert!(MOST_BLOCKS <= CHUNK * MOST_ADDITIONS && CHUNK == REDUCED_BLOCKS);
/// Blocks of inputs in a unit of work.
const UNIT_BLOCKS: usize = WIDTH / BRICK_INPUTS as usize;

/// Whether this is the faster way: at every probability, if it fits and there is work for every thread.
pub(in crate::cpu) fn serves(shape: &Shape, mask: &Mask) -> bool {
    let axes = Axes::new(shape, Some(mask));
    let units = axes.inputs.blocks().div_ceil(UNIT_BLOCKS);
    let threads = crate::cpu::thread_count();
    let idle = units.next_multiple_of(threads) - units;
    (1..=MOST_BLOCKS).contains(&axes.examples.blocks()) && 5 * idle <= units
}

struct Problem<'a> {
    axes: Axes,
    mask: &'a Mask,
    grad_output: &'a [f32],
    x: &'a [f32],
    weight: &'a [f32],
    writes: [Write; 2],
}

/// What a unit of work holds for all its examples: X and the sums of dX, block by block.
#[derive(Default)]
struct Held {
    x: Vec<[Row; 4]>,
    dx: Vec<[[Row; 4]; 1]>,
    totals: Totals,
}

/// What it needs for some blocks of examples and of outputs.
struct Scratch {
    held: Held,
    weight: Vec<[Row; 4]>,
    dw: Vec<[[Row; 4]; 1]>,
    /// G and the decisions twice, `[example block][output block]` and the other way round, so that either sum
    /// finds its own next to each other.
    grads: [Vec<[GradBlock; CHUNK]>; 2],
    kept: [Vec<[Kept; CHUNK]>; 2],
}

impl Scratch {
    fn new() -> Self {
        Self {
            held: Held::default(),
            weight: vec![[Row::ZERO; 4]; CHUNK],
            dw: vec![[[Row::ZERO; 4]]; CHUNK],
            grads: std::array::from_fn(|_| vec![[[[0.0; 4]; 4]; CHUNK]; CHUNK]),
            kept: std::array::from_fn(|_| vec![[Kept::NONE; CHUNK]; CHUNK]),
        }
    }
}

/// dX and dW. The lengths have been checked, a mask drops something, and [`serves`] has said so.
pub(in crate::cpu) fn both_gradients(
    level: Level,
    mask: &Mask,
    call: BothGradients<'_, &[f32], &mut [f32]>,
) -> Result<(), Error> {
    let BothGradients { shape, grad_output, x, weight, grad_input, grad_weight, .. } = call;
    let axes = Axes::new(&shape, Some(mask));
    let problem = &Problem { axes, mask, grad_output, x, weight, writes: [grad_input.1, grad_weight.1] };
    let columns = axes.inputs.pieces(UNIT_BLOCKS);
    let grad_input = patches(grad_input.0, std::iter::once(shape.batch()), columns.clone())?;
    let mut units = host::collect(grad_input.into_iter().map(|grad_input| (grad_input, Vec::new())))?;
    for patch in patches(grad_weight.0, axes.outputs.pieces(CHUNK), columns)? {
        host::push(&mut units[patch.column_piece].1, patch)?;
    }
    for_each_init(units, Scratch::new, |scratch, (grad_input, grad_weight)| {
        level.run(Unit { problem, grad_input, grad_weight, scratch });
    });
    Ok(())
}

struct Unit<'a> {
    problem: &'a Problem<'a>,
    grad_input: Patch<'a, f32>,
    /// A patch for every [`CHUNK`] blocks of outputs.
    grad_weight: Vec<Patch<'a, f32>>,
    scratch: &'a mut Scratch,
}

impl Job for Unit<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, grad_input, grad_weight, scratch } = self;
        let Scratch { held, weight, dw, grads, kept } = scratch;
        let Axes { examples, outputs, inputs } = &problem.axes;
        let bricks = &Bricks::new(simd, problem.mask);
        let scale = problem.mask.scale() as f32;
        let column = grad_input.column_piece * WIDTH;
        let input = inputs.block(column / BRICK_INPUTS as usize);
        let input = simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)));

        held.dx.clear();
        held.dx.resize(examples.blocks(), [[Row::ZERO; 4]]);
        held.totals.clear();
        held.x.resize(examples.blocks(), [Row::ZERO; 4]);
        for (n, block) in held.x.iter_mut().enumerate() {
            pack(block, problem.x, (examples, n * 4), (inputs, column));
        }
        for patch in grad_weight {
            let o_first = patch.row_piece * CHUNK;
            let o_blocks = CHUNK.min(outputs.blocks() - o_first);
            dw[..o_blocks].fill([[Row::ZERO; 4]]);
            held.totals.before_addition(numbers(&mut held.dx));
            for (o, block) in weight[..o_blocks].iter_mut().enumerate() {
                pack(block, problem.weight, (outputs, (o_first + o) * 4), (inputs, column));
            }
            for n_first in (0..examples.blocks()).step_by(CHUNK) {
                let n_blocks = CHUNK.min(examples.blocks() - n_first);
                for n in 0..n_blocks {
                    let examples = examples.block(n_first + n);
                    bricks.decide_all(&mut kept[0][n][..o_blocks], |o| {
                        let output = simd.eight(outputs.block(o_first + o));
                        BlockIndices { input, output, examples }
                    });
                    for o in 0..o_blocks {
                        grads[0][n][o] =
                            pack_grad(&problem.axes, problem.grad_output, n_first + n, o_first + o);
                        grads[1][o][n] = grads[0][n][o];
                        kept[1][o][n] = kept[0][n][o];
                    }
                }
                for n in 0..n_blocks {
                    let (grads, kept) = (&grads[0][n][..o_blocks], &kept[0][n][..o_blocks]);
                    let sums = &mut held.dx[n_first + n][0];
                    add_panel::<S, true, true>(simd, &weight[..o_blocks], grads, kept, sums);
                }
                for o in 0..o_blocks {
                    let (grads, kept) = (&grads[1][o][..n_blocks], &kept[1][o][..n_blocks]);
                    let x = &held.x[n_first..][..n_blocks];
                    add_panel::<S, false, true>(simd, x, grads, kept, &mut dw[o][0]);
                }
            }
            finish(scale, problem.writes[1], inputs, (outputs, o_first * 4), &dw[..o_blocks], patch);
        }
        held.totals.finish(numbers(&mut held.dx));
        finish(scale, problem.writes[0], inputs, (examples, 0), &held.dx, grad_input);
    }
}
