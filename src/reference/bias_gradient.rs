//! The gradient of the bias. Twin: `shaders/bias_gradient.wgsl`.

use super::mask;
use crate::{Error, Mask, Shape, host};

/// `db[o] = sum over n of G[n, o]`: `[outputs]`. With a mask the bias is masked, and
/// `db[o] = scale * sum over n of Mb[n, o] * G[n, o]`.
///
/// `grad_output` (G) is `[batch, outputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate.
pub fn bias_gradient(
    shape: &Shape,
    bias_mask: Option<&Mask>,
    grad_output: &[f64],
) -> Result<Vec<f64>, Error> {
    shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
    let (kept, scale) = match bias_mask {
        None => (None, 1.0),
        Some(mask) => (Some(mask::bias_mask(shape, mask)?), mask.scale()),
    };
    let outputs = shape.outputs();
    let mut grad_bias: Vec<f64> = host::zeros(outputs)?;
    for n in 0..shape.batch() {
        for o in 0..outputs {
            if kept.as_ref().is_none_or(|kept| kept[n * outputs + o]) {
                grad_bias[o] += grad_output[n * outputs + o];
            }
        }
    }
    for value in &mut grad_bias {
        *value *= scale;
    }
    Ok(grad_bias)
}
