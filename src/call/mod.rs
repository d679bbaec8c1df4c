//! The calls of a layer: what each computes, from which tensors, and into which.
//!
//! Batch x outputs x inputs is a box of connections, and tensors are faces of it: X `[batch, inputs]` is that of
//! examples and inputs, W `[outputs, inputs]` that of outputs and inputs, Y and its gradient G `[batch, outputs]`
//! that of examples and outputs; b `[outputs]` is an edge. A gradient has the face of what it is the gradient of. A
//! call multiplies two faces and sums along the axis that the result does not have.
//!
//! A [`Call`] is one of the structs here, a [`Kind`] says which. They are generic over what holds an operand, `T`,
//! and what holds a result, `R`:
//!
//! | taken by | `T` | `R` |
//! |---|---|---|
//! | `gpu::Kernels::record` | `gpu::Tensor` | `gpu::Tensor` |
//! | `gpu::Kernels::compile` | [`ElementType`](crate::ElementType) | [`ElementType`](crate::ElementType) |
//! | [`cpu::run`](crate::cpu::run) | `&[f32]` | `&mut [f32]` |
//! | [`Device::run`](crate::Device::run) | `&[f32]` | `()` |
//! | [`reference::run`](crate::reference::run) | `&[f64]` | `()` |
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

mod enumeration;
mod kind;
mod operand;

pub use enumeration::Call;
pub use kind::Kind;
pub use operand::{Axis, Operand, Operands};

pub(crate) use operand::Holder;

use crate::{Activation, Bias, DropProbability, Mask, Method, Shape, Write};

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

impl<'a, T: Copy, R> MonteCarlo<'a, T, R> {
    /// The forward pass of one of its masks.
    pub(crate) fn forward<'m, Y>(&self, mask: &'m Mask, y: Y) -> Forward<'m, T, Y> {
        Forward { shape: self.shape, mask: Some(mask), x: self.x, weight: self.weight, bias: self.bias, y }
    }
}

/// Mean and variance of f(u), element by element, for u normal with the given mean and variance: the second half of
/// Algorithm 2 of Wan et al. (ICML 2013). All tensors are f32. What becomes of values that are not finite,
/// [`reference::closed_form`](crate::reference::closed_form) and [`reference::sampled`](crate::reference::sampled) say.
///
/// [`Error::NoClosedForm`](crate::Error::NoClosedForm); [`Error::Count`](crate::Error::Count) for the number of
/// samples, 1 to 2^24 on an adapter.
#[derive(Clone, Copy, Debug)]
pub struct Activate<T, R> {
    /// Batch and outputs; inputs play no part.
    pub shape: Shape,
    /// The function f.
    pub activation: Activation,
    /// In closed form or by samples.
    pub method: Method,
    /// The mean of u, `[batch, outputs]`.
    pub u_mean: T,
    /// The variance of u, `[batch, outputs]`.
    pub u_variance: T,
    /// The mean of f(u), `[batch, outputs]`: overwritten.
    pub mean: R,
    /// Its variance, `[batch, outputs]`: overwritten.
    pub variance: R,
}

/// Adds the logits of one pass to what a classifier predicts, whatever its network: see
/// [`Predictive`](crate::Predictive). The passes come in order, and between them the results are left alone; what they
/// held before the first does not matter.
///
/// [`Error::Count`](crate::Error::Count) for the passes; on an adapter [`Error::TooLarge`](crate::Error::TooLarge) for
/// more classes than [`Tuning::iterations`](crate::gpu::Tuning::iterations) allow the threads that share an example,
/// 11 million on most devices.
#[derive(Clone, Copy, Debug)]
pub struct PredictivePass<T, R> {
    /// Batch and outputs (classes); inputs play no part.
    pub shape: Shape,
    /// Which pass these logits are of, from 0.
    pub pass: u32,
    /// How many passes there are, 1 to 2^24.
    pub passes: u32,
    /// The logits of this pass, `[batch, outputs]`.
    pub logits: T,
    /// The mean softmax of the passes so far, `[batch, outputs]`, f32.
    pub mean: R,
    /// The entropy of the mean softmax, `[batch]`, f32: written by the last pass.
    pub entropy: R,
    /// The mutual information of class and mask, `[batch]`, f32. Until the last pass it holds the mean entropy of the
    /// passes so far.
    pub information: R,
}
