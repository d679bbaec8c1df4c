//! Many masks in one launch. Shader: `shaders/monte_carlo.wgsl`.

use super::plan::contract::Contraction;
use super::plan::dispatch::Plan;
use super::plan::purpose::Purpose;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::Tensor;
use super::run::allocate::initialised;
use super::run::kernels::Kernels;
use super::run::recording::{Draws, Recording, pass_keys};
use super::shader::pass::Pass;
use super::shader::variant::SHORT_TERMS;
use crate::call::{Axis, Call, MonteCarlo};
use crate::{ElementType, Error};

impl Kernels {
    pub(super) fn plan_monte_carlo(
        &self,
        call: &MonteCarlo<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        const MOST_PASSES: u32 = 1 << 16;
        Error::check_count("passes", call.passes, 1..=MOST_PASSES)?;
        let launch = Contraction::of(&Call::from(*call), purpose).expect("a call with a reduction axis");
        let shared = launch.check()?;
        match self.launch(&launch, call.passes, shared)? {
            Some(recording) => Ok(recording),
            None => self.pass_by_pass(call, purpose, Recording::new(launch.pass)),
        }
    }

    /// Some passes in each dispatch; `None` where a dispatch does not hold one.
    fn launch(
        &self,
        call: &Contraction<'_, '_>,
        passes: u32,
        shared: bool,
    ) -> Result<Option<Recording>, Error> {
        let tensors = &call.tensors;
        let (Some(mask), dims) = (tensors.mask, tensors.dims()) else { return Ok(None) };
        let elements = [tensors.element(), ElementType::F32];
        let mut plan = Plan::new(self, call.pass, elements, Some(mask), shared);
        plan.purpose = call.purpose;
        // The kernel finds its masks through the keys.
        plan.draws = Draws::Nothing;
        plan.long = dims[Axis::Input as usize] > SHORT_TERMS;
        let most = call.most(&plan)?;
        if most[Axis::Input as usize] < dims[Axis::Input as usize] {
            return Ok(None);
        }
        let keys = pass_keys(mask.key, if call.purpose == Purpose::Record { passes } else { 1 });
        let (words, usage) = (bytemuck::cast_slice(&keys), wgpu::BufferUsages::STORAGE);
        let keys = initialised(&self.device, "dropconnect.monte_carlo.keys", words, usage)?;
        let key_bytes = size_of::<[u32; 2]>() as u64;
        let most_keys = plan.rows_of_bytes_in_binding("keys", key_bytes)?;
        for ranges in call.parts(most) {
            let mut params = call.params(&plan, &ranges);
            let most_passes = plan.samples_in_dispatch(&params, call.grid(&params)).min(most_keys);
            if most_passes == 0 {
                return Ok(None);
            }
            for piece in pieces(passes, most_passes) {
                (params.first_sample, params.samples) = (piece.start, piece.end - piece.start);
                let mut bound: Vec<_> =
                    tensors.operands.iter().map(|operand| operand.part(dims, &ranges)).collect();
                bound.push(Rows::of_bytes(&keys, 0, 1, piece, key_bytes));
                let results: Vec<_> =
                    tensors.results.iter().map(|result| result.part(dims, &ranges)).collect();
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
        purpose: Purpose,
        mut recording: Recording,
    ) -> Result<Recording, Error> {
        let [batch, outputs, _] = call.shape.dims();
        let bytes = 4 * u64::from(batch) * u64::from(outputs);
        if bytes == 0 {
            return Ok(recording);
        }
        let y = purpose.scratch(self, bytes)?;
        recording.scratch_bytes = bytes;
        let y = Tensor::new(&y, ElementType::F32);
        // Every pass takes the same kernels.
        let passes = if purpose == Purpose::Record { call.passes } else { 1 };
        for pass in 0..passes {
            let mut forward = self.contract(&call.forward(&call.mask.pass(pass), y).into(), purpose)?;
            for dispatch in &mut forward.dispatches {
                if let Draws::Masks = dispatch.draws {
                    dispatch.draws = Draws::Pass(pass);
                }
            }
            recording.append(forward);
            let mut plan = Plan::new(self, Pass::Update, [ElementType::F32; 2], None, false);
            plan.purpose = purpose;
            let most_rows = plan.rows_in_binding("mean", outputs, ElementType::F32)?;
            for rows in pieces(batch, most_rows) {
                plan.each_quad([rows.end - rows.start, outputs], outputs, |params, down, across| {
                    params.first_sample = pass;
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
