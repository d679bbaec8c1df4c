//! DropConnect for images: a convolution that drops single weights of its kernel.
//!
//! The image is laid out as a row for each position, what lies under the kernel there (im2col), and goes through the
//! kernels of the linear layer. Rows of an image share a mask, as rows of a sequence do.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor, s};

use crate::error::expect;
use crate::op::can_run;
use crate::sampling::{self, Place, or_panic};
use crate::{Draw, DropConnectConfig, Error, MaskSettings, Per, StepCounter, device};

/// Configuration to create a [`DropConnectConv2d`] layer using the [init function](DropConnectConv2dConfig::init).
///
/// The number of the layer comes first, as for [`DropConnectConfig`]; the rest is that of Burn's [`Conv2dConfig`], and
/// what masks need.
#[derive(Config, Debug)]
pub struct DropConnectConv2dConfig {
    /// Which layer of the model this is. Layers with the same seed and number draw the same masks.
    pub layer: u32,
    /// The number of channels, in and out.
    pub channels: [usize; 2],
    /// The size of the kernel.
    pub kernel_size: [usize; 2],
    /// The stride of the convolution.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Spacing between kernel elements.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Controls the connections between input and output channels.
    #[config(default = "1")]
    pub groups: usize,
    /// The padding configuration.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// If bias should be added to the output.
    #[config(default = true)]
    pub bias: bool,
    /// The probability of dropping a weight during training, at least 0 and below 1.
    #[config(default = 0.5)]
    pub prob: f64,
    /// The seed of the masks, one for all layers of a model.
    #[config(default = 0)]
    pub seed: u64,
    /// If every position of the kernel in the image drops other weights. By default an image has one mask, with which
    /// the kernel goes over all of it: it is a convolution, with a kernel of its own for each example.
    #[config(default = false)]
    pub per_position: bool,
    /// If the bias should be dropped like the weights.
    #[config(default = false)]
    pub masked_bias: bool,
    /// The resolution of the probability, 1 to 16 bits.
    #[config(default = 16)]
    pub bits: u32,
    /// How many consecutive images, or positions, share a mask; 0 gives the whole batch one.
    #[config(default = 1)]
    pub examples_per_mask: u32,
    /// The type of function used to initialize the parameters. The default is that of `Conv2dConfig`.
    #[config(default = "Initializer::KaimingUniform{gain:1.0/f64::sqrt(3.0), fan_out_only:false}")]
    pub initializer: Initializer,
}

/// Applies a 2D convolution over input tensors and, in training, drops single weights of the kernel: other ones for
/// each example. Burn's [`Conv2d`] with the weights as they are otherwise.
///
/// Should be created with [`DropConnectConv2dConfig`].
///
/// # Masks
/// The weight `[channels_out, channels_in / groups, kernel_1, kernel_2]` counts as a matrix of `channels_out` outputs
/// and `channels_in / groups * kernel_1 * kernel_2` inputs, in the order in which its elements lie:
/// [`mask`](Self::mask) gives the [`dropconnect::Mask`] of a call over it, whose examples are the positions of image 0
/// line by line, then those of image 1 and so on.
///
/// # Memory
/// In training, and inside a [`Sampler`](crate::Sampler), the batch is laid out once, with `kernel_1 * kernel_2` as
/// many elements as the images, and kept for backward. Masks are never stored.
///
/// # Records
/// `weight` and `bias` are those of [`Conv2d`]; the step is what a record has besides, as for
/// [`DropConnect`](crate::DropConnect).
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DropConnectConv2d {
    /// Tensor of shape `[channels_out, channels_in / groups, kernel_size_1, kernel_size_2]`
    pub weight: Param<Tensor<4>>,
    /// Tensor of shape `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// Whether to drop weights on an autodiff device. Cleared by `freeze`, as that of Burn's `Dropout`.
    pub training: Param<Flag>,
    /// Which masks the next training pass draws.
    pub steps: StepCounter,
    #[module(skip)]
    shape: Conv2dConfig,
    #[module(skip)]
    settings: MaskSettings,
}

