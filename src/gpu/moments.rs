//! Mean and variance under the mask. Shader: `shaders/moments.wgsl`.

use super::Kernels;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, DropProbability, ElementType, Error, Shape, Write};

/// Arguments of [`Kernels::moments`].
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How X, W and b are stored.
    pub element: ElementType,
    /// The probability of dropping.
    pub probability: &'a DropProbability,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// The mean of W X + b over masks, `[batch, outputs]`, always f32: overwritten.
    pub mean: Tensor<'a>,
    /// Its variance, `[batch, outputs]`, always f32: overwritten.
    pub variance: Tensor<'a>,
}

impl Kernels {
    /// Mean and variance of the layer's output over masks, in one pass over X and W (Wan et al. 2013,
    /// Algorithm 2): mean = W X + b, variance = p / (1 - p) * W² X² with the realised p, and
    /// p / (1 - p) * b² more where the bias is masked. The mean over masks does not depend on p, since
    /// kept weights are scaled by 1 / (1 - p). Where p is 0 the variance is 0, however large the mean; where the mean
    /// is NaN, so is the variance.
    ///
    /// # Errors
    /// As [`Kernels::forward`].
    pub fn moments(&self, call: &Moments) -> Result<Recording, Error> {
        let Moments { shape, element, .. } = *call;
        self.contract(&Contraction {
            pass: Pass::Moments,
            shape,
            mask: None,
            operands: &[Face::input("x", call.x, element), Face::weight("weight", call.weight, element)],
            bias: call.bias.map(|bias| Face::bias("bias", bias, element)),
            results: &[
                Face::output("mean", call.mean, ElementType::F32),
                Face::output("variance", call.variance, ElementType::F32),
            ],
            walked: Axis::Input,
            write: Write::Overwrite,
            scale: Some(call.probability.spread() as f32),
        })
    }
}
