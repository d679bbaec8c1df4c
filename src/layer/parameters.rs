//! Where a layer keeps W, b and their gradients.

use super::DropConnect;
use super::on_cpu::OnCpu;
#[cfg(feature = "gpu")]
use super::on_gpu::OnGpu;
use crate::call::Face;
use crate::device::{Passes, WeightPasses};
use crate::work::{Shared, Work, block_on};
use crate::{ElementType, Error, Mask, Shape, Write};

#[derive(Debug)]
pub(super) enum Parameters {
    #[cfg(feature = "gpu")]
    Gpu(OnGpu),
    Cpu(OnCpu),
}

impl Parameters {
    pub(super) fn is_adapter(&self) -> bool {
        !matches!(self, Self::Cpu(_))
    }

    pub(super) fn stored(&self) -> &dyn Stored {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(own) => own,
            Self::Cpu(own) => own,
        }
    }

    pub(super) fn stored_mut(&mut self) -> &mut dyn Stored {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(own) => own,
            Self::Cpu(own) => own,
        }
    }
}

/// Which of them. A layer without a bias has no gradient of it, either.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Weight,
    Bias,
    GradWeight,
    GradBias,
}

#[cfg(feature = "gpu")]
impl Part {
    /// How it is stored in a layer of an element type. Gradients accumulate, for which 16 bits are too few.
    pub(super) fn element(self, element: ElementType) -> ElementType {
        match self {
            Self::Weight | Self::Bias => element,
            Self::GradWeight | Self::GradBias => ElementType::F32,
        }
    }
}

/// What a layer asks of the memory that holds them.
pub(super) trait Stored: Shared {
    /// What computes beside them.
    fn passes(&self) -> &dyn Passes;

    /// W and b for a call.
    fn weights(&self, shape: Shape, element: ElementType, masked_bias: bool) -> Box<dyn WeightPasses + '_>;

    /// See [`DropConnect::backward`].
    fn backward<'a>(&'a mut self, call: &'a Backward<'_, &[f32]>) -> Work<'a, Vec<f32>>;

    /// A copy of a part of so many elements, rounded to the layer's element type.
    fn read(&self, part: Part, element: ElementType, elements: usize) -> Work<'_, Option<Vec<f32>>>;

    /// Replaces a part, if there is one, by as many values: all of it or, where there is an error, nothing.
    fn write(&mut self, part: Part, element: ElementType, values: &[f32]) -> Result<(), Error>;

    fn has_bias(&self) -> bool;
}

/// The arguments of a backward pass, whose lengths have been checked.
pub(super) struct Backward<'a, T> {
    pub shape: Shape,
    pub element: ElementType,
    pub mask: &'a Mask,
    /// The mask, where biases have one.
    pub bias_mask: Option<&'a Mask>,
    pub x: T,
    pub grad_output: T,
    /// What becomes of the gradients of W and b.
    pub write: Write,
}

/// The parameters and gradients, each read or written whole. Gradients are zero until a backward pass.
impl DropConnect {
    /// W, `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for the copy.
    pub fn weight(&self) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.weight_async())
    }

    /// b, `[outputs]`; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn bias(&self) -> Result<Option<Vec<f32>>, Error> {
        block_on(self.parameters.is_adapter(), self.bias_async())
    }

    /// The gradient of W, `[outputs, inputs]`: accumulated in f32, and rounded here to the layer's element type.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_weight(&self) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.grad_weight_async())
    }

    /// The gradient of b, `[outputs]`, likewise; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_bias(&self) -> Result<Option<Vec<f32>>, Error> {
        block_on(self.parameters.is_adapter(), self.grad_bias_async())
    }

    /// Replaces W, `[outputs, inputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for copies.
    pub fn set_weight(&mut self, weight: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        Face::weight("weight", &weight).check(&shape)?;
        self.parameters.stored_mut().write(Part::Weight, self.element, weight)
    }

    /// Replaces b, `[outputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// As [`set_weight`](Self::set_weight); for a layer without a bias only an empty slice fits.
    pub fn set_bias(&mut self, bias: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        let stored = self.parameters.stored_mut();
        if !stored.has_bias() {
            return shape.expect_len("bias", bias.len(), 0);
        }
        Face::bias("bias", &bias).check(&shape)?;
        stored.write(Part::Bias, self.element, bias)
    }

    pub(super) fn weight_len(&self) -> usize {
        self.outputs * self.inputs
    }

    pub(super) async fn read(&self, part: Part, elements: usize) -> Result<Option<Vec<f32>>, Error> {
        self.parameters.stored().read(part, self.element, elements).await
    }
}
