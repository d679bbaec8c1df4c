//! The kernels: what each is called, reads and writes, and which templates it is put together from.

use crate::Activation;
use crate::call::Axis;
use crate::gpu::tuning::{NO_K_TILE, Tile, Tuning};

macro_rules! templates {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../shaders/", $name, ".wgsl")))),*]
    };
}

/// Name and text of each template in `shaders/`.
pub(crate) const TEMPLATES: &[(&str, &str)] = templates! {
    "params" "philox" "brick" "elements" "elementary" "mask_op" "tile" "round_key" "workgroup_tile" "forward_tile"
    "forward" "input_gradient" "weight_gradient" "bias_gradient" "mask" "moments" "activation" "monte_carlo"
    "predictive" "round" "running_moments" "update"
};

/// The workgroup of the bias gradient: columns of outputs and rows that share the examples.
pub(crate) const BIAS_TILE: Tile = Tile::new(1, 1, [16, 16]);
/// The workgroup of kernels without tiles.
pub(crate) const FLAT_TILE: Tile = Tile::new(1, 1, [64, 1]);

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
    pub(crate) const fn is_closed(self) -> bool {
        matches!(self, Self::ClosedIdentity | Self::ClosedRelu)
    }

    /// The function's name in the shader.
    pub(crate) const fn function(self) -> &'static str {
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

    /// The axis that a kernel with tiles sums along, brick by brick; its tiles are of the other two.
    pub(crate) const fn reduction_axis(self) -> Option<Axis> {
        match self {
            Self::Forward { .. } | Self::MonteCarlo { .. } => Some(Axis::Input),
            Self::InputGradient => Some(Axis::Output),
            Self::WeightGradient => Some(Axis::Example),
            // Tiles of columns alone, or none.
            Self::BiasGradient | Self::Mask { .. } | Self::Moments { .. } | Self::Activation(_) => None,
            Self::Predictive { .. } | Self::Round | Self::Update => None,
        }
    }

    /// Its tile, before it is fitted to a problem.
    pub(crate) fn tile(self, tuning: &Tuning) -> Tile {
        match (self, self.reduction_axis()) {
            (_, Some(Axis::Input)) => tuning.forward,
            (_, Some(Axis::Output)) => tuning.input_gradient,
            (_, Some(Axis::Example)) => tuning.weight_gradient,
            (Self::BiasGradient, None) => BIAS_TILE,
            (Self::Predictive { threads }, None) if threads > 1 => {
                Tile { workgroup: [threads, 1], ..FLAT_TILE }
            }
            // Two sums to an output, and no k tile.
            (Self::Moments { .. }, None) => match tuning.forward {
                Tile { k_tile: 0, rows, columns, workgroup } => {
                    Tile::new(rows.min(2), columns.min(2), workgroup)
                }
                _ => NO_K_TILE,
            },
            (_, None) => FLAT_TILE,
        }
    }

    /// Whether operands may be tiled through workgroup memory.
    pub(crate) const fn has_k_tile(self) -> bool {
        self.reduction_axis().is_some()
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
    pub(crate) fn operands(self) -> &'static [(&'static str, Axis)] {
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
    pub(crate) fn results(self) -> &'static [(&'static str, Option<Axis>, Axis)] {
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
                bindings.push(true); // the keys of the samples
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
    pub(crate) const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Forward { .. } => &["params", "philox", "brick", "elements", "mask_op", "forward"],
            Self::InputGradient => &["params", "philox", "brick", "elements", "mask_op", "input_gradient"],
            Self::WeightGradient => &["params", "philox", "brick", "elements", "mask_op", "weight_gradient"],
            Self::BiasGradient => &["params", "philox", "brick", "elements", "bias_gradient"],
            Self::Mask { .. } => &["params", "philox", "brick", "mask"],
            Self::Moments { .. } => &["params", "elements", "elementary", "moments"],
            Self::Activation(_) => &["params", "philox", "elements", "elementary", "activation"],
            Self::MonteCarlo { .. } => {
                &["params", "philox", "brick", "elements", "mask_op", "running_moments", "monte_carlo"]
            }
            Self::Predictive { .. } => &["params", "elements", "elementary", "predictive"],
            Self::Round => &["params", "elements", "round"],
            Self::Update => &["params", "elements", "running_moments", "update"],
        }
    }
}
