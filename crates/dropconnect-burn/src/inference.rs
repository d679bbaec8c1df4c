//! What a trained layer predicts, and how sure it is: with Burn's own operations around the layer's passes.

use burn::tensor::Tensor;
use burn::tensor::module::linear;

use crate::error::expect;
use crate::{Draw, DropConnect, Error};

/// Inference over masks, on any device: no autodiff device is needed to draw them.
///
/// For a whole network, call its `forward` again and again on an autodiff device: every call draws fresh masks
/// in all layers.
impl DropConnect {
    /// Mean and variance of the output over all masks, element by element, in closed form (Wan et al. 2013,
    /// Algorithm 2). Where many inputs count, the output is nearly normal, and these two say nearly everything.
    /// Costs two dense layers.
    ///
    /// # Shapes
    ///
    /// - input: `[..., d_input]`
    /// - mean and variance: `[..., d_output]`
    ///
    /// # Panics
    /// Panics if the last axis of `input` is not `d_input`.
    pub fn moments<const D: usize>(&self, input: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        let settings = self.settings();
        // Var[kept * scale] = scale^2 q (1 - q) = scale - 1, with q the keep probability and scale = 1 / q.
        let variance_of_weight = settings.probability.scale() - 1.0;
        let square_of_bias =
            self.bias.as_ref().filter(|_| settings.masked_bias).map(|bias| bias.val().square());
        let squares = linear(input.clone().square(), self.weight.val().square(), square_of_bias);
        let variance = squares.mul_scalar(variance_of_weight);
        (self.dense(input), variance)
    }

    /// Mean and unbiased variance of the output over `passes` masks: those of `draw` and of the steps after it.
    /// Takes as long as so many forward passes, and the memory of a few outputs. No step of the layer is taken.
    ///
    /// # Shapes
    /// As [`moments`](Self::moments).
    ///
    /// # Panics
    /// For 0 passes, and as [`forward`](Self::forward).
    pub fn monte_carlo<const D: usize>(
        &self,
        input: Tensor<D>,
        draw: Draw,
        passes: u32,
    ) -> (Tensor<D>, Tensor<D>) {
        if passes == 0 {
            let (argument, most) = ("passes", u32::MAX);
            let none = dropconnect::Error::Count { argument, value: passes, least: 1, most };
            expect::<()>(Err(Error::from(none)));
        }
        let mut mean = self.masked(input.clone(), draw);
        let mut squares = mean.zeros_like();
        // Welford's update: no difference of large sums.
        for pass in 1..passes {
            let step = draw.step.wrapping_add(pass.into());
            let y = self.masked(input.clone(), Draw { step, ..draw });
            let deviation = y.clone() - mean.clone();
            mean = mean + deviation.clone() / (pass + 1);
            squares = squares + deviation * (y - mean.clone());
        }
        (mean, squares / (passes - 1).max(1))
    }
}
