//! The layer: parameters, gradients and the passes over them.

mod awaited;
mod builder;
mod inference;
mod on_cpu;
#[cfg(feature = "gpu")]
mod on_gpu;
mod parameters;

pub use builder::{DropConnectBuilder, Init};

use crate::call::Face;
use crate::device::WeightPasses;
use crate::work::block_on;
use crate::{
    Bias, Device, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Sharing, Write,
};
use parameters::Parameters;

/// A linear layer whose connections are dropped in training, afresh for every example.
///
/// Holds W `[outputs, inputs]`, b `[outputs]` and their gradients on a [`Device`]. The mask of a call is a
/// function of the seed, the layer's number, the [step](Self::step) and the position, so a call may be
/// repeated (activation checkpointing, resuming) and draws the same mask until
/// [`advance`](Self::advance) is called. Every layer of a model needs a number of its own.
///
/// ```
/// use dropconnect::{Device, DropConnect, MaskKey, Write};
///
/// // Seed 42, layer 0 of the model; the next one is MaskKey::new(42, 1).
/// let mut layer = DropConnect::new(&Device::Cpu, MaskKey::new(42, 0), 5, 10).drop_probability(0.5).build()?;
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // a batch of 2
/// let y = layer.forward(&x)?;
/// let grad_x = layer.backward(&x, &vec![1.0; y.len()], Write::Overwrite)?;
/// assert_eq!((y.len(), grad_x.len()), (2 * 10, 2 * 5));
/// layer.advance(); // the next call draws new masks
/// # Ok::<(), dropconnect::Error>(())
/// ```
#[derive(Debug)]
pub struct DropConnect {
    inputs: usize,
    outputs: usize,
    element: ElementType,
    probability: DropProbability,
    sharing: Sharing,
    key: MaskKey,
    origin: Origin,
    masked_bias: bool,
    parameters: Parameters,
}

impl DropConnect {
    /// Starts building a layer; p is 0.5 unless set.
    ///
    /// The key is the seed and the *number of this layer in its model*, `MaskKey::new(seed, number)`: two layers
    /// with the same seed and number would draw the same masks and start from the same weights. Masks begin at the
    /// key's step, which is 0 unless set with [`MaskKey::at_step`].
    #[allow(clippy::new_ret_no_self, reason = "reads as `DropConnect::new(..).bias(..).build()`")]
    pub fn new(device: &Device, key: MaskKey, inputs: usize, outputs: usize) -> DropConnectBuilder {
        DropConnectBuilder::new(device.clone(), key, inputs, outputs)
    }

    /// Columns of W.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Rows of W.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// How parameters are stored. Gradients accumulate in f32, and are rounded to this type when they are read.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// The probability of dropping.
    pub fn drop_probability(&self) -> &DropProbability {
        &self.probability
    }

    /// The step whose masks the next call draws.
    pub fn step(&self) -> u64 {
        self.key.step
    }

    /// Goes to any step, as when resuming from a checkpoint, and to its training masks.
    pub fn set_step(&mut self, step: u64) {
        self.key.step = step;
        self.key.pass = None;
    }

    /// Goes to the next step: call it once per optimiser step, after the backward pass.
    pub fn advance(&mut self) {
        self.set_step(self.key.step.wrapping_add(1));
    }

    /// Goes to the masks of a Monte-Carlo pass of this step, until the step changes; `None` goes back to the
    /// training masks. For a network, whose layers have to go through the passes together; a single layer has
    /// [`monte_carlo`](Self::monte_carlo).
    pub fn set_pass(&mut self, pass: Option<u32>) {
        self.key.pass = pass;
    }

    /// The mask of the current step, or of its pass.
    pub fn mask(&self) -> Mask {
        Mask::new(self.key, self.probability).shared(self.sharing).at(self.origin)
    }

    /// Says where the batches of this shard start in the whole batch, for data-parallel training.
    pub fn set_example_origin(&mut self, example: u32) {
        self.origin.example = example;
    }

    /// Y of a batch X, `[batch, inputs]` flattened, under the current step's masks.
    ///
    /// # Errors
    /// [`Error::Length`] unless X is whole rows; the device's own errors.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.forward_async(x))
    }

    /// Y of a batch X in evaluation: the plain linear layer. Training scales by the inverse of the keep
    /// probability, so nothing has to be scaled here.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn eval(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.eval_async(x))
    }

    /// The gradient of X for G, the gradient of Y; the gradients of W and b are overwritten or added to.
    /// Uses the current step's masks: call it before [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`Error::Length`] unless X and G are the same number of whole rows; the device's own errors. The gradients are
    /// what they were then, unless the device is lost, and they with it.
    pub fn backward(&mut self, x: &[f32], grad_output: &[f32], write: Write) -> Result<Vec<f32>, Error> {
        block_on(self.parameters.is_adapter(), self.backward_async(x, grad_output, write))
    }

    /// W and b for a call on this batch.
    fn weights(&self, x: &[f32]) -> Result<Box<dyn WeightPasses + '_>, Error> {
        Ok(self.parameters.stored().weights(self.shape_of(x)?, self.element, self.masked_bias))
    }

    /// The shape of a call on this batch.
    fn shape_of(&self, x: &[f32]) -> Result<Shape, Error> {
        let shape = Shape::new(x.len().div_ceil(self.inputs), self.outputs, self.inputs)?;
        Face::input("x", &x).check(&shape)?;
        Ok(shape)
    }
}

fn bias_of<T>(bias: Option<T>, masked: bool) -> Bias<T> {
    match bias {
        None => Bias::None,
        Some(bias) if masked => Bias::Masked(bias),
        Some(bias) => Bias::Plain(bias),
    }
}
