//! Runs one pass on the device or on the CPU, into a result that holds NaN or what is to be added to.

use dropconnect::call::{BiasGradient, BothGradients, Forward, InputGradient, WeightGradient};
use dropconnect::gpu::{Gpu, Kernels, Recording, Tensor};
use dropconnect::{Bias, ElementType, Error, Mask, Shape, Write, cpu, reference};

use super::data::{Data, wide};
use crate::error::CliError;

/// The passes of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
    BiasGradient,
    /// In one call; dX, and dW after it.
    BothGradients,
}

/// What a call does with the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BiasMode {
    None,
    Plain,
    Masked,
}

impl BiasMode {
    pub const ALL: [Self; 3] = [Self::None, Self::Plain, Self::Masked];

    pub fn of<T>(self, bias: T) -> Bias<T> {
        match self {
            Self::None => Bias::None,
            Self::Plain => Bias::Plain(bias),
            Self::Masked => Bias::Masked(bias),
        }
    }
}

/// One call of any pass.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub shape: Shape,
    pub element: ElementType,
    pub mask: Option<&'a Mask>,
    pub bias: BiasMode,
    pub data: &'a Data,
    /// What the result holds before, to be added to. Without it the result holds NaN before.
    pub before: Option<&'a [f32]>,
}

impl<'a> Call<'a> {
    /// A call that overwrites.
    pub fn new(
        shape: Shape,
        element: ElementType,
        mask: Option<&'a Mask>,
        bias: BiasMode,
        data: &'a Data,
    ) -> Self {
        Self { shape, element, mask, bias, data, before: None }
    }

    fn bias_mask(&self) -> Option<&'a Mask> {
        self.mask.filter(|_| self.bias == BiasMode::Masked)
    }

    fn write(&self) -> Write {
        if self.before.is_some() { Write::Accumulate } else { Write::Overwrite }
    }
}

impl Pass {
    pub const ALL: [Self; 5] =
        [Self::Forward, Self::InputGradient, Self::WeightGradient, Self::BiasGradient, Self::BothGradients];
    /// Those with a mask of weights.
    pub const LINEAR: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];
    /// Those that can add to their result.
    pub const GRADIENTS: [Self; 4] =
        [Self::InputGradient, Self::WeightGradient, Self::BiasGradient, Self::BothGradients];

    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input gradient",
            Self::WeightGradient => "weight gradient",
            Self::BiasGradient => "bias gradient",
            Self::BothGradients => "both gradients",
        }
    }

    /// Elements of the result, or of both.
    pub fn result_len(self, shape: &Shape) -> usize {
        self.result_lengths(shape).iter().sum()
    }

    pub fn result_lengths(self, shape: &Shape) -> Vec<usize> {
        match self {
            Self::Forward => vec![shape.output_len()],
            Self::InputGradient => vec![shape.input_len()],
            Self::WeightGradient => vec![shape.weight_len()],
            Self::BiasGradient => vec![shape.outputs()],
            Self::BothGradients => vec![shape.input_len(), shape.weight_len()],
        }
    }

    /// One number for each element of the result, cut into its tensors.
    fn results<'a>(self, shape: &Shape, mut values: &'a [f32]) -> Vec<&'a [f32]> {
        let lengths = self.result_lengths(shape);
        lengths.into_iter().filter_map(|length| values.split_off(..length)).collect()
    }

    /// The result in float64.
    pub fn reference(self, call: &Call) -> Result<Vec<f64>, Error> {
        let &Call { shape, mask, data, .. } = call;
        let [x, weight, bias, grad_output] =
            [&data.x, &data.weight, &data.bias, &data.grad_output].map(|values| wide(values));
        let (x, weight, bias, grad_output) = (&x[..], &weight[..], call.bias.of(&bias[..]), &grad_output[..]);
        let (bias_mask, write) = (call.bias_mask(), Write::Overwrite);
        let dx = InputGradient { shape, mask, grad_output, weight, grad_input: (), write };
        let dw = WeightGradient { shape, mask, grad_output, x, grad_weight: (), write };
        let mut result = match self {
            Self::Forward => reference::forward(&Forward { shape, mask, x, weight, bias, y: () }),
            Self::InputGradient => reference::input_gradient(&dx),
            Self::WeightGradient => reference::weight_gradient(&dw),
            Self::BiasGradient => reference::bias_gradient(&BiasGradient {
                shape,
                bias_mask,
                grad_output,
                grad_bias: (),
                write,
            }),
            Self::BothGradients => {
                Ok([reference::input_gradient(&dx)?, reference::weight_gradient(&dw)?].concat())
            }
        }?;
        for (value, before) in result.iter_mut().zip(call.before.unwrap_or_default()) {
            *value += f64::from(*before);
        }
        Ok(result)
    }

    pub fn operands<'a>(self, call: &Call<'a>) -> Vec<&'a [f32]> {
        let Data { x, weight, bias, grad_output } = call.data;
        match self {
            Self::Forward if call.bias == BiasMode::None => vec![x, weight],
            Self::Forward => vec![x, weight, bias],
            Self::InputGradient => vec![grad_output, weight],
            Self::WeightGradient => vec![grad_output, x],
            Self::BiasGradient => vec![grad_output],
            Self::BothGradients => vec![grad_output, x, weight],
        }
    }

    /// Makes the GPU call: its operands in the order of [`operands`](Self::operands), then its results.
    pub fn record(self, kernels: &Kernels, call: &Call, tensors: &[Tensor]) -> Result<Recording, Error> {
        let Call { shape, mask, .. } = *call;
        let write = call.write();
        let (operands, results) = tensors.split_at(self.operands(call).len());
        match (self, operands, results) {
            (Self::Forward, &[x, weight, ref bias @ ..], &[y]) => {
                let bias = bias.first().map_or(Bias::None, |&bias| call.bias.of(bias));
                kernels.forward(&Forward { shape, mask, x, weight, bias, y })
            }
            (Self::InputGradient, &[grad_output, weight], &[grad_input]) => {
                let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                kernels.input_gradient(&call)
            }
            (Self::WeightGradient, &[grad_output, x], &[grad_weight]) => {
                kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
            (Self::BiasGradient, &[grad_output], &[grad_bias]) => {
                let bias_mask = call.bias_mask();
                kernels.bias_gradient(&BiasGradient { shape, bias_mask, grad_output, grad_bias, write })
            }
            (Self::BothGradients, &[grad_output, x, weight], &[dx, dw]) => {
                let (grad_input, grad_weight) = ((dx, write), (dw, write));
                let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
                kernels.both_gradients(&call)
            }
            _ => unreachable!("tensors of another pass"),
        }
    }

    /// Makes the CPU backend's call on the same.
    pub fn compute(
        self,
        backend: cpu::Backend,
        call: &Call,
        operands: &[&[f32]],
        results: Vec<&mut [f32]>,
    ) -> Result<(), Error> {
        let Call { shape, mask, .. } = *call;
        let (write, mut results) = (call.write(), results.into_iter());
        let mut result = || results.next().unwrap_or_default();
        match (self, operands) {
            (Self::Forward, &[x, weight, ref bias @ ..]) => {
                let (bias, y) = (bias.first().map_or(Bias::None, |&bias| call.bias.of(bias)), result());
                backend.forward(Forward { shape, mask, x, weight, bias, y })
            }
            (Self::InputGradient, &[grad_output, weight]) => {
                let grad_input = result();
                let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                backend.input_gradient(call)
            }
            (Self::WeightGradient, &[grad_output, x]) => {
                let grad_weight = result();
                backend.weight_gradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
            (Self::BiasGradient, &[grad_output]) => {
                let (bias_mask, grad_bias) = (call.bias_mask(), result());
                backend.bias_gradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write })
            }
            (Self::BothGradients, &[grad_output, x, weight]) => {
                let (grad_input, grad_weight) = ((result(), write), (result(), write));
                let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
                backend.both_gradients(call)
            }
            _ => unreachable!("operands of another pass"),
        }
    }
}

