//! The layer: parameters, gradients and the passes over them.

mod builder;
#[cfg(feature = "gpu")]
mod on_gpu;

pub use builder::{DropConnectBuilder, Init};

use crate::call::{Activate, BiasGradient, BothGradients, Call, Forward, MonteCarlo, OutputMoments};
use crate::device::{HostCall, Memory};
use crate::work::Pending;
use crate::{
    Activation, Bias, Device, DropProbability, ElementType, Error, Mask, MaskKey, Method, Moments, Origin,
    Predictive, Shape, Sharing, Write,
};

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
/// let y = layer.forward(&x).wait()?; // or `.await`
/// let grad_x = layer.backward(&x, &vec![1.0; y.len()], Write::Overwrite).wait()?;
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
    device: Device,
    weight: Memory<'static>,
    bias: Option<Memory<'static>>,
    /// Gradients accumulate, for which 16 bits are too few: f32, whatever the layer's element type.
    grad_weight: Memory<'static>,
    grad_bias: Option<Memory<'static>>,
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
    pub fn forward<'a>(&'a self, x: &'a [f32]) -> Pending<'a, Vec<f32>> {
        self.linear(x, Some(self.mask()))
    }

    /// Y of a batch X in evaluation: the plain linear layer. Training scales by the inverse of the keep
    /// probability, so nothing has to be scaled here.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn eval<'a>(&'a self, x: &'a [f32]) -> Pending<'a, Vec<f32>> {
        self.linear(x, None)
    }

    fn linear<'a>(&'a self, x: &'a [f32], mask: Option<Mask>) -> Pending<'a, Vec<f32>> {
        self.device.pending(async move {
            let shape = self.shape_of(x)?;
            let x = &self.device.upload(self.element, x)?;
            let (mask, weight, bias) = (mask.as_ref(), &self.weight, self.masked(self.bias.as_ref()));
            let call = Forward { shape, mask, x, weight, bias, y: () };
            let results = self.device.compute(self.element, call.into()).await?;
            Ok(Forward::output(results))
        })
    }

    /// The gradient of X for G, the gradient of Y; the gradients of W and b are overwritten or added to.
    /// Uses the current step's masks: call it before [`advance`](Self::advance).
    ///
    /// # Errors
    /// [`Error::Length`] unless X and G are the same number of whole rows; the device's own errors. The gradients are
    /// what they were then, unless the device is lost, and they with it.
    pub fn backward<'a>(
        &'a mut self,
        x: &'a [f32],
        grad_output: &'a [f32],
        write: Write,
    ) -> Pending<'a, Vec<f32>> {
        let device = self.device.clone();
        device.pending(async move {
            let (shape, mask) = (self.shape_of(x)?, self.mask());
            shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
            let (device, element) = (&self.device, self.element);
            let x = &device.upload(element, x)?;
            let grad_output = &device.upload(element, grad_output)?;
            let mut grad_input = device.result(element, shape.input_len())?;
            // The gradients change all or not at all: that of W is the last that is written.
            let mut grad_bias = self.grad_bias.as_ref().map(Memory::draft).transpose()?;
            let bias_mask = self.masked_bias.then_some(&mask);
            let mut calls: Vec<Call<'_, &Memory<'_>, &mut Memory<'_>>> = Vec::with_capacity(2);
            if let Some(grad_bias) = &mut grad_bias {
                calls.push(BiasGradient { shape, bias_mask, grad_output, grad_bias, write }.into());
            }
            let both = BothGradients {
                shape,
                mask: Some(&mask),
                grad_output,
                x,
                weight: &self.weight,
                grad_input: (&mut grad_input, Write::Overwrite),
                grad_weight: (&mut self.grad_weight, write),
            };
            calls.push(both.into());
            device.submit(calls)?;
            self.grad_bias = grad_bias;
            self.device.download(grad_input).await
        })
    }

    /// The shape of a call on this batch.
    fn shape_of(&self, x: &[f32]) -> Result<Shape, Error> {
        let shape = Shape::new(x.len().div_ceil(self.inputs), self.outputs, self.inputs)?;
        shape.expect_len("x", x.len(), shape.input_len())?;
        Ok(shape)
    }

    /// The bias of a call.
    fn masked<T>(&self, bias: Option<T>) -> Bias<T> {
        match bias {
            None => Bias::None,
            Some(bias) if self.masked_bias => Bias::Masked(bias),
            Some(bias) => Bias::Plain(bias),
        }
    }
}

/// The parameters and gradients, each read or written whole. Gradients are zero until a backward pass.
impl DropConnect {
    /// W, `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for the copy.
    pub fn weight(&self) -> Pending<'_, Vec<f32>> {
        self.device.pending(self.device.copy_out(&self.weight, self.element))
    }

    /// b, `[outputs]`; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn bias(&self) -> Pending<'_, Option<Vec<f32>>> {
        self.device.pending(self.copy_of(self.bias.as_ref()))
    }

    /// The gradient of W, `[outputs, inputs]`: accumulated in f32, and rounded here to the layer's element type.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_weight(&self) -> Pending<'_, Vec<f32>> {
        self.device.pending(self.device.copy_out(&self.grad_weight, self.element))
    }

    /// The gradient of b, `[outputs]`, likewise; `None` for a layer without.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn grad_bias(&self) -> Pending<'_, Option<Vec<f32>>> {
        self.device.pending(self.copy_of(self.grad_bias.as_ref()))
    }

    async fn copy_of(&self, memory: Option<&Memory<'_>>) -> Result<Option<Vec<f32>>, Error> {
        match memory {
            Some(memory) => self.device.copy_out(memory, self.element).await.map(Some),
            None => Ok(None),
        }
    }

    /// Replaces W, `[outputs, inputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::DeviceLost`]; [`Error::OutOfMemory`] and [`Error::HostMemory`] for copies.
    pub fn set_weight(&mut self, weight: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        self.device.overwrite(&mut self.weight, weight)
    }

    /// Replaces b, `[outputs]`: all of it or, where there is an error, nothing.
    ///
    /// # Errors
    /// As [`set_weight`](Self::set_weight); for a layer without a bias only an empty slice fits.
    pub fn set_bias(&mut self, bias: &[f32]) -> Result<(), Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        let expected = self.bias.as_ref().map_or(0, |_| self.outputs);
        shape.expect_len("bias", bias.len(), expected)?;
        self.bias.as_mut().map_or(Ok(()), |own| self.device.overwrite(own, bias))
    }
}

