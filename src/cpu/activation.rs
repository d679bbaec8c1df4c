//! Mean and variance of f(u) for normal u, element by element.

use rayon::prelude::*;

use super::normal;
use super::threads::{for_each, run};
use crate::call::Activate;
use crate::{Activation, Error, Method, Origin, Shape};

/// The lengths have been checked.
pub(super) fn activate(call: Activate<&[f32], &mut [f32]>) -> Result<(), Error> {
    let Activate { shape, activation, method, u_mean, u_variance, mean, variance } = call;
    match method {
        Method::Closed => closed_form(&shape, activation, [u_mean, u_variance], [mean, variance]),
        Method::Sampled { samples, key, origin } => {
            Error::check_count("samples", samples, 1..=u32::MAX)?;
            origin.check(&shape)?;
            let key = key.gaussian_words();
            let sampling = Sampling { shape, samples, key, origin, u_mean, u_variance };
            // One compiled loop for each activation.
            run(|| {
                match activation {
                    Activation::Identity => sampling.run(mean, variance, |u| u),
                    Activation::Relu => sampling.run(mean, variance, normal::rectified),
                    Activation::Sigmoid => sampling.run(mean, variance, sigmoid),
                    Activation::Tanh => sampling.run(mean, variance, f32::tanh),
                }
                Ok(())
            })
        }
    }
}

fn closed_form(
    shape: &Shape,
    activation: Activation,
    [mean, variance]: [&[f32]; 2],
    [out_mean, out_variance]: [&mut [f32]; 2],
) -> Result<(), Error> {
    match activation {
        Activation::Identity => {
            out_mean.copy_from_slice(mean);
            out_variance.copy_from_slice(variance);
            Ok(())
        }
        Activation::Relu => run(|| {
            for_each(rows(shape, out_mean, out_variance), |(n, (out_mean, out_variance))| {
                let start = n * shape.outputs();
                for o in 0..shape.outputs() {
                    let moments = relu(mean[start + o], variance[start + o]);
                    (out_mean[o], out_variance[o]) = moments;
                }
            });
            Ok(())
        }),
        Activation::Sigmoid | Activation::Tanh => Err(Error::NoClosedForm { activation }),
    }
}

/// The reference, `relu` in `src/reference/activation.rs`, says why.
fn relu(mean: f32, variance: f32) -> (f32, f32) {
    if mean.is_nan() || variance.is_nan() || variance < 0.0 || mean.is_infinite() && variance.is_infinite() {
        return (f32::NAN, f32::NAN);
    }
    let deviation = variance.sqrt();
    if deviation == 0.0 {
        return (normal::rectified(mean), 0.0);
    }
    // Past 15 deviations nothing is left of the tail, and its parts underflow.
    let t = (mean / deviation).abs().clamp(0.0, 15.0);
    let (density, tail) = normal::density_and_tail(t);
    let h = (density - t * tail).max(0.0);
    let k = ((1.0 + t * t) * tail - t * density).max(0.0);
    if mean < 0.0 {
        (deviation * h, variance * (k - h * h).max(0.0))
    } else {
        (mean + deviation * h, variance * (1.0 - 2.0 * tail + k - h * h))
    }
}

/// 1 / (1 + exp(-u)), whose exponential does not overflow in the lower tail.
fn sigmoid(u: f32) -> f32 {
    let tail = (-u.abs()).exp();
    (if u < 0.0 { tail } else { 1.0 }) / (1.0 + tail)
}

struct Sampling<'a> {
    shape: Shape,
    samples: u32,
    key: [u32; 2],
    origin: Origin,
    u_mean: &'a [f32],
    u_variance: &'a [f32],
}

impl Sampling<'_> {
    fn run(&self, out_mean: &mut [f32], out_variance: &mut [f32], apply: impl Fn(f32) -> f32 + Sync) {
        let outputs = self.shape.outputs();
        for_each(rows(&self.shape, out_mean, out_variance), |(n, (out_mean, out_variance))| {
            for o in 0..outputs {
                let at = n * outputs + o;
                let coordinates = [self.origin.example + n as u32, self.origin.output + o as u32];
                let moments = self.one(coordinates, self.u_mean[at], self.u_variance[at], &apply);
                (out_mean[o], out_variance[o]) = moments;
            }
        });
    }

    fn one(&self, [n, o]: [u32; 2], mean: f32, variance: f32, apply: impl Fn(f32) -> f32) -> (f32, f32) {
        if mean.is_nan() || !(0.0..f32::INFINITY).contains(&variance) {
            return (f32::NAN, f32::NAN);
        }
        // f does not fall, so that this is the median of f(u). The mean is within a deviation of it, and the
        // difference of squares below keeps its digits.
        let middle = apply(mean);
        if mean.is_infinite() {
            return (middle, normal::none_of(middle));
        }
        let deviation = variance.sqrt();
        // Neither do float64 sums overflow, nor do they stand still after 2^24 samples.
        let (mut sum, mut squares, mut left) = (0.0f64, 0.0f64, self.samples);
        for call in 0..self.samples.div_ceil(4) {
            for z in &normal::samples(self.key, n, o, call)[..left.min(4) as usize] {
                let difference = f64::from(apply(mean + deviation * z)) - f64::from(middle);
                sum += difference;
                squares += difference * difference;
            }
            left = left.saturating_sub(4);
        }
        let count = f64::from(self.samples);
        let average = sum / count;
        let variance = (squares / count - average * average).max(0.0);
        ((f64::from(middle) + average) as f32, variance as f32)
    }
}

/// The rows of both results, and their numbers.
fn rows<'a>(
    shape: &Shape,
    mean: &'a mut [f32],
    variance: &'a mut [f32],
) -> impl IndexedParallelIterator<Item = (usize, (&'a mut [f32], &'a mut [f32]))> {
    mean.par_chunks_mut(shape.outputs()).zip(variance.par_chunks_mut(shape.outputs())).enumerate()
}
