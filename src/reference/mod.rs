//! The reference: every call in float64, as plain loops.
//!
//! One file per pass (`forward.rs` is the reference of `shaders/forward.wgsl`, and so on), with the shaders'
//! vocabulary: n counts examples, o outputs, i inputs. The equations are those of [`call`](crate::call). Nothing here
//! is fast, blocked or parallel, so that it can be checked by eye; a pass first writes its whole mask down, one `bool`
//! per connection.
//!
//! Every call may also end in [`Error::HostMemory`].

mod activation;
mod bias_gradient;
mod forward;
mod input_gradient;
pub mod mask;
mod moments;
mod monte_carlo;
mod predictive;
mod weight_gradient;

pub use activation::{closed_form, sampled};
pub use bias_gradient::bias_gradient;
pub use forward::forward;
pub use input_gradient::input_gradient;
pub use moments::moments;
pub use monte_carlo::monte_carlo;
pub use predictive::{predictive, predictive_of};
pub use weight_gradient::weight_gradient;

use crate::call::{Call, InputGradient, WeightGradient};
use crate::{Error, Mask, Method, Shape};

/// The results of any call, in the order of its fields.
///
/// # Errors
/// Those of a [`call`](crate::call#errors); [`Error::Count`] for a [`PredictivePass`](crate::call::PredictivePass) that
/// is not the only one.
pub fn run<'c, 't>(call: impl Into<Call<'c, &'t [f64], ()>>) -> Result<Vec<Vec<f64>>, Error> {
    Ok(match call.into() {
        Call::Forward(call) => vec![forward(&call)?],
        Call::InputGradient(call) => vec![input_gradient(&call)?],
        Call::WeightGradient(call) => vec![weight_gradient(&call)?],
        Call::BothGradients(call) => {
            let ((grad_input, write), (grad_weight, of_weight)) = (call.grad_input, call.grad_weight);
            let (shape, mask, grad_output) = (call.shape, call.mask, call.grad_output);
            let (x, weight) = (call.x, call.weight);
            let grad_input = InputGradient { shape, mask, grad_output, weight, grad_input, write };
            let grad_weight = WeightGradient { shape, mask, grad_output, x, grad_weight, write: of_weight };
            vec![input_gradient(&grad_input)?, weight_gradient(&grad_weight)?]
        }
        Call::BiasGradient(call) => vec![bias_gradient(&call)?],
        Call::Moments(call) => moments(&call).map(|(mean, variance)| vec![mean, variance])?,
        Call::MonteCarlo(call) => monte_carlo(&call).map(|(mean, variance)| vec![mean, variance])?,
        Call::Activate(call) => {
            let (shape, activation) = (&call.shape, call.activation);
            let (mean, variance) = match call.method {
                Method::Closed => closed_form(shape, activation, call.u_mean, call.u_variance)?,
                Method::Sampled { samples, key, origin } => {
                    sampled(shape, activation, samples, key, origin, call.u_mean, call.u_variance)?
                }
            };
            vec![mean, variance]
        }
        Call::Predictive(call) => {
            Error::check_count("passes", call.passes, 1..=1)?;
            let said = predictive_of(&call.shape, &[call.logits])?;
            vec![said.mean, said.entropy, said.mutual_information]
        }
    })
}

/// Which connections take part in a pass, and with which factor.
struct Connections {
    /// `[batch, outputs, inputs]`; `None` where all take part.
    kept: Option<Vec<bool>>,
    scale: f64,
}

impl Connections {
    fn new(shape: &Shape, mask: Option<&Mask>) -> Result<Self, Error> {
        Ok(match mask {
            None => Self { kept: None, scale: 1.0 },
            Some(mask) => Self { kept: Some(mask::mask(shape, mask)?), scale: mask.scale() },
        })
    }

    /// Whether the connection with this flat index into `[batch, outputs, inputs]` is kept.
    fn keep(&self, index: usize) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept[index])
    }
}