impl DropConnectConv2dConfig {
    /// Initialize a new [`DropConnectConv2d`] module.
    ///
    /// # Panics
    /// Where [`try_init`](Self::try_init) returns an error.
    pub fn init(&self, device: &Device) -> DropConnectConv2d {
        expect(self.try_init(device))
    }

    /// Initialize a new [`DropConnectConv2d`] module.
    ///
    /// # Errors
    /// For channels, kernels, strides, dilations or groups of 0, channels that do not divide into the groups, and as
    /// [`DropConnectConfig::try_init`].
    pub fn try_init(&self, device: &Device) -> Result<DropConnectConv2d, Error> {
        let shape = self.conv2d();
        let settings = self.settings(&shape)?;
        device::prepare(device)?;
        Ok(DropConnectConv2d::with(shape.init(device), shape, settings, device))
    }

    /// A layer with the parameters, channels, kernel, stride, dilation, groups and padding of Burn's layer, whatever
    /// this configuration says of them.
    ///
    /// # Errors
    /// As [`try_init`](Self::try_init).
    pub fn try_from_conv2d(&self, conv: Conv2d) -> Result<DropConnectConv2d, Error> {
        let [channels_out, group_channels, _, _] = conv.weight.shape().dims();
        let shape = Conv2dConfig {
            channels: [group_channels * conv.groups, channels_out],
            kernel_size: conv.kernel_size,
            stride: conv.stride,
            dilation: conv.dilation,
            groups: conv.groups,
            padding: conv.padding.clone(),
            bias: conv.bias.is_some(),
            initializer: self.initializer.clone(),
        };
        let settings = self.settings(&shape)?;
        let device = conv.weight.device();
        device::prepare(&device)?;
        Ok(DropConnectConv2d::with(conv, shape, settings, &device))
    }

    fn conv2d(&self) -> Conv2dConfig {
        Conv2dConfig {
            channels: self.channels,
            kernel_size: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
            bias: self.bias,
            initializer: self.initializer.clone(),
        }
    }

    fn settings(&self, shape: &Conv2dConfig) -> Result<MaskSettings, Error> {
        let Conv2dConfig { channels, kernel_size, stride, dilation, groups, .. } = *shape;
        let sizes = [
            ("channels", channels),
            ("kernel_size", kernel_size),
            ("stride", stride),
            ("dilation", dilation),
        ];
        for (argument, sizes) in sizes.into_iter().chain([("groups", [groups; 2])]) {
            if sizes.contains(&0) {
                return Err(Error::ZeroDimension { argument });
            }
        }
        if !channels.iter().all(|channels| channels.is_multiple_of(groups)) {
            return Err(Error::Groups { channels, groups });
        }
        DropConnectConfig::new(self.layer, inputs(shape), channels[1])
            .with_prob(self.prob)
            .with_seed(self.seed)
            .with_masked_bias(self.masked_bias)
            .with_bits(self.bits)
            .with_per(if self.per_position { Per::Row } else { Per::Sequence })
            .with_examples_per_mask(self.examples_per_mask)
            .settings()
    }
}

/// Weights of one output channel.
fn inputs(shape: &Conv2dConfig) -> usize {
    shape.channels[0] / shape.groups * shape.kernel_size[0] * shape.kernel_size[1]
}

/// Where the kernel goes along one axis.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    padding: (usize, usize),
    kernel: usize,
    stride: usize,
    dilation: usize,
}

impl Axis {
    fn positions(&self, argument: &'static str) -> Result<usize, Error> {
        let actual = self.size + self.padding.0 + self.padding.1;
        let least = (self.kernel - 1) * self.dilation + 1;
        let rest = actual.checked_sub(least).ok_or(Error::Image { argument, actual, least })?;
        Ok(rest / self.stride + 1)
    }
}

