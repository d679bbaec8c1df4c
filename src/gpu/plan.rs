//! How a pass becomes dispatches: what each binds, which kernel it takes, and in how many groups.

use std::ops::Range;

use wgpu::util::DeviceExt;

use super::Kernels;
use super::params::Params;
use super::recording::{Dispatch, Draws, Recording};
use super::shader::{Pass, Planes, Shared, Variant};
use super::tensor::Tensor;
use super::tuning::Tile;
use crate::mask::brick::BRICK_SAMPLES;
use crate::{Activation, ElementType, Error, Mask, Rounds, Sharing};

/// Some rows of a tensor, from some column on: what one dispatch binds of it.
pub(crate) struct Rows<'a> {
    pub tensor: Tensor<'a>,
    /// Elements from row to row.
    pub stride: u32,
    pub rows: Range<u32>,
    pub column: u32,
    /// Bytes of an element, where that is not the call's element type.
    pub element_size: Option<u64>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(tensor: Tensor<'a>, stride: u32, rows: Range<u32>) -> Self {
        Self { tensor, stride, rows, column: 0, element_size: None }
    }

    /// A vector, such as a bias, from some element on.
    pub(crate) fn vector(tensor: Tensor<'a>, length: u32, column: u32) -> Self {
        Self { tensor, stride: length, rows: 0..1, column, element_size: None }
    }

    pub(crate) fn at_column(self, column: u32) -> Self {
        Self { column, ..self }
    }

    pub(crate) fn with_element_size(self, bytes: u64) -> Self {
        Self { element_size: Some(bytes), ..self }
    }

    /// The binding, which starts where the device wants it to, and the first element's index in it.
    fn bind(&self, element_size: u64, alignment: u64) -> (wgpu::BufferBinding<'a>, u32) {
        let row = u64::from(self.stride) * element_size;
        let start = self.tensor.offset + u64::from(self.rows.start) * row;
        let end = (self.tensor.offset + u64::from(self.rows.end) * row).next_multiple_of(4);
        let offset = start - start % alignment;
        // Fits: a binding holds fewer than 2^32 elements.
        let base = ((start - offset) / element_size) as u32 + self.column;
        let size = wgpu::BufferSize::new(end - offset);
        (wgpu::BufferBinding { buffer: self.tensor.buffer, offset, size }, base)
    }
}

/// Ranges of at most `at_most` that cover `0..length`: one if that is enough, else cut at multiples of 8
/// where that is possible.
pub(crate) fn pieces(length: u32, at_most: u32) -> impl Iterator<Item = Range<u32>> {
    let step = match at_most {
        _ if length <= at_most => length.max(1),
        0..8 => at_most.max(1),
        _ => at_most - at_most % 8,
    };
    (0..length.div_ceil(step)).map(move |k| k * step..length.min((k + 1).saturating_mul(step)))
}

/// What a pass of some kind is made of, apart from its extent.
pub(crate) struct Plan<'k> {
    kernels: &'k Kernels,
    variant: Variant,
    mask: Option<Mask>,
    pub recording: Recording,
}

impl<'k> Plan<'k> {
    /// A mask that drops nothing is no mask.
    pub(crate) fn new(
        kernels: &'k Kernels,
        pass: Pass,
        element: ElementType,
        mask: Option<&Mask>,
        bias: bool,
        read_write: bool,
    ) -> Self {
        let mask = mask.copied().filter(|mask| mask.probability.bits() > 0);
        let variant = Variant {
            pass,
            element,
            planes: match mask.map_or(0, |mask| mask.probability.bits()) {
                0 => Planes::None,
                1 => Planes::One,
                _ => Planes::Many,
            },
            rounds: mask.map_or(Rounds::default(), |mask| mask.rounds),
            wide: false,
            vector: false,
            read_write,
            bias,
            tile: kernels.tile(pass),
            split: 1,
            apply: kernels.tuning.apply,
            multiply: kernels.multiply,
            rolled: kernels.tuning.rolled,
            sharing: Shared::Each,
            activation: (Activation::Identity, false),
        };
        let mut recording = Recording::new(pass);
        recording.draws = mask.map_or(Draws::Nothing, |mask| Draws::Masks(mask.rounds));
        Self { kernels, variant, mask, recording }
    }

