//! A drop probability that changes while training goes on, and one for each layer of a model.

use burn::config::Config;
use dropconnect::DropProbability;

use crate::{DropConnectConfig, Error};

/// The probability of dropping as a function of the step: straight lines between points, level before the first and
/// after the last. Two points at one step are a jump.
///
/// ```no_run
/// # fn train(mut layer: dropconnect_burn::DropConnect) -> Result<(), dropconnect_burn::Error> {
/// use dropconnect_burn::DropSchedule;
/// let schedule = DropSchedule::linear(0.0, 0.5, 10_000)?; // 0 at first, 1/2 from step 10,000 on
/// for step in 0..20_000 {
///     layer.set_drop_probability(schedule.probability(step))?;
///     // ...
/// }
/// # Ok(())
/// # }
/// ```
///
/// The first p that takes one bit (1/2), the first that takes 2 to 8 and the first that takes more each compile kernels
/// of their own on wgpu, once for a device; a p that changes among them compiles nothing.
#[derive(Config, Debug, PartialEq)]
pub struct DropSchedule {
    /// Step and probability, steps in ascending order.
    pub points: Vec<(u64, f64)>,
}

impl DropSchedule {
    /// The same probability at all steps.
    ///
    /// # Errors
    /// Unless `0 <= p < 1`.
    pub fn constant(p: f64) -> Result<Self, Error> {
        Self::through(vec![(0, p)])
    }

    /// From one probability at step 0 to another at step `steps`, and that one from there on.
    ///
    /// # Errors
    /// Unless `0 <= p < 1` for both.
    pub fn linear(from: f64, to: f64, steps: u64) -> Result<Self, Error> {
        Self::through(vec![(0, from), (steps, to)])
    }

    /// Through any points.
    ///
    /// # Errors
    /// [`Error::EmptySchedule`] without points, [`Error::ScheduleOrder`] where a step is below the one in front of it,
    /// and unless `0 <= p < 1` for each.
    pub fn through(points: Vec<(u64, f64)>) -> Result<Self, Error> {
        let schedule = Self { points };
        schedule.check()?;
        Ok(schedule)
    }

    /// Whether this is a schedule: one that was read from a file may be none.
    ///
    /// # Errors
    /// As [`through`](Self::through).
    pub fn check(&self) -> Result<(), Error> {
        if self.points.is_empty() {
            return Err(Error::EmptySchedule);
        }
        for (at, pair) in self.points.windows(2).enumerate() {
            let (previous, step) = (pair[0].0, pair[1].0);
            if step < previous {
                return Err(Error::ScheduleOrder { at: at + 1, step, previous });
            }
        }
        for &(_, p) in &self.points {
            DropProbability::new(p)?;
        }
        Ok(())
    }

    /// The probability at a step. NaN without points, which `set_drop_probability` refuses.
    pub fn probability(&self, step: u64) -> f64 {
        let after = self.points.partition_point(|&(at, _)| at <= step);
        let before = after.checked_sub(1).map(|before| self.points[before]);
        match (before, self.points.get(after)) {
            (None, None) => f64::NAN,
            (Some((_, p)), None) | (None, Some(&(_, p))) => p,
            (Some((start, from)), Some(&(end, to))) => {
                from + (to - from) * ((step - start) as f64 / (end - start) as f64)
            }
        }
    }
}

/// What the DropConnect layers of a model have in common, with a probability for each: one configuration, one file.
#[derive(Config, Debug)]
pub struct ModelConfig {
    /// The seed of the masks.
    #[config(default = 0)]
    pub seed: u64,
    /// The probability of dropping of layers that `probs` does not name.
    #[config(default = 0.5)]
    pub prob: f64,
    /// Numbers of layers, and the probability of each.
    #[config(default = "Vec::new()")]
    pub probs: Vec<(u32, f64)>,
}

impl ModelConfig {
    /// The probability of a layer: that of the last entry which names it.
    pub fn prob_of(&self, layer: u32) -> f64 {
        self.probs.iter().rev().find(|&&(number, _)| number == layer).map_or(self.prob, |&(_, p)| p)
    }

    /// The configuration of a layer of this model.
    pub fn layer(&self, layer: u32, d_input: usize, d_output: usize) -> DropConnectConfig {
        DropConnectConfig::new(layer, d_input, d_output).with_prob(self.prob_of(layer)).with_seed(self.seed)
    }
}