impl DropConnectConv2d {
    fn with(conv: Conv2d, shape: Conv2dConfig, settings: MaskSettings, device: &Device) -> Self {
        Self {
            weight: conv.weight,
            bias: conv.bias,
            training: Param::from_bool(true),
            steps: StepCounter::new(device),
            shape,
            settings,
        }
    }

    /// Applies the forward pass on the input tensor. In training, each call takes a step and so draws fresh masks.
    ///
    /// # Shapes
    /// - `input`: `[batch_size, channels_in, height_in, width_in]`
    /// - `output`: `[batch_size, channels_out, height_out, width_out]`
    ///
    /// # Panics
    /// With the text of the [`Error`] where [`try_forward`](Self::try_forward) returns one.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        or_panic(self.try_forward(input))
    }

    /// The same, with an error that the application can handle.
    ///
    /// # Errors
    /// For other channels than the layer's, an image that the kernel does not fit into, and as
    /// [`DropConnect::try_forward`](crate::DropConnect::try_forward).
    pub fn try_forward(&self, input: Tensor<4>) -> Result<Tensor<4>, Error> {
        let place = self.place(&input, None)?;
        self.apply(input, place)
    }

    /// The same with the masks of a given place, and without taking a step.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_at(&self, input: Tensor<4>, draw: Draw) -> Tensor<4> {
        let place = expect(self.place(&input, Some(draw)));
        or_panic(self.apply(input, place))
    }

    /// Drops on any device, frozen or not, and takes no step.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn sample_at(&self, input: Tensor<4>, draw: Draw) -> Tensor<4> {
        or_panic(self.apply(input, Place::always(&self.settings, draw)))
    }

    /// The mask of a call on images with so many positions, height times width of the output.
    ///
    /// # Errors
    /// [`dropconnect::Error::TooLarge`] where positions have no number below 2^32.
    pub fn mask(&self, draw: Draw, positions: usize) -> Result<dropconnect::Mask, Error> {
        self.settings.mask_of_rows(draw, positions)
    }

    /// Changes the probability of dropping, for all that comes.
    ///
    /// # Errors
    /// For a probability that [`try_init`](DropConnectConv2dConfig::try_init) refuses; the layer stays as it is.
    pub fn set_drop_probability(&mut self, p: f64) -> Result<(), Error> {
        self.settings.set_probability(p)
    }

    /// What decides this layer's masks.
    pub fn settings(&self) -> &MaskSettings {
        &self.settings
    }

    /// The plain layer with these parameters, for inference without this crate.
    pub fn into_conv2d(self) -> Conv2d {
        let Conv2dConfig { stride, kernel_size, dilation, groups, padding, .. } = self.shape;
        Conv2d { weight: self.weight, bias: self.bias, stride, kernel_size, dilation, groups, padding }
    }

    fn place(&self, x: &Tensor<4>, draw: Option<Draw>) -> Result<Place, Error> {
        let (_, positions) = self.positions(x)?;
        let rows = positions.iter().product();
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

    fn axes(&self, height: usize, width: usize) -> [Axis; 2] {
        [0, 1].map(|at| {
            let (kernel, stride) = (self.shape.kernel_size[at], self.shape.stride[at]);
            let size = [height, width][at];
            let padding = match self.shape.padding {
                PaddingConfig2d::Valid => (0, 0),
                // Burn's rule, that of ONNX, which is not public there: what is odd goes to the end.
                PaddingConfig2d::Same => {
                    let outputs = size.div_ceil(stride);
                    let all = (outputs.saturating_sub(1) * stride + kernel).saturating_sub(size);
                    (all / 2, all - all / 2)
                }
                PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)][at],
            };
            Axis { size, padding, kernel, stride, dilation: self.shape.dilation[at] }
        })
    }

    /// Where the kernel goes in an image, if it fits.
    fn positions(&self, input: &Tensor<4>) -> Result<([Axis; 2], [usize; 2]), Error> {
        let [batch, channels, height, width] = input.dims();
        if channels != self.shape.channels[0] {
            let (actual, expected) =
                (input.dims().to_vec(), vec![batch, self.shape.channels[0], height, width]);
            return Err(Error::Shape { argument: "input", actual, expected });
        }
        let axes = self.axes(height, width);
        Ok((axes, [axes[0].positions("height")?, axes[1].positions("width")?]))
    }

    fn apply(&self, input: Tensor<4>, place: Place) -> Result<Tensor<4>, Error> {
        let batch = input.dims()[0];
        let [channels_in, channels_out] = self.shape.channels;
        let (axes, [rows, columns]) = self.positions(&input)?;
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(|bias| bias.val()));
        let groups = self.shape.groups;
        if let Place::Dense = place {
            let padding = axes.map(|axis| axis.padding);
            let options =
                ConvOptions::new_with_padding(self.shape.stride, padding, self.shape.dilation, groups);
            return Ok(conv2d(input, weight, bias, options));
        }
        let (inputs, outputs) = (inputs(&self.shape), channels_out / groups);
        let input = input.pad(axes.map(|axis| axis.padding), PadMode::Constant(0.0));
        let mut results = Vec::with_capacity(groups);
        for group in 0..groups {
            let channels = channels_in / groups;
            let part = input.clone().slice(s![.., group * channels..(group + 1) * channels, .., ..]);
            let (first, last) = (group * outputs, (group + 1) * outputs);
            let weight = weight.clone().slice(s![first..last, .., .., ..]).reshape([outputs, inputs]);
            let bias = bias.clone().map(|bias| bias.slice(s![first..last]));
            let operands = [under_the_kernel(part, axes, [rows, columns]), weight.transpose()];
            // Output channels are numbered over all groups.
            results.push(place.drop_connect(&self.settings, first as u32, rows * columns, operands, bias)?);
        }
        let y = Tensor::cat(results, 1).reshape([batch, rows, columns, channels_out]);
        Ok(y.permute([0, 3, 1, 2]))
    }
}

