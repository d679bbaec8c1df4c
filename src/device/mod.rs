//! Where a layer computes: an adapter or the CPU, with the same calls on host memory for both.

mod awaited;
mod inference;
mod on_cpu;
#[cfg(feature = "gpu")]
mod on_gpu;
mod passes;

use std::fmt;

use crate::call::{BiasGradient, Forward, InputGradient, WeightGradient};
use crate::work::block_on;
use crate::{ElementType, Error, Mask, Shape};

pub(crate) use on_cpu::{Cpu, CpuWeights};
#[cfg(feature = "gpu")]
pub(crate) use on_gpu::{GpuWeights, Resident, bytes, fetch, tensor};
pub(crate) use passes::{Passes, WeightPasses};

/// A place to compute.
///
/// The methods here take and return host memory, and each is a whole round trip. They serve programs whose
/// tensors live on the host; an engine records calls of `gpu::Kernels` on its own buffers instead.
#[derive(Clone, Debug)]
pub enum Device {
    /// An adapter.
    #[cfg(feature = "gpu")]
    Gpu(std::sync::Arc<crate::gpu::Gpu>),
    /// The parallel CPU backend.
    Cpu,
}

impl Device {
    fn is_adapter(&self) -> bool {
        !matches!(self, Self::Cpu)
    }

    pub(crate) fn passes(&self) -> &dyn Passes {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => &**gpu,
            Self::Cpu => &Cpu,
        }
    }

    /// Y. Operands are rounded to `element` first, and so is the result; sums are in f32.
    ///
    /// # Errors
    /// Those of a [`call`](crate::call#errors), [`Error::HostMemory`], and the device's own.
    pub fn forward(&self, element: ElementType, call: &Forward<'_, &[f32], ()>) -> Result<Vec<f32>, Error> {
        block_on(self.is_adapter(), self.forward_async(element, call))
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
        block_on(self.is_adapter(), self.input_gradient_async(element, call))
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
        block_on(self.is_adapter(), self.weight_gradient_async(element, call))
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
        block_on(self.is_adapter(), self.bias_gradient_async(element, call))
    }

    /// Which connections are kept, as bytes of 0 and 1 `[batch, outputs, inputs]`, computed on this device.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn mask(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        block_on(self.is_adapter(), self.mask_async(shape, mask))
    }

    /// Which biases are kept where biases are masked, as bytes of 0 and 1 `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn bias_mask(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        block_on(self.is_adapter(), self.bias_mask_async(shape, mask))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.passes().describe(f)
    }
}