/// `max(value, 0)` that keeps NaN, which `f64::max` would make 0.
fn rectified(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{BiasGradient, Forward, InputGradient, WeightGradient};
    use crate::{Bias, DropProbability, MaskKey, Origin, Write};

    const WRITE: Write = Write::Overwrite;

    fn half() -> Mask {
        Mask::new(MaskKey::new(3, 1).at_step(4), DropProbability::new(0.5).unwrap())
    }

    #[test]
    fn evaluation_is_the_plain_linear_layer() {
        let shape = Shape::new(1, 2, 3).unwrap();
        let (x, w) = ([1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 0.5, 0.5, 1.0]);
        let (mask, x, weight, grad_output, b) = (None, &x[..], &w[..], &[2.0, 4.0][..], &[10.0, 20.0][..]);
        for bias in [Bias::Plain(b), Bias::Masked(b)] {
            let call = Forward { shape, mask, x, weight, bias, y: () };
            assert_eq!(forward(&call).unwrap(), [11.0, 24.5]);
        }
        let call = InputGradient { shape, mask, grad_output, weight, grad_input: (), write: WRITE };
        assert_eq!(input_gradient(&call).unwrap(), [4.0, 2.0, 4.0]);
        let call = WeightGradient { shape, mask, grad_output, x, grad_weight: (), write: WRITE };
        assert_eq!(weight_gradient(&call).unwrap(), [2.0, 4.0, 6.0, 4.0, 8.0, 12.0]);
        let call = BiasGradient { shape, bias_mask: mask, grad_output, grad_bias: (), write: WRITE };
        assert_eq!(bias_gradient(&call).unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn the_written_mask_is_the_mask() {
        let shape = Shape::new(6, 7, 19).unwrap();
        let mask = half().at(Origin { example: 3, output: 2, input: 5 });
        let (kept, bias) = (mask::mask(&shape, &mask).unwrap(), mask::bias_mask(&shape, &mask).unwrap());
        for n in 0..6 {
            for o in 0..7 {
                assert_eq!(bias[n * 7 + o], mask.keep_bias(n as u32, o as u32));
                for i in 0..19 {
                    assert_eq!(kept[(n * 7 + o) * 19 + i], mask.keep(n as u32, o as u32, i as u32));
                }
            }
        }
    }

    #[test]
    fn what_lies_behind_a_dropped_connection_never_matters() {
        let shape = Shape::new(1, 8, 24).unwrap();
        let mask = half();
        let kept = mask::mask(&shape, &mask).unwrap();
        let weight: Vec<f64> = kept.iter().map(|&kept| if kept { 1.0 } else { f64::NAN }).collect();
        let (mask, weight, x, grad_output) = (Some(&mask), &weight[..], &[1.0; 24][..], &[1.0; 8][..]);
        let y = forward(&Forward { shape, mask, x, weight, bias: Bias::None, y: () }).unwrap();
        let call = InputGradient { shape, mask, grad_output, weight, grad_input: (), write: WRITE };
        let dx = input_gradient(&call).unwrap();
        assert!(y.iter().chain(&dx).all(|v| v.is_finite()));
    }

    #[test]
    fn wrong_lengths_and_origins_are_refused_by_name() {
        let shape = Shape::new(2, 3, 4).unwrap();
        let (x, weight) = (&[0.0; 8][..], &[0.0; 11][..]);
        let call = Forward { shape, mask: None, x, weight, bias: Bias::None, y: () };
        let error = forward(&call).unwrap_err();
        assert!(matches!(error, Error::Length { argument: "weight", actual: 11, expected: 12, .. }));
        let mask = half().at(Origin { example: u32::MAX, output: 0, input: 0 });
        let (bias_mask, grad_output) = (Some(&mask), &[0.0; 6][..]);
        let call = BiasGradient { shape, bias_mask, grad_output, grad_bias: (), write: WRITE };
        let error = bias_gradient(&call).unwrap_err();
        assert!(matches!(error, Error::Origin { axis: "example", .. }));
    }

    #[test]
    fn an_empty_batch_has_zero_gradients() {
        let shape = Shape::new(0, 2, 2).unwrap();
        let (mask, none, weight) = (&half(), &[][..], &[1.0; 4][..]);
        let call = Forward { shape, mask: Some(mask), x: none, weight, bias: Bias::None, y: () };
        assert!(forward(&call).unwrap().is_empty());
        let (mask, grad_output, write) = (Some(mask), none, WRITE);
        let call = WeightGradient { shape, mask, grad_output, x: none, grad_weight: (), write };
        assert_eq!(weight_gradient(&call).unwrap(), [0.0; 4]);
        let call = BiasGradient { shape, bias_mask: mask, grad_output, grad_bias: (), write };
        assert_eq!(bias_gradient(&call).unwrap(), [0.0; 2]);
    }
}
