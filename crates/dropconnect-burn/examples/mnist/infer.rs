//! Predicting with a trained network, in the three ways there are.

use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use clap::ValueEnum;
use dropconnect_burn::Sampler;

use crate::data::Digits;
use crate::model::{Network, Regularizer};
use crate::view::View;

/// How a trained network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Inference {
    /// With the weights as they are.
    Mean,
    /// The paper's Algorithm 2: each layer's outputs are normal over the masks, and their mean through the ReLU goes
    /// on.
    Gaussian,
    /// The mean softmax over masks.
    Mc,
}

impl Inference {
    pub const ALL: [Self; 3] = [Self::Mean, Self::Gaussian, Self::Mc];

    /// Only masks on weights have moments and samples here.
    pub fn serves(self, regularizer: Regularizer) -> bool {
        self == Self::Mean || regularizer == Regularizer::Dropconnect
    }

    /// The probabilities of the classes, `[batch, 10]`. `step` names the masks of `Mc`.
    pub fn probabilities(
        self,
        model: &Network,
        images: Tensor<2>,
        passes: u32,
        step: u64,
    ) -> Result<Tensor<2>, dropconnect_burn::Error> {
        Ok(match self {
            Self::Mean => softmax(model.forward(images), 1),
            Self::Gaussian => softmax(model.gaussian(images), 1),
            Self::Mc => {
                let sampler = Sampler::new(passes)?.with_step(step);
                sampler.predictive(images, |images| model.forward(images))?.mean
            }
        })
    }
}

/// The probabilities of all these digits, a row each, and their labels.
pub fn all(
    model: &Network,
    digits: &Digits,
    view: View,
    how: (Inference, u32),
    device: &Device,
) -> Result<(Vec<f32>, Vec<u8>), Box<dyn std::error::Error>> {
    let device = device.clone().inner();
    let model = model.valid();
    let numbers: Vec<u32> = (0..digits.len() as u32).collect();
    let mut rows = Vec::with_capacity(numbers.len() * 10);
    for (step, numbers) in numbers.chunks(500).enumerate() {
        let (images, _) = digits.batch(numbers, view, &device);
        let probabilities = how.0.probabilities(&model, images, how.1, step as u64)?;
        rows.extend(probabilities.into_data().try_into_vec_as::<f32>()?);
    }
    Ok((rows, digits.labels().to_vec()))
}

/// Mean loss, and the percentage of digits that are not recognised.
pub fn score(rows: &[f32], labels: &[u8]) -> (f64, f64) {
    let (mut loss, mut wrong) = (0.0, 0);
    for (row, &label) in rows.chunks(10).zip(labels) {
        let best = (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b]));
        wrong += usize::from(best != Some(usize::from(label)));
        loss -= f64::from(row[usize::from(label)].max(f32::MIN_POSITIVE)).ln();
    }
    (loss / labels.len() as f64, 100.0 * wrong as f64 / labels.len() as f64)
}
