//! The calls of a layer: what each computes, from which tensors, and into which.
//!
//! Examples x outputs x inputs is a box of connections, and tensors are faces of it: X `[batch, inputs]` is that of
//! examples and inputs, W `[outputs, inputs]` that of outputs and inputs, Y and its gradient G `[batch, outputs]`
//! that of examples and outputs; b `[outputs]` is an edge. A gradient has the face of what it is the gradient of. A
//! call takes the product of two faces and sums it along the axis that the result does not have.
//!
//! The structs here are generic over what holds an operand, `T`, and what holds a result, `R`:
//!
//! | taken by | `T` | `R` |
//! |---|---|---|
//! | `gpu::Kernels` | `gpu::Tensor` | `gpu::Tensor` |
//! | [`cpu`](crate::cpu) | `&[f32]` | `&mut [f32]` |
//! | [`Device`](crate::Device) | `&[f32]` | `()` |
//! | [`reference`](mod@crate::reference) | `&[f64]` | `()` |
//!
//! `()` holds nothing yet: the call makes the result and returns it, and where it is to add, it adds to zeros.
//!
//! A mask of `None` means evaluation: the plain linear layer. A dropped weight or bias counts as exactly 0, whatever
//! it is. In the equations M is 1 for a connection that is kept and else 0, Mb the same for a bias, and `scale` is
//! [`Mask::scale`].
//!
//! # Errors
//! All arguments are checked first, by name, and nothing is computed or recorded where one does not fit:
//!
//! - [`Error::Origin`](crate::Error::Origin) where the shard passes the last global coordinate;
//! - of slices, [`Error::Length`](crate::Error::Length);
//! - of tensors, [`Error::TensorSize`](crate::Error::TensorSize), [`Error::Misaligned`](crate::Error::Misaligned),
//!   [`Error::OutOfBounds`](crate::Error::OutOfBounds), `Error::Usage`,
//!   [`Error::Overlap`](crate::Error::Overlap) and [`Error::Element`](crate::Error::Element).
//!
//! Then there are the faults of the backend: memory that ends, a device that is lost.

mod face;

pub(crate) use face::{Axis, Face, Faces, Holder};

use crate::{Bias, DropProbability, Mask, Shape, Write};

/// `Y[n, o] = scale * sum over i of M[n, o, i] * W[o, i] * X[n, i] + b[o]`; a masked bias adds
/// `scale * Mb[n, o] * b[o]` instead.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask; `None` is evaluation.
    pub mask: Option<&'a Mask>,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// b, `[outputs]`.
    pub bias: Bias<T>,
    /// Y, `[batch, outputs]`: overwritten.
    pub y: R,
}

/// `dX[n, i] = scale * sum over o of M[n, o, i] * W[o, i] * G[n, o]`.
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// dX, the gradient of X, `[batch, inputs]`.
    pub grad_input: R,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

/// `dW[o, i] = scale * sum over n of M[n, o, i] * G[n, o] * X[n, i]`. An empty batch has the gradient zero, and
/// changes nothing where it is added.
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: T,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// dW, the gradient of W, `[outputs, inputs]`.
    pub grad_weight: R,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

/// [`InputGradient`] and [`WeightGradient`] in one call: from one drawing of the mask where that is faster.
#[derive(Clone, Copy, Debug)]
pub struct BothGradients<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask of the forward pass.
    pub mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: T,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// dX, `[batch, inputs]`, and whether to overwrite it or add to it.
    pub grad_input: (R, Write),
    /// dW, `[outputs, inputs]`, and whether to overwrite it or add to it.
    pub grad_weight: (R, Write),
}

/// `db[o] = sum over n of G[n, o]`; of a masked bias `scale * sum over n of Mb[n, o] * G[n, o]`. An empty batch is
/// treated as in [`WeightGradient`].
#[derive(Clone, Copy, Debug)]
pub struct BiasGradient<'a, T, R> {
    /// Batch, outputs and inputs; inputs play no part.
    pub shape: Shape,
    /// The mask of the forward pass where its bias was [`Bias::Masked`], else `None`.
    pub bias_mask: Option<&'a Mask>,
    /// G, the gradient of the output, `[batch, outputs]`.
    pub grad_output: T,
    /// db, the gradient of b, `[outputs]`.
    pub grad_bias: R,
    /// Overwrite the gradient or add to it.
    pub write: Write,
}

