//! The network of the paper: two hidden layers of ReLU units, of which one of the two regularizers takes care.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use dropconnect_burn::{DropConnect, DropConnectConfig};
use serde::{Deserialize, Serialize};

/// Units of each hidden layer.
const HIDDEN: usize = 800;

/// What is dropped from the hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regularizer {
    None,
    Dropout,
    Dropconnect,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has two of them")]
enum Layer {
    Linear(Linear),
    DropConnect(DropConnect),
}

#[derive(Module, Debug)]
pub struct Network {
    first: Layer,
    second: Layer,
    output: Linear,
    dropout: Option<Dropout>,
}

impl Network {
    pub fn new(regularizer: Regularizer, inputs: usize, p: f64, seed: u64, device: &Device) -> Self {
        // The same seed gives the same weights with every regularizer.
        device.seed(seed);
        let layer = |inputs, number| match regularizer {
            Regularizer::Dropconnect => {
                let config = DropConnectConfig::new(number, inputs, HIDDEN).with_prob(p).with_seed(seed);
                Layer::DropConnect(config.init(device))
            }
            _ => Layer::Linear(LinearConfig::new(inputs, HIDDEN).init(device)),
        };
        Self {
            first: layer(inputs, 0),
            second: layer(HIDDEN, 1),
            output: LinearConfig::new(HIDDEN, 10).init(device),
            dropout: (regularizer == Regularizer::Dropout).then(|| DropoutConfig::new(p).init()),
        }
        .materialize()
    }

    /// The logits of the ten digits.
    pub fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        let hidden = self.hidden(&self.first, images);
        let hidden = self.hidden(&self.second, hidden);
        self.output.forward(hidden)
    }

    /// The logits by the paper's Algorithm 2 in each layer: the mean of its normal outputs through the ReLU goes on.
    /// Layers that drop nothing do what they always do.
    pub fn gaussian(&self, images: Tensor<2>) -> Tensor<2> {
        let hidden = [&self.first, &self.second].into_iter().fold(images, |x, layer| match layer {
            Layer::Linear(_) => self.hidden(layer, x),
            Layer::DropConnect(layer) => layer.relu_moments(x).0,
        });
        self.output.forward(hidden)
    }

    fn hidden(&self, layer: &Layer, x: Tensor<2>) -> Tensor<2> {
        let y = relu(match layer {
            Layer::Linear(layer) => layer.forward(x),
            Layer::DropConnect(layer) => layer.forward(x),
        });
        match &self.dropout {
            Some(dropout) => dropout.forward(y),
            None => y,
        }
    }
}
