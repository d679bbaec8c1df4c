//! The command line.

mod apply;
mod bench;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod parse;
mod shader;

pub use apply::{ApplyCommand, Mode};
pub use bench::{BenchOptions, BenchPass, Dimension, Rival, ServeOptions};
pub use shader::{BiasKind, Class, Language, MultiplyName, ShaderCommand, ShaderPass};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dropconnect::gpu::Tuning;
use dropconnect::{Activation, DropProbability, ElementType, Mask, MaskKey, Origin, Shape, Sharing};

use crate::error::{About, CliError};

/// DropConnect layers without a window: benchmarks, checks, masks and whole passes.
#[derive(Debug, Parser)]
#[command(
    name = "dropconnect",
    version,
    about = "Benchmarks, verifies and applies DropConnect layers on any GPU",
    long_about = "Benchmarks, verifies and applies DropConnect layers on any GPU.\n\nEvery example of a \
                  batch gets a weight mask of its own, regenerated inside the kernels and never stored. \
                  p is always the probability of DROPPING a connection. Without a command, `bench` runs.",
    after_help = "Examples:\n  \
                  dropconnect adapters\n  \
                  dropconnect verify --quick\n  \
                  dropconnect bench --shape 128,1024,1024 --p 0.5\n  \
                  dropconnect mask --shape 8,16,32 --p 0.3 --seed 42 --out mask.safetensors\n  \
                  dropconnect apply --input layer.safetensors --output result.safetensors --p 0.5\n  \
                  dropconnect shader forward --p 0.2 --as spirv > forward.spv\n\n\
                  `dropconnect help COMMAND` has more of each. NO_COLOR in the environment: no colours.\n\n\
                  Exit codes: 0 good, 1 a check failed, 2 bad usage, bad input or a failing device, \
                  130 interrupted (Ctrl-C)."
)]
pub struct Cli {
    /// What to do; `bench` if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceOptions,
    /// Print results, warnings and errors only: not which device computes, no progress, not what was written
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Where to compute.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Device")]
pub struct DeviceOptions {
    /// Where to compute. `auto` leaves software adapters, which are slower than the CPU backend, to those who ask
    /// for one: with `gpu`, or with an option that is about an adapter
    #[arg(long, global = true, value_enum, default_value_t = DeviceKind::Auto)]
    pub device: DeviceKind,
    /// Take only adapters of this graphics API (OpenGL is used only when asked for)
    #[arg(long, global = true, value_enum)]
    pub backend: Option<Backend>,
    /// Take only adapters whose name contains this, in any case
    #[arg(long, global = true, value_name = "SUBSTRING")]
    pub adapter: Option<String>,
    /// Use these kernel shapes on the adapter, as `bench --tune` prints them
    #[arg(long, global = true, value_name = "TUNING")]
    pub tuning: Option<Tuning>,
}

/// `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// The best hardware GPU, then the CPU backend
    Auto,
    /// The best adapter, hardware or software, or an error
    Gpu,
    /// The library's own CPU backend
    Cpu,
}

/// `--backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Vulkan
    Vulkan,
    /// Metal
    Metal,
    /// Direct3D 12
    Dx12,
    /// OpenGL
    Gl,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Time all passes beside a dense layer and a stored mask (the default command)
    Bench(Box<BenchOptions>),
    /// Answer a later build's `bench --baseline`, on standard input and output
    #[command(hide = true)]
    BenchServe(ServeOptions),
    /// Check the mask bits and every pass of this device against the CPU and float64
    Verify(VerifyOptions),
    /// List the adapters and which kernel variants they would get
    Adapters(AdaptersOptions),
    /// Write a mask, computed on the device, to a safetensors file
    Mask(MaskCommand),
    /// Run a layer, and its gradients, on tensors from a safetensors file
    Apply(ApplyCommand),
    /// Print the kernels that an adapter gets for a pass, in WGSL or as a driver is told
    Shader(ShaderCommand),
    /// Print what completes this program's command lines in a shell
    Completions(CompletionsCommand),
    /// Print the manual page, or write those of all commands
    Man(ManCommand),
}

/// `completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect completions bash > ~/.local/share/bash-completion/completions/dropconnect\n  \
    dropconnect completions zsh > ~/.zfunc/_dropconnect\n  \
    dropconnect completions fish > ~/.config/fish/completions/dropconnect.fish\n  \
    dropconnect completions powershell >> $PROFILE")]
