//! Mean and variance of the output over many masks.

use rayon::prelude::*;

use super::Backend;
use super::threads::{for_each, run};
use crate::call::MonteCarlo;
use crate::{Error, Shape, host};

/// Elements that one thread updates at a time.
pub(super) const CHUNK: usize = 4096;

/// The running mean and variance of many passes, by Welford's update: memory for two results, however many
/// passes there are.
///
/// [`MonteCarlo`] is this around one layer. A network keeps one for its own output, and moves all its layers
/// from pass to pass together ([`MaskKey::pass`](crate::MaskKey::pass),
/// [`DropConnect::set_pass`](crate::DropConnect::set_pass)):
///
/// ```
/// use dropconnect::cpu::RunningMoments;
///
/// let mut moments = RunningMoments::new(2)?;
/// for output in [[1.0, 5.0], [3.0, 5.0]] {
///     moments.add(&output)?;
/// }
/// assert_eq!((moments.mean(), moments.variance()?), (&[2.0, 5.0][..], vec![2.0, 0.0]));
/// # Ok::<(), dropconnect::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunningMoments {
    passes: u32,
    mean: Vec<f32>,
    /// The unbiased variance: sums of squares would leave float32 long before it.
    variance: Vec<f32>,
}

impl RunningMoments {
    /// No passes yet, of results with this many elements.
    ///
    /// # Errors
    /// [`Error::HostMemory`].
    pub fn new(len: usize) -> Result<Self, Error> {
        Ok(Self { passes: 0, mean: host::zeros(len)?, variance: host::zeros(len)? })
    }

    /// Adds a pass's result.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of elements; [`Error::Count`] after `u32::MAX` passes. Nothing
    /// is added then.
    pub fn add(&mut self, values: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, 1, 1)?;
        shape.expect_len("values", values.len(), self.mean.len())?;
        update(&mut self.passes, &mut self.mean, &mut self.variance, values)
    }

    /// Passes so far.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// The mean; zeros before the first pass.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The unbiased variance, over passes - 1; zeros before the second pass. NaN where a value was infinite or NaN.
    ///
    /// # Errors
    /// [`Error::HostMemory`].
    pub fn variance(&self) -> Result<Vec<f32>, Error> {
        host::collect(self.variance.iter().copied())
    }
}

/// Counts the pass and adds its values. The first finds memory that may hold anything.
fn update(passes: &mut u32, mean: &mut [f32], variance: &mut [f32], values: &[f32]) -> Result<(), Error> {
    let Some(count) = passes.checked_add(1) else {
        let (value, most) = ((*passes).into(), (u32::MAX - 1).into());
        return Err(Error::Count { argument: "passes", value, least: 1, most });
    };
    run(|| {
        let all =
            mean.par_chunks_mut(CHUNK).zip(variance.par_chunks_mut(CHUNK)).zip(values.par_chunks(CHUNK));
        for_each(all, |((mean, variance), values)| {
            for ((mean, variance), &value) in mean.iter_mut().zip(variance).zip(values) {
                let first = (value, super::normal::none_of(value));
                (*mean, *variance) = if count == 1 { first } else { with(*mean, *variance, value, count) };
            }
        });
        Ok(())
    })?;
    *passes = count;
    Ok(())
}

/// Mean and variance with one more value, by Welford's update in a form that leaves float32 only where its results
/// do. Mirrors `update` in `shaders/running_moments.wgsl`.
fn with(mean: f32, variance: f32, value: f32, count: u32) -> (f32, f32) {
    if !(mean.is_finite() && value.is_finite()) {
        // An infinity stays unless its opposite comes.
        return (mean + value, f32::NAN);
    }
    let (share, rest) = (1.0 / count as f32, 1.0 / (count - 1) as f32);
    let after = mean + (0.5 * value - 0.5 * mean) * (2.0 * share);
    let term = (value - mean) * rest * (value - after);
    let next = variance + (term - variance * rest);
    // Not infinity less infinity.
    (after, if variance.is_infinite() { variance } else { next })
}

/// The lengths have been checked.
pub(super) fn monte_carlo(backend: Backend, call: MonteCarlo<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
    call.mask.check_passes(&call.shape, call.passes)?;
    let mut y = host::zeros(call.shape.output_len())?;
    let mut done = 0;
    (0..call.passes).try_for_each(|pass| {
        backend.forward(call.forward(&call.mask.pass(pass), &mut y[..]))?;
        update(&mut done, call.mean, call.variance, &y)
    })
}
