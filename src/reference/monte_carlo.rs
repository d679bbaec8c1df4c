//! Mean and variance of the output over many masks. Twins: `shaders/monte_carlo.wgsl`, whose update is in
//! `shaders/running_moments.wgsl`, and `shaders/update.wgsl`.

use super::forward;
use crate::{Bias, Error, Mask, Shape, host};

/// The mean and the unbiased variance of Y over `passes` masks, each `[batch, outputs]`. Pass t uses
/// [`Mask::pass`]`(t)`; the variance of a single pass is 0. Where a pass is infinite or NaN the variance is NaN.
///
/// Two passes over the stored outputs; the fast backends use Welford's update instead.
///
/// # Errors
/// [`Error::Count`] for 0 passes; otherwise as [`forward`].
pub fn monte_carlo(
    shape: &Shape,
    mask: &Mask,
    passes: u32,
    x: &[f64],
    weight: &[f64],
    bias: Bias<&[f64]>,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let outputs = outputs_of_passes(shape, mask, passes, x, weight, bias)?;
    let mut mean: Vec<f64> = host::zeros(shape.output_len())?;
    let mut variance: Vec<f64> = host::zeros(shape.output_len())?;
    for index in 0..shape.output_len() {
        mean[index] = outputs.iter().map(|y| y[index]).sum::<f64>() / f64::from(passes);
        let squares: f64 = outputs.iter().map(|y| (y[index] - mean[index]).powi(2)).sum();
        variance[index] = squares / f64::from((passes - 1).max(1));
    }
    Ok((mean, variance))
}

/// Y of every pass.
pub(super) fn outputs_of_passes(
    shape: &Shape,
    mask: &Mask,
    passes: u32,
    x: &[f64],
    weight: &[f64],
    bias: Bias<&[f64]>,
) -> Result<Vec<Vec<f64>>, Error> {
    Error::check_count("passes", passes)?;
    host::try_collect((0..passes).map(|t| forward(shape, Some(&mask.pass(t)), x, weight, bias)))
}
