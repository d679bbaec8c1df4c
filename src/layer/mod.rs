//! The layer: parameters, gradients and the passes over them.

mod builder;
mod inference;
mod parameters;

pub use builder::{DropConnectBuilder, Init};

use std::time::Duration;

use crate::call::{BiasGradient, BothGradients, Face, Forward, WeightGradient};
use crate::device::weights::{Place, Resident, Weights, fetch, tensor};
use crate::gpu::{Gpu, LayerCall, Prepare, Recording, Tensor};
use crate::host::{self, round_all, rounded};
use crate::{
    Bias, Device, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Rounds, Shape, Sharing, Write,
    cpu,
};
use parameters::{OnCpu, OnGpu, Parameters};

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
    rounds: Rounds,
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

    /// How parameters and gradients are stored.
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
        Mask::new(self.key, self.probability).with_rounds(self.rounds).shared(self.sharing).at(self.origin)
    }

    /// Says where the batches of this shard start in the whole batch, for data-parallel training.
    pub fn set_example_origin(&mut self, example: u32) {
        self.origin.example = example;
    }

    /// Compiles the kernels that [`forward`](Self::forward), [`eval`](Self::eval) and [`backward`](Self::backward) need
    /// for batches of this size, and says how long that took; on the CPU there are none. Else the first call of each
    /// compiles. Batches of another size may take kernels of their own.
    ///
    /// # Errors
    /// As [`Kernels::prepare`](crate::gpu::Kernels::prepare).
    pub fn prepare(&self, batch: usize) -> Result<Duration, Error> {
        let Parameters::Gpu(own) = &self.parameters else { return Ok(Duration::ZERO) };
        own.gpu.kernels().prepare(&Prepare {
            shape: Shape::new(batch, self.outputs, self.inputs)?,
            mask: &self.mask(),
            bias: self.bias_of(own.bias.as_ref().map(|_| ())),
            operands: self.element,
            results: self.element,
            calls: &[
                LayerCall::Forward,
                LayerCall::Evaluation,
                LayerCall::BothGradients,
                LayerCall::BiasGradient,
            ],
        })
    }

    /// Y of a batch X, `[batch, inputs]` flattened, under the current step's masks.
    ///
    /// # Errors
    /// [`Error::Length`] unless X is whole rows; the device's own errors.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        self.run_forward(x, Some(&self.mask()))
    }

    /// Y of a batch X in evaluation: the plain linear layer. Training scales by the inverse of the keep
    /// probability, so nothing has to be scaled here.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn eval(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        self.run_forward(x, None)
    }

    /// The gradient of X for G, the gradient of Y; the gradients of W and b are overwritten or added to.
    /// Uses the current step's masks: call it before [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`Error::Length`] unless X and G are the same number of whole rows; the device's own errors. The gradients are
    /// what they were then, unless the device is lost, and they with it.
    pub fn backward(&mut self, x: &[f32], grad_output: &[f32], write: Write) -> Result<Vec<f32>, Error> {
        let shape = self.shape_of(x)?;
        Face::output("grad_output", &grad_output).check(&shape)?;
        let (mask, element) = (self.mask(), self.element);
        let bias_mask = self.masked_bias.then_some(&mask);
        match &mut self.parameters {
            Parameters::Gpu(own) => {
                let gpu = std::sync::Arc::clone(&own.gpu);
                let x = Resident::of(&gpu, element, x)?;
                let grad_output = Resident::of(&gpu, element, grad_output)?;
                let grad_input = Resident::new(&gpu, shape.input_len(), element)?;
                let (x, grad_output, dx) = (x.tensor(), grad_output.tensor(), Some(grad_input.tensor()));
                let recordings = self.record_backward(shape, x, grad_output, dx, write)?;
                let [grad_input] = fetch(&gpu, &recordings, [&grad_input])?;
                Ok(grad_input)
            }
            Parameters::Cpu(own) => {
                let (x, grad_output) = (&rounded(element, x)?[..], &rounded(element, grad_output)?[..]);
                let mut grad_input = host::zeros(shape.input_len())?;
                // What may fail comes first: the gradients that are there change all or not at all. The bias's is
                // small, and worked out beside it; the weight's is the last that anything below writes.
                let mut grad_bias = own.grad_bias.as_deref().map(host::copy).transpose()?;
                if let Some(grad_bias) = &mut grad_bias {
                    let grad_bias = &mut grad_bias[..];
                    cpu::bias_gradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write })?;
                    round_all(element, grad_bias);
                }
                cpu::both_gradients(BothGradients {
                    shape,
                    mask: Some(&mask),
                    grad_output,
                    x,
                    weight: &own.weight,
                    grad_input: (&mut grad_input, Write::Overwrite),
                    grad_weight: (&mut own.grad_weight, write),
                })?;
                round_all(element, &mut own.grad_weight);
                own.grad_bias = grad_bias;
                round_all(element, &mut grad_input);
                Ok(grad_input)
            }
        }
    }

    /// Records [`forward`](Self::forward) on tensors in device memory.
    ///
    /// # Errors
    /// [`Error::NeedsGpu`] for a layer on the CPU; as [`Kernels::forward`](crate::gpu::Kernels::forward).
    pub fn encode_forward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        self.encode("encode_forward", encoder, batch, Some(&self.mask()), x, y)
    }

    /// Records [`eval`](Self::eval) on tensors in device memory.
    ///
    /// # Errors
    /// As [`encode_forward`](Self::encode_forward).
    pub fn encode_eval(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        self.encode("encode_eval", encoder, batch, None, x, y)
    }

    /// Records [`backward`](Self::backward) on tensors in device memory. Without `grad_input` the gradient
    /// of X, which a first layer does not need, is not computed.
    ///
    /// # Errors
    /// As [`encode_forward`](Self::encode_forward); nothing is recorded then.
    pub fn encode_backward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        x: Tensor<'_>,
        grad_output: Tensor<'_>,
        grad_input: Option<Tensor<'_>>,
        write: Write,
    ) -> Result<(), Error> {
        let shape = Shape::new(batch, self.outputs, self.inputs)?;
        let recordings = self.record_backward(shape, x, grad_output, grad_input, write)?;
        recordings.iter().for_each(|recording| recording.encode(encoder));
        Ok(())
    }

    fn record_backward(
        &self,
        shape: Shape,
        x: Tensor<'_>,
        grad_output: Tensor<'_>,
        grad_input: Option<Tensor<'_>>,
        write: Write,
    ) -> Result<Vec<Recording>, Error> {
        let own = self.on_gpu("encode_backward")?;
        self.expect_own_type("x", x)?;
        self.expect_own_type("grad_output", grad_output)?;
        let (kernels, element) = (own.gpu.kernels(), self.element);
        let mask = Some(&self.mask());
        let weight = tensor(&own.weight, shape.weight_len(), element);
        let grad_weight = tensor(&own.grad_weight, shape.weight_len(), element);
        let mut recordings = vec![match grad_input {
            Some(grad_input) => kernels.both_gradients(&BothGradients {
                shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input: (grad_input, Write::Overwrite),
                grad_weight: (grad_weight, write),
            }),
            None => {
                kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
        }?];
        if let Some(grad_bias) = &own.grad_bias {
            recordings.push(kernels.bias_gradient(&BiasGradient {
                shape,
                bias_mask: mask.filter(|_| self.masked_bias),
                grad_output,
                grad_bias: tensor(grad_bias, self.outputs, element),
                write,
            })?);
        }
        Ok(recordings)
    }

    fn run_forward(&self, x: &[f32], mask: Option<&Mask>) -> Result<Vec<f32>, Error> {
        self.weights(x)?.forward(mask, x)
    }

    /// W and b for a call on this batch.
    fn weights(&self, x: &[f32]) -> Result<Weights<'_>, Error> {
        let (shape, element) = (self.shape_of(x)?, self.element);
        let place = match &self.parameters {
            Parameters::Gpu(OnGpu { gpu, weight, bias, .. }) => Place::Gpu {
                gpu,
                weight: tensor(weight, shape.weight_len(), element),
                bias: self.bias_of(bias.as_ref().map(|bias| tensor(bias, shape.outputs(), element))),
            },
            Parameters::Cpu(OnCpu { weight, bias, .. }) => {
                Place::Cpu { weight, bias: self.bias_of(bias.as_deref()) }
            }
        };
        Ok(Weights { shape, element, place })
    }

    /// `what`: the call that this serves.
    fn encode(
        &self,
        what: &'static str,
        encoder: &mut wgpu::CommandEncoder,
        batch: usize,
        mask: Option<&Mask>,
        x: Tensor<'_>,
        y: Tensor<'_>,
    ) -> Result<(), Error> {
        let own = self.on_gpu(what)?;
        self.expect_own_type("x", x)?;
        let (shape, element) = (Shape::new(batch, self.outputs, self.inputs)?, self.element);
        let weight = tensor(&own.weight, shape.weight_len(), element);
        let bias = self.bias_of(own.bias.as_ref().map(|bias| tensor(bias, self.outputs, element)));
        own.gpu.kernels().forward(&Forward { shape, mask, x, weight, bias, y })?.encode(encoder);
        Ok(())
    }

    /// Among a layer's tensors it is the caller's whose type is wrong.
    fn expect_own_type(&self, argument: &'static str, tensor: Tensor<'_>) -> Result<(), Error> {
        let (actual, allowed) = (tensor.element, [self.element; 2]);
        if actual == self.element { Ok(()) } else { Err(Error::Element { argument, actual, allowed }) }
    }

    fn bias_of<T>(&self, bias: Option<T>) -> Bias<T> {
        match bias {
            None => Bias::None,
            Some(bias) if self.masked_bias => Bias::Masked(bias),
            Some(bias) => Bias::Plain(bias),
        }
    }

    /// The shape of a call on this batch.
    fn shape_of(&self, x: &[f32]) -> Result<Shape, Error> {
        let shape = Shape::new(x.len().div_ceil(self.inputs), self.outputs, self.inputs)?;
        Face::input("x", &x).check(&shape)?;
        Ok(shape)
    }

    fn on_gpu(&self, what: &'static str) -> Result<&OnGpu, Error> {
        match &self.parameters {
            Parameters::Gpu(own) => Ok(own),
            Parameters::Cpu(_) => Err(Error::NeedsGpu { what }),
        }
    }

    /// The adapter the layer computes on, if it does.
    pub fn gpu(&self) -> Option<&Gpu> {
        match &self.parameters {
            Parameters::Gpu(own) => Some(&own.gpu),
            Parameters::Cpu(_) => None,
        }
    }
}
