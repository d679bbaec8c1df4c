//! How a pass becomes dispatches: what each binds, which kernel it takes, and in how many groups.

use std::ops::Range;

use super::Kernels;
use super::allocate::{check_alive, guarded, initialised};
use super::iterations::Iterations;
use super::params::Params;
use super::recording::{Dispatch, Draws, Recording};
use super::shader::{Pass, Planes, Shared, Variant};
use super::tensor::Tensor;
use super::tuning::Tile;
use crate::call::Axis;
use crate::mask::brick::BRICK_EXAMPLES;
use crate::{Activation, ElementType, Error, Mask, Rounds, Sharing};

/// Some rows of a tensor, from some column on: what one dispatch binds of it.
#[derive(Clone)]
pub(crate) struct Rows<'a> {
    buffer: &'a wgpu::Buffer,
    /// Where its first row starts in the buffer, in bytes.
    offset: u64,
    /// Elements from row to row.
    pub stride: u32,
    pub rows: Range<u32>,
    pub column: u32,
    /// Bytes of an element.
    pub element_size: u64,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(tensor: Tensor<'a>, stride: u32, rows: Range<u32>) -> Self {
        let Tensor { buffer, offset, element, .. } = tensor;
        Self { buffer, offset, stride, rows, column: 0, element_size: element.size() as u64 }
    }

    /// Rows of what are no numbers.
    pub(crate) fn of_bytes(
        buffer: &'a wgpu::Buffer,
        offset: u64,
        stride: u32,
        rows: Range<u32>,
        element_size: u64,
    ) -> Self {
        Self { buffer, offset, stride, rows, column: 0, element_size }
    }

    pub(crate) fn at_column(self, column: u32) -> Self {
        Self { column, ..self }
    }

    /// The binding, which starts where the device wants it to, and the first element's index in it.
    fn bind(&self, alignment: u64) -> (wgpu::BufferBinding<'a>, u32) {
        let element_size = self.element_size;
        let row = u64::from(self.stride) * element_size;
        let start = self.offset + u64::from(self.rows.start) * row;
        let end = (self.offset + u64::from(self.rows.end) * row).next_multiple_of(4);
        let offset = start - start % alignment;
        // Fits: a binding holds fewer than 2^32 elements.
        let base = ((start - offset) / element_size) as u32 + self.column;
        let size = wgpu::BufferSize::new(end - offset);
        (wgpu::BufferBinding { buffer: self.buffer, offset, size }, base)
    }
}

/// Ranges of at most `at_most` that cover `0..length`: one if that is enough, else cut at multiples of 64, so that
/// pieces start as tiles do, or of 8, as bricks do, where that is possible.
pub(crate) fn pieces(length: u32, at_most: u32) -> impl Iterator<Item = Range<u32>> {
    let step = match at_most {
        _ if length <= at_most => length.max(1),
        0..8 => at_most.max(1),
        8..64 => at_most - at_most % 8,
        _ => at_most - at_most % 64,
    };
    (0..length.div_ceil(step)).map(move |k| k * step..length.min((k + 1).saturating_mul(step)))
}

/// Steps of a walk that a dispatch should hold at least.
const LEAST_STEPS: u32 = 16;

/// What a pass of some kind is made of, apart from its extent.
pub(crate) struct Plan<'k> {
    kernels: &'k Kernels,
    pub variant: Variant,
    mask: Option<Mask>,
    /// What the dispatches to come depend on of the key.
    pub draws: Draws,
    pub recording: Recording,
}

