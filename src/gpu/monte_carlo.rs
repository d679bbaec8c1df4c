//! Many masks in one launch. Shader: `shaders/monte_carlo.wgsl`.

use super::plan::contract::Contraction;
use super::plan::dispatch::Plan;
use super::plan::purpose::scratch;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::Tensor;
use super::run::allocate::initialised;
use super::run::kernels::Kernels;
use super::run::recording::{Draws, Recording, pass_keys};
use super::shader::pass::Pass;
use super::shader::variant::SHORT_TERMS;
use crate::call::{Axis, MonteCarlo};
use crate::{ElementType, Error};

impl Kernels {
    /// Mean and variance of Y over many masks: as many forward passes in one launch, with Welford's update
    /// in place. Memory besides the results is 8 bytes a pass.
    ///
    /// Passes that take more than one dispatch may hold ([`Tuning::iterations`](crate::gpu::Tuning::iterations)) are
    /// taken in several, which go on where the last one ended. Where not even one pass fits, its outputs go through
    /// scratch memory in f32, `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`Kernels::forward`]; [`Error::Count`] for the number of passes.
    pub fn monte_carlo(&self, call: &MonteCarlo<'_, Tensor<'_>, Tensor<'_>>) -> Result<Recording, Error> {
        const MOST_PASSES: u32 = 1 << 16;
        let passes = call.passes;
        Error::check_count("passes", passes, 1..=MOST_PASSES)?;
        let pass = Pass::MonteCarlo { bias: call.bias.tensor().is_some() };
        let launch = Contraction::new(pass, call.faces());
        let shared = launch.check()?;
        match self.launch(&launch, passes, shared)? {
            Some(recording) => Ok(recording),
            None => self.pass_by_pass(call, Recording::new(pass)),
        }
    }

    /// Some passes in each dispatch; `None` where a dispatch does not hold one.
    fn launch(
        &self,
        call: &Contraction<'_, '_>,
        passes: u32,
        shared: bool,
    ) -> Result<Option<Recording>, Error> {
        let faces = &call.faces;
        let (Some(mask), dims) = (faces.mask, faces.dims()) else { return Ok(None) };
        let elements = [faces.element(), ElementType::F32];
        let mut plan = Plan::new(self, call.pass, elements, Some(mask), shared);
        // The kernel finds its masks through the keys.
        plan.draws = Draws::Nothing;
        plan.long = dims[Axis::Input as usize] > SHORT_TERMS;
        let most = call.most(&plan)?;
        if most[Axis::Input as usize] < dims[Axis::Input as usize] {
            return Ok(None);
        }
        let keys = pass_keys(mask.key, passes);
        let (words, usage) = (bytemuck::cast_slice(&keys), wgpu::BufferUsages::STORAGE);
        let keys = initialised(&self.device, "dropconnect.monte_carlo.keys", words, usage)?;
        let key_bytes = size_of::<[u32; 2]>() as u64;
        let most_keys = plan.rows_of_bytes_in_binding("keys", key_bytes)?;
        for ranges in call.parts(most) {
            let mut params = call.params(&plan, &ranges);
            let most_passes = plan.passes_in_dispatch(&params, call.grid(&params)).min(most_keys);
            if most_passes == 0 {
                return Ok(None);
            }
            for piece in pieces(passes, most_passes) {
                (params.first_pass, params.passes) = (piece.start, piece.end - piece.start);
                let mut bound: Vec<_> = faces.all_operands().map(|face| face.part(dims, &ranges)).collect();
                bound.push(Rows::of_bytes(&keys, 0, 1, piece, key_bytes));
                let results: Vec<_> = faces.results.iter().map(|face| face.part(dims, &ranges)).collect();
                plan.dispatch(params, &bound, &results, call.grid(&params))?;
            }
        }
        plan.recording.pass_keys = Some((keys, passes));
        plan.finish().map(Some)
    }

    /// A forward pass and an update for each.
    fn pass_by_pass(
        &self,
        call: &MonteCarlo<'_, Tensor<'_>, Tensor<'_>>,
        mut recording: Recording,
    ) -> Result<Recording, Error> {
        let [batch, outputs, _] = call.shape.dims();
        let bytes = 4 * u64::from(batch) * u64::from(outputs);
        if bytes == 0 {
            return Ok(recording);
        }
        let y = scratch(self, bytes)?;
        recording.scratch_bytes = bytes;
        let y = Tensor::new(&y, ElementType::F32);
        for pass in 0..call.passes {
            let mut forward = self.forward(&call.forward(&call.mask.pass(pass), y))?;
            for dispatch in &mut forward.dispatches {
                if let Draws::Masks = dispatch.draws {
                    dispatch.draws = Draws::Pass(pass);
                }
            }
            recording.append(forward);
            let mut plan = Plan::new(self, Pass::Update, [ElementType::F32; 2], None, false);
            let most_rows = plan.rows_in_binding("mean", outputs, ElementType::F32)?;
            for rows in pieces(batch, most_rows) {
                plan.each_quad([rows.end - rows.start, outputs], outputs, |params, down, across| {
                    params.first_pass = pass;
                    let down = rows.start + down.start..rows.start + down.end;
                    let at = |tensor| Rows::new(tensor, outputs, down.clone()).at_column(across.start);
                    (vec![at(y)], vec![at(call.mean), at(call.variance)])
                })?;
            }
            recording.append(plan.finish()?);
        }
        Ok(recording)
    }
}
