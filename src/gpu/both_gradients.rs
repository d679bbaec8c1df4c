//! Both gradients in one call. Shader, where a kernel draws the mask once for both: `shaders/both_gradients.wgsl`.

use super::contract::Contraction;
use super::pass::Pass;
use super::plan::{Plan, Purpose, pieces};
use super::recording::Recording;
use super::{Kernels, Tensor};
use crate::call::{Axis, BothGradients, Faces, InputGradient, WeightGradient};
use crate::{ElementType, Error, Write};

impl Kernels {
    /// What [`input_gradient`](Self::input_gradient) and [`weight_gradient`](Self::weight_gradient) compute.
    ///
    /// The mask is drawn once for both, where [`Tuning::both_gradients`](super::Tuning::both_gradients) says so,
    /// examples have masks of their own and all tensors one element type; else these are the two passes. Either way
    /// the masks are the same to the bit; sums may be added up in another order.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn both_gradients(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
    ) -> Result<Recording, Error> {
        self.plan_both_gradients(call, Purpose::Record)
    }

    pub(super) fn plan_both_gradients(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        let BothGradients { shape, mask, grad_output, x, weight, .. } = *call;
        let faces = call.faces();
        let element = faces.element();
        let read_write = purpose.check(&faces, element, [element, ElementType::F32])?;
        if let Some(recording) = self.drawn_once(call, &faces, read_write, purpose)? {
            return Ok(recording);
        }
        let (grad_input, write) = call.grad_input;
        let gradient = InputGradient { shape, mask, grad_output, weight, grad_input, write };
        let contraction = Contraction::new(Pass::InputGradient, gradient.faces());
        let mut both = self.contract(&Contraction { write, purpose, ..contraction })?;
        let (grad_weight, write) = call.grad_weight;
        let gradient = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
        let contraction = Contraction::new(Pass::WeightGradient, gradient.faces());
        both.append(self.contract(&Contraction { write, purpose, ..contraction })?);
        Ok(both)
    }

    /// The pass that draws the mask once, where it serves this call.
    fn drawn_once(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
        faces: &Faces<'_, Tensor<'_>, Tensor<'_>>,
        read_write: bool,
        purpose: Purpose,
    ) -> Result<Option<Recording>, Error> {
        let element = faces.element();
        let dims @ [batch, outputs, inputs] = call.shape.dims();
        let (Some(choice), Some(mask)) = (self.tuning.both_gradients, call.mask) else { return Ok(None) };
        let rounds = mask.probability.rounds();
        let mixed = faces.results.iter().any(|face| face.tensor.element != element);
        if batch == 0
            || mixed
            || !mask.sharing.is_own()
            || !mask.probability.drops()
            || rounds < choice.rounds
        {
            return Ok(None);
        }
        let mut plan = Plan::new(self, Pass::BothGradients, [element; 2], Some(mask), read_write);
        plan.purpose = purpose;
        let mut most = [plan.examples_in_workgroup(), outputs, inputs];
        for face in faces.operands.iter().chain(&faces.results) {
            let Some(axis) = face.rows else { continue };
            let rows = plan.rows_in_binding(face.name, dims[face.columns as usize], element)?;
            most[axis as usize] = most[axis as usize].min(rows);
        }
        let decided = u64::from(most[0].min(batch)) * u64::from(inputs);
        let fits = (plan.connections_in_dispatch() / decided.max(1)).min(u64::from(u32::MAX)) as u32;
        most[1] = most[1].min(plan.walk_of_both()).min(fits.max(64));
        // Pieces of the batch add up in dW and pieces of the outputs in dX, where 16-bit elements would round each
        // time. Pieces of fewer than eight examples would not all start at the same place in a brick.
        let whole = |axis: Axis| most[axis as usize] >= dims[axis as usize];
        let serves = |axis: Axis| whole(axis) || most[axis as usize] >= 8 && element == ElementType::F32;
        if !serves(Axis::Example) || !serves(Axis::Output) {
            return Ok(None);
        }
        for examples in pieces(batch, most[0]) {
            for outputs in pieces(outputs, most[1]) {
                let ranges = [examples.clone(), outputs.clone(), 0..inputs];
                let mut params = plan.params(
                    ranges.each_ref().map(|range| range.start),
                    ranges.each_ref().map(|range| range.end - range.start),
                );
                [_, params.output_stride, params.input_stride] = dims;
                let adds = |write, before| u32::from(write == Write::Accumulate || before > 0);
                params.accumulate = adds(call.grad_input.1, outputs.start);
                params.accumulate_weight = adds(call.grad_weight.1, examples.start);
                let [rows, _, across] = params.bricks();
                let threads = plan.threads(&params, [across, rows]);
                if threads.is_none_or(|threads| threads < choice.threads.into()) {
                    return Ok(None);
                }
                let bound: Vec<_> = faces.operands.iter().map(|face| face.part(dims, &ranges)).collect();
                let results: Vec<_> = faces.results.iter().map(|face| face.part(dims, &ranges)).collect();
                plan.dispatch(params, &bound, &results, [across, rows, 1])?;
            }
        }
        plan.finish().map(Some)
    }
}
