//! What the layer's output is likely to be, on host memory.

use super::Device;
use crate::call::{MonteCarlo, OutputMoments};
use crate::work::block_on;
use crate::{Activation, ElementType, Error, Method, Moments, Predictive, Shape};

impl Device {
    /// Mean and variance of Y over all masks, without drawing any: the first half of Algorithm 2 of Wan et al.
    /// (ICML 2013). Operands are rounded to `element` first; mean and variance are f32 whatever that is.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn moments(
        &self,
        element: ElementType,
        call: &OutputMoments<'_, &[f32], ()>,
    ) -> Result<Moments, Error> {
        block_on(self.is_adapter(), self.moments_async(element, call))
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
        block_on(self.is_adapter(), self.activate_async(shape, activation, method, u))
    }

    /// Mean and unbiased variance of Y over the passes, in f32. On an adapter this is one launch.
    ///
    /// # Errors
    /// [`Error::Count`] for the passes; as [`forward`](Self::forward).
    pub fn monte_carlo(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Moments, Error> {
        block_on(self.is_adapter(), self.monte_carlo_async(element, call))
    }

    /// Y of every one of those passes, `[passes, batch, outputs]`. For what mean and variance do not say; the memory
    /// grows with the passes.
    ///
    /// # Errors
    /// [`Error::Count`] for 0 passes; as [`forward`](Self::forward).
    pub fn pass_outputs(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        block_on(self.is_adapter(), self.pass_outputs_async(element, call))
    }

    /// What a classifier whose last layer this is predicts over those passes: Y is taken as logits
    /// `[batch, classes]`, in f32 whatever `element` is.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo), with 2^24 passes at most.
    pub fn predictive(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Predictive<f32>, Error> {
        block_on(self.is_adapter(), self.predictive_async(element, call))
    }
}
