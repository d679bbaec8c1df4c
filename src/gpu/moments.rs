//! Mean and variance under the mask. Shader: `shaders/moments.wgsl`.

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_OUTPUTS, BRICK_SAMPLES};
use crate::{Bias, DropProbability, ElementType, Error, Shape};

/// Arguments of [`Kernels::moments`].
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How X, W and b are stored.
    pub element: ElementType,
    /// The probability of dropping.
    pub probability: &'a DropProbability,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// The mean of W X + b over masks, `[batch, outputs]`, always f32: overwritten.
    pub mean: Tensor<'a>,
    /// Its variance, `[batch, outputs]`, always f32: overwritten.
    pub variance: Tensor<'a>,
}

impl Kernels {
    /// Mean and variance of the layer's output over masks, in one pass over X and W (Wan et al. 2013,
    /// Algorithm 2): mean = W X + b, variance = p / (1 - p) * W² X² with the realised p, and
    /// p / (1 - p) * b² more where the bias is masked. The mean over masks does not depend on p, since
    /// kept weights are scaled by 1 / (1 - p). Where p is 0 the variance is 0, however large the mean; where the mean
    /// is NaN, so is the variance.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn moments(&self, call: &Moments) -> Result<Recording, Error> {
        let Moments { shape, element, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        let argument = |name, tensor, elements: usize, element| {
            let argument = Argument { name, tensor };
            argument.check(elements as u64, element).map(|()| argument)
        };
        let mut operands = vec![
            argument("x", call.x, shape.input_len(), element)?,
            argument("weight", call.weight, shape.weight_len(), element)?,
        ];
        if let Some(&bias) = call.bias.tensor() {
            operands.push(argument("bias", bias, shape.outputs(), element)?);
        }
        let results = [
            argument("mean", call.mean, shape.output_len(), ElementType::F32)?,
            argument("variance", call.variance, shape.output_len(), ElementType::F32)?,
        ];
        let read_write = check_disjoint(&operands, &results)?;
        let mut plan = Plan::new(self, Pass::Moments, element, None, operands.len() == 3, read_write)
            .with_wide_results();

        let [most_samples, most_outputs] = plan.extent_in_dispatch([BRICK_SAMPLES, BRICK_OUTPUTS]);
        let most_samples = most_samples
            .min(plan.rows_in_binding("x", inputs)?)
            .min(plan.rows_of_f32_in_binding("mean", outputs)?);
        let most_outputs = most_outputs.min(plan.rows_in_binding("weight", inputs)?);
        for samples in pieces(batch, most_samples) {
            for columns in pieces(outputs, most_outputs) {
                let extent = [samples.len() as u32, columns.len() as u32, inputs];
                let mut params = plan.params([samples.start, columns.start, 0], extent);
                params.input_stride = inputs;
                params.output_stride = outputs;
                params.masked_bias = u32::from(matches!(call.bias, Bias::Masked(_)));
                params.scale = call.probability.spread() as f32;
                let [rows, across, _] = params.bricks();
                let mut bound = vec![
                    Rows::new(call.x, inputs, samples.clone()),
                    Rows::new(call.weight, inputs, columns.clone()),
                ];
                bound.extend(call.bias.tensor().map(|&bias| Rows::vector(bias, outputs, columns.start)));
                let results = [call.mean, call.variance]
                    .map(|tensor| Rows::new(tensor, outputs, samples.clone()).at_column(columns.start))
                    .map(|rows| rows.with_element_size(4));
                plan.dispatch(params, &bound, &results, [across, rows, 1]);
            }
        }
        Ok(plan.recording)
    }
}
