//! What a benchmark found, as it is written to `--json`.

use dropconnect::{Device, DropProbability, ElementType, Shape, cpu};
use serde::Serialize;

use super::measure::{Effort, Samples, Timer};
use crate::adapters;

/// The layout of the file.
pub const FORMAT: u32 = 1;

/// Everything.
#[derive(Serialize)]
pub struct Report {
    /// Of this layout.
    pub format: u32,
    /// Of this program.
    pub version: &'static str,
    /// When it began: RFC 3339, UTC.
    pub date: String,
    pub environment: Environment,
    pub timer: Timer,
    /// The timer in words.
    pub timer_text: &'static str,
    pub warmup: u32,
    /// Independent f32 multiply-adds a second on this adapter, from registers. Not measured on the CPU.
    pub multiply_adds_per_second: Option<f64>,
    /// Why there are fewer results than were asked for, where there are.
    pub stopped: Option<String>,
    pub results: Vec<Entry>,
}

/// Where it ran.
#[derive(Serialize)]
pub struct Environment {
    /// The adapter, or `CPU backend`.
    pub adapter: String,
    /// What it is: discrete GPU, ..., CPU.
    pub kind: String,
    pub backend: String,
    pub driver: String,
    /// Kernel variant in use.
    pub kernels: String,
    pub os: String,
    pub cpu: String,
}

/// One shape, element type and p.
#[derive(Serialize)]
pub struct Entry {
    pub batch: usize,
    pub outputs: usize,
    pub inputs: usize,
    pub element: &'static str,
    /// Probability of dropping, as asked for.
    pub p: f64,
    /// And as the masks have it.
    pub p_realised: f64,
    pub memory: Memory,
    /// Why there is no stored mask to compare with.
    pub stored_mask_missing: Option<String>,
    pub passes: Vec<PassEntry>,
}

/// Bytes.
#[derive(Serialize)]
pub struct Memory {
    /// X, W, G, Y, dX and dW.
    pub tensors: u64,
    /// What our passes take besides, at most at a time: the parameters of a pass. Not counted on the CPU,
    /// where threads have scratch memory of a fixed size.
    pub ours_extra: Option<u64>,
    /// The stored mask.
    pub stored_mask_extra: Option<u64>,
}

/// One pass.
#[derive(Serialize)]
pub struct PassEntry {
    pub pass: &'static str,
    /// Of a sample of our result, against float64; relative L2.
    pub error: f64,
    /// What the pass takes at least on this adapter: `docs/performance.md`.
    pub floor_ms: Option<f64>,
    pub ours: Samples,
    pub dense: Samples,
    pub stored_mask: Option<Samples>,
}

impl PassEntry {
    /// The ways to do it, for table and charts: ours, dense, stored mask.
    pub fn ways(&self) -> [Option<&Samples>; 3] {
        [Some(&self.ours), Some(&self.dense), self.stored_mask.as_ref()]
    }
}

impl Report {
    pub fn new(environment: Environment, timer: Timer, effort: &Effort) -> Self {
        let now = time::OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            date: now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
            environment,
            timer,
            timer_text: timer.describe(),
            warmup: effort.warmup,
            multiply_adds_per_second: None,
            stopped: None,
            results: Vec::new(),
        }
    }
}

impl Entry {
    pub fn new(
        shape: &Shape,
        element: ElementType,
        probability: &DropProbability,
        memory: Memory,
        stored_mask_missing: Option<String>,
        passes: Vec<PassEntry>,
    ) -> Self {
        Self {
            batch: shape.batch(),
            outputs: shape.outputs(),
            inputs: shape.inputs(),
            element: element.name(),
            p: probability.requested(),
            p_realised: probability.realised(),
            memory,
            stored_mask_missing,
            passes,
        }
    }

    /// Batch x outputs x inputs.
    pub fn shape(&self) -> String {
        format!("{} x {} x {}", self.batch, self.outputs, self.inputs)
    }
}

/// Runs of entries that share shape and element type.
pub fn groups(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|a, b| a.shape() == b.shape() && a.element == b.element)
}

impl Environment {
    pub fn of(device: &Device) -> Self {
        let (os, cpu) = (os(), cpu_name());
        let Some(gpu) = device.as_gpu() else {
            return Self {
                adapter: "CPU backend".to_owned(),
                kind: "CPU".to_owned(),
                backend: "none".to_owned(),
                driver: "none".to_owned(),
                kernels: format!(
                    "{} instructions, {} threads",
                    cpu::Backend::detect().name(),
                    rayon::current_num_threads()
                ),
                os,
                cpu,
            };
        };
        let info = gpu.info();
        let (multiply, tuning) = (gpu.kernels().multiply(), gpu.kernels().tuning());
        let tiles = [tuning.forward, tuning.input_gradient, tuning.weight_gradient].map(adapters::tile);
        Self {
            adapter: info.name.clone(),
            kind: adapters::kind(info).to_owned(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            kernels: format!(
                "{multiply:?} multiply, {:?} bits, bricks {}; both gradients {}",
                tuning.apply,
                tiles.join("; "),
                adapters::both_gradients(tuning.both_gradients)
            ),
            os,
            cpu,
        }
    }
}

/// The system, by its own name where it has one.
fn os() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    format!("{name} ({})", std::env::consts::ARCH)
}

/// The processor, where the system tells.
fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("unknown processor", |(_, name)| name.trim());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {threads} threads")
}
