//! Mean and variance of the output under its mask: two dense products, of the operands and of their squares.

use rayon::prelude::*;

use super::Backend;
use super::monte_carlo::CHUNK;
use super::threads::for_each;
use crate::call::{Forward, OutputMoments};
use crate::{Bias, Error, Shape, host};

/// The lengths have been checked. No square leaves float32 that the variance does not leave.
pub(super) fn moments(backend: Backend, call: OutputMoments<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
    let OutputMoments { shape, probability, x, weight, bias, mean, variance } = call;
    let (spread, inputs) = (probability.spread(), shape.inputs());
    let masked = match bias {
        Bias::Masked(bias) => Some(bias),
        Bias::None | Bias::Plain(_) => None,
    };
    if probability.drops() {
        let (x_squares, largest_x) = squares(x, 1.0)?;
        let (weight_squares, largest_weight) = squares(weight, spread as f32)?;
        let bias_squares = masked.map(|bias| squares(bias, spread as f32)).transpose()?;
        let bias_squares = bias_squares.as_ref().map_or(Bias::None, |(squares, _)| Bias::Plain(&squares[..]));
        backend.forward(Forward { shape, mask: None, x, weight, bias, y: &mut *mean })?;
        let of_squares = Forward {
            shape,
            mask: None,
            x: &x_squares[..],
            weight: &weight_squares[..],
            bias: bias_squares,
            y: &mut *variance,
        };
        backend.forward(of_squares)?;
        let precise = precise_from(&shape, largest_x, largest_weight);
        for_each(variance.par_chunks_mut(shape.outputs()).enumerate(), |(n, variances)| {
            for (o, variance) in variances.iter_mut().enumerate() {
                if !(precise..f32::INFINITY).contains(variance) {
                    let [x, weight] = [&x[n * inputs..][..inputs], &weight[o * inputs..][..inputs]];
                    let bias = masked.map_or(0.0, |bias| bias[o].into());
                    *variance = (spread * sum_of_squares(x, weight, bias)) as f32;
                }
            }
        });
    } else {
        backend.forward(Forward { shape, mask: None, x, weight, bias, y: &mut *mean })?;
        // Not 0 * infinity.
        variance.fill(0.0);
    }
    for (variance, mean) in variance.iter_mut().zip(mean) {
        if mean.is_nan() {
            *variance = *mean;
        }
    }
    Ok(())
}

/// The squares, times a factor, and the largest of them.
fn squares(values: &[f32], factor: f32) -> Result<(Vec<f32>, f32), Error> {
    let mut squares = host::copy(values)?;
    let mut largest: Vec<f32> = host::zeros(squares.len().div_ceil(CHUNK))?;
    for_each(squares.par_chunks_mut(CHUNK).zip(&mut largest), |(squares, largest)| {
        squares.iter_mut().for_each(|value| *value = factor * *value * *value);
        *largest = squares.iter().copied().fold(0.0, f32::max);
    });
    Ok((squares, largest.into_iter().fold(0.0, f32::max)))
}

/// From where on a sum of products of squares is as good as if squares did not leave float32: what they lose below its
/// normal numbers, at most the smallest of those times what it is multiplied with, is nothing in so large a sum.
fn precise_from(shape: &Shape, largest_x: f32, largest_weight: f32) -> f32 {
    let lost = f32::MIN_POSITIVE * (1.0 + largest_x + largest_weight);
    lost * (shape.inputs() as f32 + 1.0) / f32::EPSILON
}

/// The sum over inputs of the squares of the products, and of the bias: in float64, whose range no product leaves.
fn sum_of_squares(x: &[f32], weight: &[f32], bias: f64) -> f64 {
    let products = x.iter().zip(weight).map(|(&x, &weight)| f64::from(x) * f64::from(weight));
    products.map(|product| product * product).sum::<f64>() + bias * bias
}
