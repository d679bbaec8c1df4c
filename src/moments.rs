//! Mean and variance of a layer's output.

/// Mean and variance, element by element, of an output `[batch, outputs]` that depends on a random mask. NaN in
/// whatever they are of is NaN here.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The mean, `[batch, outputs]`.
    pub mean: Vec<f32>,
    /// The variance, `[batch, outputs]`.
    pub variance: Vec<f32>,
}
