//! What a classifier head says over many masks.

use rayon::prelude::*;

use super::monte_carlo::for_each_pass;
use super::normal::rectified;
use super::threads::{for_each, run};
use crate::call::MonteCarlo;
use crate::{Error, Predictive, Shape, fenv, host};

/// The running result of many passes of a classifier: memory for one result, however many passes there are.
///
/// [`predictive`] is this around one layer; a network keeps one for its own logits.
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
        let mut softmax: Vec<f32> = host::zeros(logits.len())?;
        run(|| {
            let share = 1.0 / passes as f32;
            let examples = logits.par_chunks(self.classes).zip(self.mean.par_chunks_mut(self.classes));
            let examples = examples.zip(softmax.par_chunks_mut(self.classes));
            for_each(examples.zip(&mut self.entropy), |(((logits, mean), softmax), entropy)| {
                softmax_into(logits, softmax);
                *entropy += (entropy_of(softmax) - *entropy) * share;
                for (mean, probability) in mean.iter_mut().zip(softmax) {
                    *mean += (*probability - *mean) * share;
                }
            });
            Ok(())
        })?;
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
        let Self { mean, entropy: of_passes, classes, .. } = self;
        let [entropy, mutual_information] = fenv::with_default(|| {
            let entropy: Vec<f32> = host::collect(mean.chunks(classes).map(entropy_of))?;
            let difference = |(whole, of_passes): (&f32, f32)| rectified(whole - of_passes);
            let mutual_information = host::collect(entropy.iter().zip(of_passes).map(difference))?;
            Ok::<_, Error>([entropy, mutual_information])
        })?;
        Ok(Predictive { mean, entropy, mutual_information })
    }
}

/// [`Predictive`] of Y, taken as logits `[batch, classes]`, over the passes of a call; [`RunningPredictive`] says
/// what becomes of logits that are not finite.
///
/// # Errors
/// As [`monte_carlo`](super::monte_carlo()).
pub fn predictive(call: &MonteCarlo<'_, &[f32], ()>) -> Result<Predictive<f32>, Error> {
    // Before memory is asked for: no tensor may be what the shape says.
    call.faces().check()?;
    call.mask.check_passes(&call.shape, call.passes)?;
    let mut running = RunningPredictive::new(call.shape.batch(), call.shape.outputs())?;
    for_each_pass(call, |y| running.add(y))?;
    running.finish()
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
