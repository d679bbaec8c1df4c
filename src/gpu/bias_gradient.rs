//! The gradient of the bias. Shader: `shaders/bias_gradient.wgsl`.

use super::Kernels;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::bias_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct BiasGradient<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass where its bias was [`Bias::Masked`](crate::Bias::Masked), else `None`.
    pub bias_mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// The gradient of b, `[outputs]`.
    pub grad_bias: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// db = G summed over the batch, or scale * Mb ⊙ G summed where the bias is masked.
    ///
    /// Large and empty batches are treated as in [`Kernels::weight_gradient`].
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn bias_gradient(&self, call: &BiasGradient) -> Result<Recording, Error> {
        let BiasGradient { shape, element, bias_mask, write, .. } = *call;
        self.contract(&Contraction {
            pass: Pass::BiasGradient,
            shape,
            mask: bias_mask,
            operands: &[Face::output("grad_output", call.grad_output, element)],
            bias: Bias::None,
            results: &[Face::bias("grad_bias", call.grad_bias, element)],
            walked: Axis::Example,
            write,
            scale: None,
        })
    }
}
