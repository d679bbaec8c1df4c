//! The gradient of the weight. Shader: `shaders/weight_gradient.wgsl`.

use super::Kernels;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::weight_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// The gradient of W, `[outputs, inputs]`.
    pub grad_weight: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// dW = scale * J ⊙ M summed over the batch, J being the outer product of G and X of each example.
    ///
    /// An empty batch has the gradient zero, and changes nothing where it is added. A batch larger than one
    /// binding, or longer than one dispatch, is taken in pieces that add up in f32: see [`Kernels::forward`].
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn weight_gradient(&self, call: &WeightGradient) -> Result<Recording, Error> {
        let WeightGradient { shape, element, mask, write, .. } = *call;
        self.contract(&Contraction {
            pass: Pass::WeightGradient,
            shape,
            mask,
            operands: &[
                Face::output("grad_output", call.grad_output, element),
                Face::input("x", call.x, element),
            ],
            bias: Bias::None,
            results: &[Face::weight("grad_weight", call.grad_weight, element)],
            walked: Axis::Example,
            write,
            scale: None,
        })
    }
}
