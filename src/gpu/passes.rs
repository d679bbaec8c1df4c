//! The passes that one kernel computes, each with its shader's name: `shaders/forward.wgsl` and so on.

use super::contract::Contraction;
use super::pass::Pass;
use super::recording::Recording;
use super::{Kernels, Tensor};
use crate::Error;
use crate::call::{BiasGradient, Forward, InputGradient, OutputMoments, WeightGradient};

/// Tensors of 16 bits have results of the same type or of f32: logits for [`Kernels::predictive`], say, which f16 and
/// bf16 would round. A tensor larger than one binding, or a sum too long for one dispatch
/// ([`Tuning::iterations`](super::Tuning::iterations)), is taken in pieces that add up in f32: in the result, or where
/// that has 16 bits, in scratch memory that is rounded into it once.
impl Kernels {
    /// Y = scale * (M ⊙ W) X + b, with a mask of its own for every example.
    ///
    /// # Errors
    /// Those of a [`call`](crate::call#errors); [`Error::RowTooLarge`]; [`Error::DeviceLost`], [`Error::OutOfMemory`]
    /// and [`Error::DeviceFault`].
    pub fn forward(&self, call: &Forward<'_, Tensor<'_>, Tensor<'_>>) -> Result<Recording, Error> {
        self.contract(&Contraction::forward(call))
    }

    /// dX = scale * (M ⊙ W)ᵀ G, under the forward pass's masks.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn input_gradient(
        &self,
        call: &InputGradient<'_, Tensor<'_>, Tensor<'_>>,
    ) -> Result<Recording, Error> {
        self.contract(&Contraction::input_gradient(call))
    }

    /// dW = scale * J ⊙ M summed over the batch, J being the outer product of G and X of each example.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn weight_gradient(
        &self,
        call: &WeightGradient<'_, Tensor<'_>, Tensor<'_>>,
    ) -> Result<Recording, Error> {
        self.contract(&Contraction::weight_gradient(call))
    }

    /// db = G summed over the batch, or scale * Mb ⊙ G summed where the bias is masked.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn bias_gradient(&self, call: &BiasGradient<'_, Tensor<'_>, Tensor<'_>>) -> Result<Recording, Error> {
        self.contract(&Contraction::bias_gradient(call))
    }

    /// Mean and variance of the layer's output over masks, in f32, in one pass over X and W.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn moments(&self, call: &OutputMoments<'_, Tensor<'_>, Tensor<'_>>) -> Result<Recording, Error> {
        self.contract(&Contraction::moments(call))
    }
}

/// Which contraction each call is.
impl<'c, 't> Contraction<'c, 't> {
    pub(super) fn forward(call: &'c Forward<'_, Tensor<'t>, Tensor<'t>>) -> Self {
        Self::new(Pass::Forward { bias: call.bias.tensor().is_some() }, call.faces())
    }

    pub(super) fn input_gradient(call: &'c InputGradient<'_, Tensor<'t>, Tensor<'t>>) -> Self {
        Self { write: call.write, ..Self::new(Pass::InputGradient, call.faces()) }
    }

    pub(super) fn weight_gradient(call: &'c WeightGradient<'_, Tensor<'t>, Tensor<'t>>) -> Self {
        Self { write: call.write, ..Self::new(Pass::WeightGradient, call.faces()) }
    }

    pub(super) fn bias_gradient(call: &'c BiasGradient<'_, Tensor<'t>, Tensor<'t>>) -> Self {
        Self { write: call.write, ..Self::new(Pass::BiasGradient, call.faces()) }
    }

    pub(super) fn moments(call: &'c OutputMoments<'_, Tensor<'t>, Tensor<'t>>) -> Self {
        let contraction = Self::new(Pass::Moments { bias: call.bias.tensor().is_some() }, call.faces());
        Self { scale: Some(call.probability.spread() as f32), ..contraction }
    }
}
