//! Both gradients in one call. Shader, where one pass computes both: `shaders/gradients.wgsl`.

use super::faces::{Axis, Face};
use super::plan::{Plan, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Tensor, check_disjoint};
use super::{InputGradient, Kernels, WeightGradient};
use crate::{ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::gradients`].
#[derive(Clone, Copy, Debug)]
pub struct Gradients<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// The gradient of X, `[batch, inputs]`, and whether to overwrite it or add to it.
    pub grad_input: (Tensor<'a>, Write),
    /// The gradient of W, `[outputs, inputs]`, and whether to overwrite it or add to it.
    pub grad_weight: (Tensor<'a>, Write),
}

impl Kernels {
    /// What [`input_gradient`](Self::input_gradient) and [`weight_gradient`](Self::weight_gradient) compute.
    ///
    /// One pass that draws the mask once for both, where [`Tuning::combine`](super::Tuning::combine) says so
    /// and examples have masks of their own; else both passes.
    /// Either way the masks are the same to the bit; sums may be added up in another order.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn gradients(&self, call: &Gradients) -> Result<Recording, Error> {
        let Gradients { shape, element, mask, grad_output, x, weight, .. } = *call;
        let faces = Faces::of(call);
        let read_write = faces.check(&shape, mask)?;
        if let Some(recording) = self.combined(call, &faces, read_write)? {
            return Ok(recording);
        }
        let (grad_input, write) = call.grad_input;
        let mut both = self.input_gradient(&InputGradient {
            shape,
            element,
            mask,
            grad_output,
            weight,
            grad_input,
            write,
        })?;
        let (grad_weight, write) = call.grad_weight;
        let weight_gradient = self.weight_gradient(&WeightGradient {
            shape,
            element,
            mask,
            grad_output,
            x,
            grad_weight,
            write,
        })?;
        both.append(weight_gradient);
        Ok(both)
    }

    /// The one pass for both, where there is one for this call.
    fn combined(
        &self,
        call: &Gradients,
        faces: &Faces<'_>,
        read_write: bool,
    ) -> Result<Option<Recording>, Error> {
        let Gradients { shape, element, mask, .. } = *call;
        let dims @ [batch, outputs, inputs] = shape.dims();
        let (Some(combine), Some(mask)) = (self.tuning.combine, mask) else { return Ok(None) };
        let calls = mask.probability.calls();
        if batch == 0 || !mask.sharing.is_own() || !mask.probability.drops() || calls < combine.calls {
            return Ok(None);
        }
        let mut plan = Plan::new(self, Pass::Gradients, [element; 2], Some(mask), read_write);
        let mut most = [plan.examples_in_workgroup(), outputs, inputs];
        for face in faces.operands.iter().chain(&faces.results) {
            let Some(axis) = face.rows else { continue };
            let rows = plan.rows_in_binding(face.argument.name, dims[face.columns as usize], element)?;
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
                if threads.is_none_or(|threads| threads < combine.threads.into()) {
                    return Ok(None);
                }
                let bound = faces.operands.map(|face| face.part(dims, &ranges));
                let results = faces.results.map(|face| face.part(dims, &ranges));
                plan.dispatch(params, &bound, &results, [across, rows, 1])?;
            }
        }
        Ok(Some(plan.recording))
    }
}

/// The tensors of a call, in the order of the kernel's bindings.
struct Faces<'a> {
    operands: [Face<'a>; 3],
    results: [Face<'a>; 2],
}

impl<'a> Faces<'a> {
    fn of(call: &Gradients<'a>) -> Self {
        let element = call.element;
        Self {
            operands: [
                Face::output("grad_output", call.grad_output, element),
                Face::input("x", call.x, element),
                Face::weight("weight", call.weight, element),
            ],
            results: [
                Face::input("grad_input", call.grad_input.0, element),
                Face::weight("grad_weight", call.grad_weight.0, element),
            ],
        }
    }

    /// Checks all arguments. Whether a result shares its buffer with an operand.
    fn check(&self, shape: &Shape, mask: Option<&Mask>) -> Result<bool, Error> {
        if let Some(mask) = mask {
            mask.check(shape)?;
        }
        for face in self.operands.iter().chain(&self.results) {
            face.check(shape)?;
        }
        check_disjoint(&self.operands.map(|face| face.argument), &self.results.map(|face| face.argument))
    }
}
