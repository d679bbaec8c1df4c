//! The output. Twin: `shaders/forward.wgsl` with `shaders/forward_tile.wgsl`.

use super::{Connections, mask};
use crate::{Bias, Error, Mask, Shape, host};

/// `Y[n, o] = scale * sum over i of M[n, o, i] * W[o, i] * X[n, i] + b[o]`: `[batch, outputs]`.
///
/// `x` is `[batch, inputs]`, `weight` `[outputs, inputs]`, the bias `[outputs]`. A masked bias adds
/// `scale * Mb[n, o] * b[o]` instead. A dropped weight or bias counts as exactly 0, whatever it is.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate.
pub fn forward(
    shape: &Shape,
    mask: Option<&Mask>,
    x: &[f64],
    weight: &[f64],
    bias: Bias<&[f64]>,
) -> Result<Vec<f64>, Error> {
    shape.expect_len("x", x.len(), shape.input_len())?;
    shape.expect_len("weight", weight.len(), shape.weight_len())?;
    if let Some(bias) = bias.tensor() {
        shape.expect_len("bias", bias.len(), shape.outputs())?;
    }
    let connections = Connections::new(shape, mask)?;
    let bias_mask = match (bias, mask) {
        (Bias::Masked(_), Some(mask)) => Some(mask::bias_mask(shape, mask)?),
        _ => None,
    };
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let mut y: Vec<f64> = host::zeros(shape.output_len())?;
    for n in 0..shape.batch() {
        for o in 0..outputs {
            let mut sum = 0.0;
            for i in 0..inputs {
                if connections.keep((n * outputs + o) * inputs + i) {
                    sum += weight[o * inputs + i] * x[n * inputs + i];
                }
            }
            y[n * outputs + o] = connections.scale * sum;
            if let Some(bias) = bias.tensor() {
                match &bias_mask {
                    None => y[n * outputs + o] += bias[o],
                    Some(kept) if kept[n * outputs + o] => y[n * outputs + o] += connections.scale * bias[o],
                    Some(_) => {}
                }
            }
        }
    }
    Ok(y)
}
