//! The mask itself, one byte per decision.

use super::bricks::{BlockIndices, Bricks};
use super::grid::{Axes, Patch, patches};
use super::simd::{Job, Kept, Level, Simd, WIDTH};
use super::threads::for_each;
use crate::mask::BIAS_INPUT_BLOCK;
use crate::{Error, Mask, Shape};

/// Blocks of outputs in a unit of work: the lanes of one generator call, for masked biases.
const O_BLOCKS: usize = 8;

/// `[batch, outputs, inputs]`. The length has been checked, and the mask drops something.
pub(super) fn mask(level: Level, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
    let axes = Axes::new(shape, Some(mask));
    let inputs = shape.inputs();
    let columns = axes.outputs.pieces(O_BLOCKS).map(|outputs| outputs * inputs);
    let units = patches(out, axes.examples.pieces(1), columns)?;
    for_each(units, |patch| level.run(Weights { axes, mask, inputs, patch }));
    Ok(())
}

/// `[batch, outputs]`. The length has been checked, and the mask drops something.
pub(super) fn bias_mask(level: Level, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
    let axes = Axes::new(shape, Some(mask));
    let units = patches(out, axes.examples.pieces(1), axes.outputs.pieces(O_BLOCKS))?;
    for_each(units, |patch| level.run(Biases { axes, mask, patch }));
    Ok(())
}

/// The connections of one block of examples and [`O_BLOCKS`] of outputs.
struct Weights<'a> {
    axes: Axes,
    mask: &'a Mask,
    inputs: usize,
    patch: Patch<'a, u8>,
}

impl Job for Weights<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { axes: Axes { examples, outputs, inputs }, mask, inputs: width, mut patch } = self;
        let bricks = Bricks::new(simd, mask);
        let o_first = patch.column_piece * O_BLOCKS;
        let o_skip = outputs.lead_in(o_first * 4);
        let n_skip = examples.lead_in(patch.row_piece * 4);
        let mut kept = Kept::NONE;
        for o_block in 0..O_BLOCKS.min(outputs.blocks() - o_first) {
            let output = simd.eight(outputs.block(o_first + o_block));
            for column in 0..inputs.blocks().div_ceil(WIDTH / 8) {
                let input = inputs.block(column * 8);
                let input = simd.words(std::array::from_fn(|b| input.wrapping_add(b as u32)));
                let examples = examples.block(patch.row_piece);
                bricks.decide(BlockIndices { input, output, examples }, &mut kept);
                let range = inputs.local_range(column * WIDTH, WIDTH);
                let i_skip = inputs.lead_in(column * WIDTH);
                for (n, row) in patch.rows.iter_mut().enumerate() {
                    for o in 0..4 {
                        let padded = (o_first + o_block) * 4 + o;
                        if outputs.local(padded).is_some() {
                            let o_in_tile = o_block * 4 + o - o_skip;
                            let bytes = spread(&kept.0[n_skip + n][o]);
                            row[o_in_tile * width..][range.clone()]
                                .copy_from_slice(&bytes[i_skip..][..range.len()]);
                        }
                    }
                }
            }
        }
    }
}

/// The biases of one block of examples and [`O_BLOCKS`] of outputs.
struct Biases<'a> {
    axes: Axes,
    mask: &'a Mask,
    patch: Patch<'a, u8>,
}

impl Job for Biases<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { axes: Axes { examples, outputs, .. }, mask, patch } = self;
        let o_first = patch.column_piece * O_BLOCKS;
        let output = simd.words(std::array::from_fn(|b| outputs.block(o_first + b)));
        let input = simd.eight(BIAS_INPUT_BLOCK);
        let mut kept = Kept::NONE;
        let indices = BlockIndices { input, output, examples: examples.block(patch.row_piece) };
        Bricks::new(simd, mask).decide(indices, &mut kept);
        let o_skip = outputs.lead_in(o_first * 4);
        let n_skip = examples.lead_in(patch.row_piece * 4);
        for (n, row) in patch.rows.into_iter().enumerate() {
            for (o, value) in row.iter_mut().enumerate() {
                *value = kept.virtual_input(n_skip + n, o_skip + o).into();
            }
        }
    }
}

/// A byte, 0 or 1, for each bit.
#[inline(always)]
fn spread(kept: &[u16; 4]) -> [u8; WIDTH] {
    let mut bytes = [0; WIDTH];
    for (bytes, byte) in
        bytes.as_chunks_mut::<8>().0.iter_mut().zip(kept.map(u16::to_le_bytes).as_flattened())
    {
        // Byte k of the product's part keeps bit k alone; adding 0x7F carries into the top bit of a byte
        // that is not 0, and never into the next byte.
        let picked = (u64::from(*byte) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        *bytes = ((picked + 0x7F7F_7F7F_7F7F_7F7F) >> 7 & 0x0101_0101_0101_0101).to_le_bytes();
    }
    bytes
}
