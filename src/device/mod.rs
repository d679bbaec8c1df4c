//! Where a layer computes: an adapter or the CPU, with the same calls on host memory for both.

mod inference;
pub(crate) mod weights;

use std::fmt;
use std::sync::Arc;

use crate::gpu::{
    AdapterChoice, BiasGradient, Gpu, InputGradient, KernelOptions, Recording, Tensor, WeightGradient,
    WriteMask,
};
use crate::host::{self, encode, round_all, rounded};
use crate::{Bias, ElementType, Error, Mask, Shape, Write, cpu};
use weights::{Resident, Weights, fetch, tensor};

/// A place to compute.
///
/// The methods here take and return host memory, and each is a whole round trip. They serve programs whose
/// tensors live on the host; an engine records [`gpu::Kernels`](crate::gpu::Kernels) calls on its own
/// buffers instead.
#[derive(Clone, Debug)]
pub enum Device {
    /// An adapter.
    Gpu(Arc<Gpu>),
    /// The parallel CPU backend.
    Cpu,
}

impl Device {
    /// The best there is: a hardware adapter, else the CPU backend. The text says which, and why nothing better.
    ///
    /// A software adapter is several times slower than the CPU backend on the same cores, so that it has to be asked
    /// for: by [`name`](AdapterChoice::name) here, or with [`Device::gpu`].
    pub fn auto(choice: &AdapterChoice) -> (Self, String) {
        let hardware_only = choice.hardware_only || choice.name.is_none();
        let why = match Self::gpu(&AdapterChoice { hardware_only, ..choice.clone() }) {
            Ok(device) => {
                let text = format!("{device}, the best adapter found");
                return (device, text);
            }
            Err(Error::NoAdapter { .. }) if choice.name.is_none() => {
                "no hardware adapter was found".to_owned()
            }
            Err(error) => error.to_string(),
        };
        let mut text = format!("{}: {why}", Self::Cpu);
        if choice.name.is_none()
            && let Some(info) = choice.software()
        {
            let name = info.name.split(" (").next().unwrap_or_default();
            text += &format!("; a software adapter, {name}, is there for those who ask for it");
        }
        (Self::Cpu, text)
    }

