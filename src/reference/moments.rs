//! Mean and variance of the output under its mask. Twin: `shaders/moments.wgsl`.

use crate::{Bias, DropProbability, Error, Shape, host};

/// The mean and the variance, over masks, of every output `u[n, o]`: each `[batch, outputs]`.
///
/// ```text
/// mean[n, o]     = sum over i of W[o, i] * X[n, i] + b[o]
/// variance[n, o] = p / (1 - p) * sum over i of W[o, i]^2 * X[n, i]^2   (masked bias: + p / (1 - p) * b[o]^2)
/// ```
///
/// `x` is `[batch, inputs]`, `weight` `[outputs, inputs]`, the bias `[outputs]`. p is the *realised*
/// probability of dropping, so that `p / (1 - p)` is `scale - 1`. Where p is 0 the variance is 0, however large the
/// mean; where the mean is NaN, so is the variance.
///
/// This is the first half of Algorithm 2 of Wan et al., "Regularization of Neural Networks using
/// DropConnect" (ICML 2013), under inverted scaling: a kept weight is W / (1 - p) here, W with probability
/// 1 - p and nothing else. The paper keeps with probability q and does not scale in training, which gives
/// `mean = q W x` and `variance = q (1 - q) * sum of W^2 X^2`. With q = 1 - p its network is ours with weights
/// q W, and the two agree.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length.
pub fn moments(
    shape: &Shape,
    probability: &DropProbability,
    x: &[f64],
    weight: &[f64],
    bias: Bias<&[f64]>,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    shape.expect_len("x", x.len(), shape.input_len())?;
    shape.expect_len("weight", weight.len(), shape.weight_len())?;
    if let Some(bias) = bias.tensor() {
        shape.expect_len("bias", bias.len(), shape.outputs())?;
    }
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let spread = probability.spread();
    let mut mean: Vec<f64> = host::zeros(shape.output_len())?;
    let mut variance: Vec<f64> = host::zeros(shape.output_len())?;
    for n in 0..shape.batch() {
        for o in 0..outputs {
            let (mut sum, mut squares) = (0.0, 0.0);
            for i in 0..inputs {
                let product = weight[o * inputs + i] * x[n * inputs + i];
                sum += product;
                squares += product * product;
            }
            match bias {
                Bias::None => {}
                Bias::Plain(bias) => sum += bias[o],
                Bias::Masked(bias) => {
                    sum += bias[o];
                    squares += bias[o] * bias[o];
                }
            }
            mean[n * outputs + o] = sum;
            variance[n * outputs + o] = match sum {
                _ if sum.is_nan() => sum,
                // Not 0 * infinity.
                _ if !probability.drops() => 0.0,
                _ => spread * squares,
            };
        }
    }
    Ok((mean, variance))
}
