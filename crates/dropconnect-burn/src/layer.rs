//! The module and its configuration.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor};
use dropconnect::DropProbability;

use crate::error::expect;
use crate::mask::sharing;
use crate::op::{can_run, layout};
use crate::rows::{flatten, unflatten};
use crate::sampling::{self, Place, or_panic};
use crate::{Draw, Error, MaskSettings, Per, StepCounter, device};

/// Configuration to create a [`DropConnect`] layer using the [init function](DropConnectConfig::init).
///
/// `DropConnectConfig::new(layer, d_input, d_output)` begins with the number of the layer in its model: layers of
/// one seed and number would draw the same masks.
#[derive(Config, Debug)]
pub struct DropConnectConfig {
    /// Which layer of the model this is, 0, 1, 2 and so on. Layers with the same seed and the same number draw the
    /// same masks wherever their shapes overlap.
    pub layer: u32,
    /// The size of the input features.
    pub d_input: usize,
    /// The size of the output features.
    pub d_output: usize,
    /// If a bias should be applied.
    #[config(default = true)]
    pub bias: bool,
    /// The probability of dropping a connection during training, at least 0 and below 1.
    #[config(default = 0.5)]
    pub prob: f64,
    /// The seed of the masks, one for all layers of a model.
    #[config(default = 0)]
    pub seed: u64,
    /// If the bias should be dropped like the weights, as in the paper.
    #[config(default = false)]
    pub masked_bias: bool,
    /// The resolution of the probability, 1 to 16 bits. A probability that needs fewer costs less.
    #[config(default = 16)]
    pub bits: u32,
    /// What an example is where the input has more dimensions than `[batch, d_input]`: a row, which is the default, or
    /// all rows of one index of the first dimension.
    #[config(default = "Per::Row")]
    pub per: Per,
    /// How many consecutive examples share a mask. 1 is the paper's DropConnect; 0 gives the whole batch one
    /// mask, as weight-dropped LSTMs do, which regularises less.
    #[config(default = 1)]
    pub examples_per_mask: u32,
    /// The type of function used to initialize the parameters. The default is that of `LinearConfig`.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/f64::sqrt(3.0), fan_out_only:false}")]
    pub initializer: Initializer,
}

/// Applies a linear transformation to the input tensor and, in training, drops single weights: other ones for
/// each example.
///
/// `O = I (W * M) / (1 - p) + b` in training, and `O = I W + b` with the weights as they are otherwise. As
/// Burn's `Dropout`, the layer trains when its input is on an autodiff device and it is not frozen. The
/// weights kept are scaled by the inverse of the keep probability that the masks really have.
///
/// Should be created with [`DropConnectConfig`].
///
/// # Records
/// `weight` and `bias` are those of [`Linear`], so that a record of the one loads into the other. Besides, a
/// record holds the step, which `Linear` does not have: load a `Linear` record with `allow_partial(true)`, and
/// a record of this layer into `Linear` with `allow_unused(true)`.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DropConnect {
    /// Matrix of shape `[d_input, d_output]`, as in [`Linear`]. In memory the weights of one output lie next to
    /// each other, as the kernels read them.
    pub weight: Param<Tensor<2>>,
    /// Vector of size `d_output`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Whether to drop weights on an autodiff device. Cleared by `freeze`, as that of Burn's `Dropout`.
    pub training: Param<Flag>,
    /// Which masks the next training pass draws.
    pub steps: StepCounter,
    #[module(skip)]
    settings: MaskSettings,
}

impl DropConnectConfig {
    /// Initialize a new [`DropConnect`] module.
    ///
    /// # Panics
    /// Where [`try_init`](Self::try_init) returns an error.
    pub fn init(&self, device: &Device) -> DropConnect {
        expect(self.try_init(device))
    }