/// Mean and variance of Y over all masks, in closed form:
///
/// ```text
/// mean[n, o]     = sum over i of W[o, i] * X[n, i] + b[o]
/// variance[n, o] = p / (1 - p) * sum over i of W[o, i]^2 * X[n, i]^2   (masked bias: + p / (1 - p) * b[o]^2)
/// ```
///
/// p is the *realised* probability of dropping, so that `p / (1 - p)` is `scale - 1`. The mean does not depend on it,
/// since kept weights are scaled. Where p is 0 the variance is 0, however large the mean; where the mean is NaN, so is
/// the variance.
///
/// This is the first half of Algorithm 2 of Wan et al., "Regularization of Neural Networks using
/// DropConnect" (ICML 2013), under inverted scaling: a kept weight is W / (1 - p) here, W with probability
/// 1 - p and nothing else. The paper keeps with probability q and does not scale in training, which gives
/// `mean = q W x` and `variance = q (1 - q) * sum of W^2 X^2`. With q = 1 - p its network is ours with weights
/// q W, and the two agree.
#[derive(Clone, Copy, Debug)]
pub struct OutputMoments<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The probability of dropping.
    pub probability: &'a DropProbability,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// b, `[outputs]`.
    pub bias: Bias<T>,
    /// The mean of Y, `[batch, outputs]`, f32 on a device: overwritten.
    pub mean: R,
    /// Its variance, `[batch, outputs]`, f32 on a device: overwritten.
    pub variance: R,
}

/// Mean and unbiased variance of Y over masks that are drawn. Pass t is [`Forward`] with [`Mask::pass`]`(t)`; the
/// variance of a single pass is 0, and where a pass is infinite or NaN it is NaN.
///
/// [`Error::Count`](crate::Error::Count) for the number of passes.
#[derive(Clone, Copy, Debug)]
pub struct MonteCarlo<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask of the step.
    pub mask: &'a Mask,
    /// Number of passes: 1 at least, and 65,536 at most on an adapter.
    pub passes: u32,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// b, `[outputs]`.
    pub bias: Bias<T>,
    /// The mean of Y over the passes, `[batch, outputs]`, f32 on a device: overwritten.
    pub mean: R,
    /// Its unbiased variance, `[batch, outputs]`, f32 on a device: overwritten.
    pub variance: R,
}

impl<T, R> Forward<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: self.mask,
            operands: vec![Face::input("x", &self.x), Face::weight("weight", &self.weight)],
            bias: self.bias.as_ref().map(|bias| Face::bias("bias", bias)),
            results: vec![Face::output("y", &self.y)],
        }
    }
}

impl<T, R> InputGradient<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: self.mask,
            operands: vec![
                Face::output("grad_output", &self.grad_output),
                Face::weight("weight", &self.weight),
            ],
            bias: Bias::None,
            results: vec![Face::input("grad_input", &self.grad_input)],
        }
    }
}

impl<T, R> WeightGradient<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: self.mask,
            operands: vec![Face::output("grad_output", &self.grad_output), Face::input("x", &self.x)],
            bias: Bias::None,
            results: vec![Face::weight("grad_weight", &self.grad_weight)],
        }
    }
}

impl<T, R> BothGradients<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: self.mask,
            operands: vec![
                Face::output("grad_output", &self.grad_output),
                Face::input("x", &self.x),
                Face::weight("weight", &self.weight),
            ],
            bias: Bias::None,
            results: vec![
                Face::input("grad_input", &self.grad_input.0),
                Face::weight("grad_weight", &self.grad_weight.0),
            ],
        }
    }
}

impl<T, R> BiasGradient<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: self.bias_mask,
            operands: vec![Face::output("grad_output", &self.grad_output)],
            bias: Bias::None,
            results: vec![Face::bias("grad_bias", &self.grad_bias)],
        }
    }
}

impl<T, R> OutputMoments<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: None,
            operands: vec![Face::input("x", &self.x), Face::weight("weight", &self.weight)],
            bias: self.bias.as_ref().map(|bias| Face::bias("bias", bias)),
            results: vec![Face::output("mean", &self.mean), Face::output("variance", &self.variance)],
        }
    }
}

impl<T, R> MonteCarlo<'_, T, R> {
    pub(crate) fn faces(&self) -> Faces<'_, T, R> {
        Faces {
            shape: self.shape,
            mask: Some(self.mask),
            operands: vec![Face::input("x", &self.x), Face::weight("weight", &self.weight)],
            bias: self.bias.as_ref().map(|bias| Face::bias("bias", bias)),
            results: vec![Face::output("mean", &self.mean), Face::output("variance", &self.variance)],
        }
    }
}

impl<'a, T: Copy, R> MonteCarlo<'a, T, R> {
    /// The forward pass of one of its masks.
    pub(crate) fn forward<'m, Y>(&self, mask: &'m Mask, y: Y) -> Forward<'m, T, Y> {
        Forward { shape: self.shape, mask: Some(mask), x: self.x, weight: self.weight, bias: self.bias, y }
    }
}
