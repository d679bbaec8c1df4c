//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dropconnect::gpu::Tuning;
use dropconnect::{Activation, DropProbability, ElementType, Mask, MaskKey, Origin, Rounds, Shape, Sharing};

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
    after_help = "Exit codes: 0 good, 1 a check failed, 2 bad usage, bad input or a failing device, \
                  130 interrupted (Ctrl-C)."
)]
pub struct Cli {
    /// What to do; `bench` if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceOptions,
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
    Bench(BenchOptions),
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
}

/// `bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect bench\n  \
    dropconnect bench --shape 256,4096,4096 --p 0.5 --element f16 --element f32\n  \
    dropconnect bench --sweep batch --p 0.5\n  \
    dropconnect bench --compare before.json --json after.json --html after.html\n\n\
    Results are checked against float64 before anything is timed; a mismatch exits with 1. Ctrl-C keeps what was \
    measured, a second one ends at once.")]
pub struct BenchOptions {
    /// Batch, outputs and inputs; repeat for several [default: 128,1024,1024 128,800,784 100,1001,777]
    #[arg(long, value_name = "N,O,I", value_parser = parse_full_shape)]
    pub shape: Vec<Shape>,
    /// Show how time grows: a quarter to four times this dimension of the shape
    #[arg(long, value_enum, value_name = "DIMENSION")]
    pub sweep: Option<Dimension>,
    /// Probability of dropping a connection; repeat for several [default: 0.5 0.2]
    #[arg(long, value_parser = parse_p, allow_negative_numbers = true)]
    pub p: Vec<f64>,
    /// How tensors are stored; repeat for several [default: f32]
    #[arg(long, value_enum)]
    pub element: Vec<Element>,
    /// Time to spend on each measurement
    #[arg(long, default_value = "0.4", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub seconds: Duration,
    /// Take exactly this many samples of each measurement, however long it takes
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with = "seconds")]
    pub repeats: Option<u32>,
    /// Runs before the first sample
    #[arg(long, default_value_t = 2, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub warmup: u32,
    /// First find the fastest kernel shapes for the first shape and p, and use them
    #[arg(long, conflicts_with = "tuning")]
    pub tune: bool,
    /// Show the change against an earlier run: a file that `--json` wrote
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Also write every sample to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write a report with charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `--sweep`: a dimension of a shape, by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dimension {
    /// Examples
    Batch,
    /// Outputs
    Outputs,
    /// Inputs
    Inputs,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            shape: Vec::new(),
            sweep: None,
            p: Vec::new(),
            element: Vec::new(),
            seconds: Duration::from_millis(400),
            repeats: None,
            warmup: 2,
            tune: false,
            compare: None,
            json: None,
            html: None,
        }
    }
}

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect verify\n  \
    dropconnect verify --quick --device cpu\n  \
    dropconnect verify --soak 2000 --device gpu\n\n\
    Exits with 1 if any check fails.")]
pub struct VerifyOptions {
    /// Fewer shapes, probabilities and kernel variants
    #[arg(long)]
    pub quick: bool,
    /// In place of the fixed checks, try so many random cases; the seed of one that fails is printed
    #[arg(long, value_name = "CASES", conflicts_with = "quick", value_parser = clap::value_parser!(u64).range(1..))]
    pub soak: Option<u64>,
    /// What the random cases are drawn from; that of a case that failed, with `--soak 1`, is this case again
    /// [default: the clock]
    #[arg(long, requires = "soak")]
    pub seed: Option<u64>,
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
    #[arg(long, value_name = "N,O,I", value_parser = parse_shape)]
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
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub samples: Option<u32>,
    /// With `--mode mc`: how many masks [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    pub passes: Option<u32>,
    /// With `--mode mc`: take outputs for logits, and say what a classifier predicts and how surely
    #[arg(long)]
    pub softmax: bool,
    /// Drop and scale the bias like a weight (the paper's variant)
    #[arg(long)]
    pub masked_bias: bool,
}

/// `shader`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect shader forward\n  \
    dropconnect shader weight-gradient --p 0.3 --class nvidia\n  \
    dropconnect shader input-gradient --shape 128,800,784 --element f16 --as msl\n  \
    dropconnect shader forward --as spirv > forward.spv && spirv-dis forward.spv\n\n\
    Nothing is compiled or run: the call is prepared on a device that does nothing, with the limits and kernel \
    shapes of the adapter. A call may take several kernels.")]
pub struct ShaderCommand {
    /// Which pass
    #[arg(value_enum, value_name = "PASS")]
    pub of: ShaderPass,
    /// Batch, outputs and inputs; tensors together hold at most 1 GiB
    #[arg(long, default_value = "128,1024,1024", value_name = "N,O,I", value_parser = parse_shape)]
    pub shape: Shape,
    /// How tensors are stored
    #[arg(long, value_enum, default_value = "f32")]
    pub element: Element,
    /// What is added to the output
    #[arg(long, value_enum, default_value = "none")]
    pub bias: BiasKind,
    /// Which mask; kernels depend on its probability, sharing, rounds and origin.
    #[command(flatten)]
    pub mask: MaskOptions,
    /// With `activation`: the function
    #[arg(long, value_enum, value_name = "FUNCTION", default_value = "relu")]
    pub activation: ActivationName,
    /// With `activation`: Gaussian samples, in place of the closed form
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
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
}

