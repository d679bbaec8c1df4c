//! `dropconnect shader`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use dropconnect::Shape;
use dropconnect::call::Kind;

use super::{ActivationName, Element, MaskOptions, parse};

/// `shader`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect shader forward\n  \
    dropconnect shader weight-gradient --p 0.3 --class nvidia\n  \
    dropconnect shader input-gradient --shape 128,800,784 --element f16 --as msl\n  \
    dropconnect shader forward --as spirv > forward.spv && spirv-dis forward.spv\n  \
    dropconnect shader forward --p 0.2 --time\n  \
    dropconnect shader --export kernels --class integrated --shape 32,64,128 --p 0.2\n\n\
    Nothing is compiled or run, but with --time: the call is prepared on a device that does nothing, with the limits \
    and kernel shapes of the adapter. A call may take several kernels.")]
pub struct ShaderCommand {
    /// Which pass; --export without one writes all passes of training, and the mask
    #[arg(value_enum, value_name = "PASS", required_unless_present = "export")]
    pub of: Option<ShaderPass>,
    /// Batch, outputs and inputs; tensors together hold at most 1 GiB
    #[arg(
        long,
        default_value = "128,1024,1024",
        value_name = "N,O,I",
        value_parser = parse::shape,
        allow_hyphen_values = true
    )]
    pub shape: Shape,
    /// How tensors are stored
    #[arg(long, value_enum, default_value = "f32")]
    pub element: Element,
    /// What is added to the output
    #[arg(long, value_enum, default_value = "none")]
    pub bias: BiasKind,
    /// Which mask; kernels depend on its probability, sharing and origin.
    #[command(flatten)]
    pub mask: MaskOptions,
    /// With `activation`: the function
    #[arg(long, value_enum, value_name = "FUNCTION", default_value = "relu")]
    pub activation: ActivationName,
    /// With `activation`: Gaussian samples, in place of the closed form
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1 << 24),
        allow_negative_numbers = true
    )]
    pub samples: Option<u32>,
    /// In place of an adapter, what those of a class get at WebGPU's default limits
    #[arg(long, value_enum)]
    pub class: Option<Class>,
    /// The language: WGSL as the library makes it, or what wgpu makes of that
    #[arg(long = "as", value_enum, default_value = "wgsl", value_name = "LANGUAGE")]
    pub language: Language,
    /// Only this kernel of a call that takes several, from 1
    #[arg(long, value_name = "NUMBER")]
    pub kernel: Option<usize>,
    /// How kernels multiply 32-bit words: by 64-bit integers, which are no part of WebGPU, or by halves of words
    /// [default: with --export split, else wide where the adapter can]
    #[arg(long, value_enum)]
    pub multiply: Option<MultiplyName>,
    /// Write all that a host without this library needs into this folder: the kernels in WGSL, and a JSON file with
    /// bindings, parameters and workgroups (docs/shader-export.md)
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["language", "kernel", "time"])]
    pub export: Option<PathBuf>,
    /// Compile the call's kernels on the adapter and print how long that takes, in place of their text
    #[arg(long, conflicts_with_all = ["class", "language", "kernel", "multiply"])]
    pub time: bool,
}

/// What `shader` shows the kernels of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShaderPass {
    /// The mask, written out.
    Mask,
    /// The mask of the bias.
    BiasMask,
    /// A call.
    Call(Kind),
}

/// With their names and what is said of them.
const PASSES: [(ShaderPass, &str, &str); 11] = [
    (ShaderPass::Call(Kind::Forward), "forward", "Y"),
    (ShaderPass::Call(Kind::InputGradient), "input-gradient", "dX"),
    (ShaderPass::Call(Kind::WeightGradient), "weight-gradient", "dW"),
    (
        ShaderPass::Call(Kind::BothGradients),
        "both-gradients",
        "dX and dW in one call, which takes the kernels of both",
    ),
    (ShaderPass::Call(Kind::BiasGradient), "bias-gradient", "db"),
    (ShaderPass::Mask, "mask", "The mask, written out"),
    (ShaderPass::BiasMask, "bias-mask", "The mask of the bias, written out"),
    (ShaderPass::Call(Kind::Moments), "moments", "Mean and variance of Y over masks, in closed form"),
    (
        ShaderPass::Call(Kind::Activation),
        "activation",
        "Mean and variance of a function of a normal variable",
    ),
    (ShaderPass::Call(Kind::MonteCarlo), "monte-carlo", "Mean and variance of Y over masks that are drawn"),
    (ShaderPass::Call(Kind::Predictive), "predictive", "What the logits of a classifier say"),
];

impl ValueEnum for ShaderPass {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [ShaderPass; 11] = {
            let mut variants = [ShaderPass::Mask; 11];
            let mut at = 0;
            while at < PASSES.len() {
                variants[at] = PASSES[at].0;
                at += 1;
            }
            variants
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (_, name, help) = PASSES.iter().find(|(pass, ..)| pass == self)?;
        Some(PossibleValue::new(*name).help(*help))
    }
}

/// `--bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BiasKind {
    /// Nothing
    None,
    /// A bias
    Plain,
    /// A bias that is dropped and scaled like a weight
    Masked,
}

/// `--class`: a class of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// NVIDIA's GPUs
    Nvidia,
    /// AMD's discrete GPUs, and those of other makers
    Amd,
    /// Integrated GPUs
    Integrated,
    /// GPUs by Direct3D 12 where its older compiler, FXC, is the one there is
    Fxc,
    /// Mesa's llvmpipe, by Vulkan
    Software,
    /// Software adapters with slower compilers: SwiftShader, and llvmpipe by OpenGL
    SoftwareSmall,
    /// Direct3D 12's software adapter, WARP
    Warp,
}

/// `--multiply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MultiplyName {
    /// By 64-bit integers, the feature SHADER_INT64 of wgpu
    Wide,
    /// By halves of words, in any WebGPU
    Split,
}

/// `--as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// What the library makes
    Wgsl,
    /// For Vulkan; a binary
    Spirv,
    /// For Metal
    Msl,
    /// For Direct3D 12
    Hlsl,
    /// For OpenGL
    Glsl,
}
