//! The forward pass. Shader: `shaders/forward.wgsl`.

use super::Kernels;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::forward`].
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How all tensors are stored.
    pub element: ElementType,
    /// The mask; `None` is evaluation, the plain linear layer.
    pub mask: Option<&'a Mask>,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// Y, `[batch, outputs]`: overwritten.
    pub y: Tensor<'a>,
}

impl Kernels {
    /// Y = scale * (M ⊙ W) X + b, with a mask of its own for every example.
    ///
    /// A sum too long for one dispatch ([`Tuning::iterations`](super::Tuning::iterations)) is taken in pieces that
    /// add up in f32: in `y`, or where that has 16 bits, in scratch memory that is rounded into it once.
    ///
    /// # Errors
    /// Sizes, offsets, usages, overlaps and origins that do not fit, each named; nothing is recorded then.
    pub fn forward(&self, call: &Forward) -> Result<Recording, Error> {
        self.forward_into(call, call.element)
    }

    /// The same with Y in f32 whatever X, W and b are stored as: logits for [`Kernels::predictive`], say, which f16
    /// and bf16 would round.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn forward_f32(&self, call: &Forward) -> Result<Recording, Error> {
        self.forward_into(call, ElementType::F32)
    }

    /// `result` is the element type of Y: the call's, or f32.
    fn forward_into(&self, call: &Forward, result: ElementType) -> Result<Recording, Error> {
        let Forward { shape, element, mask, .. } = *call;
        self.contract(&Contraction {
            pass: Pass::Forward,
            shape,
            mask,
            operands: &[Face::input("x", call.x, element), Face::weight("weight", call.weight, element)],
            bias: call.bias.map(|bias| Face::bias("bias", bias, element)),
            results: &[Face::output("y", call.y, result)],
            walked: Axis::Input,
            write: Write::Overwrite,
            scale: None,
        })
    }
}
