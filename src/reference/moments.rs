//! Mean and variance of the output under its mask. Reference of `shaders/moments.wgsl`.

use crate::call::{Call, OutputMoments};
use crate::{Bias, Error, host};

/// The mean and the variance of Y, each `[batch, outputs]`.
///
/// # Errors
/// Those of a [`call`](crate::call#errors).
pub fn moments(call: &OutputMoments<'_, &[f64], ()>) -> Result<(Vec<f64>, Vec<f64>), Error> {
    Call::from(*call).operands().check()?;
    let &OutputMoments { shape, probability, x, weight, bias, .. } = call;
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
