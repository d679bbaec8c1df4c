//! The kernels: what each is called, reads and writes, and which templates it is put together from.

use crate::Activation;
use crate::call::Axis;

/// Name and text of each template in `shaders/`.
pub(super) const TEMPLATES: &[(&str, &str)] = &[
    ("params", include_str!("../../shaders/params.wgsl")),
    ("philox", include_str!("../../shaders/philox.wgsl")),
    ("brick", include_str!("../../shaders/brick.wgsl")),
    ("elements", include_str!("../../shaders/elements.wgsl")),
    ("elementary", include_str!("../../shaders/elementary.wgsl")),
    ("apply", include_str!("../../shaders/apply.wgsl")),
    ("tile", include_str!("../../shaders/tile.wgsl")),
    ("round_key", include_str!("../../shaders/round_key.wgsl")),
    ("staging", include_str!("../../shaders/staging.wgsl")),
    ("forward_tile", include_str!("../../shaders/forward_tile.wgsl")),
    ("forward", include_str!("../../shaders/forward.wgsl")),
    ("input_gradient", include_str!("../../shaders/input_gradient.wgsl")),
    ("weight_gradient", include_str!("../../shaders/weight_gradient.wgsl")),
    ("bias_gradient", include_str!("../../shaders/bias_gradient.wgsl")),
    ("mask", include_str!("../../shaders/mask.wgsl")),
    ("moments", include_str!("../../shaders/moments.wgsl")),
    ("activation", include_str!("../../shaders/activation.wgsl")),
    ("monte_carlo", include_str!("../../shaders/monte_carlo.wgsl")),
    ("predictive", include_str!("../../shaders/predictive.wgsl")),
    ("round", include_str!("../../shaders/round.wgsl")),
    ("running_moments", include_str!("../../shaders/running_moments.wgsl")),
    ("update", include_str!("../../shaders/update.wgsl")),
];

/// A kernel, with the choices that it alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    Forward {
        /// A bias is added.
        bias: bool,
    },
    InputGradient,
    WeightGradient,
    BiasGradient,
    Mask {
        /// The mask of the bias, in place of the connections'.
        of_bias: bool,
    },
    Moments {
        /// A bias is added.
        bias: bool,
    },
    Activation(Integral),
    MonteCarlo {
        /// A bias is added.
        bias: bool,
    },
    Predictive {
        /// Threads that share an example, a power of two. 1: each has an example of its own.
        threads: u32,
    },
    /// From f32 to the element type of a result.
    Round,
    /// The mean and variance of values that come one after the other.
    Update,
}

/// How mean and variance of f(u) are found, u being normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Integral {
    ClosedIdentity,
    ClosedRelu,
    /// By Gaussian samples.
    Sampled(Activation),
}

impl Integral {
    pub(super) const fn is_closed(self) -> bool {
        matches!(self, Self::ClosedIdentity | Self::ClosedRelu)
    }

    /// The function's name in the shader.
    pub(super) const fn function(self) -> &'static str {
        match self {
            Self::ClosedIdentity | Self::Sampled(Activation::Identity) => "identity",
            Self::ClosedRelu | Self::Sampled(Activation::Relu) => "relu",
            Self::Sampled(Activation::Sigmoid) => "sigmoid",
            Self::Sampled(Activation::Tanh) => "tanh",
        }
    }
}

