//! `dropconnect bench`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use dropconnect::Shape;

use super::{Element, parse};

/// `bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    dropconnect bench\n  \
    dropconnect bench --shape 256,4096,4096 --p 0.5 --element f16 --element f32\n  \
    dropconnect bench --sweep batch --sweep outputs --sweep inputs --p 0.5 --html curves.html\n  \
    dropconnect bench --baseline target/before/dropconnect --shape 128,1024,1024 --p 0.5\n  \
    dropconnect bench --beside target/release/examples/bench_dense --device cpu\n  \
    dropconnect bench --json bench.json --html bench.html\n\n\
    Results are checked against float64 before anything is timed; a mismatch exits with 1. Ctrl-C keeps what was \
    measured, a second one ends at once.")]
pub struct BenchOptions {
    /// Batch, outputs and inputs; repeat for several [default: 128,1024,1024 128,800,784 100,1001,777]
    #[arg(long, value_name = "N,O,I", value_parser = parse::full_shape, allow_hyphen_values = true)]
    pub shape: Vec<Shape>,
    /// Show how time and memory grow: a quarter to four times this dimension of the shape; repeat for several
    #[arg(long, value_enum, value_name = "DIMENSION")]
    pub sweep: Vec<Dimension>,
    /// Probability of dropping a connection; repeat for several [default: 0.5 0.2]
    #[arg(long, value_parser = parse::p, allow_negative_numbers = true)]
    pub p: Vec<f64>,
    /// How tensors are stored; repeat for several [default: f32]
    #[arg(long, value_enum)]
    pub element: Vec<Element>,
    /// A first impression, in seconds also where compilers are slow: one shape, one p, forward and weight gradient,
    /// beside a dense layer and a stored mask, each for a fifth of a second, unless other options say otherwise
    #[arg(long)]
    pub quick: bool,
    /// Time to spend on each measurement; with --baseline up to ten times as long, until a change shows
    /// [default: 0.4]
    #[arg(long, value_parser = parse::seconds, allow_negative_numbers = true)]
    pub seconds: Option<Duration>,
    /// Take exactly this many rounds, however long they take
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        conflicts_with = "seconds",
        allow_negative_numbers = true
    )]
    pub repeats: Option<u32>,
    /// Calls before the first sample [default: until they take the same time]
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(0..=100_000),
        allow_negative_numbers = true
    )]
    pub warmup: Option<u32>,
    /// Only these passes; repeat for several [default: all]
    #[arg(long, value_enum, value_name = "PASS")]
    pub pass: Vec<BenchPass>,
    /// What to time beside ours, in the same rounds; repeat for several [default: all but `none`]
    #[arg(long, value_enum, value_name = "RIVAL")]
    pub rival: Vec<Rival>,
    /// An earlier build of this program, which is run in the same rounds: is this one faster, slower, the same?
    #[arg(long, value_name = "PROGRAM")]
    pub baseline: Option<PathBuf>,
    /// A program of others and its first arguments, which is run in the same rounds under the name that it gives;
    /// repeat for several. It speaks as docs/bench-json.md says
    #[arg(long, value_name = "PROGRAM ARG...")]
    pub beside: Vec<OsString>,
    /// How many seconds an answer of such a program may take: drivers compile for minutes at worst
    #[arg(long, hide = true, default_value = "300", value_name = "SECONDS", value_parser = parse::seconds)]
    pub timeout: Duration,
    /// First find the fastest kernel shapes for the first shape and p, and use them
    #[arg(long, conflicts_with = "tuning")]
    pub tune: bool,
    /// Also write every sample to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write a line for each measurement to this file, as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Also write a table for a README to this file
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Also write a report with charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `bench-serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// What `bench --beside` is to show it under
    #[arg(long)]
    pub name: Option<String>,
}

/// `--pass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchPass {
    /// Y
    Forward,
    /// dX
    InputGradient,
    /// dW
    WeightGradient,
    /// dX and dW, by one call
    BothGradients,
}

/// `--rival`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// The same kernels without a mask
    Dense,
    /// One mask for the whole batch, regenerated
    Shared,
    /// A mask that is written to memory, a byte for each connection, and read
    Stored,
    /// Nothing
    None,
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
            sweep: Vec::new(),
            p: Vec::new(),
            element: Vec::new(),
            quick: false,
            seconds: None,
            repeats: None,
            warmup: None,
            pass: Vec::new(),
            rival: Vec::new(),
            baseline: None,
            beside: Vec::new(),
            timeout: Duration::from_secs(300),
            tune: false,
            json: None,
            html: None,
            csv: None,
            markdown: None,
        }
    }
}
