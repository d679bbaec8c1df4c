//! Where a layer computes: an adapter or the CPU, with the same calls on host memory for both.

mod inference;
pub(crate) mod weights;

use std::fmt;
use std::sync::Arc;

use crate::call::{BiasGradient, Forward, InputGradient, WeightGradient};
use crate::gpu::{AdapterChoice, Gpu, KernelOptions, WriteMask};
use crate::host::{self, round_all, rounded};
use crate::{Bias, ElementType, Error, Mask, Shape, cpu};
use weights::{Place, Resident, Weights, run};

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

    /// Y. Operands are rounded to `element` first, and so is the result; sums are in f32.
    ///
    /// # Errors
    /// Those of a [`call`](crate::call#errors), [`Error::HostMemory`], and the device's own.
    pub fn forward(&self, element: ElementType, call: &Forward<'_, &[f32], ()>) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.with_weights(call.shape, element, call.weight, call.bias, |own| own.forward(call.mask, call.x))
    }

    /// Brings W and b to where they are computed with.
    fn with_weights<R>(
        &self,
        shape: Shape,
        element: ElementType,
        weight: &[f32],
        bias: Bias<&[f32]>,
        run: impl FnOnce(Weights<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let values = bias.tensor().copied().unwrap_or_default();
        match self {
            Self::Gpu(gpu) => {
                let (weight, values) =
                    (Resident::of(gpu, element, weight)?, Resident::of(gpu, element, values)?);
                let (weight, bias) = (weight.tensor(), bias.map(|_| values.tensor()));
                run(Weights { shape, element, place: Place::Gpu { gpu, weight, bias } })
            }
            Self::Cpu => {
                let (weight, values) = (rounded(element, weight)?, rounded(element, values)?);
                let place = Place::Cpu { weight: &weight, bias: bias.map(|_| &*values) };
                run(Weights { shape, element, place })
            }
        }
    }

    /// dX, rounded as [`forward`](Self::forward) does.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn input_gradient(
        &self,
        element: ElementType,
        call: &InputGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        let &InputGradient { shape, mask, grad_output, weight, write, .. } = call;
        let Self::Gpu(gpu) = self else {
            let (grad_output, weight) = (&rounded(element, grad_output)?, &rounded(element, weight)?);
            let mut result = host::zeros(shape.input_len())?;
            let grad_input = &mut result;
            cpu::input_gradient(InputGradient { shape, mask, grad_output, weight, grad_input, write })?;
            round_all(element, &mut result);
            return Ok(result);
        };
        let (grad_output, weight) =
            (Resident::of(gpu, element, grad_output)?, Resident::of(gpu, element, weight)?);
        run(gpu, shape.input_len(), element, |grad_input| {
            let (grad_output, weight) = (grad_output.tensor(), weight.tensor());
            let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
            gpu.kernels().input_gradient(&call)
        })
    }

    /// dW, rounded as [`forward`](Self::forward) does.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn weight_gradient(
        &self,
        element: ElementType,
        call: &WeightGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        let &WeightGradient { shape, mask, grad_output, x, write, .. } = call;
        let Self::Gpu(gpu) = self else {
            let (grad_output, x) = (&rounded(element, grad_output)?, &rounded(element, x)?);
            let mut result = host::zeros(shape.weight_len())?;
            let grad_weight = &mut result;
            cpu::weight_gradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write })?;
            round_all(element, &mut result);
            return Ok(result);
        };
        let (grad_output, x) = (Resident::of(gpu, element, grad_output)?, Resident::of(gpu, element, x)?);
        run(gpu, shape.weight_len(), element, |grad_weight| {
            let (grad_output, x) = (grad_output.tensor(), x.tensor());
            let call = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
            gpu.kernels().weight_gradient(&call)
        })
    }

    /// db, rounded as [`forward`](Self::forward) does.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn bias_gradient(
        &self,
        element: ElementType,
        call: &BiasGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        let &BiasGradient { shape, bias_mask, grad_output, write, .. } = call;
        let Self::Gpu(gpu) = self else {
            let grad_output = &rounded(element, grad_output)?;
            let mut result = host::zeros(shape.outputs())?;
            let grad_bias = &mut result;
            cpu::bias_gradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write })?;
            round_all(element, &mut result);
            return Ok(result);
        };
        let grad_output = Resident::of(gpu, element, grad_output)?;
        run(gpu, shape.outputs(), element, |grad_bias| {
            let grad_output = grad_output.tensor();
            gpu.kernels().bias_gradient(&BiasGradient { shape, bias_mask, grad_output, grad_bias, write })
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
        let call = WriteMask { shape: *shape, mask, result: &buffer, offset: 0, size: bytes as u64 };
        gpu.submit(&gpu.kernels().write_mask(&call)?)?;
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
        let call = WriteMask { shape: *shape, mask, result: &buffer, offset: 0, size: bytes as u64 };
        gpu.submit(&gpu.kernels().write_bias_mask(&call)?)?;
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
