//! The yardstick: every pass in float64, as plain loops.
//!
//! One file per pass (`forward.rs` is the twin of `shaders/forward.wgsl`, and so on; a shader that computes two has
//! two), with the shaders' vocabulary: n counts examples, o outputs, i inputs. The equations are those of the section
//! "Layer" of `docs/mask-format.md`. Nothing here is fast, blocked or parallel, so that it can be checked
//! by eye; a pass first writes its whole mask down, one `bool` per connection.
//!
//! A mask of `None` means evaluation: the plain linear layer. Every call may also end in [`Error::HostMemory`].

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
pub use predictive::predictive;
pub use weight_gradient::weight_gradient;

use crate::{Error, Mask, Shape};

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
    use crate::{Bias, DropProbability, MaskKey, Origin};

    fn half() -> Mask {
        Mask::new(MaskKey::new(3, 1).at_step(4), DropProbability::new(0.5).unwrap())
    }

    #[test]
    fn evaluation_is_the_plain_linear_layer() {
        let shape = Shape::new(1, 2, 3).unwrap();
        let (x, w) = ([1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 0.5, 0.5, 1.0]);
        assert_eq!(forward(&shape, None, &x, &w, Bias::Plain(&[10.0, 20.0])).unwrap(), [11.0, 24.5]);
        assert_eq!(forward(&shape, None, &x, &w, Bias::Masked(&[10.0, 20.0])).unwrap(), [11.0, 24.5]);
        assert_eq!(input_gradient(&shape, None, &[2.0, 4.0], &w).unwrap(), [4.0, 2.0, 4.0]);
        assert_eq!(weight_gradient(&shape, None, &[2.0, 4.0], &x).unwrap(), [2.0, 4.0, 6.0, 4.0, 8.0, 12.0]);
        assert_eq!(bias_gradient(&shape, None, &[2.0, 4.0]).unwrap(), [2.0, 4.0]);
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
        let y = forward(&shape, Some(&mask), &[1.0; 24], &weight, Bias::None).unwrap();
        let dx = input_gradient(&shape, Some(&mask), &[1.0; 8], &weight).unwrap();
        assert!(y.iter().chain(&dx).all(|v| v.is_finite()));
    }

    #[test]
    fn wrong_lengths_and_origins_are_refused_by_name() {
        let shape = Shape::new(2, 3, 4).unwrap();
        let error = forward(&shape, None, &[0.0; 8], &[0.0; 11], Bias::None).unwrap_err();
        assert!(matches!(error, Error::Length { argument: "weight", actual: 11, expected: 12, .. }));
        let mask = half().at(Origin { example: u32::MAX, output: 0, input: 0 });
        let error = bias_gradient(&shape, Some(&mask), &[0.0; 6]).unwrap_err();
        assert!(matches!(error, Error::Origin { axis: "example", .. }));
    }

    #[test]
    fn an_empty_batch_has_zero_gradients() {
        let shape = Shape::new(0, 2, 2).unwrap();
        assert!(forward(&shape, Some(&half()), &[], &[1.0; 4], Bias::None).unwrap().is_empty());
        assert_eq!(weight_gradient(&shape, Some(&half()), &[], &[]).unwrap(), [0.0; 4]);
        assert_eq!(bias_gradient(&shape, Some(&half()), &[]).unwrap(), [0.0; 2]);
    }
}
