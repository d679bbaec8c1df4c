//! The mask written out, for looking and checking. Shader: `shaders/mask.wgsl`.

use super::plan::dispatch::Plan;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::check_bytes;
use super::run::kernels::Kernels;
use super::run::recording::Recording;
use super::shader::pass::Pass;
use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{ElementType, Error, Mask, Shape};

/// Arguments of [`Kernels::write_mask`] and [`Kernels::write_bias_mask`].
#[derive(Clone, Copy, Debug)]
pub struct WriteMask<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask.
    pub mask: &'a Mask,
    /// The buffer for the result, created with `BufferUsages::STORAGE`: one byte of 0 or 1 per decision,
    /// `[batch, outputs, inputs]`, or `[batch, outputs]` for the bias.
    pub result: &'a wgpu::Buffer,
    /// Its first byte in the buffer, a multiple of 4.
    pub offset: u64,
    /// Its size in bytes, or that rounded up to a multiple of 4.
    pub size: u64,
}

impl Kernels {
    /// Writes out which connections are kept. No pass of the layer uses this.
    ///
    /// # Errors
    /// As [`Kernels::record`].
    pub fn write_mask(&self, call: &WriteMask) -> Result<Recording, Error> {
        self.masks(call, false)
    }

    /// Writes out which biases are kept where biases are masked.
    ///
    /// # Errors
    /// As [`Kernels::record`].
    pub fn write_bias_mask(&self, call: &WriteMask) -> Result<Recording, Error> {
        self.masks(call, true)
    }

    fn masks(&self, call: &WriteMask, bias: bool) -> Result<Recording, Error> {
        let WriteMask { shape, mask, result, offset, size } = *call;
        let [batch, outputs, inputs] = shape.dims();
        mask.check(&shape)?;
        // The bias's mask has a single, virtual input.
        let inputs = if bias { 1 } else { inputs };
        let bytes = (shape.output_len() as u64).checked_mul(inputs.into()).ok_or(Error::TooLarge {
            argument: "batch * outputs * inputs",
            value: u64::MAX,
            limit: u64::MAX - 1,
        })?;
        check_bytes("result", result, offset, [size, bytes])?;
        let mut plan =
            Plan::new(self, Pass::Mask { of_bias: bias }, [ElementType::F32; 2], Some(mask), false);

        let [most_examples, most_inputs] = plan.extent_in_dispatch([BRICK_EXAMPLES, BRICK_INPUTS]);
        let row = plan.rows_of_bytes_in_binding("result", inputs.into())?;
        if inputs > most_inputs {
            let limit = most_inputs.into();
            return Err(Error::TooLarge { argument: "inputs", value: inputs.into(), limit });
        }
        // Rows of a result in the connections that a dispatch may decide.
        let decided = (plan.connections_in_dispatch() / u64::from(inputs)).clamp(64, 1 << 30) as u32;
        let row = row.min(decided);
        // Whole examples where several fit a binding, else pieces of one.
        let most_examples = most_examples.min(row / outputs).max(1);
        let most_outputs = if outputs <= row { outputs } else { row };
        let most_outputs =
            most_outputs.min((self.limits.workgroups - 1).saturating_mul(BRICK_OUTPUTS).max(1));
        let most_examples = if most_outputs < outputs { 1 } else { most_examples };
        for examples in pieces(batch, most_examples) {
            for columns in pieces(outputs, most_outputs) {
                let extent = [examples.len() as u32, columns.len() as u32, inputs];
                let mut params = plan.params([examples.start, columns.start, 0], extent);
                if bias {
                    params.input_shift = 0;
                }
                params.input_stride = inputs;
                params.output_stride = outputs;
                let [rows, deep, across] = params.bricks();
                // Rows of the result run over examples and outputs; counted in 64 bits, they may be many.
                let first = u64::from(examples.start) * u64::from(outputs) + u64::from(columns.start);
                let start = offset + first * u64::from(inputs);
                let count = examples.len() as u32 * columns.len() as u32;
                let result = Rows::of_bytes(result, start, inputs, 0..count, 1);
                plan.dispatch(params, &[], &[result], [across, rows, deep])?;
            }
        }
        plan.finish()
    }
}