    /// An adapter, hardware before software. [`Display`](fmt::Display) says so of a software adapter.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn gpu(choice: &AdapterChoice) -> Result<Self, Error> {
        Ok(Self::Gpu(Arc::new(Gpu::open(choice, &KernelOptions::default())?)))
    }

    /// The adapter, if this is one.
    pub fn as_gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu => None,
        }
    }

    /// Y `[batch, outputs]` of X `[batch, inputs]`, W `[outputs, inputs]` and b `[outputs]`. Operands are
    /// rounded to `element` first, and so is the result; sums are in f32.
    ///
    /// # Errors
    /// [`Error::Length`] and the like for arguments that do not fit; the device's own errors.
    pub fn forward(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: Option<&Mask>,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        self.with_weights(shape, element, weight, bias, |weights| weights.forward(shape, element, mask, x))
    }

    /// Brings W and b to where they are computed with.
    fn with_weights<R>(
        &self,
        shape: &Shape,
        element: ElementType,
        weight: &[f32],
        bias: Bias<&[f32]>,
        run: impl FnOnce(Weights<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        if let Some(bias) = bias.tensor() {
            shape.expect_len("bias", bias.len(), shape.outputs())?;
        }
        let values = bias.tensor().copied().unwrap_or_default();
        match self {
            Self::Gpu(gpu) => {
                let weight = gpu.upload(&encode(element, weight)?)?;
                let buffer = gpu.upload(&encode(element, values)?)?;
                let weight = tensor(&weight, shape.weight_len(), element);
                run(Weights::Gpu { gpu, weight, bias: bias.map(|_| tensor(&buffer, values.len(), element)) })
            }
            Self::Cpu => {
                let (weight, values) = (rounded(element, weight)?, rounded(element, values)?);
                run(Weights::Cpu { weight: &weight, bias: bias.map(|_| &*values) })
            }
        }
    }

    /// The gradient of X, `[batch, inputs]`, for G `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn input_gradient(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: Option<&Mask>,
        grad_output: &[f32],
        weight: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        let Self::Gpu(gpu) = self else {
            let (grad_output, weight) = (rounded(element, grad_output)?, rounded(element, weight)?);
            let mut grad_input = host::zeros(shape.input_len())?;
            cpu::input_gradient(shape, mask, &grad_output, &weight, &mut grad_input, Write::Overwrite)?;
            round_all(element, &mut grad_input);
            return Ok(grad_input);
        };
        let grad_output = gpu.upload(&encode(element, grad_output)?)?;
        let weight = gpu.upload(&encode(element, weight)?)?;
        run(gpu, shape.input_len(), element, |grad_input| {
            gpu.kernels().input_gradient(&InputGradient {
                shape: *shape,
                element,
                mask,
                grad_output: tensor(&grad_output, shape.output_len(), element),
                weight: tensor(&weight, shape.weight_len(), element),
                grad_input,
                write: Write::Overwrite,
            })
        })
    }

    /// The gradient of W, `[outputs, inputs]`, for G `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn weight_gradient(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: Option<&Mask>,
        grad_output: &[f32],
        x: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("x", x.len(), shape.input_len())?;
        let Self::Gpu(gpu) = self else {
            let (grad_output, x) = (rounded(element, grad_output)?, rounded(element, x)?);
            let mut grad_weight = host::zeros(shape.weight_len())?;
            cpu::weight_gradient(shape, mask, &grad_output, &x, &mut grad_weight, Write::Overwrite)?;
            round_all(element, &mut grad_weight);
            return Ok(grad_weight);
        };
        let grad_output = gpu.upload(&encode(element, grad_output)?)?;
        let x = gpu.upload(&encode(element, x)?)?;
        run(gpu, shape.weight_len(), element, |grad_weight| {
            gpu.kernels().weight_gradient(&WeightGradient {
                shape: *shape,
                element,
                mask,
                grad_output: tensor(&grad_output, shape.output_len(), element),
                x: tensor(&x, shape.input_len(), element),
                grad_weight,
                write: Write::Overwrite,
            })
        })
    }

    /// The gradient of b, `[outputs]`, for G `[batch, outputs]`. `bias_mask` is the forward pass's mask
    /// where the bias was masked.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn bias_gradient(
        &self,
        shape: &Shape,
        element: ElementType,
        bias_mask: Option<&Mask>,
        grad_output: &[f32],
    ) -> Result<Vec<f32>, Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        let Self::Gpu(gpu) = self else {
            let mut grad_bias = host::zeros(shape.outputs())?;
            cpu::bias_gradient(
                shape,
                bias_mask,
                &rounded(element, grad_output)?,
                &mut grad_bias,
                Write::Overwrite,
            )?;
            round_all(element, &mut grad_bias);
            return Ok(grad_bias);
        };
        let grad_output = gpu.upload(&encode(element, grad_output)?)?;
        run(gpu, shape.outputs(), element, |grad_bias| {
            gpu.kernels().bias_gradient(&BiasGradient {
                shape: *shape,
                element,
                bias_mask,
                grad_output: tensor(&grad_output, shape.output_len(), element),
                grad_bias,
                write: Write::Overwrite,
            })
        })
    }

    /// Which connections are kept, as bytes of 0 and 1 `[batch, outputs, inputs]`, computed on this device.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn mask(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        let bytes = shape.output_len().checked_mul(shape.inputs()).ok_or(Error::TooLarge {
            argument: "batch * outputs * inputs",
            value: u64::MAX,
            limit: isize::MAX as u64,
        })?;
        let Self::Gpu(gpu) = self else {
            let mut kept = host::zeros(bytes)?;
            cpu::mask(shape, mask, &mut kept)?;
            return Ok(kept);
        };
        let buffer = gpu.buffer(bytes as u64)?;
        let result = Tensor { buffer: &buffer, offset: 0, size: bytes as u64 };
        gpu.submit(&gpu.kernels().write_mask(&WriteMask { shape: *shape, mask, result })?)?;
        gpu.read(&buffer, 0..bytes as u64)
    }

    /// Which biases are kept where biases are masked, as bytes of 0 and 1 `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn bias_mask(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        let bytes = shape.output_len();
        let Self::Gpu(gpu) = self else {
            let mut kept = host::zeros(bytes)?;
            cpu::bias_mask(shape, mask, &mut kept)?;
            return Ok(kept);
        };
        let buffer = gpu.buffer(bytes as u64)?;
        let result = Tensor { buffer: &buffer, offset: 0, size: bytes as u64 };
        gpu.submit(&gpu.kernels().write_bias_mask(&WriteMask { shape: *shape, mask, result })?)?;
        gpu.read(&buffer, 0..bytes as u64)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu(gpu) => {
                let info = gpu.info();
                write!(f, "{} ({}, {})", info.name, info.backend, info.driver_info)?;
                if info.device_type == wgpu::DeviceType::Cpu {
                    f.write_str(", a software adapter")
                } else {
                    Ok(())
                }
            }
            Self::Cpu => write!(f, "CPU backend, {} threads", rayon::current_num_threads()),
        }
    }
}

/// Runs a call into a fresh result of `elements` and reads it back.
fn run(
    gpu: &Gpu,
    elements: usize,
    element: ElementType,
    call: impl FnOnce(Tensor<'_>) -> Result<Recording, Error>,
) -> Result<Vec<f32>, Error> {
    let result = Resident::new(gpu, elements, element)?;
    let [values] = fetch(gpu, &[call(result.tensor())?], [&result])?;
    Ok(values)
}