    /// Initialize a new [`DropConnect`] module.
    ///
    /// # Errors
    /// For zero inputs or outputs, a probability outside `0 <= p < 1` or too near to 1 for the number of bits,
    /// a number of bits that does not exist, or a wgpu device that cannot be brought up.
    pub fn try_init(&self, device: &Device) -> Result<DropConnect, Error> {
        let settings = self.settings()?;
        device::prepare(device)?;
        let (inputs, outputs) = (Some(self.d_input), Some(self.d_output));
        let weight = self
            .initializer
            .init_with([self.d_input, self.d_output], inputs, outputs, device)
            .init_mapper(layout)
            .load_mapper(layout);
        let bias = self.bias.then(|| self.initializer.init_with([self.d_output], inputs, outputs, device));
        Ok(DropConnect {
            weight,
            bias,
            training: Param::from_bool(true),
            steps: StepCounter::new(device),
            settings,
        })
    }

    /// A layer with the parameters of a [`Linear`]. Sizes and bias are those of `linear`, whatever this
    /// configuration says.
    ///
    /// # Errors
    /// As [`try_init`](Self::try_init).
    pub fn try_from_linear(&self, linear: Linear) -> Result<DropConnect, Error> {
        let [d_input, d_output] = linear.weight.shape().dims();
        let settings = Self { d_input, d_output, ..self.clone() }.settings()?;
        let device = linear.weight.device();
        device::prepare(&device)?;
        Ok(DropConnect {
            weight: Param::initialized(linear.weight.id, retrack(linear.weight, layout)).load_mapper(layout),
            bias: linear.bias,
            training: Param::from_bool(true),
            steps: StepCounter::new(&device),
            settings,
        })
    }

    pub(crate) fn settings(&self) -> Result<MaskSettings, Error> {
        for (argument, value) in [("d_input", self.d_input), ("d_output", self.d_output)] {
            if value == 0 {
                return Err(Error::ZeroDimension { argument });
            }
        }
        Ok(MaskSettings {
            seed: self.seed,
            layer: self.layer,
            probability: DropProbability::with_bits(self.prob, self.bits)?,
            bits: self.bits,
            per: self.per,
            sharing: sharing(self.examples_per_mask),
            masked_bias: self.masked_bias,
        })
    }
}

/// The value of a parameter, mapped outside of any graph and a leaf again.
fn retrack(param: Param<Tensor<2>>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let value = param.val();
    let tracked = value.is_require_grad();
    map(value.set_require_grad(false)).set_require_grad(tracked)
}

