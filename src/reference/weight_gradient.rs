//! The gradient of the weight. Reference of `shaders/weight_gradient.wgsl`.

use super::Connections;
use crate::call::{Call, WeightGradient};
use crate::{Error, host};

/// dW: `[outputs, inputs]`.
///
/// # Errors
/// Those of a [`call`](crate::call#errors).
pub fn weight_gradient(call: &WeightGradient<'_, &[f64], ()>) -> Result<Vec<f64>, Error> {
    Call::from(*call).operands().check()?;
    let &WeightGradient { ref shape, mask, grad_output, x, .. } = call;
    let connections = Connections::new(shape, mask)?;
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let mut grad_weight: Vec<f64> = host::zeros(shape.weight_len())?;
    for n in 0..shape.batch() {
        for o in 0..outputs {
            for i in 0..inputs {
                if connections.keep((n * outputs + o) * inputs + i) {
                    grad_weight[o * inputs + i] += grad_output[n * outputs + o] * x[n * inputs + i];
                }
            }
        }
    }
    for value in &mut grad_weight {
        *value *= connections.scale;
    }
    Ok(grad_weight)
}