impl Pass {
    /// How the kernel is called in captures and messages: the library's name and its template's.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Forward { .. } => "dropconnect.forward",
            Self::InputGradient => "dropconnect.input_gradient",
            Self::WeightGradient => "dropconnect.weight_gradient",
            Self::BiasGradient => "dropconnect.bias_gradient",
            Self::Mask { .. } => "dropconnect.mask",
            Self::Moments { .. } => "dropconnect.moments",
            Self::Activation(_) => "dropconnect.activation",
            Self::MonteCarlo { .. } => "dropconnect.monte_carlo",
            Self::Predictive { .. } => "dropconnect.predictive",
            Self::Round => "dropconnect.round",
            Self::Update => "dropconnect.update",
        }
    }

    /// The axis that the threads of a kernel with tiles walk, brick by brick; their tile is of the other two.
    pub(crate) const fn walks(self) -> Option<Axis> {
        match self {
            Self::Forward { .. } | Self::MonteCarlo { .. } => Some(Axis::Input),
            Self::InputGradient => Some(Axis::Output),
            Self::WeightGradient => Some(Axis::Example),
            // Tiles of columns alone, or none.
            Self::BiasGradient | Self::Mask { .. } | Self::Moments { .. } | Self::Activation(_) => None,
            Self::Predictive { .. } | Self::Round | Self::Update => None,
        }
    }

    /// Whether the threads of a workgroup may read operands together.
    pub(crate) const fn stages(self) -> bool {
        self.walks().is_some()
    }

    /// Whether the kernel adds a bias.
    pub(crate) const fn bias(self) -> bool {
        matches!(
            self,
            Self::Forward { bias: true } | Self::Moments { bias: true } | Self::MonteCarlo { bias: true }
        )
    }

    /// The same kernel with a bias or without, where it may have one.
    pub(crate) const fn with_bias(self, bias: bool) -> Self {
        match self {
            Self::Forward { .. } => Self::Forward { bias },
            Self::Moments { .. } => Self::Moments { bias },
            Self::MonteCarlo { .. } => Self::MonteCarlo { bias },
            other => other,
        }
    }

    /// The operands' names in the shader, in the order of their bindings, and the axis along their columns.
    pub(super) fn operands(self) -> &'static [(&'static str, Axis)] {
        use Axis::{Input, Output};
        match self {
            Self::Forward { .. } | Self::Moments { .. } | Self::MonteCarlo { .. } => {
                let operands = &[("x", Input), ("w", Input), ("bias", Output)];
                if self.bias() { operands } else { &operands[..2] }
            }
            Self::InputGradient => &[("g", Output), ("w", Input)],
            Self::WeightGradient => &[("g", Output), ("x", Input)],
            Self::BiasGradient => &[("g", Output)],
            Self::Mask { .. } => &[],
            Self::Activation(_) => &[("u_mean", Output), ("u_variance", Output)],
            Self::Predictive { .. } => &[("logits", Output)],
            Self::Round => &[("sums", Output)],
            Self::Update => &[("value", Output)],
        }
    }

    /// The results that `elements.wgsl` stores, in the order of their bindings, and the axes along their rows, unless
    /// there is one row, and columns.
    pub(super) fn results(self) -> &'static [(&'static str, Option<Axis>, Axis)] {
        use Axis::{Example, Input, Output};
        match self {
            Self::InputGradient => &[("result", Some(Example), Input)],
            Self::WeightGradient => &[("result", Some(Output), Input)],
            Self::BiasGradient => &[("result", None, Output)],
            Self::Moments { .. } | Self::Activation(_) => {
                &[("mean", Some(Example), Output), ("variance", Some(Example), Output)]
            }
            // These declare results of their own, which are not of the operands' type.
            Self::Mask { .. } | Self::MonteCarlo { .. } | Self::Predictive { .. } | Self::Update => &[],
            _ => &[("result", Some(Example), Output)],
        }
    }

    /// Whether each storage binding is only read, in their order.
    pub(crate) fn read_only(self) -> Vec<bool> {
        let mut bindings = vec![true; self.operands().len()];
        let results = match self {
            Self::MonteCarlo { .. } => {
                bindings.push(true); // the keys of the passes
                2
            }
            Self::Update => 2,
            Self::Predictive { .. } => 3,
            Self::Mask { .. } => 1,
            _ => self.results().len(),
        };
        bindings.resize(bindings.len() + results, false);
        bindings
    }

    /// The templates this kernel is put together from.
    pub(super) const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Forward { .. } => &["params", "philox", "brick", "elements", "apply", "forward"],
            Self::InputGradient => &["params", "philox", "brick", "elements", "apply", "input_gradient"],
            Self::WeightGradient => &["params", "philox", "brick", "elements", "apply", "weight_gradient"],
            Self::BiasGradient => &["params", "philox", "brick", "elements", "bias_gradient"],
            Self::Mask { .. } => &["params", "philox", "brick", "mask"],
            Self::Moments { .. } => &["params", "elements", "elementary", "moments"],
            Self::Activation(_) => &["params", "philox", "elements", "elementary", "activation"],
            Self::MonteCarlo { .. } => {
                &["params", "philox", "brick", "elements", "apply", "running_moments", "monte_carlo"]
            }
            Self::Predictive { .. } => &["params", "elements", "elementary", "predictive"],
            Self::Round => &["params", "elements", "round"],
            Self::Update => &["params", "elements", "running_moments", "update"],
        }
    }
}