/// The passes of `shader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShaderPass {
    /// Y
    Forward,
    /// dX
    InputGradient,
    /// dW
    WeightGradient,
    /// dX and dW in one call
    BothGradients,
    /// db
    BiasGradient,
    /// The mask, written out
    Mask,
    /// Mean and variance of Y over masks, in closed form
    Moments,
    /// Mean and variance of a function of a normal variable
    Activation,
    /// Mean and variance of Y over masks that are drawn
    MonteCarlo,
    /// What the logits of a classifier say
    Predictive,
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
    /// Software adapters
    Software,
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

/// What decides a mask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mask")]
pub struct MaskOptions {
    /// Probability of dropping a connection, at least 0 and below 1
    #[arg(long, default_value = "0.5", value_parser = parse_p, allow_negative_numbers = true)]
    pub p: f64,
    /// The user's seed, 64 bits
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Which layer of the model, 32 bits
    #[arg(long, default_value_t = 0)]
    pub layer: u32,
    /// Training step, 64 bits
    #[arg(long, default_value_t = 0)]
    pub step: u64,
    /// The mask of this pass of a Monte-Carlo call at that step, in place of the training mask
    #[arg(long, value_name = "NUMBER")]
    pub pass: Option<u32>,
    /// Global coordinates of the first example, output and input
    #[arg(long, default_value = "0,0,0", value_name = "N,O,I", value_parser = parse_origin)]
    pub origin: Origin,
    /// Resolution of p in bits
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub bits: u32,
    /// Rounds of the generator: 7 or 10
    #[arg(long, default_value = "10", value_parser = parse_rounds)]
    pub rounds: Rounds,
    /// How many consecutive examples share a mask, or `batch` for all; the paper's DropConnect is 1
    #[arg(long, default_value = "1", value_name = "COUNT", value_parser = parse_sharing)]
    pub examples_per_mask: Sharing,
}

impl MaskOptions {
    /// The mask.
    pub fn mask(&self) -> Result<Mask, CliError> {
        let probability = DropProbability::with_bits(self.p, self.bits).about("--p")?;
        let key = MaskKey::new(self.seed, self.layer).at_step(self.step);
        let key = self.pass.map_or(key, |pass| key.pass(pass));
        Ok(Mask::new(key, probability)
            .with_rounds(self.rounds)
            .shared(self.examples_per_mask)
            .at(self.origin))
    }
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

fn parse_three<T: std::str::FromStr>(text: &str, example: &str) -> Result<[T; 3], String> {
    let parts: Vec<_> = text.split([',', 'x']).collect();
    let [n, o, i] = parts[..] else {
        return Err(format!("{} numbers were given; three are needed, such as {example}", parts.len()));
    };
    let number = |part: &str| {
        part.trim().parse().map_err(|_| {
            format!("`{part}` is not a whole number in range; three are needed, such as {example}")
        })
    };
    Ok([number(n)?, number(o)?, number(i)?])
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let [batch, outputs, inputs] = parse_three::<u64>(text, "128,1024,1024")?;
    // Past usize is past u32, too, and that is what the library's error speaks of.
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Shape::new(size(batch), size(outputs), size(inputs)).map_err(|error| error.to_string())
}

fn parse_full_shape(text: &str) -> Result<Shape, String> {
    let shape = parse_shape(text)?;
    if shape.batch() == 0 {
        return Err("`batch` is 0; there is nothing to time, use at least 1".to_owned());
    }
    Ok(shape)
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    let [example, output, input] = parse_three(text, "0,0,0 (each below 2^32)")?;
    Ok(Origin { example, output, input })
}

fn parse_p(text: &str) -> Result<f64, String> {
    let p: f64 = text.parse().map_err(|_| "a number of at least 0 and below 1 is needed".to_owned())?;
    if (0.0..1.0).contains(&p) {
        return Ok(p);
    }
    Err(dropconnect::Error::DropProbability { value: p }.to_string())
}

fn parse_rounds(text: &str) -> Result<Rounds, String> {
    let rounds = text.parse().map_err(|_| "7 or 10 is needed".to_owned())?;
    Rounds::new(rounds).map_err(|error| error.to_string())
}

fn parse_sharing(text: &str) -> Result<Sharing, String> {
    match text.parse() {
        _ if text == "batch" => Ok(Sharing::Batch),
        Ok(1) => Ok(Sharing::Example),
        Ok(count) => NonZeroU32::new(count).map(Sharing::Group).ok_or(()),
        Err(_) => Err(()),
    }
    .map_err(|()| "a number of examples of at least 1, or `batch`, is needed".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let most = 3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= most => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds above 0 and at most {most} is needed")),
    }
}