pub struct CompletionsCommand {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect man | man -l -\n  \
    dropconnect man --out ~/.local/share/man/man1")]
pub struct ManCommand {
    /// Write a page for each command into this folder, in place of the first to standard output
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect verify\n  \
    dropconnect verify --quick --device cpu\n  \
    dropconnect verify --soak 2000 --device gpu\n  \
    dropconnect verify --masks 1000000000 --backend gl\n\n\
    Exits with 1 if any check fails.")]
pub struct VerifyOptions {
    /// Fewer shapes, probabilities and kernel variants
    #[arg(long)]
    pub quick: bool,
    /// In place of the fixed checks, try so many random cases; the seed of one that fails is printed
    #[arg(
        long,
        value_name = "CASES",
        conflicts_with = "quick",
        value_parser = clap::value_parser!(u64).range(1..),
        allow_negative_numbers = true
    )]
    pub soak: Option<u64>,
    /// What the random cases are drawn from; that of a case that failed, with `--soak 1`, is this case again
    /// [default: the clock]
    #[arg(long, requires = "soak", value_parser = parse::whole::<u64>, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// In place of the fixed checks, compare at least so many mask bits with plain code, and print a digest of them, by
    /// which devices of several machines are compared; on the CPU for each of its instruction sets
    #[arg(
        long,
        value_name = "BITS",
        conflicts_with_all = ["quick", "soak"],
        value_parser = clap::value_parser!(u64).range(1..),
        allow_negative_numbers = true
    )]
    pub masks: Option<u64>,
    /// Compile the adapter's kernels by this program in place of wgpu: it is given WGSL on standard input and writes
    /// SPIR-V to standard output. For adapters by Vulkan
    #[arg(long, value_name = "PROGRAM")]
    pub compiler: Option<PathBuf>,
}

/// `adapters`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect adapters\n  \
    dropconnect adapters --json\n  \
    dropconnect adapters --backend gl")]
pub struct AdaptersOptions {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// `mask`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  \
    dropconnect mask --shape 8,16,32 --p 0.3 --seed 42 --out mask.safetensors\n\n\
    The file holds `mask`, u8 [N, O, I]: 1 where a connection is kept, 0 where it is dropped. \
    Its metadata say all that the mask is made of.")]
pub struct MaskCommand {
    /// Batch, outputs and inputs
    #[arg(long, value_name = "N,O,I", value_parser = parse::shape, allow_hyphen_values = true)]
    pub shape: Shape,
    /// Which mask.
    #[command(flatten)]
    pub mask: MaskOptions,
    /// Also write the mask of the bias: `bias_mask`, u8 [N, O]
    #[arg(long)]
    pub bias: bool,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What decides a mask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mask")]
pub struct MaskOptions {
    /// Probability of dropping a connection, at least 0 and below 1
    #[arg(long, default_value = "0.5", value_parser = parse::p, allow_negative_numbers = true)]
    pub p: f64,
    /// The user's seed, 64 bits
    #[arg(long, default_value = "0", value_parser = parse::whole::<u64>, allow_negative_numbers = true)]
    pub seed: u64,
    /// Which layer of the model, 32 bits
    #[arg(long, default_value = "0", value_parser = parse::whole::<u32>, allow_negative_numbers = true)]
    pub layer: u32,
    /// Training step, 64 bits
    #[arg(long, default_value = "0", value_parser = parse::whole::<u64>, allow_negative_numbers = true)]
    pub step: u64,
    /// The mask of this pass of a Monte-Carlo call at that step, in place of the training mask
    #[arg(long, value_name = "NUMBER", value_parser = parse::whole::<u32>, allow_negative_numbers = true)]
    pub pass: Option<u32>,
    /// Global coordinates of the first example, output and input
    #[arg(
        long,
        default_value = "0,0,0",
        value_name = "N,O,I",
        value_parser = parse::origin,
        allow_hyphen_values = true
    )]
    pub origin: Origin,
    /// Resolution of p in bits
    #[arg(
        long,
        default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(1..=16),
        allow_negative_numbers = true
    )]
    pub bits: u32,
    /// How many consecutive examples share a mask, or `batch` for all; the paper's DropConnect is 1
    #[arg(
        long,
        default_value = "1",
        value_name = "COUNT",
        value_parser = parse::sharing,
        allow_negative_numbers = true
    )]
    pub examples_per_mask: Sharing,
}

impl MaskOptions {
    /// The mask.
    pub fn mask(&self) -> Result<Mask, CliError> {
        let probability = DropProbability::with_bits(self.p, self.bits).about("--p")?;
        let key = MaskKey::new(self.seed, self.layer).at_step(self.step);
        let key = self.pass.map_or(key, |pass| key.pass(pass));
        Ok(Mask::new(key, probability).shared(self.examples_per_mask).at(self.origin))
    }
}

/// `--activation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActivationName {
    /// The layer's output itself
    Identity,
    /// max(u, 0)
    Relu,
    /// 1 / (1 + exp(-u)); needs `--samples`
    Sigmoid,
    /// tanh u; needs `--samples`
    Tanh,
}

impl From<ActivationName> for Activation {
    fn from(name: ActivationName) -> Self {
        match name {
            ActivationName::Identity => Self::Identity,
            ActivationName::Relu => Self::Relu,
            ActivationName::Sigmoid => Self::Sigmoid,
            ActivationName::Tanh => Self::Tanh,
        }
    }
}

/// `--element`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Element {
    /// IEEE 754 binary32
    F32,
    /// IEEE 754 binary16
    F16,
    /// The upper half of a binary32
    Bf16,
}

impl From<Element> for ElementType {
    fn from(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
            Element::Bf16 => Self::BF16,
        }
    }
}