/// A row for each image and position, with what lies under the kernel there, in the order of the kernel's weights.
/// Slices with a step, because Burn's `unfold4d` is a convolution of its own with a kernel of zeros and ones.
fn under_the_kernel(x: Tensor<4>, [y_axis, x_axis]: [Axis; 2], [rows, columns]: [usize; 2]) -> Tensor<2> {
    let [batch, channels, _, _] = x.dims();
    let (y_step, x_step) = (y_axis.stride as isize, x_axis.stride as isize);
    let mut shifted = Vec::with_capacity(y_axis.kernel * x_axis.kernel);
    for (ky, kx) in (0..y_axis.kernel).flat_map(|ky| (0..x_axis.kernel).map(move |kx| (ky, kx))) {
        let (top, left) = (ky * y_axis.dilation, kx * x_axis.dilation);
        let bottom = top + (rows - 1) * y_axis.stride + 1;
        let right = left + (columns - 1) * x_axis.stride + 1;
        shifted.push(x.clone().slice(s![.., .., top..bottom;y_step, left..right;x_step]));
    }
    let kernel = shifted.len();
    let all: Tensor<5> = Tensor::stack(shifted, 2);
    all.permute([0, 3, 4, 1, 2]).reshape([batch * rows * columns, channels * kernel])
}

impl ModuleDisplay for DropConnectConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [ch_in, ch_out] = self.shape.channels;
        content
            .add("ch_in", &ch_in)
            .add("ch_out", &ch_out)
            .add_debug_attribute("kernel_size", &self.shape.kernel_size)
            .add_debug_attribute("stride", &self.shape.stride)
            .add_debug_attribute("dilation", &self.shape.dilation)
            .add("groups", &self.shape.groups)
            .add_debug_attribute("padding", &self.shape.padding)
            .add("prob", &self.settings.probability.requested())
            .optional()
    }
}
