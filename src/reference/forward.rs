//! The output. Reference of `shaders/forward.wgsl` with `shaders/forward_tile.wgsl`.

use super::{Connections, mask};
use crate::call::{Call, Forward};
use crate::{Bias, Error, host};

/// Y: `[batch, outputs]`.
///
/// # Errors
/// Those of a [`call`](crate::call#errors).
pub fn forward(call: &Forward<'_, &[f64], ()>) -> Result<Vec<f64>, Error> {
    Call::from(*call).operands().check()?;
    let &Forward { ref shape, mask, x, weight, bias, .. } = call;
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
