//! What a classifier head says over many masks. Reference of `shaders/predictive.wgsl`.

use super::monte_carlo::outputs_of_passes;
use super::rectified;
use crate::call::MonteCarlo;
use crate::{Error, Predictive, Shape, host};

/// [`Predictive`] of Y, taken as logits, over the passes of a call.
///
/// # Errors
/// As [`monte_carlo`](super::monte_carlo()).
pub fn predictive(call: &MonteCarlo<'_, &[f64], ()>) -> Result<Predictive<f64>, Error> {
    predictive_of(&call.shape, &outputs_of_passes(call)?)
}

/// The same of the logits of some passes, each `[batch, classes]`.
///
/// # Errors
/// [`Error::Length`] for logits of another length; [`Error::HostMemory`].
pub fn predictive_of(shape: &Shape, logits: &[impl AsRef<[f64]>]) -> Result<Predictive<f64>, Error> {
    let expected = shape.output_len();
    logits.iter().try_for_each(|pass| shape.expect_len("logits", pass.as_ref().len(), expected))?;
    let (classes, share) = (shape.outputs(), 1.0 / logits.len() as f64);
    let mut mean: Vec<f64> = host::zeros(shape.output_len())?;
    let (mut entropy, mut mutual_information) = (host::empty(shape.batch())?, host::empty(shape.batch())?);
    for (n, mean) in mean.chunks_mut(classes).enumerate() {
        let mut of_passes = 0.0;
        for pass in logits {
            let probabilities = softmax(&pass.as_ref()[n * classes..][..classes])?;
            of_passes += entropy_of(&probabilities) * share;
            for (mean, probability) in mean.iter_mut().zip(probabilities) {
                *mean += probability * share;
            }
        }
        entropy.push(entropy_of(mean));
        mutual_information.push(rectified(entropy_of(mean) - of_passes));
    }
    Ok(Predictive { mean, entropy, mutual_information })
}

/// Shifted by the largest logit, which changes nothing and cannot overflow. Infinity less itself is NaN, and a NaN is
/// in the total.
fn softmax(logits: &[f64]) -> Result<Vec<f64>, Error> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = host::collect(logits.iter().map(|logit| (logit - largest).exp()))?;
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    Ok(weights)
}

fn entropy_of(probabilities: &[f64]) -> f64 {
    // NaN is not 0, and stays.
    probabilities.iter().map(|&p| if p == 0.0 { 0.0 } else { -p * p.ln() }).sum()
}
