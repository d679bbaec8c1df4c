//! A classifier of two layers of dropped weights that learns while the page looks on.

use dropconnect::{DropConnect, Error, MaskKey, Write};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::inputs::js;
use crate::moons::{Moons, grid};
use crate::{Answer, Lab};

const HIDDEN: usize = 64;
const RATE: f32 = 0.01;
/// Weight decay: without it the network grows surer for as long as it learns, whatever its masks say.
const DECAY: f32 = 0.2;
const EACH: usize = 100;

/// A layer with the averages of its optimiser: Adam with decoupled weight decay (Loshchilov and
/// Hutter, 2019). W and b are kept here as well, so that
/// only gradients come back from the device.
struct Trained {
    layer: DropConnect,
    weight: Vec<f32>,
    bias: Vec<f32>,
    averages: Vec<[f32; 2]>,
}

impl Trained {
    async fn new(lab: &Lab, key: MaskKey, inputs: usize, outputs: usize, p: f64) -> Result<Self, Error> {
        let layer = DropConnect::new(&lab.device, key, inputs, outputs).drop_probability(p).build()?;
        let (weight, bias) = (layer.weight().await?, layer.bias().await?.unwrap_or_default());
        let averages = vec![[0.0; 2]; weight.len() + bias.len()];
        Ok(Self { layer, weight, bias, averages })
    }

    async fn descend(&mut self, steps: i32) -> Result<(), Error> {
        const AVERAGED: [f32; 2] = [0.9, 0.999];
        let grad_weight = self.layer.grad_weight().await?;
        let grad_bias = self.layer.grad_bias().await?.unwrap_or_default();
        let values = self.weight.iter_mut().chain(&mut self.bias);
        let grads = grad_weight.iter().chain(&grad_bias);
        for ((value, grad), [mean, square]) in values.zip(grads).zip(&mut self.averages) {
            *mean += (1.0 - AVERAGED[0]) * (grad - *mean);
            *square += (1.0 - AVERAGED[1]) * (grad * grad - *square);
            let unbiased =
                [*mean / (1.0 - AVERAGED[0].powi(steps)), *square / (1.0 - AVERAGED[1].powi(steps))];
            *value -= RATE * (unbiased[0] / (unbiased[1].sqrt() + 1e-8) + DECAY * *value);
        }
        self.layer.set_weight(&self.weight)?;
        self.layer.set_bias(&self.bias)?;
        self.layer.advance();
        Ok(())
    }
}

/// Two inputs, two hidden layers, two classes. The first layer, whose inputs are two, is a plain one.
#[wasm_bindgen]
pub struct Classifier {
    layers: Vec<Trained>,
    data: Moons,
    steps: i32,
}

#[wasm_bindgen]
impl Classifier {
    /// An untrained one, whose later layers drop with probability `p`.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn new(lab: &Lab, p: f64, seed: u32) -> Answer<Self> {
        let mut layers = Vec::new();
        for (number, (inputs, outputs, p)) in
            [(2, HIDDEN, 0.0), (HIDDEN, HIDDEN, p), (HIDDEN, 2, p)].into_iter().enumerate()
        {
            let key = MaskKey::new(seed.into(), number as u32);
            layers.push(Trained::new(lab, key, inputs, outputs, p).await?);
        }
        Ok(Self { layers, data: Moons::new(seed.into(), EACH), steps: 0 })
    }

    /// What it learns: `x`, `[count, 2]`, and `class`, `[count]`.
    ///
    /// # Errors
    /// None that is known of.
    pub fn data(&self) -> Answer<JsValue> {
        js(&self.data)
    }

    /// Takes one step on all points. The loss under this step's masks, and the accuracy without masks.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn step(&mut self) -> Answer<JsValue> {
        #[derive(Serialize)]
        struct Learned {
            step: i32,
            loss: f32,
            accuracy: f32,
        }
        let count = self.data.class.len() as f32;
        let mut values = vec![self.data.x.clone()];
        for at in 0..self.layers.len() {
            let y = self.layers[at].layer.forward(&values[at]).await?;
            values.push(if at + 1 < self.layers.len() { relu(y) } else { y });
        }
        let mut grad = softmax(&values[self.layers.len()]);
        let mut loss = 0.0;
        for (row, &class) in grad.chunks_exact_mut(2).zip(&self.data.class) {
            loss -= row[usize::from(class)].max(f32::MIN_POSITIVE).ln() / count;
            row[usize::from(class)] -= 1.0;
            row.iter_mut().for_each(|grad| *grad /= count);
        }
        for (at, trained) in self.layers.iter_mut().enumerate().rev() {
            grad = trained.layer.backward(&values[at], &grad, Write::Overwrite).await?;
            // Where ReLU gave nothing, nothing goes back.
            for (grad, _) in grad.iter_mut().zip(&values[at]).filter(|(_, value)| at > 0 && **value <= 0.0) {
                *grad = 0.0;
            }
        }
        self.steps += 1;
        for trained in &mut self.layers {
            trained.descend(self.steps).await?;
        }
        js(&Learned { step: self.steps, loss, accuracy: self.accuracy().await? })
    }

    /// What it says of the points of a grid of `side` by `side`, from the top left: the probability of the second
    /// class, and how much masks disagree about it (mutual information in bits), over so many masks. Every row of a
    /// batch has a mask of its own, so that all passes are one batch.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn predict(&mut self, side: usize, extent: f32, passes: usize) -> Answer<JsValue> {
        #[derive(Serialize)]
        struct Predicted {
            probability: Vec<f32>,
            entropy: Vec<f32>,
            information: Vec<f32>,
        }
        let points = grid(side, extent);
        let mut values = points.repeat(passes);
        for at in 0..self.layers.len() {
            let layer = &mut self.layers[at].layer;
            // Masks that no training step draws.
            layer.set_pass(Some(0));
            let y = layer.forward(&values).await;
            layer.set_pass(None);
            values = if at + 1 < self.layers.len() { relu(y?) } else { softmax(&y?) };
        }
        let count = side * side;
        let mut predicted = Predicted {
            probability: vec![0.0; count],
            entropy: vec![0.0; count],
            information: vec![0.0; count],
        };
        for (at, row) in values.chunks_exact(2).enumerate() {
            predicted.probability[at % count] += row[1] / passes as f32;
            predicted.information[at % count] -= binary_entropy(row[1]) / passes as f32;
        }
        for (at, &probability) in predicted.probability.iter().enumerate() {
            predicted.entropy[at] = binary_entropy(probability);
            predicted.information[at] += predicted.entropy[at];
        }
        js(&predicted)
    }

    async fn accuracy(&self) -> Result<f32, Error> {
        let mut values = self.data.x.clone();
        for (at, trained) in self.layers.iter().enumerate() {
            let y = trained.layer.eval(&values).await?;
            values = if at + 1 < self.layers.len() { relu(y) } else { y };
        }
        let right = |(row, &class): (&[f32], &u8)| (row[1] > row[0]) == (class == 1);
        let rows = values.chunks_exact(2).zip(&self.data.class);
        Ok(rows.filter(|&row| right(row)).count() as f32 / self.data.class.len() as f32)
    }
}

fn relu(mut values: Vec<f32>) -> Vec<f32> {
    // Not `max`, which would make a number of NaN.
    values.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0);
    values
}

/// Of two classes.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let second = |row: &[f32]| 1.0 / (1.0 + (row[0] - row[1]).exp());
    logits.chunks_exact(2).flat_map(|row| [1.0 - second(row), second(row)]).collect()
}

/// In bits.
fn binary_entropy(p: f32) -> f32 {
    let part = |p: f32| if p > 0.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}
