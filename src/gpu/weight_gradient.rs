//! The gradient of the weight. Shader: `shaders/weight_gradient.wgsl`.

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::weight_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient<'a> {
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
    /// The gradient of W, `[outputs, inputs]`.
    pub grad_weight: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// dW = scale * J ⊙ M summed over the batch, J being the outer product of G and X of each example.
    ///
    /// An empty batch has the gradient zero, and changes nothing where it is added. A batch larger than one
    /// binding is taken in pieces, whose results add up in `grad_weight`; with 16-bit elements each piece
    /// rounds once.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn weight_gradient(&self, call: &WeightGradient) -> Result<Recording, Error> {
        let WeightGradient { shape, element, mask, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        if let Some(mask) = mask {
            mask.check(&shape)?;
        }
        let grad_output = Argument { name: "grad_output", tensor: call.grad_output };
        let x = Argument { name: "x", tensor: call.x };
        let grad_weight = Argument { name: "grad_weight", tensor: call.grad_weight };
        grad_output.check(shape.output_len() as u64, element)?;
        x.check(shape.input_len() as u64, element)?;
        grad_weight.check(shape.weight_len() as u64, element)?;
        let shared = check_disjoint(&[grad_output, x], &[grad_weight])?;
        if batch == 0 && call.write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(Recording::new(Pass::WeightGradient));
        }
        // An empty batch has no operands to bind: the result stands in for them, unread.
        let mask = mask.filter(|_| batch > 0);
        let read_write = shared || batch == 0;
        let mut plan = Plan::new(self, Pass::WeightGradient, element, mask, false, read_write);

        let [most_outputs, most_inputs] = plan.extent_in_dispatch([BRICK_OUTPUTS, BRICK_INPUTS]);
        let most_outputs = most_outputs.min(plan.rows_in_binding("grad_weight", inputs)?);
        let most_samples =
            plan.rows_in_binding("grad_output", outputs)?.min(plan.rows_in_binding("x", inputs)?);
        if inputs > most_inputs {
            return Err(Error::TooLarge {
                argument: "inputs",
                value: inputs.into(),
                limit: most_inputs.into(),
            });
        }
        for columns in pieces(outputs, most_outputs) {
            // At least one piece of the batch, so that an empty one writes its zeros.
            for samples in pieces(batch.max(1), most_samples) {
                let samples = samples.start..samples.end.min(batch);
                let extent = [samples.len() as u32, columns.len() as u32, inputs];
                let mut params = plan.params([samples.start, columns.start, 0], extent);
                params.input_stride = inputs;
                params.output_stride = outputs;
                params.accumulate = u32::from(call.write == Write::Accumulate || samples.start > 0);
                let [_, rows, across] = params.bricks();
                let bound = if batch == 0 {
                    [
                        Rows::new(call.grad_weight, inputs, columns.clone()),
                        Rows::new(call.grad_weight, inputs, columns.clone()),
                    ]
                } else {
                    [
                        Rows::new(call.grad_output, outputs, samples.clone()).at_column(columns.start),
                        Rows::new(call.x, inputs, samples.clone()),
                    ]
                };
                let result = Rows::new(call.grad_weight, inputs, columns.clone());
                plan.dispatch(params, &bound, &[result], [across, rows, 1])?;
            }
        }
        Ok(plan.recording)
    }
}
