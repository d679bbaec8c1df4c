//! What a [`Device`](super::Device) asks of a backend: its passes from host memory to host memory.
//!
//! Arguments have been checked, tensors by their lengths. Operands are rounded to `element` first. A call is made when
//! it is awaited.

use std::fmt;

use crate::call::{BiasGradient, InputGradient, WeightGradient};
use crate::work::{Shared, Work};
use crate::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, Method, Moments, Predictive, Shape,
};

pub(crate) trait Passes: Shared {
    /// Says what computes, for people.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Brings W and b to where they are computed with.
    fn weights<'a>(
        &'a self,
        shape: Shape,
        element: ElementType,
        weight: &'a [f32],
        bias: Bias<&'a [f32]>,
    ) -> Result<Box<dyn WeightPasses + 'a>, Error>;

    /// dX, rounded.
    fn input_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a InputGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>>;

    /// dW, rounded.
    fn weight_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a WeightGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>>;

    /// db, rounded.
    fn bias_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a BiasGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>>;

    /// A mask that takes so many bytes: that of the bias, or of the weights.
    fn mask<'a>(&'a self, shape: &'a Shape, mask: &'a Mask, bias: bool, bytes: usize) -> Work<'a, Vec<u8>>;

    /// Mean and variance of f(u), in f32.
    fn activate<'a>(
        &'a self,
        shape: &'a Shape,
        activation: Activation,
        method: Method,
        u: &'a Moments,
    ) -> Work<'a, Moments>;
}

/// The passes that only read a layer's weights, with W `[outputs, inputs]` and b `[outputs]` of one shape where they
/// are computed with.
pub(crate) trait WeightPasses: Shared {
    /// Y.
    fn forward<'a>(&'a self, mask: Option<&'a Mask>, x: &'a [f32]) -> Work<'a, Vec<f32>>;

    /// Mean and variance of Y over all masks, in f32.
    fn moments<'a>(&'a self, probability: &'a DropProbability, x: &'a [f32]) -> Work<'a, Moments>;

    /// Mean and variance of Y over passes, in f32.
    fn monte_carlo<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Moments>;

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    fn pass_outputs<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Vec<f32>>;

    /// What passes taken as logits predict, in f32 from the logits on. Memory grows with one pass's logits.
    fn predictive<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Predictive<f32>>;
}