impl<'k> Plan<'k> {
    /// For tensors of some element types, operands' and results'. A mask that drops nothing is no mask.
    pub(crate) fn new(
        kernels: &'k Kernels,
        pass: Pass,
        [element, result]: [ElementType; 2],
        mask: Option<&Mask>,
        read_write: bool,
    ) -> Self {
        let mask = mask.copied().filter(|mask| mask.probability.drops());
        let variant = Variant {
            pass,
            element,
            result,
            planes: Planes::of(mask.as_ref()),
            rounds: mask.map_or(Rounds::default(), |mask| mask.rounds),
            vector: false,
            read_write,
            bias: false,
            tile: kernels.tile(pass),
            split: 1,
            apply: kernels.tuning.apply,
            multiply: kernels.multiply,
            rolled: kernels.tuning.rolled,
            sharing: Shared::Each,
            activation: (Activation::Identity, false),
        };
        let draws = mask.map_or(Draws::Nothing, |_| Draws::Masks);
        let mut recording = Recording::new(pass);
        recording.device = Some(kernels.device.clone());
        let mut plan = Self { kernels, variant, mask, draws, recording };
        // Less of a tile so large that a dispatch would hold few of its steps.
        while plan.variant.tile.rows * plan.variant.tile.columns > 1
            && plan.steps_of(plan.costliest()) < LEAST_STEPS
        {
            let tile = &mut plan.variant.tile;
            if tile.rows > tile.columns { tile.rows /= 2 } else { tile.columns /= 2 }
        }
        plan
    }

    /// For the activation kernel: the function, and whether in closed form.
    pub(crate) fn with_activation(mut self, activation: Activation, closed: bool) -> Self {
        self.variant.activation = (activation, closed);
        self
    }

    /// For the predictive kernel: so many threads, a power of two, share an example. 1: a thread has one of its own.
    pub(crate) fn with_threads_of_example(mut self, threads: u32) -> Self {
        if threads > 1 {
            self.variant.split = threads;
            self.variant.tile.workgroup = [threads, 1];
        }
        self
    }

    /// The parameters of a dispatch that covers `extent` (examples, outputs, inputs) from `first` on.
    pub(crate) fn params(&self, first: [u32; 3], extent: [u32; 3]) -> Params {
        Params::new(self.mask.as_ref(), first, extent)
    }

    /// How many connections a dispatch may decide.
    pub(crate) fn connections_in_dispatch(&self) -> u64 {
        self.kernels.tuning.connections
    }

    /// How far along the walked axis a dispatch goes at most that covers this grid of bricks.
    pub(crate) fn walk_in_dispatch(&self, walked: Axis, params: &Params, grid: [u32; 3]) -> u32 {
        // One step less: the first may start before the dispatch does.
        let steps = self.steps_of(self.at(params, [grid[0], grid[1]])).saturating_sub(1);
        let length = if self.variant.pass == Pass::Moments { 4 } else { walked.brick() };
        (u64::from(steps) * u64::from(length)).clamp(1, 1 << 30) as u32
    }

    /// How many passes of a Monte-Carlo launch one dispatch makes at most; 0 where it does not even hold one.
    pub(crate) fn passes_in_dispatch(&self, params: &Params, grid: [u32; 3]) -> u32 {
        let variant = self.at(params, [grid[0], grid[1]]);
        let Iterations { fixed, step } = self.iterations_of(variant);
        let [examples, outputs, inputs] = params.bricks();
        let one = u64::from(inputs) * u64::from(step) + u64::from(fixed);
        let decided = [examples, outputs, inputs].into_iter().map(u64::from).product::<u64>() * 128;
        let most = u64::from(self.kernels.tuning.iterations) / one;
        most.min((self.connections_in_dispatch() / decided.max(1)).max(1)) as u32
    }

    /// How many outputs a dispatch of the pass for both gradients walks at most.
    pub(crate) fn walk_of_both(&self) -> u32 {
        // Of the smallest tile along y, which adds up most quads a thread.
        let Tile { rows, columns, workgroup: [x, _] } = self.variant.tile;
        let tile = Tile { rows, columns, workgroup: [x, 1] };
        let steps = self.steps_of(Variant { tile, ..self.variant }).saturating_sub(1);
        steps.saturating_mul(Axis::Output.brick()).clamp(1, 1 << 30)
    }

    /// The kernel of a dispatch that covers so many bricks, columns and rows, but for what its tensors decide.
    fn at(&self, params: &Params, bricks: [u32; 2]) -> Variant {
        let tile = self.tile(params, bricks);
        Variant { tile, sharing: self.sharing(params, &tile), ..self.variant }
    }

