//! Both gradients in one call. Shader, where one pass computes both: `shaders/gradients.wgsl`.

use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use super::{InputGradient, Kernels, WeightGradient};
use crate::{ElementType, Error, Mask, Shape, Sharing, Write};

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
        if let Some(mask) = mask {
            mask.check(&shape)?;
        }
        let operands = [("grad_output", grad_output), ("x", x), ("weight", weight)];
        let results = [("grad_input", call.grad_input.0), ("grad_weight", call.grad_weight.0)];
        let operands = operands.map(|(name, tensor)| Argument { name, tensor });
        let results = results.map(|(name, tensor)| Argument { name, tensor });
        let lengths = [shape.output_len(), shape.input_len(), shape.weight_len()];
        for (argument, length) in operands.iter().chain(&results).zip(lengths.iter().chain(&lengths[1..])) {
            argument.check(*length as u64, element)?;
        }
        let read_write = check_disjoint(&operands, &results)?;
        if let Some(recording) = self.combined(call, read_write)? {
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
    fn combined(&self, call: &Gradients, read_write: bool) -> Result<Option<Recording>, Error> {
        let Gradients { shape, element, mask, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        let (Some(combine), Some(mask)) = (self.tuning.combine, mask) else { return Ok(None) };
        let own_masks = match mask.sharing {
            Sharing::Example => true,
            Sharing::Group(size) => size.get() == 1,
            Sharing::Batch => false,
        };
        let calls = mask.probability.calls();
        if !own_masks || calls == 0 || calls < combine.calls {
            return Ok(None);
        }
        let mut plan = Plan::new(self, Pass::Gradients, element, Some(mask), false, read_write);
        let most_samples = plan.samples_in_workgroup();
        let one_binding = plan.rows_in_binding("weight", inputs)? >= outputs
            && plan.rows_in_binding("grad_output", outputs)? >= batch
            && plan.rows_in_binding("x", inputs)? >= batch;
        // Every piece of a batch adds to dW, and 16-bit elements would round each time. Pieces of fewer than eight
        // examples would not all start at the same place in a brick.
        let pieces_serve = batch <= most_samples || most_samples >= 8 && element == ElementType::F32;
        if batch == 0 || !one_binding || !pieces_serve {
            return Ok(None);
        }
        for samples in pieces(batch, most_samples) {
            let extent = [samples.len() as u32, outputs, inputs];
            let mut params = plan.params([samples.start, 0, 0], extent);
            params.input_stride = inputs;
            params.output_stride = outputs;
            params.accumulate = u32::from(call.grad_input.1 == Write::Accumulate);
            params.accumulate_weight =
                u32::from(call.grad_weight.1 == Write::Accumulate || samples.start > 0);
            let [rows, _, across] = params.bricks();
            let threads = plan.threads(&params, [across, rows]);
            if threads.is_none_or(|threads| threads < combine.threads.into()) {
                return Ok(None);
            }
            let bound = [
                Rows::new(call.grad_output, outputs, samples.clone()),
                Rows::new(call.x, inputs, samples.clone()),
                Rows::new(call.weight, inputs, 0..outputs),
            ];
            let results = [
                Rows::new(call.grad_input.0, inputs, samples.clone()),
                Rows::new(call.grad_weight.0, inputs, 0..outputs),
            ];
            plan.dispatch(params, &bound, &results, [across, rows, 1])?;
        }
        Ok(Some(plan.recording))
    }
}
