//! The gradient of the input. Shader: `shaders/input_gradient.wgsl`.

use super::Kernels;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::input_gradient`].
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// The gradient of X, `[batch, inputs]`.
    pub grad_input: Tensor<'a>,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

impl Kernels {
    /// dX = scale * (M ⊙ W)ᵀ G, under the forward pass's masks.
    ///
    /// A weight larger than one binding, or longer than one dispatch, is taken in pieces that add up in f32: see
    /// [`Kernels::forward`].
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn input_gradient(&self, call: &InputGradient) -> Result<Recording, Error> {
        let InputGradient { shape, element, mask, write, .. } = *call;
        self.contract(&Contraction {
            pass: Pass::InputGradient,
            shape,
            mask,
            operands: &[
                Face::output("grad_output", call.grad_output, element),
                Face::weight("weight", call.weight, element),
            ],
            bias: Bias::None,
            results: &[Face::input("grad_input", call.grad_input, element)],
            walked: Axis::Output,
            write,
            scale: None,
        })
    }
}
