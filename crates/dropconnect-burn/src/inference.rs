//! What a trained layer predicts, and how sure it is: with Burn's own operations around the layer's passes.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::activation::log_softmax;
use burn::tensor::module::linear;
use burn::tensor::{Tensor, assert_shape};

use crate::error::expect;
use crate::predictive::{Predictive, check, widened};
use crate::sampling::{Place, or_panic};
use crate::{Draw, DropConnect};

/// Inference over masks of one layer, on any device: no autodiff device is needed to draw them. For a whole network
/// there is [`Sampler`](crate::Sampler).
///
/// All results are f32, those of f16 and bf16 layers too: a variance may be far beyond f16, or far below it. What is
/// NaN in the input or the parameters is NaN in the results.
impl DropConnect {
    /// Mean and variance of the output over all masks, element by element, in closed form (Wan et al. 2013,
    /// Algorithm 2). Where many inputs count, the output is nearly normal, and these two say nearly everything.
    /// Costs two dense layers. Where nothing is dropped the variance is 0, however large the mean.
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
        let (input, weight, bias) = self.wide(input);
        let [d_input, _] = weight.dims();
        assert_shape!(input, [.., d_input]);
        let mean = linear(input.clone(), weight.clone(), bias.clone());
        // Var[kept * scale] = scale^2 q (1 - q) = scale - 1, with q the keep probability and scale = 1 / q.
        let variance_of_weight = settings.probability.scale() - 1.0;
        let variance = if !settings.probability.drops() {
            // Not 0 * infinity.
            mean.zeros_like()
        } else {
            let square_of_bias = bias.filter(|_| settings.masked_bias).map(|bias| bias.square());
            linear(input.square(), weight.square(), square_of_bias).mul_scalar(variance_of_weight)
        };
        let unknown = mean.clone().is_nan();
        (mean, variance.mask_fill(unknown, f32::NAN))
    }

    /// The input and the parameters in f32, which holds f16 and bf16 exactly. f64 stays.
    fn wide<const D: usize>(&self, input: Tensor<D>) -> (Tensor<D>, Tensor<2>, Option<Tensor<1>>) {
        (widened(input), widened(self.weight.val()), self.bias.as_ref().map(|bias| widened(bias.val())))
    }

    /// Mean and variance of the output through a ReLU, by matching [moments](Self::moments): the closed form of
    /// [`dropconnect::reference::closed_form`], to about 1e-6 standard deviations.
    ///
    /// # Shapes and panics
    /// As [`moments`](Self::moments).
    pub fn relu_moments<const D: usize>(&self, input: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        let (mean, variance) = self.moments(input);
        // What follows takes larger and smaller ones, which may lose a NaN. The variance is NaN where the mean is.
        let unknown = variance.clone().is_nan();
        let deviation = variance.clone().sqrt();
        // Past 40 deviations nothing is left of the tail; a variance of 0 is so many.
        let t = (mean.clone().abs() / deviation.clone().clamp_min(f32::MIN_POSITIVE)).clamp(0.0, 40.0);
        let tail = (t.clone() * FRAC_1_SQRT_2).erf().neg().add_scalar(1.0) * 0.5;
        let density = (t.clone().square() * -0.5).exp() * (FRAC_1_SQRT_2 * FRAC_2_SQRT_PI / 2.0);
        let h = (density.clone() - t.clone() * tail.clone()).clamp_min(0.0);
        let k = ((t.clone().square() + 1.0) * tail.clone() - t * density).clamp_min(0.0);
        // max(u, 0) = u + max(-u, 0): above 0 it is the other tail that is missing.
        let below = mean.clone().lower_elem(0.0);
        let rest = k - h.clone().square();
        let above = (rest.clone() - tail * 2.0 + 1.0).mask_where(below, rest);
        let (mean, variance) = (mean.clamp_min(0.0) + deviation * h, variance * above.clamp_min(0.0));
        (mean.mask_fill(unknown.clone(), f32::NAN), variance.mask_fill(unknown, f32::NAN))
    }

    /// Mean softmax, predictive entropy and mutual information over `passes` masks, the output taken as the
    /// logits of a classifier: the last dimension are the classes.
    ///
    /// # Shapes and panics
    /// As [`monte_carlo`](Self::monte_carlo).
    pub fn predictive<const D: usize>(&self, input: Tensor<D>, draw: Draw, passes: u32) -> Predictive<D> {
        expect(check(passes));
        let (input, weight, bias) = self.wide(input);
        let mut sum = None;
        for pass in 0..passes {
            let draw = Draw { pass: Some(pass), ..draw };
            let place = Place::At(draw);
            let y = or_panic(self.masked_with(input.clone(), weight.clone(), bias.clone(), place));
            let logs = log_softmax(y, D - 1);
            let probabilities = logs.clone().exp();
            // A class of probability 0 has a logarithm of -infinity, and adds 0.
            let entropy = (probabilities.clone() * logs.clamp_min(f32::MIN)).sum_dim(D - 1).neg();
            sum = Some(match sum {
                None => (probabilities, entropy),
                Some((all, entropies)) => (all + probabilities, entropies + entropy),
            });
        }
        let (mean, of_passes) = sum.expect("at least one pass");
        Predictive::of(mean / passes, of_passes / passes)
    }

    /// Mean and unbiased variance of the output over `passes` masks: passes 0 to `passes - 1` of the step of `draw`,
    /// whatever its own pass. Estimates at other steps have other masks, all of them. Takes as long as so many forward
    /// passes, and the memory of a few outputs. No step of the layer is taken.
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
        expect(check(passes));
        let (input, weight, bias) = self.wide(input);
        let masked = |t| {
            let draw = Draw { pass: Some(t), ..draw };
            or_panic(self.masked_with(input.clone(), weight.clone(), bias.clone(), Place::At(draw)))
        };
        let mut mean = masked(0);
        let mut squares = mean.zeros_like();
        // Welford's update: no difference of large sums.
        for t in 1..passes {
            let y = masked(t);
            let deviation = y.clone() - mean.clone();
            mean = mean + deviation.clone() / (t + 1);
            squares = squares + deviation * (y - mean.clone());
        }
        (mean, squares / (passes - 1).max(1))
    }
}
