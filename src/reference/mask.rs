//! The mask itself, one `bool` per decision. Reference of `shaders/mask.wgsl`.

use crate::mask::BIAS_INPUT_BLOCK;
use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{Error, Mask, Shape, host};

/// Which connections are kept: `[batch, outputs, inputs]`. Examples that share a mask have equal rows.
///
/// # Errors
/// [`Error::Origin`] where the shard passes the last global coordinate.
pub fn mask(shape: &Shape, mask: &Mask) -> Result<Vec<bool>, Error> {
    mask.check(shape)?;
    let (batch, outputs, inputs) = (shape.batch(), shape.outputs(), shape.inputs());
    let mut kept: Vec<bool> = host::zeros(shape.output_len().saturating_mul(inputs))?;
    for (n_block, examples) in example_blocks(mask, batch)? {
        for o_block in blocks(mask.origin.output, outputs, BRICK_OUTPUTS) {
            for i_block in blocks(mask.origin.input, inputs, BRICK_INPUTS) {
                let brick = mask.brick(n_block, o_block, i_block);
                for &(n_in_brick, n) in &examples {
                    for (o_in_brick, o) in members(o_block, mask.origin.output, outputs, BRICK_OUTPUTS) {
                        for (i_in_brick, i) in members(i_block, mask.origin.input, inputs, BRICK_INPUTS) {
                            kept[(n * outputs + o) * inputs + i] =
                                brick.keep(n_in_brick, o_in_brick, i_in_brick);
                        }
                    }
                }
            }
        }
    }
    Ok(kept)
}

/// Which biases are kept, where biases are masked: `[batch, outputs]`.
///
/// # Errors
/// [`Error::Origin`] where the shard passes the last global coordinate.
pub fn bias_mask(shape: &Shape, mask: &Mask) -> Result<Vec<bool>, Error> {
    mask.check(shape)?;
    let (batch, outputs) = (shape.batch(), shape.outputs());
    let mut kept: Vec<bool> = host::zeros(shape.output_len())?;
    for (n_block, examples) in example_blocks(mask, batch)? {
        for o_block in blocks(mask.origin.output, outputs, BRICK_OUTPUTS) {
            let brick = mask.brick(n_block, o_block, BIAS_INPUT_BLOCK);
            for &(n_in_brick, n) in &examples {
                for (o_in_brick, o) in members(o_block, mask.origin.output, outputs, BRICK_OUTPUTS) {
                    kept[n * outputs + o] = brick.keep(n_in_brick, o_in_brick, 0);
                }
            }
        }
    }
    Ok(kept)
}

/// A global block of examples, and whom it decides for: (index in the block, local example).
type ExampleBlock = (u32, Vec<(u32, usize)>);

/// The global example blocks that decide for `batch` examples, and whom each decides for: (index in the
/// block, local example). Mask coordinates never fall from one example to the next.
fn example_blocks(mask: &Mask, batch: usize) -> Result<Vec<ExampleBlock>, Error> {
    let mut blocks: Vec<ExampleBlock> = Vec::new();
    for n in 0..batch {
        let example = mask.coordinate(n as u32);
        let (block, member) = (example / BRICK_EXAMPLES, (example % BRICK_EXAMPLES, n));
        match blocks.last_mut() {
            Some((last, members)) if *last == block => host::push(members, member)?,
            _ => host::push(&mut blocks, (block, host::collect([member])?))?,
        }
    }
    Ok(blocks)
}

/// The global blocks, `edge` coordinates each, that `len` coordinates from `origin` touch.
fn blocks(origin: u32, len: usize, edge: u32) -> impl Iterator<Item = u32> {
    let end = u64::from(origin) + len as u64;
    (origin / edge..end.div_ceil(u64::from(edge)) as u32).filter(move |_| len > 0)
}

/// The coordinates of a global block that lie in the shard: (index in the block, local index).
fn members(block: u32, origin: u32, len: usize, edge: u32) -> impl Iterator<Item = (u32, usize)> {
    (0..edge).filter_map(move |index| {
        let global = u64::from(block) * u64::from(edge) + u64::from(index);
        let local = global.checked_sub(u64::from(origin))? as usize;
        (local < len).then_some((index, local))
    })
}
