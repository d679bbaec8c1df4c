//! What a [`Device`](super::Device) asks of a backend: its passes from host memory to host memory.
//!
//! Arguments have been checked, tensors by their lengths. Operands are rounded to `element` first.

use std::fmt;

use crate::call::{BiasGradient, InputGradient, WeightGradient};
use crate::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, Method, Moments, Predictive, Shape,
};

pub(crate) trait Passes {
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
    fn input_gradient(
        &self,
        element: ElementType,
        call: &InputGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error>;

    /// dW, rounded.
    fn weight_gradient(
        &self,
        element: ElementType,
        call: &WeightGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error>;

    /// db, rounded.
    fn bias_gradient(
        &self,
        element: ElementType,
        call: &BiasGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error>;

    /// A mask that takes so many bytes: that of the bias, or of the weights.
    fn mask(&self, shape: &Shape, mask: &Mask, bias: bool, bytes: usize) -> Result<Vec<u8>, Error>;

    /// Mean and variance of f(u), in f32.
    fn activate(
        &self,
        shape: &Shape,
        activation: Activation,
        method: Method,
        u: &Moments,
    ) -> Result<Moments, Error>;
}

/// The passes that only read a layer's weights, with W `[outputs, inputs]` and b `[outputs]` of one shape where they
/// are computed with.
pub(crate) trait WeightPasses {
    /// Y.
    fn forward(&self, mask: Option<&Mask>, x: &[f32]) -> Result<Vec<f32>, Error>;

    /// Mean and variance of Y over all masks, in f32.
    fn moments(&self, probability: &DropProbability, x: &[f32]) -> Result<Moments, Error>;

    /// Mean and variance of Y over passes, in f32.
    fn monte_carlo(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Moments, Error>;

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    fn pass_outputs(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Vec<f32>, Error>;

    /// What passes taken as logits predict, in f32 from the logits on. Memory grows with one pass's logits.
    fn predictive(&self, mask: &Mask, passes: u32, x: &[f32]) -> Result<Predictive<f32>, Error>;
}