/// Inference over masks. [`eval`](DropConnect::eval) is the plain answer; these say how far it can be trusted.
///
/// ```
/// use dropconnect::{Activation, Device, DropConnect, MaskKey};
///
/// let layer = DropConnect::new(&Device::Cpu, MaskKey::new(42, 0), 5, 10).build()?;
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0];
/// let matched = layer.gaussian(&x, Activation::Relu, None).wait()?; // the paper's inference, in closed form
/// let sampled = layer.monte_carlo(&x, 100).wait()?; // a hundred masks in one launch
/// assert_eq!((matched.mean.len(), sampled.variance.len()), (10, 10));
/// # Ok::<(), dropconnect::Error>(())
/// ```
impl DropConnect {
    /// Mean and variance of Y over all masks, in f32 whatever the layer's element type: Y is nearly normal where many
    /// inputs count, so that these two say nearly everything.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn moments<'a>(&'a self, x: &'a [f32]) -> Pending<'a, Moments> {
        self.device.pending(self.moments_of(x))
    }

    async fn moments_of(&self, x: &[f32]) -> Result<Moments, Error> {
        let shape = self.shape_of(x)?;
        let x = &self.device.upload(self.element, x)?;
        let (weight, bias, probability) = (&self.weight, self.masked(self.bias.as_ref()), &self.probability);
        let call = OutputMoments { shape, probability, x, weight, bias, mean: (), variance: () };
        Ok(OutputMoments::output(self.device.compute(self.element, call.into()).await?))
    }

    /// Mean and variance of f(Y) over masks, by matching moments (Wan et al. 2013, Algorithm 2): in closed form,
    /// or with so many Gaussian samples, which [`step`](Self::step) makes other ones.
    ///
    /// # Errors
    /// [`Error::NoClosedForm`] for sigmoid and tanh without samples; [`Error::Count`] for 0 samples; as
    /// [`forward`](Self::forward).
    pub fn gaussian<'a>(
        &'a self,
        x: &'a [f32],
        activation: Activation,
        samples: Option<u32>,
    ) -> Pending<'a, Moments> {
        self.device.pending(async move {
            let (key, origin) = (self.key, self.origin);
            let method = samples.map_or(Method::Closed, |samples| Method::Sampled { samples, key, origin });
            let (shape, u) = (self.shape_of(x)?, self.moments_of(x).await?);
            let (u_mean, u_variance, mean, variance) = (&u.mean[..], &u.variance[..], (), ());
            let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
            self.device.run(ElementType::F32, call).await
        })
    }

    /// Mean and unbiased variance of Y over `passes` masks, those of this step's passes 0 to `passes - 1`. Estimates
    /// at other steps have other masks, all of them.
    ///
    /// # Errors
    /// [`Error::Count`] for the passes, 1 to 65,536 on an adapter; as [`forward`](Self::forward).
    pub fn monte_carlo<'a>(&'a self, x: &'a [f32], passes: u32) -> Pending<'a, Moments> {
        self.device.pending(async move {
            let (shape, x) = (self.shape_of(x)?, &self.device.upload(self.element, x)?);
            let mask = self.mask();
            let call = self.over_passes(shape, &mask, passes, x);
            Ok(MonteCarlo::output(self.device.compute(self.element, call.into()).await?))
        })
    }

    /// Y of every one of those passes, `[passes, batch, outputs]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn pass_outputs<'a>(&'a self, x: &'a [f32], passes: u32) -> Pending<'a, Vec<f32>> {
        self.device.pending(async move {
            let (shape, x) = (self.shape_of(x)?, &self.device.upload(self.element, x)?);
            let mask = self.mask();
            self.device.outputs_of_passes(self.element, &self.over_passes(shape, &mask, passes, x)).await
        })
    }

    /// Those passes with Y as the logits of a classifier: mean softmax, predictive entropy, mutual information.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo), with 2^24 passes at most.
    pub fn predictive<'a>(&'a self, x: &'a [f32], passes: u32) -> Pending<'a, Predictive<f32>> {
        self.device.pending(async move {
            let (shape, x) = (self.shape_of(x)?, &self.device.upload(self.element, x)?);
            let mask = self.mask();
            self.device.predict(&self.over_passes(shape, &mask, passes, x)).await
        })
    }

    fn over_passes<'a>(
        &'a self,
        shape: Shape,
        mask: &'a Mask,
        passes: u32,
        x: &'a Memory<'a>,
    ) -> MonteCarlo<'a, &'a Memory<'a>, ()> {
        let (weight, bias) = (&self.weight, self.masked(self.bias.as_ref()));
        MonteCarlo { shape, mask, passes, x, weight, bias, mean: (), variance: () }
    }
}
