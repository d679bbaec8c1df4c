//! How much one dispatch holds, along each axis of the box.

use super::dispatch::Plan;
use super::iterations::Iterations;
use crate::call::Axis;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{MOST_BLOCKS, Variant};
use crate::{ElementType, Error};

impl Plan<'_> {
    /// How many connections a dispatch may decide.
    pub(crate) fn connections_in_dispatch(&self) -> u64 {
        self.kernels.tuning.connections
    }

    /// How far along the reduction axis a dispatch goes at most that covers this grid of bricks.
    pub(crate) fn reduction_in_dispatch(&self, reduction: Axis, params: &Params, grid: [u32; 3]) -> u32 {
        // One step less: the first may start before the dispatch does.
        let steps = self.steps_of(self.variant_of(params, [grid[0], grid[1]])).saturating_sub(1);
        let length = if matches!(self.variant.pass, Pass::Moments { .. }) { 4 } else { reduction.brick() };
        (u64::from(steps) * u64::from(length)).clamp(1, 1 << 30) as u32
    }

    /// How many samples of a Monte-Carlo launch one dispatch makes at most; 0 where it does not even hold one.
    pub(crate) fn samples_in_dispatch(&self, params: &Params, grid: [u32; 3]) -> u32 {
        let variant = self.variant_of(params, [grid[0], grid[1]]);
        let Iterations { fixed, step } = self.iterations_of(variant);
        let [examples, outputs, inputs] = params.bricks();
        let blocks = inputs.div_ceil(variant.block_steps());
        if blocks > MOST_BLOCKS {
            return 0;
        }
        let one = u64::from(inputs) * u64::from(step) + u64::from(fixed) + u64::from(2 * blocks);
        let decided = [examples, outputs, inputs].into_iter().map(u64::from).product::<u64>() * 128;
        let most = u64::from(self.kernels.tuning.iterations) / one;
        most.min((self.connections_in_dispatch() / decided.max(1)).max(1)) as u32
    }

    /// How many steps of the k loop one dispatch of a kernel makes at most.
    pub(crate) fn steps_of(&self, variant: Variant) -> u32 {
        let Iterations { fixed, step } = self.iterations_of(variant);
        let left = self.kernels.tuning.iterations.saturating_sub(fixed);
        let (mut steps, block) = (left / step, variant.block_steps());
        if steps > block {
            // The loop over blocks, and another test that ends the one over their steps.
            let blocks = left / block.saturating_mul(step).saturating_add(2);
            steps = blocks.clamp(1, MOST_BLOCKS) * block;
        }
        // The threads along y share the examples.
        if variant.pass == Pass::BiasGradient {
            steps.saturating_mul(variant.tile.workgroup[1])
        } else {
            steps
        }
    }

    fn iterations_of(&self, variant: Variant) -> Iterations {
        let split_k =
            if self.kernels.tuning.threads == 0 { 1 } else { self.most_threads_of_a_tile(variant.tile) };
        variant.iterations(self.mask.map_or(0, |mask| mask.probability.bits()), split_k)
    }

    /// How many rows of this many elements one binding holds.
    pub(crate) fn rows_in_binding(
        &self,
        argument: &'static str,
        row: u32,
        element: ElementType,
    ) -> Result<u32, Error> {
        self.rows_of_bytes_in_binding(argument, u64::from(row) * element.size() as u64)
    }

    /// The same for rows of so many bytes.
    pub(crate) fn rows_of_bytes_in_binding(&self, argument: &'static str, bytes: u64) -> Result<u32, Error> {
        // A binding may have to start up to `alignment` bytes early.
        let limit = self.kernels.limits.binding - self.kernels.limits.alignment;
        match limit / bytes.max(1) {
            0 => Err(Error::RowTooLarge { argument, bytes, limit }),
            rows => Ok(rows.min(1 << 30) as u32),
        }
    }

    /// How many rows and columns of the result one dispatch covers, at brick sizes along either.
    pub(crate) fn extent_in_dispatch(&self, brick: [u32; 2]) -> [u32; 2] {
        let Variant { tile, .. } = self.variant;
        let threads = [tile.rows * tile.workgroup[1], tile.columns * tile.workgroup[0]];
        // One brick less: the first may start before the extent does. One element never touches two.
        std::array::from_fn(|k| {
            (u64::from(self.kernels.limits.workgroups) * u64::from(threads[k] * brick[k])
                - u64::from(brick[k]))
            .clamp(1, 1 << 30) as u32
        })
    }
}
