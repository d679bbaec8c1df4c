//! How a pass becomes dispatches: what each binds, which kernel it takes, and in how many workgroups.

use std::ops::Range;
use std::sync::Arc;

use super::purpose::Purpose;
use super::rows::{Rows, pieces};
use crate::gpu::run::allocate::{check_alive, initialised};
use crate::gpu::run::kernels::Kernels;
use crate::gpu::run::recording::{BoundRange, Dispatch, Draws, Recording};
use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::{ElementType, Error, Mask};

/// Steps of a k loop that a dispatch should hold at least.
const LEAST_STEPS: u32 = 16;

/// What a pass of some kind is made of, apart from its extent.
pub(crate) struct Plan<'k> {
    pub(super) kernels: &'k Kernels,
    pub variant: Variant,
    pub(super) mask: Option<Mask>,
    /// What the dispatches to come depend on of the key.
    pub draws: Draws,
    pub purpose: Purpose,
    /// Sums are of more than `SHORT_TERMS`, in all dispatches together.
    pub long: bool,
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
            vector: false,
            read_write,
            tile: pass.tile(&kernels.tuning),
            split_k: 1,
            mask_op: kernels.tuning.mask_op,
            multiply: kernels.multiply,
            unrolled: kernels.tuning.unrolled,
            sharing: Shared::Each,
            blocked: false,
        };
        let draws = mask.map_or(Draws::Nothing, |_| Draws::Masks);
        let mut recording = Recording::new(pass);
        recording.device = Some(kernels.device.clone());
        let mut plan =
            Self { kernels, variant, mask, draws, purpose: Purpose::Record, long: false, recording };
        // Less of a tile so large that a dispatch would hold few of its steps.
        while plan.variant.tile.rows * plan.variant.tile.columns > 1
            && plan.steps_of(plan.costliest()) < LEAST_STEPS
        {
            let tile = &mut plan.variant.tile;
            if tile.rows > tile.columns { tile.rows /= 2 } else { tile.columns /= 2 }
        }
        plan
    }

    /// The parameters of a dispatch that covers `extent` (examples, outputs, inputs) from `first` on.
    pub(crate) fn params(&self, first: [u32; 3], extent: [u32; 3]) -> Params {
        Params::new(self.mask.as_ref(), first, extent)
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

    /// The dispatches so far, of a device that has not been lost while they were made.
    pub(crate) fn finish(self) -> Result<Recording, Error> {
        if !self.recording.dispatches.is_empty() {
            check_alive(&self.kernels.device)?;
        }
        Ok(self.recording)
    }

    /// Adds a dispatch, or only compiles its kernel: `bricks` of the result along columns, rows and depth.
    pub(crate) fn dispatch(
        &mut self,
        mut params: Params,
        operands: &[Rows],
        results: &[Rows],
        bricks: [u32; 3],
    ) -> Result<(), Error> {
        let mut bindings = Vec::with_capacity(operands.len() + results.len());
        let mut whole_quads = true;
        for (index, rows) in operands.iter().chain(results).enumerate() {
            let (binding, base) = rows.bind(self.kernels.limits.alignment);
            // Keys are no numbers, and are not read in quads.
            whole_quads &= base.is_multiple_of(4) || rows.element_size == size_of::<[u32; 2]>() as u64;
            params.base[index] = base;
            bindings.push(binding);
        }
        let quads = |values: &[u32]| values.iter().all(|value| value.is_multiple_of(4));
        let untuned = self.variant_of(&params, [bricks[0], bricks[1]]);
        let mut variant = Variant {
            vector: params.input_shift == 0
                && params.output_shift == 0
                && params.inputs.is_multiple_of(8)
                && quads(&[params.outputs, params.input_stride, params.output_stride])
                && whole_quads
                && match self.variant.pass {
                    // The mask of a bias is one byte a row.
                    Pass::Mask { of_bias } => !of_bias && params.base[0].is_multiple_of(8),
                    _ => true,
                },
            ..untuned
        };
        variant.tile = self.that_compiles_soon(&variant, [bricks[0], bricks[1]]);
        variant.split_k = self.split_k(&params, variant, [bricks[0], bricks[1]]);
        variant.tile.k_tile = self.k_tile(&params, variant);
        variant.blocked = self.blocked(&params, variant);
        // wgpu does not check it.
        debug_assert!(variant.shared_bytes() <= self.kernels.limits.shared, "{variant:?}");
        let (device, label) = (&self.kernels.device, self.variant.pass.label());
        let pipeline = self.kernels.pipelines.get(device, variant)?;
        if self.purpose == Purpose::Compile {
            return Ok(());
        }
        let uniform = initialised(device, label, bytemuck::bytes_of(&params), wgpu::BufferUsages::UNIFORM)?;
        let bindings: Arc<[_]> = bindings.iter().map(BoundRange::of).collect();
        let bind_group = Dispatch::bind(device, &pipeline, &uniform, &bindings)?;
        let [x, y] = variant.tile.workgroups([bricks[0], bricks[1]]);
        let workgroups = [x, y, bricks[2]];
        let draws = self.draws;
        self.recording.dispatches.push(Dispatch {
            pipeline,
            uniform,
            offset: 0,
            bind_group,
            workgroups,
            draws,
            params,
            bindings,
        });
        Ok(())
    }
}
