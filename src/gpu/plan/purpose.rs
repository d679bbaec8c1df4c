//! What a plan is made for.

use super::tensor::Tensor;
use crate::call::Operands;
use crate::gpu::run::allocate::zeroed;
use crate::gpu::run::kernels::Kernels;
use crate::{ElementType, Error};

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Dispatches to be recorded.
    Record,
    /// Their kernels alone. Tensors are not there: each is taken to start a buffer of its own, and a buffer of any size
    /// stands in for it, which is not bound.
    Compile,
}

impl Purpose {
    /// Checks all arguments that there are, as [`Operands::check_on_device`], and returns the same.
    pub(crate) fn check(
        self,
        tensors: &Operands<'_, Tensor<'_>, Tensor<'_>>,
        operands: ElementType,
        results: [ElementType; 2],
    ) -> Result<bool, Error> {
        match self {
            Self::Record => tensors.check_on_device(operands, results),
            Self::Compile => {
                tensors.check_mask()?;
                tensors.check_elements(operands, results)?;
                Ok(false)
            }
        }
    }

    /// Scratch memory, or what stands in for it.
    pub(crate) fn scratch(self, kernels: &Kernels, bytes: u64) -> Result<wgpu::Buffer, Error> {
        scratch(kernels, if self == Self::Record { bytes } else { 0 })
    }
}

/// Memory for sums on their way, which only kernels touch.
pub(crate) fn scratch(kernels: &Kernels, bytes: u64) -> Result<wgpu::Buffer, Error> {
    zeroed(kernels.device(), "dropconnect.scratch", bytes, wgpu::BufferUsages::STORAGE)
}
