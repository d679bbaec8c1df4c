//! Mean and variance of the output over many masks. Reference of `shaders/monte_carlo.wgsl`, whose update is in
//! `shaders/running_moments.wgsl`, and `shaders/update.wgsl`.

use super::forward;
use crate::call::{Call, MonteCarlo};
use crate::{Error, host};

/// The mean and the unbiased variance of Y over the passes, each `[batch, outputs]`.
///
/// Two loops over the stored outputs; the fast backends use Welford's update instead.
///
/// # Errors
/// Those of a [`call`](crate::call#errors); [`Error::Count`] for 0 passes.
pub fn monte_carlo(call: &MonteCarlo<'_, &[f64], ()>) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let (shape, passes) = (&call.shape, call.passes);
    let outputs = outputs_of_passes(call)?;
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
pub(super) fn outputs_of_passes(call: &MonteCarlo<'_, &[f64], ()>) -> Result<Vec<Vec<f64>>, Error> {
    Error::check_count("passes", call.passes, 1..=u32::MAX)?;
    Call::from(*call).operands().check()?;
    host::try_collect((0..call.passes).map(|t| forward(&call.forward(&call.mask.pass(t), ()))))
}