    /// The kernel with the longest steps that a dispatch may get.
    fn costliest(&self) -> Variant {
        let sharing =
            if self.mask.is_some_and(|mask| !mask.sharing.is_own()) { Shared::Rows } else { Shared::Each };
        Variant { sharing, ..self.variant }
    }

    /// How many steps one dispatch of a kernel walks at most.
    pub(crate) fn steps_of(&self, variant: Variant) -> u32 {
        let Iterations { fixed, step } = self.iterations_of(variant);
        let steps = self.kernels.tuning.iterations.saturating_sub(fixed) / step;
        // The threads along y share the examples.
        if variant.pass == Pass::BiasGradient {
            steps.saturating_mul(variant.tile.workgroup[1])
        } else {
            steps
        }
    }

    fn iterations_of(&self, variant: Variant) -> Iterations {
        let split =
            if self.kernels.tuning.threads == 0 { 1 } else { self.most_threads_of_a_tile(variant.tile) };
        variant.iterations(self.mask.map_or(0, |mask| mask.probability.bits()), split)
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
        let limit = self.kernels.binding_limit - self.kernels.alignment;
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
            (u64::from(self.kernels.groups_limit) * u64::from(threads[k] * brick[k]) - u64::from(brick[k]))
                .clamp(1, 1 << 30) as u32
        })
    }

    /// How a dispatch deals with shared masks.
    fn sharing(&self, params: &Params, tile: &Tile) -> Shared {
        let examples = BRICK_EXAMPLES * tile.rows;
        let first = params.example_block * BRICK_EXAMPLES + params.example_shift as u32;
        match (self.mask.map(|mask| mask.sharing), self.variant.pass) {
            (None, _) => Shared::Each,
            (Some(sharing), _) if sharing.is_own() => Shared::Each,
            (
                Some(Sharing::Batch),
                Pass::Forward | Pass::MonteCarlo | Pass::InputGradient | Pass::WeightGradient,
            ) => Shared::Tile,
            // No thread's examples straddle two groups.
            (Some(Sharing::Group(size)), Pass::Forward | Pass::MonteCarlo | Pass::InputGradient)
                if size.get().is_multiple_of(examples) && first.is_multiple_of(examples) =>
            {
                Shared::Tile
            }
            _ => Shared::Rows,
        }
    }

    /// The tile of a dispatch of so many bricks. Where a forward tile draws no mask, or one for all its examples, it
    /// is twice as tall: what it draws for a column of bricks serves more examples. Where too few tiles are left
    /// to keep the adapter busy, even split among threads, they are lower.
    fn tile(&self, params: &Params, bricks: [u32; 2]) -> Tile {
        let tile = self.variant.tile;
        if self.variant.pass == Pass::Gradients {
            return self.tile_of_all_examples(bricks);
        }
        let tall = self.within(Tile { rows: 2 * tile.rows, ..tile }, bricks);
        let same = self.variant.planes == Planes::None || self.sharing(params, &tall) == Shared::Tile;
        let mut tile =
            if self.variant.pass == Pass::Forward && same { tall } else { self.within(tile, bricks) };
        let most = u64::from(self.most_threads_of_a_tile(tile));
        let [_, y] = tile.workgroup;
        while tile.rows > 1
            && tile.count(bricks) * most < u64::from(self.kernels.tuning.threads)
            && bricks[1].div_ceil(tile.rows / 2 * y) <= self.kernels.groups_limit
        {
            tile.rows /= 2;
        }
        tile
    }

    /// The tile, no larger than the problem, unless so many more of them pass what a dispatch holds.
    fn within(&self, tile: Tile, bricks: [u32; 2]) -> Tile {
        let small = tile.within(bricks);
        let [x, y] = tile.workgroup;
        let groups = [bricks[0].div_ceil(small.columns * x), bricks[1].div_ceil(small.rows * y)];
        if groups.iter().all(|&groups| groups <= self.kernels.groups_limit) { small } else { tile }
    }

    /// The tile of the pass for both gradients, whose workgroups own all examples: no taller than they need.
    fn tile_of_all_examples(&self, bricks: [u32; 2]) -> Tile {
        let Tile { mut rows, columns, workgroup: [x, _] } = self.variant.tile;
        let most = self.threads_along_examples();
        while rows > 1 && rows / 2 * most >= bricks[1] {
            rows /= 2;
        }
        // Powers of two, so that not every batch means a kernel of its own.
        let y = bricks[1].div_ceil(rows).next_power_of_two();
        Tile { rows, columns, workgroup: [x, y] }.within([bricks[0], u32::MAX])
    }

    /// How many threads that pass has along the examples at most, a power of two; 0 where workgroup memory does not
    /// even hold what one adds up.
    fn threads_along_examples(&self) -> u32 {
        let Tile { workgroup: [x, most], .. } = self.variant.tile;
        let fits = |y: &u32| {
            let tile = Tile { workgroup: [x, *y], ..self.variant.tile };
            Variant { tile, ..self.variant }.shared_bytes() <= self.kernels.shared_limit
        };
        (0..=most.ilog2()).rev().map(|power| 1 << power).find(fits).unwrap_or(0)
    }

    /// How many examples a dispatch of that pass takes at most.
    pub(crate) fn examples_in_workgroup(&self) -> u32 {
        // The first brick may start before the shard. Pieces are cut at multiples of 8, so that those of all others
        // start as far before them.
        let before = self.params([0; 3], [0; 3]).example_shift as u32;
        (self.threads_along_examples() * self.variant.tile.rows * BRICK_EXAMPLES).saturating_sub(before)
    }

    /// How many threads a dispatch of so many bricks, columns and rows, comes to; `None` if one dispatch does not
    /// hold them.
    pub(crate) fn threads(&self, params: &Params, bricks: [u32; 2]) -> Option<u64> {
        let tile = self.tile(params, bricks);
        let Tile { rows, columns, workgroup: [x, y] } = tile;
        let groups = [bricks[0].div_ceil(columns * x), bricks[1].div_ceil(rows * y)];
        let split = self.split(params, Variant { tile, ..self.variant }, bricks);
        groups
            .iter()
            .all(|&groups| groups <= self.kernels.groups_limit)
            .then(|| tile.count(bricks) * u64::from(split))
    }

    /// How many threads the device lets share a tile.
    fn most_threads_of_a_tile(&self, tile: Tile) -> u32 {
        let [x, y] = tile.workgroup;
        (self.kernels.invocations_limit / (x * y)).min(self.kernels.depth_limit)
    }

    /// Among how many threads a tile's sums are split: more, a power of two, until there are enough threads
    /// for the adapter, the parts get short, or the device's limits say no.
    fn split(&self, params: &Params, variant: Variant, bricks: [u32; 2]) -> u32 {
        /// Steps of a thread below which adding up costs more than walking on.
        const LEAST: u32 = 4;
        let [examples, outputs, inputs] = params.bricks();
        let steps = match variant.pass {
            Pass::Forward => inputs,
            Pass::InputGradient | Pass::Gradients => outputs,
            Pass::WeightGradient => examples,
            _ => return variant.split,
        };
        let threads = variant.tile.count(bricks);
        let mut split = 1;
        while threads * u64::from(split) < u64::from(self.kernels.tuning.threads)
            && steps / (2 * split) >= LEAST
            && 2 * split <= self.most_threads_of_a_tile(variant.tile)
            && (Variant { split: 2 * split, ..variant }).shared_bytes() <= self.kernels.shared_limit
        {
            split *= 2;
        }
        split
    }

    /// Adds the dispatches of a kernel without tiles over rows and columns of tensors with this stride, four columns
    /// a thread: `bound` tells what each binds, operands and results, and may set parameters.
    pub(crate) fn each_quad<'a>(
        &mut self,
        [rows, columns]: [u32; 2],
        stride: u32,
        mut bound: impl FnMut(&mut Params, Range<u32>, Range<u32>) -> (Vec<Rows<'a>>, Vec<Rows<'a>>),
    ) -> Result<(), Error> {
        let [most_rows, most_columns] = self.extent_in_dispatch([1, 4]);
        for down in pieces(rows, most_rows) {
            for across in pieces(columns, most_columns) {
                let extent = [down.end - down.start, across.end - across.start, 0];
                let mut params = self.params([0; 3], extent);
                params.output_stride = stride;
                let (operands, results) = bound(&mut params, down.clone(), across);
                self.dispatch(params, &operands, &results, [extent[1].div_ceil(4), extent[0], 1])?;
            }
        }
        Ok(())
    }

    /// Adds a dispatch: `bricks` of the result along columns, rows and depth.
    pub(crate) fn dispatch(
        &mut self,
        mut params: Params,
        operands: &[Rows],
        results: &[Rows],
        bricks: [u32; 3],
    ) -> Result<(), Error> {
        let mut bindings = Vec::with_capacity(operands.len() + results.len());
        let mut whole_quads = true;
        for (at, rows) in operands.iter().chain(results).enumerate() {
            let (binding, base) = rows.bind(self.kernels.alignment);
            // Keys are no numbers, and are not read in quads.
            whole_quads &= base.is_multiple_of(4) || rows.element_size == size_of::<[u32; 2]>() as u64;
            params.base[at] = base;
            bindings.push(binding);
        }
        let quads = |values: &[u32]| values.iter().all(|value| value.is_multiple_of(4));
        let at = self.at(&params, [bricks[0], bricks[1]]);
        let tile = at.tile;
        let mut variant = Variant {
            vector: params.input_shift == 0
                && params.output_shift == 0
                && params.inputs.is_multiple_of(8)
                && quads(&[params.outputs, params.input_stride, params.output_stride])
                && whole_quads
                && (self.variant.pass != Pass::Mask
                    || !self.variant.bias && params.base[0].is_multiple_of(8)),
            ..at
        };
        variant.split = self.split(&params, variant, [bricks[0], bricks[1]]);
        // wgpu does not check it.
        debug_assert!(variant.shared_bytes() <= self.kernels.shared_limit, "{variant:?}");
        let (device, label) = (&self.kernels.device, self.variant.pass.label());
        let pipeline = self.kernels.pipelines.get(device, variant)?;
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniform = initialised(device, label, bytemuck::bytes_of(&params), usage)?;
        let entry = |binding: usize, resource| wgpu::BindGroupEntry { binding: binding as u32, resource };
        let entries: Vec<_> = std::iter::once(entry(0, uniform.as_entire_binding()))
            .chain(
                bindings
                    .into_iter()
                    .enumerate()
                    .map(|(at, binding)| entry(at + 1, wgpu::BindingResource::Buffer(binding))),
            )
            .collect();
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some(label), layout: &pipeline.layout, entries: &entries };
        let bindings = guarded(device, "a bind group", 0, || device.create_bind_group(&descriptor))?;
        check_alive(device)?;
        let groups = [
            bricks[0].div_ceil(tile.columns * tile.workgroup[0]),
            bricks[1].div_ceil(tile.rows * tile.workgroup[1]),
            bricks[2],
        ];
        let draws = self.draws;
        self.recording.dispatches.push(Dispatch { pipeline, params: uniform, bindings, groups, draws });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_cover_everything_once() {
        for length in [0, 1, 7, 8, 9, 100, 1000] {
            for at_most in [1, 3, 7, 8, 9, 20, 5000] {
                let mut next = 0;
                for piece in pieces(length, at_most) {
                    assert_eq!(piece.start, next);
                    assert!(piece.end > piece.start && piece.end - piece.start <= at_most);
                    next = piece.end;
                }
                assert_eq!(next, length);
                // The mask kernel counts on it: it binds whole examples only where outputs are not cut.
                assert!(length > at_most || pieces(length, at_most).count() <= 1);
            }
        }
    }
}
