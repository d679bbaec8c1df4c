//! What the layer's output is likely to be, on host memory.

use super::Device;
use super::weights::activate;
use crate::gpu::Method;
use crate::{Activation, Bias, DropProbability, ElementType, Error, Mask, Moments, Predictive, Shape};

impl Device {
    /// Mean and variance of Y over all masks, without drawing any: the first half of Algorithm 2 of Wan et al.
    /// (ICML 2013). The operands are those of [`forward`](Self::forward), rounded to `element`; mean and variance are
    /// f32 whatever that is.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn moments(
        &self,
        shape: &Shape,
        element: ElementType,
        probability: &DropProbability,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
    ) -> Result<Moments, Error> {
        self.with_weights(shape, element, weight, bias, |own| own.moments(shape, element, probability, x))
    }

    /// Mean and variance of f(u) for normal u with these moments, `[batch, outputs]`: the second half of that
    /// algorithm, by samples or in closed form. What becomes of moments that are not finite,
    /// [`reference::closed_form`](crate::reference::closed_form) and [`reference::sampled`](crate::reference::sampled)
    /// say.
    ///
    /// # Errors
    /// [`Error::NoClosedForm`]; [`Error::Count`] for the number of samples; as [`forward`](Self::forward).
    pub fn activate(
        &self,
        shape: &Shape,
        activation: Activation,
        method: Method,
        u: &Moments,
    ) -> Result<Moments, Error> {
        activate(self.as_gpu(), shape, activation, method, u)
    }

    /// Mean and unbiased variance of Y over `passes` masks, in f32: pass t draws [`Mask::pass`]`(t)`. On an
    /// adapter this is one launch.
    ///
    /// # Errors
    /// [`Error::Count`] for the passes, 1 to 65,536 on an adapter; as [`forward`](Self::forward).
    pub fn monte_carlo(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
    ) -> Result<Moments, Error> {
        self.with_weights(shape, element, weight, bias, |own| {
            own.monte_carlo(shape, element, mask, passes, x)
        })
    }

    /// Y of every one of `passes` masks, `[passes, batch, outputs]`: pass t draws [`Mask::pass`]`(t)`. For what
    /// mean and variance do not say; the memory grows with the passes.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn pass_outputs(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
    ) -> Result<Vec<f32>, Error> {
        self.with_weights(shape, element, weight, bias, |own| {
            own.pass_outputs(shape, element, mask, passes, x)
        })
    }

    /// What a classifier whose last layer this is predicts over `passes` masks: Y is taken as logits
    /// `[batch, classes]`, in f32 whatever `element` is.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo), with 2^24 passes at most.
    pub fn predictive(
        &self,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        passes: u32,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
    ) -> Result<Predictive<f32>, Error> {
        self.with_weights(shape, element, weight, bias, |own| own.predictive(shape, element, mask, passes, x))
    }
}
