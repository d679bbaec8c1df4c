//! The passes that one kernel computes, each with its shader's name: `shaders/forward.wgsl` and so on.

use super::plan::contract::Contraction;
use super::plan::purpose::Purpose;
use super::plan::tensor::Tensor;
use super::run::kernels::Kernels;
use super::run::recording::Recording;
use super::shader::pass::Pass;
use crate::call::{BiasGradient, BothGradients, Forward, InputGradient, OutputMoments, WeightGradient};
use crate::{ElementType, Error, fenv};

/// Tensors of 16 bits have results of the same type or of f32: logits for [`Kernels::predictive`], say, which f16 and
/// bf16 would round. A tensor larger than one binding, or a sum too long for one dispatch
/// ([`Tuning::iterations`](crate::gpu::Tuning::iterations)), is taken in pieces that add up in f32: in the result, or
/// where that has 16 bits, in scratch memory that is rounded into it once.
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

    /// What [`input_gradient`](Self::input_gradient) and then [`weight_gradient`](Self::weight_gradient) compute, each
    /// by a kernel of its own. A kernel that draws the mask once for both was no faster (`docs/rejected.md`).
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn both_gradients(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
    ) -> Result<Recording, Error> {
        self.plan_both_gradients(call, Purpose::Record)
    }

    pub(super) fn plan_both_gradients(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        let BothGradients { shape, mask, grad_output, x, weight, .. } = *call;
        // All arguments together: neither gradient is recorded where the other one is refused.
        let faces = call.faces();
        let element = faces.element();
        purpose.check(&faces, element, [element, ElementType::F32])?;
        let (grad_input, write) = call.grad_input;
        let gradient = InputGradient { shape, mask, grad_output, weight, grad_input, write };
        let mut both = self.contract(&Contraction { purpose, ..Contraction::input_gradient(&gradient) })?;
        let (grad_weight, write) = call.grad_weight;
        let gradient = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
        both.append(self.contract(&Contraction { purpose, ..Contraction::weight_gradient(&gradient) })?);
        Ok(both)
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
        Self { scale: Some(fenv::with_default(|| call.probability.spread() as f32)), ..contraction }
    }
}
