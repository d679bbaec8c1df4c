//! The gradient of the weight. Twin: `shaders/weight_gradient.wgsl`, and `shaders/gradients.wgsl` of both
//! gradients.

use super::Connections;
use crate::{Error, Mask, Shape, host};

/// `dW[o, i] = scale * sum over n of M[n, o, i] * G[n, o] * X[n, i]`: `[outputs, inputs]`.
///
/// `grad_output` (G) is `[batch, outputs]`, `x` `[batch, inputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate.
pub fn weight_gradient(
    shape: &Shape,
    mask: Option<&Mask>,
    grad_output: &[f64],
    x: &[f64],
) -> Result<Vec<f64>, Error> {
    shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
    shape.expect_len("x", x.len(), shape.input_len())?;
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
