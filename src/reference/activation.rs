//! Mean and variance of f(u) for normal u. Reference of `shaders/activation.wgsl` with `shaders/elementary.wgsl`.

use std::f64::consts::{PI, TAU};

use super::rectified;
use crate::mask::philox::philox4x32;
use crate::{Activation, Error, MaskKey, Origin, Shape, host};

/// The mean and the variance of `f(u)` for `u ~ N(mean, variance)`, element by element, in closed form: each
/// `[batch, outputs]`. For [`Activation::Identity`] they are u's own; for [`Activation::Relu`], with
/// s^2 = variance, the standard normal distribution function Phi and its density phi,
///
/// ```text
/// E     = m Phi(m / s) + s phi(m / s)
/// E[f^2] = (m^2 + s^2) Phi(m / s) + m s phi(m / s)
/// Var   = E[f^2] - E^2
/// ```
///
/// The variance is not computed as that difference, which would cancel far from m = 0. With t = |m| / s,
/// Q = Phi(-t) and the moments of the part of a standard normal z beyond t,
/// `h = E[max(z - t, 0)] = phi - t Q` and `k = E[max(z - t, 0)^2] = (1 + t^2) Q - t phi`:
/// below 0, `E = s h` and `Var = s^2 (k - h^2)`; above 0, where max(u, 0) = u + max(-u, 0),
/// `E = m + s h` and `Var = s^2 (1 - 2 Q + k - h^2)`. A variance of 0 gives f(mean) and 0.
///
/// Through the ReLU both are NaN where either of u's is, where the variance is negative, and where mean and variance
/// are infinite; an infinite variance alone gives infinity for both.
///
/// # Errors
/// [`Error::NoClosedForm`] for other activations, see [`sampled`]; [`Error::Length`] for a slice that does not
/// have the shape's length.
pub fn closed_form(
    shape: &Shape,
    activation: Activation,
    mean: &[f64],
    variance: &[f64],
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    shape.expect_len("mean", mean.len(), shape.output_len())?;
    shape.expect_len("variance", variance.len(), shape.output_len())?;
    match activation {
        Activation::Identity => Ok((host::copy(mean)?, host::copy(variance)?)),
        Activation::Relu => {
            let (mut means, mut variances) = (host::copy(mean)?, host::copy(variance)?);
            for (mean, variance) in means.iter_mut().zip(&mut variances) {
                (*mean, *variance) = relu(*mean, *variance);
            }
            Ok((means, variances))
        }
        Activation::Sigmoid | Activation::Tanh => Err(Error::NoClosedForm { activation }),
    }
}

fn relu(mean: f64, variance: f64) -> (f64, f64) {
    if mean.is_nan() || variance.is_nan() || variance < 0.0 || mean.is_infinite() && variance.is_infinite() {
        return (f64::NAN, f64::NAN);
    }
    let deviation = variance.sqrt();
    if deviation == 0.0 {
        return (rectified(mean), 0.0);
    }
    // Past 40 deviations nothing is left of the tail, and t * t stays finite.
    let t = (mean / deviation).abs().clamp(0.0, 40.0);
    let density = (-t * t / 2.0).exp() / TAU.sqrt();
    let tail = upper_tail(t);
    let h = (density - t * tail).max(0.0);
    let k = ((1.0 + t * t) * tail - t * density).max(0.0);
    if mean < 0.0 {
        (deviation * h, variance * (k - h * h).max(0.0))
    } else {
        (mean + deviation * h, variance * (1.0 - 2.0 * tail + k - h * h).max(0.0))
    }
}

/// `P(z > t)` for standard normal z and t >= 0: the series 26.2.11 and the continued fraction 26.2.14 of
/// Abramowitz and Stegun, "Handbook of Mathematical Functions".
fn upper_tail(t: f64) -> f64 {
    let density = (-t * t / 2.0).exp() / (2.0 * PI).sqrt();
    if t < 3.0 {
        let (mut term, mut sum, mut odd) = (t, t, 1.0);
        while term > 1e-18 * sum {
            odd += 2.0;
            term *= t * t / odd;
            sum += term;
        }
        0.5 - density * sum
    } else {
        density / (1..200).rev().fold(t, |rest, n| t + f64::from(n) / rest)
    }
}

