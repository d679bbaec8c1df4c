//! Many masks in one launch. Shader: `shaders/monte_carlo.wgsl`.

use wgpu::util::DeviceExt;

use super::Kernels;
use super::plan::{Plan, Rows, pieces};
use super::recording::{Draws, Recording, pass_keys};
use super::shader::Pass;
use super::tensor::{Argument, Tensor, check_disjoint};
use crate::mask::brick::{BRICK_OUTPUTS, BRICK_SAMPLES};
use crate::{Bias, ElementType, Error, Mask, Shape};

/// Arguments of [`Kernels::monte_carlo`].
#[derive(Clone, Copy, Debug)]
pub struct MonteCarlo<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How X, W and b are stored.
    pub element: ElementType,
    /// The mask of the step; pass t draws [`Mask::pass`]`(t)`.
    pub mask: &'a Mask,
    /// Number of passes, 1 to 65,536.
    pub passes: u32,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// The mean of Y over the passes, `[batch, outputs]`, always f32: overwritten.
    pub mean: Tensor<'a>,
    /// Its unbiased variance, `[batch, outputs]`, always f32: overwritten. Zero for a single pass.
    pub variance: Tensor<'a>,
}

impl Kernels {
    /// Mean and variance of Y over many masks: as many forward passes in one launch, with Welford's update
    /// in place. Memory besides the results is 8 bytes a pass.
    ///
    /// # Errors
    /// As [`Kernels::forward`]; [`Error::Count`] for the number of passes.
    pub fn monte_carlo(&self, call: &MonteCarlo) -> Result<Recording, Error> {
        const MOST_PASSES: u32 = 1 << 16;
        let MonteCarlo { shape, element, mask, passes, .. } = *call;
        let [batch, outputs, inputs] = shape.dims();
        mask.check(&shape)?;
        if !(1..=MOST_PASSES).contains(&passes) {
            return Err(Error::Count { argument: "passes", value: passes, least: 1, most: MOST_PASSES });
        }
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
        let mut plan =
            Plan::new(self, Pass::MonteCarlo, element, Some(mask), operands.len() == 3, read_write);

        let keys = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("dropconnect.monte_carlo.keys"),
            contents: bytemuck::cast_slice(&pass_keys(mask.key, passes)),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        });
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
                params.passes = passes;
                let [rows, across, _] = params.bricks();
                let mut bound = vec![
                    Rows::new(call.x, inputs, samples.clone()),
                    Rows::new(call.weight, inputs, columns.clone()),
                ];
                bound.extend(call.bias.tensor().map(|&bias| Rows::vector(bias, outputs, columns.start)));
                bound.push(Rows::vector((&keys).into(), passes, 0).with_element_size(8));
                let results = [call.mean, call.variance].map(|tensor| {
                    let rows = Rows::new(tensor, outputs, samples.clone()).at_column(columns.start);
                    rows.with_element_size(4)
                });
                plan.dispatch(params, &bound, &results, [across, rows, 1]);
            }
        }
        plan.recording.draws = Draws::Passes { keys, passes };
        Ok(plan.recording)
    }
}
