//! The gradient of the input. Shader: `shaders/input_gradient.wgsl`.

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_INPUTS, BRICK_SAMPLES};
use crate::{ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::input_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// The gradient of X, `[batch, inputs]`.
    pub grad_input: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// dX = scale * (M ⊙ W)ᵀ G, under the forward pass's masks.
    ///
    /// A weight larger than one binding is taken in pieces, whose results add up in `grad_input`; with
    /// 16-bit elements each piece rounds once.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn input_gradient(&self, call: &InputGradient) -> Result<Recording, Error> {
        let InputGradient { shape, element, mask, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        if let Some(mask) = mask {
            mask.check(&shape)?;
        }
        let grad_output = Argument { name: "grad_output", tensor: call.grad_output };
        let weight = Argument { name: "weight", tensor: call.weight };
        let grad_input = Argument { name: "grad_input", tensor: call.grad_input };
        grad_output.check(shape.output_len() as u64, element)?;
        weight.check(shape.weight_len() as u64, element)?;
        grad_input.check(shape.input_len() as u64, element)?;
        let read_write = check_disjoint(&[grad_output, weight], &[grad_input])?;
        let mut plan = Plan::new(self, Pass::InputGradient, element, mask, false, read_write);

        let [most_samples, most_inputs] = plan.extent_in_dispatch([BRICK_SAMPLES, BRICK_INPUTS]);
        let most_samples = most_samples
            .min(plan.rows_in_binding("grad_output", outputs)?)
            .min(plan.rows_in_binding("grad_input", inputs)?);
        let most_outputs = plan.rows_in_binding("weight", inputs)?;
        if inputs > most_inputs {
            return Err(Error::TooLarge {
                argument: "inputs",
                value: inputs.into(),
                limit: most_inputs.into(),
            });
        }
        for samples in pieces(batch, most_samples) {
            for columns in pieces(outputs, most_outputs) {
                let extent = [samples.len() as u32, columns.len() as u32, inputs];
                let mut params = plan.params([samples.start, columns.start, 0], extent);
                params.input_stride = inputs;
                params.output_stride = outputs;
                params.accumulate = u32::from(call.write == Write::Accumulate || columns.start > 0);
                let [rows, _, across] = params.bricks();
                let bound = [
                    Rows::new(call.grad_output, outputs, samples.clone()).at_column(columns.start),
                    Rows::new(call.weight, inputs, columns.clone()),
                ];
                let result = Rows::new(call.grad_input, inputs, samples.clone());
                plan.dispatch(params, &bound, &[result], [across, rows, 1])?;
            }
        }
        Ok(plan.recording)
    }
}