/// The mean and the population variance of `f(mean + s z)` over `samples` Gaussian samples z for each
/// element, each `[batch, outputs]`: the second half of Algorithm 2 of Wan et al. (ICML 2013).
///
/// Samples depend on the key, the global example, the global output and their number alone:
/// "Gaussian samples 1" of `docs/mask-format.md`.
///
/// Both are NaN where the mean of u is NaN, or its variance NaN, negative or infinite. An infinite mean is what every
/// sample is: the mean is f of it, and the variance 0, or NaN where that is infinite.
///
/// # Errors
/// [`Error::Count`] for 0 samples; [`Error::Length`] for a slice that does not have the shape's length;
/// [`Error::Origin`] where the shard passes the last global coordinate.
pub fn sampled(
    shape: &Shape,
    activation: Activation,
    samples: u32,
    key: MaskKey,
    origin: Origin,
    mean: &[f64],
    variance: &[f64],
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    Error::check_count("samples", samples, 1..=u32::MAX)?;
    origin.check(shape)?;
    shape.expect_len("mean", mean.len(), shape.output_len())?;
    shape.expect_len("variance", variance.len(), shape.output_len())?;
    let key = key.gaussian_words();
    let outputs = shape.outputs();
    let (mut means, mut variances) = (host::zeros(mean.len())?, host::zeros(mean.len())?);
    for index in 0..mean.len() {
        let n = origin.example + (index / outputs) as u32;
        let o = origin.output + (index % outputs) as u32;
        if mean[index].is_nan() || !(0.0..f64::INFINITY).contains(&variance[index]) {
            (means[index], variances[index]) = (f64::NAN, f64::NAN);
            continue;
        }
        let deviation = variance[index].sqrt();
        let value = |sample| apply(activation, mean[index] + deviation * gaussian(key, n, o, sample));
        let values: Vec<f64> = host::collect((0..samples).map(value))?;
        let count = f64::from(samples);
        let average = values.iter().sum::<f64>() / count;
        means[index] = average;
        variances[index] = values.iter().map(|value| (value - average).powi(2)).sum::<f64>() / count;
    }
    Ok((means, variances))
}

/// Sample number `sample` of global example n and output o, by Box and Muller's transform.
fn gaussian(key: [u32; 2], n: u32, o: u32, sample: u32) -> f64 {
    let words = philox4x32([o, n, sample / 4, 0], key);
    let pair = (sample % 4 / 2 * 2) as usize;
    let u1 = f64::from((words[pair] >> 8) + 1) / f64::from(1 << 24);
    let u2 = f64::from(words[pair + 1] >> 8) / f64::from(1 << 24);
    let radius = (-2.0 * u1.ln()).sqrt();
    if sample.is_multiple_of(2) { radius * (TAU * u2).cos() } else { radius * (TAU * u2).sin() }
}

fn apply(activation: Activation, u: f64) -> f64 {
    match activation {
        Activation::Identity => u,
        Activation::Relu => rectified(u),
        Activation::Sigmoid => 1.0 / (1.0 + (-u).exp()),
        Activation::Tanh => u.tanh(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        // Abramowitz and Stegun, table 26.1 and 26.2.
        for (t, q) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (2.0, 0.022_750_131_948_179_21),
            (5.0, 2.866_515_718_791_939e-7),
            (10.0, 7.619_853_024_160_527e-24),
        ] {
            assert!((upper_tail(t) / q - 1.0).abs() < 1e-12, "{t}: {}", upper_tail(t));
        }
        assert!((upper_tail(3.0 - 1e-9) / upper_tail(3.0) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn closed_forms_are_the_integrals() {
        for (m, v) in [(0.0, 1.0), (1.5, 0.7), (-1.5, 0.7), (-4.0, 1.0), (6.0, 2.0), (0.3, 1e-3)] {
            // The trapezium rule over 12 deviations; the integrands are smooth but for the kink at 0.
            let (steps, s) = (2_000_000, f64::sqrt(v));
            let width = 24.0 / f64::from(steps);
            let (mut first, mut second) = (0.0, 0.0);
            for step in 0..=steps {
                let z = -12.0 + width * f64::from(step);
                let value = (m + s * z).max(0.0);
                let weight = width * (-z * z / 2.0).exp() / TAU.sqrt();
                first += weight * value;
                second += weight * value * value;
            }
            let (mean, variance) = relu(m, v);
            assert!((mean - first).abs() < 1e-9, "{m} {v}: {mean} {first}");
            assert!((variance - (second - first * first)).abs() < 1e-9, "{m} {v}: {variance}");
        }
    }
}
