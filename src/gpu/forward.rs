//! The forward pass. Shader: `shaders/forward.wgsl`.

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_OUTPUTS, BRICK_SAMPLES};
use crate::{Bias, ElementType, Error, Mask, Shape};

/// Arguments of [`Kernels::forward`].
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask; `None` is evaluation, the plain linear layer.
    pub mask: Option<&'a Mask>,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// Y, `[batch, outputs]`: overwritten.
    pub y: Tensor<'a>,
}

impl Kernels {
    /// Y = scale * (M ⊙ W) X + b, with a mask of its own for every example.
    ///
    /// # Errors
    /// Sizes, offsets, usages, overlaps and origins that do not fit, each named; nothing is recorded then.
    pub fn forward(&self, call: &Forward) -> Result<Recording, Error> {
        self.forward_into(call, call.element)
    }

    /// The same with Y in f32 whatever X, W and b are stored as: logits for [`Kernels::predictive`], say, which f16
    /// and bf16 would round.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn forward_f32(&self, call: &Forward) -> Result<Recording, Error> {
        self.forward_into(call, ElementType::F32)
    }

    /// `result` is the element type of Y: the call's, or f32.
    fn forward_into(&self, call: &Forward, result: ElementType) -> Result<Recording, Error> {
        let Forward { shape, element, mask, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        if let Some(mask) = mask {
            mask.check(&shape)?;
        }
        let x = Argument { name: "x", tensor: call.x };
        let weight = Argument { name: "weight", tensor: call.weight };
        let y = Argument { name: "y", tensor: call.y };
        x.check(shape.input_len() as u64, element)?;
        weight.check(shape.weight_len() as u64, element)?;
        y.check(shape.output_len() as u64, result)?;
        let mut operands = vec![x, weight];
        if let Some(&tensor) = call.bias.tensor() {
            let bias = Argument { name: "bias", tensor };
            bias.check(outputs.into(), element)?;
            operands.push(bias);
        }
        let read_write = check_disjoint(&operands, &[y])?;
        let mut plan = Plan::new(self, Pass::Forward, element, mask, operands.len() == 3, read_write);
        if result != element {
            plan = plan.with_wide_results();
        }

        let [most_samples, most_outputs] = plan.extent_in_dispatch([BRICK_SAMPLES, BRICK_OUTPUTS]);
        let most_samples = most_samples
            .min(plan.rows_in_binding("x", inputs)?)
            .min(plan.rows_of_element_in_binding("y", outputs, result)?);
        let most_outputs = most_outputs.min(plan.rows_in_binding("weight", inputs)?);
        for samples in pieces(batch, most_samples) {
            for columns in pieces(outputs, most_outputs) {
                let extent = [samples.len() as u32, columns.len() as u32, inputs];
                let mut params = plan.params([samples.start, columns.start, 0], extent);
                params.input_stride = inputs;
                params.output_stride = outputs;
                params.masked_bias = u32::from(matches!(call.bias, Bias::Masked(_)));
                let [rows, across, _] = params.bricks();
                let mut bound = vec![
                    Rows::new(call.x, inputs, samples.clone()),
                    Rows::new(call.weight, inputs, columns.clone()),
                ];
                bound.extend(call.bias.tensor().map(|&bias| Rows::vector(bias, outputs, columns.start)));
                let y = Rows::new(call.y, outputs, samples.clone()).at_column(columns.start);
                let y = y.with_element_size(result.size() as u64);
                plan.dispatch(params, &bound, &[y], [across, rows, 1]);
            }
        }
        Ok(plan.recording)
    }
}
