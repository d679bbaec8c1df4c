//! What a classifier head says over many masks.

use rayon::prelude::*;

use super::normal::rectified;
use super::threads::{for_each, run};
use crate::call::PredictivePass;
use crate::{Error, Predictive, Shape, fenv, host};

/// As on an adapter, where f32 counts them.
const MOST_PASSES: u32 = 1 << 24;

/// The running result of many passes of a classifier: memory for one result, however many passes there are.
///
/// For a network, which keeps one for its own logits: [`PredictivePass`] in memory of its own.
///
/// Everything said of an example is NaN where, in any pass, one of its logits is NaN or +infinity, or all are
/// -infinity. A logit of -infinity beside finite ones is a class with probability 0.
#[derive(Clone, Debug)]
pub struct RunningPredictive {
    batch: usize,
    classes: usize,
    passes: u32,
    /// The mean softmax.
    mean: Vec<f32>,
    /// The mean of the passes' entropies.
    entropy: Vec<f32>,
}

impl RunningPredictive {
    /// No passes yet, of logits `[batch, classes]`.
    ///
    /// # Errors
    /// [`Error::ZeroDimension`] for 0 classes; [`Error::TooLarge`] past `u32::MAX` of either;
    /// [`Error::HostMemory`].
    pub fn new(batch: usize, classes: usize) -> Result<Self, Error> {
        let len = Shape::new(batch, classes, 1)?.output_len();
        Ok(Self { batch, classes, passes: 0, mean: host::zeros(len)?, entropy: host::zeros(batch)? })
    }

    /// Adds a pass's logits, `[batch, classes]`.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of logits; [`Error::Count`] after `u32::MAX` passes;
    /// [`Error::HostMemory`]. Nothing is added then.
    pub fn add(&mut self, logits: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(self.batch, self.classes, 1)?;
        shape.expect_len("logits", logits.len(), shape.output_len())?;
        let Some(passes) = self.passes.checked_add(1) else {
            let (value, most) = (self.passes.into(), (u32::MAX - 1).into());
            return Err(Error::Count { argument: "passes", value, least: 1, most });
        };
        add(self.classes, passes, logits, &mut self.mean, &mut self.entropy)?;
        self.passes = passes;
        Ok(())
    }

    /// Passes so far.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// The result of the passes so far; zeros before the first.
    ///
    /// # Errors
    /// [`Error::HostMemory`].
    pub fn finish(self) -> Result<Predictive<f32>, Error> {
        let Self { mean, entropy: mut mutual_information, classes, .. } = self;
        let mut entropy = host::zeros(mutual_information.len())?;
        finish(classes, &mean, &mut entropy, &mut mutual_information);
        Ok(Predictive { mean, entropy, mutual_information })
    }
}

/// The lengths have been checked.
pub(super) fn predictive_pass(call: PredictivePass<&[f32], &mut [f32]>) -> Result<(), Error> {
    let PredictivePass { shape, pass, passes, logits, mean, entropy, information } = call;
    Error::check_count("passes", passes, 1..=MOST_PASSES)?;
    Error::check_count("pass", pass, 0..=passes - 1)?;
    if pass == 0 {
        mean.fill(0.0);
        information.fill(0.0);
    }
    add(shape.outputs(), pass + 1, logits, mean, information)?;
    if pass + 1 == passes {
        finish(shape.outputs(), mean, entropy, information);
    }
    Ok(())
}

/// Adds the logits of the pass with this number, from 1, to the mean softmax and to the mean entropy of the passes.
fn add(
    classes: usize,
    passes: u32,
    logits: &[f32],
    mean: &mut [f32],
    entropies: &mut [f32],
) -> Result<(), Error> {
    let mut softmax: Vec<f32> = host::zeros(logits.len())?;
    run(|| {
        let share = 1.0 / passes as f32;
        let examples = logits.par_chunks(classes).zip(mean.par_chunks_mut(classes));
        let examples = examples.zip(softmax.par_chunks_mut(classes));
        for_each(examples.zip(entropies), |(((logits, mean), softmax), entropy)| {
            softmax_into(logits, softmax);
            *entropy += (entropy_of(softmax) - *entropy) * share;
            for (mean, probability) in mean.iter_mut().zip(softmax) {
                *mean += (*probability - *mean) * share;
            }
        });
        Ok(())
    })
}

/// The entropy of the mean softmax and, in place of the mean entropy of the passes, the mutual information.
fn finish(classes: usize, mean: &[f32], entropy: &mut [f32], information: &mut [f32]) {
    fenv::with_default(|| {
        for ((mean, entropy), information) in mean.chunks(classes).zip(entropy).zip(information) {
            *entropy = entropy_of(mean);
            *information = rectified(*entropy - *information);
        }
    });
}

/// Shifted by the largest logit, which changes nothing and cannot overflow. Infinity less itself is NaN, and a NaN is
/// in the total.
fn softmax_into(logits: &[f32], softmax: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    softmax.iter_mut().zip(logits).for_each(|(weight, logit)| *weight = (logit - largest).exp());
    // Of a million classes a float32 would lose the small ones.
    let total: f64 = softmax.iter().map(|&weight| f64::from(weight)).sum();
    softmax.iter_mut().for_each(|weight| *weight /= total as f32);
}

/// From the probabilities, for the mean as for a pass: where all passes agree, the difference is exactly 0.
fn entropy_of(probabilities: &[f32]) -> f32 {
    // NaN is not 0, and stays.
    let terms = probabilities.iter().map(|&p| if p == 0.0 { 0.0 } else { p * p.ln() });
    // Taking it from 0 keeps a certain answer's entropy from being -0.
    (0.0 - terms.map(f64::from).sum::<f64>()) as f32
}
