//! Mean and variance of a layer's output.

use crate::call::Face;
use crate::{Error, Shape, host};

/// Mean and variance, element by element, of an output `[batch, outputs]` that depends on a random mask. NaN in
/// whatever they are of is NaN here.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The mean, `[batch, outputs]`.
    pub mean: Vec<f32>,
    /// The variance, `[batch, outputs]`.
    pub variance: Vec<f32>,
}

impl Moments {
    pub(crate) fn zeros(shape: &Shape) -> Result<Self, Error> {
        let zeros = || host::zeros(shape.output_len());
        Ok(Self { mean: zeros()?, variance: zeros()? })
    }

    /// That both are `[batch, outputs]`.
    pub(crate) fn check(&self, shape: &Shape) -> Result<&Self, Error> {
        Face::output("mean", &&self.mean[..]).check(shape)?;
        Face::output("variance", &&self.variance[..]).check(shape)?;
        Ok(self)
    }
}
