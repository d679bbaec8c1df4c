//! The gradient of the input. Reference of `shaders/input_gradient.wgsl`.

use super::Connections;
use crate::call::{Call, InputGradient};
use crate::{Error, host};

/// dX: `[batch, inputs]`.
///
/// # Errors
/// Those of a [`call`](crate::call#errors).
pub fn input_gradient(call: &InputGradient<'_, &[f64], ()>) -> Result<Vec<f64>, Error> {
    Call::from(*call).operands().check()?;
    let &InputGradient { ref shape, mask, grad_output, weight, .. } = call;
    let connections = Connections::new(shape, mask)?;
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let mut grad_input: Vec<f64> = host::zeros(shape.input_len())?;
    for n in 0..shape.batch() {
        for o in 0..outputs {
            for i in 0..inputs {
                if connections.keep((n * outputs + o) * inputs + i) {
                    grad_input[n * inputs + i] += weight[o * inputs + i] * grad_output[n * outputs + o];
                }
            }
        }
    }
    for value in &mut grad_input {
        *value *= connections.scale;
    }
    Ok(grad_input)
}
