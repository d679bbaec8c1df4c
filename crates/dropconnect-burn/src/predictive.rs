//! What many masks of a classifier say.

use burn::tensor::{DType, FloatDType, Tensor};

use crate::Error;

/// What many masks of a classifier say about each example: see [`dropconnect::Predictive`].
#[derive(Clone, Debug)]
pub struct Predictive<const D: usize> {
    /// The mean softmax, `[..., classes]`.
    pub mean: Tensor<D>,
    /// Its entropy, natural logarithms, `[..., 1]`: all there is of uncertainty.
    pub entropy: Tensor<D>,
    /// Mutual information between class and mask, `[..., 1]`: the part that is the model's own.
    pub mutual_information: Tensor<D>,
}

impl<const D: usize> Predictive<D> {
    /// From the mean softmax, and the mean entropy of the single passes.
    pub(crate) fn of(mean: Tensor<D>, of_passes: Tensor<D>) -> Self {
        // p ln p is 0 where p is.
        let logs = mean.clone().clamp_min(f32::MIN_POSITIVE).log();
        let entropy = (mean.clone() * logs).sum_dim(D - 1).neg();
        let unknown = entropy.clone().is_nan();
        let mutual_information = (entropy.clone() - of_passes).clamp_min(0.0).mask_fill(unknown, f32::NAN);
        Self { mean, entropy, mutual_information }
    }
}

pub(crate) fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.dtype() == DType::F64 { tensor } else { tensor.cast(FloatDType::F32) }
}

/// At least one pass.
pub(crate) fn check(passes: u32) -> Result<(), Error> {
    if passes == 0 {
        let (argument, most) = ("passes", u32::MAX.into());
        return Err(dropconnect::Error::Count { argument, value: 0, least: 1, most }.into());
    }
    Ok(())
}
