//! The gradient of the bias. Reference of `shaders/bias_gradient.wgsl`.

use super::mask;
use crate::call::{BiasGradient, Call};
use crate::{Error, host};

/// db: `[outputs]`.
///
/// # Errors
/// Those of a [`call`](crate::call#errors).
pub fn bias_gradient(call: &BiasGradient<'_, &[f64], ()>) -> Result<Vec<f64>, Error> {
    Call::from(*call).operands().check()?;
    let &BiasGradient { ref shape, bias_mask, grad_output, .. } = call;
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
