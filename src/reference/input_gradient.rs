//! The gradient of the input. Twin: `shaders/input_gradient.wgsl`, and `shaders/gradients.wgsl` of both gradients.

use super::Connections;
use crate::{Error, Mask, Shape, host};

/// `dX[n, i] = scale * sum over o of M[n, o, i] * W[o, i] * G[n, o]`: `[batch, inputs]`.
///
/// `grad_output` (G) is `[batch, outputs]`, `weight` `[outputs, inputs]`. A dropped weight counts as
/// exactly 0, whatever it is.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate.
pub fn input_gradient(
    shape: &Shape,
    mask: Option<&Mask>,
    grad_output: &[f64],
    weight: &[f64],
) -> Result<Vec<f64>, Error> {
    shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
    shape.expect_len("weight", weight.len(), shape.weight_len())?;
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