    /// For the activation kernel: the function, and whether in closed form.
    pub(crate) fn with_activation(mut self, activation: Activation, closed: bool) -> Self {
        self.variant.activation = (activation, closed);
        self
    }

    /// Results are f32 whatever the operands are.
    pub(crate) fn with_wide_results(mut self) -> Self {
        // Of f32 operands they are in any case, and one kernel serves.
        self.variant.wide = self.variant.element != ElementType::F32;
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

    /// The parameters of a dispatch that covers `extent` (samples, outputs, inputs) from `first` on.
    pub(crate) fn params(&self, first: [u32; 3], extent: [u32; 3]) -> Params {
        Params::new(self.mask.as_ref(), first, extent)
    }

    /// How many rows of this many elements one binding holds.
    pub(crate) fn rows_in_binding(&self, argument: &'static str, row: u32) -> Result<u32, Error> {
        self.rows_of_bytes_in_binding(argument, u64::from(row) * self.element_size())
    }

    /// The same for a tensor of another element type than the call's.
    pub(crate) fn rows_of_element_in_binding(
        &self,
        argument: &'static str,
        row: u32,
        element: ElementType,
    ) -> Result<u32, Error> {
        self.rows_of_bytes_in_binding(argument, u64::from(row) * element.size() as u64)
    }

    /// The same for a tensor that is f32 whatever the call's element type.
    pub(crate) fn rows_of_f32_in_binding(&self, argument: &'static str, row: u32) -> Result<u32, Error> {
        self.rows_of_element_in_binding(argument, row, ElementType::F32)
    }

    fn rows_of_bytes_in_binding(&self, argument: &'static str, bytes: u64) -> Result<u32, Error> {
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
        // One brick less: the first may start before the extent does.
        std::array::from_fn(|k| {
            (u64::from(self.kernels.groups_limit) * u64::from(threads[k] * brick[k]) - u64::from(brick[k]))
                .min(1 << 30) as u32
        })
    }

    /// How a dispatch deals with shared masks.
    fn sharing(&self, params: &Params, tile: &Tile) -> Shared {
        let samples = BRICK_SAMPLES * tile.rows;
        let first = params.sample_block * BRICK_SAMPLES + params.sample_shift as u32;
        match (self.mask.map(|mask| mask.sharing), self.variant.pass) {
            (None | Some(Sharing::Example), _) => Shared::Each,
            (Some(Sharing::Group(size)), _) if size.get() == 1 => Shared::Each,
            (
                Some(Sharing::Batch),
                Pass::Forward | Pass::MonteCarlo | Pass::InputGradient | Pass::WeightGradient,
            ) => Shared::Tile,
            // No thread's examples straddle two groups.
            (Some(Sharing::Group(size)), Pass::Forward | Pass::MonteCarlo | Pass::InputGradient)
                if size.get().is_multiple_of(samples) && first.is_multiple_of(samples) =>
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
            return self.tile_of_all_samples(bricks);
        }
        let tall = Tile { rows: 2 * tile.rows, ..tile }.within(bricks);
        let same = self.variant.planes == Planes::None || self.sharing(params, &tall) == Shared::Tile;
        let mut tile = if self.variant.pass == Pass::Forward && same { tall } else { tile.within(bricks) };
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

    /// The tile of the pass for both gradients, whose workgroups own all examples: no taller than they need.
    fn tile_of_all_samples(&self, bricks: [u32; 2]) -> Tile {
        let Tile { mut rows, columns, workgroup: [x, _] } = self.variant.tile;
        let most = self.threads_along_samples();
        while rows > 1 && rows / 2 * most >= bricks[1] {
            rows /= 2;
        }
        // Powers of two, so that not every batch means a kernel of its own.
        let y = bricks[1].div_ceil(rows).next_power_of_two();
        Tile { rows, columns, workgroup: [x, y] }.within([bricks[0], u32::MAX])
    }

    /// How many threads that pass has along the examples at most, a power of two; 0 where workgroup memory does not
    /// even hold what one adds up.
    fn threads_along_samples(&self) -> u32 {
        let Tile { workgroup: [x, most], .. } = self.variant.tile;
        let fits = |y: &u32| {
            let tile = Tile { workgroup: [x, *y], ..self.variant.tile };
            Variant { tile, ..self.variant }.shared_bytes() <= self.kernels.shared_limit
        };
        (0..=most.ilog2()).rev().map(|power| 1 << power).find(fits).unwrap_or(0)
    }

    /// How many examples a dispatch of that pass takes at most.
    pub(crate) fn samples_in_workgroup(&self) -> u32 {
        // The first brick may start before the shard. Pieces are cut at multiples of 8, so that those of all others
        // start as far before them.
        let before = self.params([0; 3], [0; 3]).sample_shift as u32;
        (self.threads_along_samples() * self.variant.tile.rows * BRICK_SAMPLES).saturating_sub(before)
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
        const LEAST_STEPS: u32 = 4;
        let [samples, outputs, inputs] = params.bricks();
        let steps = match variant.pass {
            Pass::Forward => inputs,
            Pass::InputGradient | Pass::Gradients => outputs,
            Pass::WeightGradient => samples,
            _ => return variant.split,
        };
        let threads = variant.tile.count(bricks);
        let mut split = 1;
        while threads * u64::from(split) < u64::from(self.kernels.tuning.threads)
            && steps / (2 * split) >= LEAST_STEPS
            && 2 * split <= self.most_threads_of_a_tile(variant.tile)
            && (Variant { split: 2 * split, ..variant }).shared_bytes() <= self.kernels.shared_limit
        {
            split *= 2;
        }
        split
    }

    fn element_size(&self) -> u64 {
        if self.variant.pass == Pass::Mask { 1 } else { self.variant.element.size() as u64 }
    }

    /// Adds a dispatch: `bricks` of the result along columns, rows and depth.
    pub(crate) fn dispatch(
        &mut self,
        mut params: Params,
        operands: &[Rows],
        results: &[Rows],
        bricks: [u32; 3],
    ) {
        let mut bindings = Vec::with_capacity(operands.len() + results.len());
        let mut whole_quads = true;
        for (at, rows) in operands.iter().chain(results).enumerate() {
            let size = rows.element_size.unwrap_or(self.element_size());
            let (binding, base) = rows.bind(size, self.kernels.alignment);
            // Keys are no numbers, and are not read in quads.
            whole_quads &= base.is_multiple_of(4) || size == size_of::<[u32; 2]>() as u64;
            params.base[at] = base;
            bindings.push(binding);
        }
        let quads = |values: &[u32]| values.iter().all(|value| value.is_multiple_of(4));
        let tile = self.tile(&params, [bricks[0], bricks[1]]);
        let mut variant = Variant {
            vector: params.input_shift == 0
                && params.output_shift == 0
                && params.inputs.is_multiple_of(8)
                && quads(&[params.outputs, params.input_stride, params.output_stride])
                && whole_quads
                && (self.variant.pass != Pass::Mask
                    || !self.variant.bias && params.base[0].is_multiple_of(8)),
            tile,
            sharing: self.sharing(&params, &tile),
            ..self.variant
        };
        variant.split = self.split(&params, variant, [bricks[0], bricks[1]]);
        // wgpu does not check it.
        debug_assert!(variant.shared_bytes() <= self.kernels.shared_limit, "{variant:?}");
        let device = &self.kernels.device;
        let pipeline = self.kernels.pipelines.get(device, variant);
        let uniform = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(self.variant.pass.label()),
            contents: bytemuck::bytes_of(&params),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        });
        let entry = |binding: usize, resource| wgpu::BindGroupEntry { binding: binding as u32, resource };
        let entries: Vec<_> = std::iter::once(entry(0, uniform.as_entire_binding()))
            .chain(
                bindings
                    .into_iter()
                    .enumerate()
                    .map(|(at, binding)| entry(at + 1, wgpu::BindingResource::Buffer(binding))),
            )
            .collect();
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.variant.pass.label()),
            layout: &pipeline.layout,
            entries: &entries,
        });
        let groups = [
            bricks[0].div_ceil(tile.columns * tile.workgroup[0]),
            bricks[1].div_ceil(tile.rows * tile.workgroup[1]),
            bricks[2],
        ];
        self.recording.dispatches.push(Dispatch { pipeline, params: uniform, bindings, groups });
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
