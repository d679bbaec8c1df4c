//! The gradient of the bias. Shader: `shaders/bias_gradient.wgsl`.

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_OUTPUTS, BRICK_SAMPLES};
use crate::{ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::bias_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct BiasGradient<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass where its bias was [`Bias::Masked`](crate::Bias::Masked), else `None`.
    pub bias_mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// The gradient of b, `[outputs]`.
    pub grad_bias: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// db = G summed over the batch, or scale * Mb ⊙ G summed where the bias is masked.
    ///
    /// Large and empty batches are treated as in [`Kernels::weight_gradient`].
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn bias_gradient(&self, call: &BiasGradient) -> Result<Recording, Error> {
        let BiasGradient { shape, element, bias_mask, .. } = *call;
        let [batch, outputs, _] = shape.dims();
        if let Some(mask) = bias_mask {
            mask.check(&shape)?;
        }
        let grad_output = Argument { name: "grad_output", tensor: call.grad_output };
        let grad_bias = Argument { name: "grad_bias", tensor: call.grad_bias };
        grad_output.check(shape.output_len() as u64, element)?;
        grad_bias.check(outputs.into(), element)?;
        let shared = check_disjoint(&[grad_output], &[grad_bias])?;
        if batch == 0 && call.write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(Recording::new(Pass::BiasGradient));
        }
        let mask = bias_mask.filter(|_| batch > 0);
        let read_write = shared || batch == 0;
        let mut plan = Plan::new(self, Pass::BiasGradient, element, mask, false, read_write);

        let [_, most_outputs] = plan.extent_in_dispatch([BRICK_SAMPLES, BRICK_OUTPUTS]);
        let most_samples = plan.rows_in_binding("grad_output", outputs)?;
        plan.rows_in_binding("grad_bias", outputs)?;
        for columns in pieces(outputs, most_outputs) {
            // At least one piece of the batch, so that an empty one writes its zeros.
            for samples in pieces(batch.max(1), most_samples) {
                let samples = samples.start..samples.end.min(batch);
                let extent = [samples.len() as u32, columns.len() as u32, 0];
                let mut params = plan.params([samples.start, columns.start, 0], extent);
                params.input_shift = 0;
                params.output_stride = outputs;
                params.accumulate = u32::from(call.write == Write::Accumulate || samples.start > 0);
                let [_, across, _] = params.bricks();
                let result = Rows::vector(call.grad_bias, outputs, columns.start);
                let operand = if batch == 0 {
                    Rows::vector(call.grad_bias, outputs, columns.start)
                } else {
                    Rows::new(call.grad_output, outputs, samples.clone()).at_column(columns.start)
                };
                plan.dispatch(params, &[operand], &[result], [across, 1, 1])?;
            }
        }
        Ok(plan.recording)
    }
}
