//! What a trained layer predicts, and how sure it is.

use super::DropConnect;
use crate::work::block_on;
use crate::{Activation, Error, Moments, Predictive};

/// Inference over masks. [`eval`](DropConnect::eval) is the plain answer; these say how far it can be trusted.
///
/// ```
/// use dropconnect::{Activation, Device, DropConnect, MaskKey};
///
/// let layer = DropConnect::new(&Device::Cpu, MaskKey::new(42, 0), 5, 10).build()?;
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0];
/// let matched = layer.gaussian(&x, Activation::Relu, None)?; // the paper's inference, in closed form
/// let sampled = layer.monte_carlo(&x, 100)?; // a hundred masks in one launch
/// assert_eq!((matched.mean.len(), sampled.variance.len()), (10, 10));
/// # Ok::<(), dropconnect::Error>(())
/// ```
impl DropConnect {
    /// Mean and variance of Y over all masks, in f32 whatever the layer's element type: Y is nearly normal where many
    /// inputs count, so that these two say nearly everything.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn moments(&self, x: &[f32]) -> Result<Moments, Error> {
        block_on(self.parameters.is_adapter(), self.moments_async(x))
    }

    /// Mean and variance of f(Y) over masks, by matching moments (Wan et al. 2013, Algorithm 2): in closed form,
    /// or with so many Gaussian samples, which [`step`](Self::step) makes other ones.
    ///
    /// # Errors
    /// [`Error::NoClosedForm`] for sigmoid and tanh without samples; [`Error::Count`] for 0 samples; as
    /// [`forward`](Self::forward).
    pub fn gaussian(
        &self,
        x: &[f32],
        activation: Activation,
        samples: Option<u32>,
    ) -> Result<Moments, Error> {
        block_on(self.parameters.is_adapter(), self.gaussian_async(x, activation, samples))
    }

    /// Mean and unbiased variance of Y over `passes` masks, those of this step's passes 0 to `passes - 1`. Estimates
    /// at other steps have other masks, all of them.
    ///
    /// # Errors
    /// [`Error::Count`] for the passes, 1 to 65,536 on an adapter; as [`forward`](Self::forward).
    pub fn monte_carlo(&self, x: &[f32], passes: u32) -> Result<Moments, Error> {
        block_on(self.parameters.is_adapter(), self.monte_carlo_async(x, passes))
    }

    /// Y of every one of those passes, `[passes, batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn pass_outputs(&self, x: &[f32], passes: u32) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.pass_outputs_async(x, passes))
    }

    /// Those passes with Y as the logits of a classifier: mean softmax, predictive entropy, mutual information.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo), with 2^24 passes at most.
    pub fn predictive(&self, x: &[f32], passes: u32) -> Result<Predictive<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.predictive_async(x, passes))
    }
}
