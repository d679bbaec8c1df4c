//! `dropconnect apply`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ActivationName, MaskOptions};

/// `apply`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect apply --input layer.safetensors --output result.safetensors --p 0.5 --seed 42 --step 7\n  \
    dropconnect apply --input layer.safetensors --output moments.safetensors --mode gaussian --activation relu\n  \
    dropconnect apply --input layer.safetensors --output moments.safetensors --mode mc --passes 100\n\n\
    Reads `x` [..., I], `weight` [O, I] and optionally `bias` [O] and `grad_output` [..., O], all F32, all F16 \
    or all BF16. Writes `y` [..., O] and, given `grad_output`, `grad_x`, `grad_weight` and (with a bias) \
    `grad_bias`, in the same type. The modes `gaussian` and `mc` write `mean` and `variance` [..., O] over masks, \
    in F32, and `--softmax` adds `probabilities` [..., O], `entropy` and `mutual_information` [...].")]
pub struct ApplyCommand {
    /// The safetensors file to read
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which mask.
    #[command(flatten)]
    pub mask: MaskOptions,
    /// What to compute
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    pub mode: Mode,
    /// With `--mode gaussian`: what follows the layer
    #[arg(long, value_enum, value_name = "FUNCTION")]
    pub activation: Option<ActivationName>,
    /// With `--mode gaussian`: Gaussian samples an element, in place of the closed form (identity, relu)
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1 << 24),
        allow_negative_numbers = true
    )]
    pub samples: Option<u32>,
    /// With `--mode mc`: how many masks [default: 100]
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1 << 16),
        allow_negative_numbers = true
    )]
    pub passes: Option<u32>,
    /// With `--mode mc`: take outputs for logits, and say what a classifier predicts and how surely
    #[arg(long)]
    pub softmax: bool,
    /// Drop and scale the bias like a weight (the paper's variant)
    #[arg(long)]
    pub masked_bias: bool,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Masked and scaled
    Train,
    /// The plain linear layer, without a mask
    Eval,
    /// Mean and variance over masks by matching moments: the paper's inference
    Gaussian,
    /// Mean and variance over masks that are drawn: Monte-Carlo DropConnect
    Mc,
}