impl DropConnect {
    /// Applies the forward pass on the input tensor. In training, each call takes a step and so draws fresh
    /// masks; [`forward_at`](Self::forward_at) repeats one.
    ///
    /// # Shapes
    ///
    /// - input: `[..., d_input]`
    /// - output: `[..., d_output]`
    ///
    /// What counts as an example is the configuration's [`Per`]: each row by default, in the order in which they lie
    /// in the tensor.
    ///
    /// # Panics
    /// With the text of the [`Error`] where [`try_forward`](Self::try_forward) returns one.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        or_panic(self.try_forward(input))
    }

    /// The same, with an error that the application can handle where [`forward`](Self::forward) panics.
    ///
    /// # Errors
    /// [`Error::NotAttached`] where Burn used the wgpu device before this crate saw it: the application goes on after
    /// [`attach`](crate::attach), or on another device. For element types that the kernels do not have, an input whose
    /// last axis is not `d_input`, tensors on different devices, and rows past 2^32.
    ///
    /// A call that is refused takes no step. A device that fails later, in the middle of a pass or backward, has no
    /// way to say so but Burn's: it panics.
    pub fn try_forward<const D: usize>(&self, input: Tensor<D>) -> Result<Tensor<D>, Error> {
        self.try_at(input, None)
    }

    /// The same with the masks of a given place, and without taking a step: for recomputing a pass, for a shard of
    /// a batch, or for a count that the application keeps itself.
    ///
    /// A batch split over devices gives the results and gradients of the whole batch when every shard names the
    /// same step and its own first example.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_at<const D: usize>(&self, input: Tensor<D>, draw: Draw) -> Tensor<D> {
        or_panic(self.try_at(input, Some(draw)))
    }

    /// Drops on any device, frozen or not: a sample of the layer over its masks. No step is taken.
    ///
    /// For a whole network, which has many of these to go through, there is [`Sampler`](crate::Sampler).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn sample_at<const D: usize>(&self, input: Tensor<D>, draw: Draw) -> Tensor<D> {
        or_panic(self.apply(input, Place::always(&self.settings, draw)))
    }

    /// Changes the probability of dropping, for all that comes. A pass that waits for its backward keeps the masks and
    /// the scale that it had. Clones, unlike the step, keep what they have.
    ///
    /// # Errors
    /// As [`try_init`](DropConnectConfig::try_init) for such a probability; the layer stays as it is.
    pub fn set_drop_probability(&mut self, p: f64) -> Result<(), Error> {
        self.settings.set_probability(p)
    }

    /// Which masks this layer draws: with a [`Draw`] it gives the [`dropconnect::Mask`] of a call, to look at
    /// or to export.
    pub fn settings(&self) -> &MaskSettings {
        &self.settings
    }

    /// The plain layer with these parameters, for inference without this crate.
    pub fn into_linear(self) -> Linear {
        Linear { weight: self.weight, bias: self.bias }
    }

    /// At `draw`, or the next step.
    fn try_at<const D: usize>(&self, input: Tensor<D>, draw: Option<Draw>) -> Result<Tensor<D>, Error> {
        self.fits(&input)?;
        let place = self.place(&input, draw, rows_per_element(&input))?;
        self.apply(input, place)
    }

    /// Where a call on this input draws its masks. An input of which each index of the first dimension is so many rows
    /// of this layer's. A call that is refused takes no step.
    pub(crate) fn place<const D: usize>(
        &self,
        x: &Tensor<D>,
        draw: Option<Draw>,
        rows: usize,
    ) -> Result<Place, Error> {
        let check = || can_run(x, &self.weight.val(), self.bias.as_ref().map(|bias| bias.val()).as_ref());
        sampling::place(
            &self.settings,
            self.training.is_enabled(),
            &self.steps,
            &x.device(),
            draw,
            rows,
            check,
        )
    }

    /// Whether the last axis is the layer's.
    fn fits<const D: usize>(&self, input: &Tensor<D>) -> Result<(), Error> {
        let [d_input, _] = self.weight.shape().dims();
        let (actual, mut expected) = (input.dims(), input.dims());
        expected[D - 1] = d_input;
        if actual == expected {
            return Ok(());
        }
        Err(Error::Shape { argument: "input", actual: actual.to_vec(), expected: expected.to_vec() })
    }

    pub(crate) fn apply<const D: usize>(&self, input: Tensor<D>, place: Place) -> Result<Tensor<D>, Error> {
        self.masked_with(input, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()), place)
    }

    /// The same with the parameters given, in another type than they are kept in.
    pub(crate) fn masked_with<const D: usize>(
        &self,
        input: Tensor<D>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
        place: Place,
    ) -> Result<Tensor<D>, Error> {
        self.fits(&input)?;
        if let Place::Dense = place {
            return Ok(linear(input, weight, bias));
        }
        let (mut dims, rows_per_element) = (input.dims(), rows_per_element(&input));
        dims[D - 1] = weight.dims()[1];
        let y = place.drop_connect(&self.settings, 0, rows_per_element, [flatten(input), weight], bias)?;
        Ok(unflatten(y, dims))
    }
}

/// Rows of each index of the first dimension.
fn rows_per_element<const D: usize>(input: &Tensor<D>) -> usize {
    input.dims()[..D - 1].iter().skip(1).product()
}

impl ModuleDisplay for DropConnect {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [d_input, d_output] = self.weight.shape().dims();
        let content = content
            .add("d_input", &d_input)
            .add("d_output", &d_output)
            .add("bias", &self.bias.is_some())
            .add("prob", &self.settings.probability.requested());
        if self.training.is_enabled() {
            content.optional()
        } else {
            content.add_formatted(&"training: disabled").optional()
        }
    }
}