/// Where passes run.
#[derive(Clone, Copy)]
pub enum Runner<'a> {
    /// On an adapter, with some kernels; `pooled`: all tensors in one buffer, at uneven places.
    Gpu { gpu: &'a Gpu, kernels: &'a Kernels, pooled: bool },
    /// On the CPU backend.
    Cpu,
}

impl Runner<'_> {
    /// Runs a pass.
    pub fn run(&self, pass: Pass, call: &Call) -> Result<Vec<f32>, CliError> {
        let length = pass.result_len(&call.shape);
        let before = call.before.map_or_else(|| vec![f32::NAN; length], <[f32]>::to_vec);
        let (gpu, kernels, pooled) = match *self {
            Self::Cpu => return Ok(on_cpu(pass, call, before)?),
            Self::Gpu { gpu, kernels, pooled } => (gpu, kernels, pooled),
        };
        let element = call.element;
        let operands = pass.operands(call);
        let results = pass.results(&call.shape, &before);
        let count = operands.len();
        let contents = operands.into_iter().chain(results).map(|values| element.encode(values));
        if !pooled {
            let sizes: Vec<_> = contents.clone().map(|bytes| bytes.len() as u64).collect();
            let buffers = contents.map(|bytes| gpu.upload(&bytes)).collect::<Result<Vec<_>, _>>()?;
            let tensors: Vec<_> = buffers
                .iter()
                .zip(sizes)
                .map(|(buffer, size)| Tensor { buffer, offset: 0, size, element })
                .collect();
            gpu.submit(&pass.record(kernels, call, &tensors)?)?;
            let mut values = Vec::with_capacity(length);
            for result in &tensors[count..] {
                values.extend(element.decode(&gpu.read(result.buffer, 0..result.size)?));
            }
            return Ok(values);
        }

        let mut pool = Vec::new();
        let mut places = Vec::new();
        for bytes in contents {
            // On a word and on nothing rounder; the gaps hold NaN of any type.
            let start = pool.len().next_multiple_of(4) + 12;
            pool.resize(start, 0xff);
            pool.extend(bytes);
            places.push(start..pool.len());
        }
        pool.resize(pool.len().next_multiple_of(4) + 20, 0xff);
        let buffer = gpu.upload(&pool)?;
        let tensors: Vec<_> = places
            .iter()
            .map(|place| {
                let (offset, size) = (place.start as u64, place.len() as u64);
                Tensor { buffer: &buffer, offset, size, element }
            })
            .collect();
        gpu.submit(&pass.record(kernels, call, &tensors)?)?;
        let mut after = gpu.read(&buffer, 0..pool.len() as u64)?;
        let mut values = Vec::with_capacity(length);
        for place in &places[count..] {
            values.extend(element.decode(&after[place.clone()]));
            after[place.clone()].copy_from_slice(&pool[place.clone()]);
        }
        if after != pool {
            return Err(CliError::Check(format!("{} wrote outside its result", pass.name())));
        }
        Ok(values)
    }
}

fn on_cpu(pass: Pass, call: &Call, mut result: Vec<f32>) -> Result<Vec<f32>, Error> {
    let (mut rest, mut results) = (&mut result[..], Vec::new());
    for length in pass.result_lengths(&call.shape) {
        results.extend(rest.split_off_mut(..length));
    }
    pass.compute(cpu::Backend::detect(), call, &pass.operands(call), results)?;
    Ok(result.into_iter().map(|value| call.element.round(value)).collect())
}
